//! The scheduler: it owns the tasks and does their steps, one after another.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Waker};

use super::queue::{Alarm, Arrival, LocalTask, Next};
use super::{LocalFuture, Sim};
use crate::Node;

/// What a number of steps came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is more to do.
    Busy,
    /// No task can go on and no timer is due: nothing will happen any more, unless from outside.
    Idle,
}

/// The tasks of a simulation. It stays on the thread where it was made.
pub struct Scheduler {
    sim: Sim,
    tasks: Vec<Option<Step>>,
    free: Vec<usize>,
    /// By the index of a frozen node: those of its tasks that were to go on, in that order.
    frozen: BTreeMap<usize, Vec<usize>>,
}

/// A task.
struct Step {
    node: Node,
    future: LocalFuture<()>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl Scheduler {
    /// A scheduler for the tasks of `sim`, which has no other.
    pub fn new(sim: Sim) -> Self {
        Self { sim, tasks: Vec::new(), free: Vec::new(), frozen: BTreeMap::new() }
    }

    /// Starts a task of `node`.
    pub fn spawn(&mut self, node: Node, work: impl Future<Output = ()> + 'static) {
        self.add(node, Box::pin(work));
    }

    /// Does up to `steps` steps. A task that panics ends; who waits for it learns that it was lost.
    pub fn turn(&mut self, steps: usize) -> Turn {
        for _ in 0..steps {
            match self.sim.0.queue.next() {
                Next::Poll(task) => self.step(task),
                Next::Arrivals(arrivals) => arrivals.into_iter().for_each(|arrival| self.take(arrival)),
                Next::Nothing if self.sim.0.agenda.advance() => {}
                Next::Nothing => return Turn::Idle,
            }
        }
        Turn::Busy
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Task(node, LocalTask::Ready(future)) => self.add(node, future),
            Arrival::Task(node, LocalTask::Make(make)) => {
                // A hand-written future may panic before it exists, and then never was.
                if let Ok(future) = catch_unwind(AssertUnwindSafe(make)) {
                    self.add(node, future);
                }
            }
            Arrival::Freeze(node) => {
                self.frozen.entry(node.index()).or_default();
            }
            Arrival::Thaw(node) => {
                // At once and in order: what came first over a connection is heard first, as by a process that goes on.
                let held = self.frozen.remove(&node.index()).unwrap_or_default();
                held.into_iter().for_each(|at| self.step(at));
            }
            Arrival::Kill(node) => {
                self.frozen.remove(&node.index());
                for at in 0..self.tasks.len() {
                    if self.tasks[at].as_ref().is_some_and(|task| task.node == node) {
                        self.end(at);
                    }
                }
            }
        }
    }

    fn add(&mut self, node: Node, future: LocalFuture<()>) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        let alarm = Alarm::new(Arc::clone(&self.sim.0.queue), at);
        let waker = Waker::from(Arc::clone(&alarm));
        waker.wake_by_ref();
        self.tasks[at] = Some(Step { node, future, alarm, waker });
    }

    fn step(&mut self, at: usize) {
        // One that was woken and ended meanwhile is no more.
        let Some(task) = &mut self.tasks[at] else { return };
        // Its alarm stays set, so that it is held once however often it is woken.
        if let Some(held) = self.frozen.get_mut(&task.node.index()) {
            held.push(at);
            return;
        }
        task.alarm.reset();
        let mut context = Context::from_waker(&task.waker);
        // Unwind safe: after a panic the task is never polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
        if polled.is_err() || polled.is_ok_and(|poll| poll.is_ready()) {
            self.end(at);
        }
    }

    fn end(&mut self, at: usize) {
        // What the task held goes with it, and may panic in its turn: it is gone all the same.
        let task = self.tasks[at].take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
        self.free.push(at);
    }
}
