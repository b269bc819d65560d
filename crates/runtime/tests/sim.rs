//! The virtual clock and the scheduler, from outside.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use syncline_runtime::{Cost, Elapsed, Ground, Scheduler, Sim, Turn};
use tokio::sync::{mpsc, oneshot};

const ENOUGH: usize = 10_000_000;

/// What tasks of a test write down.
type Log = Arc<Mutex<Vec<(u64, usize)>>>;

fn simulation(seed: u64) -> (Sim, Scheduler) {
    let sim = Sim::new(seed);
    (sim.clone(), Scheduler::new(sim))
}

fn ground(sim: &Sim, name: &str) -> Ground {
    Ground::simulated(sim.clone(), sim.enter(name))
}

#[test]
fn ten_sleeps_of_ten_microseconds_take_a_hundred() {
    let (sim, mut scheduler) = simulation(1);
    let clock = sim.clock();
    ground(&sim, "a").spawn(async move {
        for _ in 0..10 {
            clock.sleep(Duration::from_micros(10)).await;
        }
    });
    assert_eq!(scheduler.turn(ENOUGH), Turn::Idle);
    assert_eq!(sim.clock().now(), Duration::from_micros(100));
}

#[test]
fn time_does_not_run_to_a_timer_that_was_given_up() {
    let (sim, mut scheduler) = simulation(1);
    let (clock, (done, result)) = (sim.clock(), oneshot::channel());
    ground(&sim, "a").spawn(async move {
        let quick = clock.timeout(Duration::from_secs(3600), clock.sleep(Duration::from_millis(3))).await;
        let slow = clock.timeout(Duration::from_millis(2), std::future::pending::<()>()).await;
        done.send((quick, slow)).unwrap();
        clock.sleep(Duration::MAX).await;
    });
    assert_eq!(scheduler.turn(ENOUGH), Turn::Idle);
    assert_eq!(sim.clock().now(), Duration::from_millis(5));
    assert_eq!(result.blocking_recv().unwrap(), (Ok(()), Err(Elapsed)));
}

#[test]
fn a_node_computes_one_thing_at_a_time_and_others_meanwhile() {
    let sim = Sim::computing(1, Cost::Given(Duration::from_millis(2)).into());
    let mut scheduler = Scheduler::new(sim.clone());
    let log = Log::default();
    for (task, node) in ["a", "a", "b"].into_iter().enumerate() {
        let (ground, log) = (ground(&sim, node), Arc::clone(&log));
        ground.clone().spawn(async move {
            ground.compute(Cost::Measured, || ()).await;
            let now = ground.clock().now().as_millis() as u64;
            log.lock().unwrap().push((now, if task == 2 { 1 } else { 0 }));
        });
    }
    assert_eq!(scheduler.turn(ENOUGH), Turn::Idle);
    let mut log = log.lock().unwrap().clone();
    log.sort_unstable();
    assert_eq!(log, [(2, 0), (2, 1), (4, 0)]);
}

#[test]
fn computing_that_is_given_up_leaves_its_node_free() {
    let sim = Sim::computing(1, Cost::Given(Duration::from_millis(10)).into());
    let mut scheduler = Scheduler::new(sim.clone());
    let (ground, log) = (ground(&sim, "a"), Log::default());
    let told = Arc::clone(&log);
    ground.clone().spawn(async move {
        let clock = ground.clock().clone();
        let given_up = clock.timeout(Duration::from_millis(3), ground.compute(Cost::Measured, || ())).await;
        assert!(given_up.is_err());
        ground.compute(Cost::Measured, || ()).await;
        told.lock().unwrap().push((clock.now().as_millis() as u64, 0));
    });
    assert_eq!(scheduler.turn(ENOUGH), Turn::Idle);
    assert_eq!(*log.lock().unwrap(), [(13, 0)]);
}

#[test]
fn a_killed_node_stops_where_it_waits_and_its_tasks_are_told_lost() {
    let (sim, mut scheduler) = simulation(1);
    let (a, b) = (ground(&sim, "a"), ground(&sim, "b"));
    let clock = sim.clock();
    let task = a.spawn(async move { clock.sleep(Duration::from_secs(1)).await });
    let (told, result) = oneshot::channel();
    b.spawn(async move { told.send(task.await).unwrap() });
    let (clock, killer, victim) = (sim.clock(), sim.clone(), sim.enter("a"));
    b.spawn(async move {
        clock.sleep(Duration::from_millis(1)).await;
        killer.kill(victim);
    });
    assert_eq!(scheduler.turn(ENOUGH), Turn::Idle);
    assert_eq!(sim.clock().now(), Duration::from_millis(1));
    assert!(result.blocking_recv().unwrap().is_err());
}

