//! Does the steps of a simulation until its launcher has come to its end.

use syncline_runtime::{Scheduler, Turn};
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::{unconstrained, yield_now};

use super::world::World;
use crate::Error;
use crate::control::News;
use crate::life::failure::Cause;
use crate::life::supervisor::Event;

/// Steps between two looks at what comes from outside, such as Ctrl-C.
const STEPS: usize = 4096;

/// Runs `launcher` as a task of the simulation, and with it all nodes that it starts; what it yields, when it ends.
pub(crate) fn run<T: 'static>(
    world: World,
    news: &UnboundedSender<News>,
    launcher: impl Future<Output = T> + 'static,
) -> Result<T, Error> {
    // No timers: a node that sleeps by tokio's clock is told so, by tokio, instead of making the run irreproducible.
    let runtime = Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(Error::system("cannot start the simulation's runtime"))?;
    // tokio would let a task do 128 things before it must yield; here the whole simulation is one task.
    runtime.block_on(unconstrained(drive(world, news, launcher)))
}

async fn drive<T: 'static>(
    world: World,
    news: &UnboundedSender<News>,
    launcher: impl Future<Output = T> + 'static,
) -> Result<T, Error> {
    let mut scheduler = Scheduler::new(world.sim.clone());
    let (done, mut result) = oneshot::channel();
    scheduler.spawn(world.launcher(), async move {
        // The other side waits for it.
        let _ = done.send(launcher.await);
    });
    world.let_go_wrong(news);
    let (mut asked, mut told) = (false, false);
    loop {
        let turn = scheduler.turn(STEPS);
        match result.try_recv() {
            Ok(value) => return Ok(value),
            Err(oneshot::error::TryRecvError::Closed) => {
                return Err(Error::Handshake("the launcher's task panicked".to_owned()));
            }
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
        match turn {
            Turn::Busy => yield_now().await,
            Turn::Idle => match world.stuck().filter(|_| !told) {
                // Those who wait at gates first have a turn to say for whom.
                Some(_) if !asked && world.sim.waits().ask() => asked = true,
                Some((node, knot)) => {
                    told = true;
                    // The launcher is there: it has not ended.
                    let deadlock = Cause::Deadlocked(knot.to_string());
                    let _ = news.send(News::Event(Event::Failed(node, deadlock)));
                }
                None => {
                    world.sim.roused().await;
                    asked = false;
                }
            },
        }
    }
}
