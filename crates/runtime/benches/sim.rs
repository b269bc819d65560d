//! Messages a second of real time through the scheduler: two tasks that answer each other after 5 us of virtual time,
//! and, as the limit, the same two tasks on tokio without any clock.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark measures real time and may panic"
)]

use std::time::{Duration, Instant};

use syncline_runtime::{Ground, Scheduler, Sim, Turn};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

const ROUNDS: u64 = 500_000;
const LINK: Duration = Duration::from_micros(5);

async fn player(
    ground: Option<Ground>,
    first: bool,
    to: UnboundedSender<u64>,
    mut from: UnboundedReceiver<u64>,
) {
    for round in 0..ROUNDS {
        if !first {
            from.recv().await.unwrap();
        }
        if let Some(ground) = &ground {
            ground.clock().sleep(LINK).await;
        }
        to.send(round).unwrap();
        if first {
            from.recv().await.unwrap();
        }
    }
}

fn simulated() -> f64 {
    let sim = Sim::new(1);
    let mut scheduler = Scheduler::new(sim.clone());
    let ((to_b, at_b), (to_a, at_a)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let [a, b] = ["a", "b"].map(|name| Ground::simulated(sim.clone(), sim.enter(name)));
    a.spawn(player(Some(a.clone()), true, to_b, at_a));
    b.spawn(player(Some(b.clone()), false, to_a, at_b));
    let begun = Instant::now();
    while scheduler.turn(4096) == Turn::Busy {}
    assert_eq!(sim.clock().now(), LINK * 2 * ROUNDS as u32);
    2.0 * ROUNDS as f64 / begun.elapsed().as_secs_f64()
}

fn without_a_clock() -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ((to_b, at_b), (to_a, at_a)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let begun = Instant::now();
    runtime.block_on(async {
        let other = tokio::spawn(player(None, false, to_a, at_b));
        player(None, true, to_b, at_a).await;
        other.await.unwrap();
    });
    2.0 * ROUNDS as f64 / begun.elapsed().as_secs_f64()
}

fn main() {
    for _ in 0..3 {
        let (sim, tokio) = (simulated(), without_a_clock());
        println!(
            "{:.2} M messages/s, tokio without a clock {:.2} M: {:.2}",
            sim / 1e6,
            tokio / 1e6,
            sim / tokio
        );
    }
}