#[test]
fn a_frozen_node_does_nothing_until_it_is_thawed_and_then_all_in_order() {
    let (sim, mut scheduler) = simulation(1);
    let (frozen, other) = (ground(&sim, "a"), ground(&sim, "b"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let ms = Duration::from_millis;
    for (at, name) in [(3, "third"), (1, "first"), (2, "second"), (9, "later")] {
        let (clock, seen) = (sim.clock(), Arc::clone(&seen));
        frozen.spawn(async move {
            clock.sleep(ms(at)).await;
            seen.lock().unwrap().push((name, clock.now()));
        });
    }
    let (clock, icy, node) = (sim.clock(), sim.clone(), sim.enter("a"));
    other.spawn(async move {
        clock.sleep(Duration::from_micros(500)).await;
        icy.freeze(node);
        clock.sleep_until(ms(5)).await;
        icy.thaw(node);
    });
    assert_eq!(scheduler.turn(1000), Turn::Idle);
    let expected = [("first", ms(5)), ("second", ms(5)), ("third", ms(5)), ("later", ms(9))];
    assert_eq!(*seen.lock().unwrap(), expected);
    // Nobody thaws it: nothing will happen any more, and a kill ends it all the same.
    let (clock, told) = (sim.clock(), ground(&sim, "a"));
    let lost = told.spawn(async move { clock.sleep(ms(1)).await });
    sim.freeze(node);
    assert_eq!(scheduler.turn(1000), Turn::Idle);
    sim.kill(node);
    assert_eq!(scheduler.turn(1000), Turn::Idle);
    drop(lost);
    let (clock, anew) = (sim.clock(), Arc::clone(&seen));
    told.spawn(async move { anew.lock().unwrap().push(("anew", clock.now())) });
    assert_eq!(scheduler.turn(1000), Turn::Idle);
    assert_eq!(seen.lock().unwrap().len(), 5, "a killed node is not frozen any more");
}

#[test]
fn a_task_that_panics_ends_alone() {
    let (sim, mut scheduler) = simulation(1);
    let ground = ground(&sim, "a");
    let bad = ground.spawn(async { panic!("on purpose") });
    let (told, result) = oneshot::channel();
    ground.spawn(async move { told.send(bad.await.is_err()).unwrap() });
    assert_eq!(scheduler.turn(ENOUGH), Turn::Idle);
    assert!(result.blocking_recv().unwrap());
}

/// Tasks that sleep and pass messages as told; each writes down when it went on.
fn run(seed: u64, sleeps: &[Vec<u64>]) -> Vec<(u64, usize)> {
    let (sim, mut scheduler) = simulation(seed);
    let log = Log::default();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for (task, times) in sleeps.iter().cloned().enumerate() {
        let (clock, log, sender) = (sim.clock(), Arc::clone(&log), sender.clone());
        ground(&sim, &format!("n/{task}")).spawn(async move {
            for time in times {
                clock.sleep(Duration::from_nanos(time)).await;
                log.lock().unwrap().push((clock.now().as_nanos() as u64, task));
                sender.send(task).unwrap();
            }
        });
    }
    drop(sender);
    let (clock, heard) = (sim.clock(), Arc::clone(&log));
    ground(&sim, "sink").spawn(async move {
        while let Some(task) = receiver.recv().await {
            heard.lock().unwrap().push((clock.now().as_nanos() as u64, 1000 + task));
        }
    });
    assert_eq!(scheduler.turn(ENOUGH), Turn::Idle);
    log.lock().unwrap().clone()
}

proptest! {
    /// SIM-1 and SIM-2, and every sleep ends exactly at its time.
    #[test]
    fn the_seed_decides_and_time_only_goes_forward(
        seed: u64,
        sleeps in prop::collection::vec(prop::collection::vec(0..4u64, 0..6), 1..6),
    ) {
        let first = run(seed, &sleeps);
        prop_assert_eq!(&first, &run(seed, &sleeps));
        prop_assert!(first.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        for (task, times) in sleeps.iter().enumerate() {
            let due = times.iter().scan(0, |now, time| { *now += time; Some(*now) });
            let seen = first.iter().filter(|(_, who)| *who == task).map(|(time, _)| *time);
            prop_assert!(due.eq(seen));
        }
    }
}

#[test]
fn seeds_give_different_orders_of_what_comes_together() {
    let orders: std::collections::BTreeSet<_> = (0..20).map(|seed| run(seed, &vec![vec![1]; 4])).collect();
    assert!(orders.len() > 10, "{}", orders.len());
}
