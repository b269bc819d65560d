//! What one node stands on: the machine, or its place in a simulation.

use std::time::Duration;

use crate::clock::machine_now;
use crate::{Clock, Cost, Node, Sim, Task, Wait, Waiting, Waits};

/// What one node stands on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ground {
    clock: Clock,
    /// The simulation and the node's number in it; `None` on the machine.
    place: Option<(Sim, Node)>,
    /// Where the node writes down what it waits for, and under which number.
    waits: Option<(Waits, Node)>,
}

impl Ground {
    /// The machine, with the run's clock. Its tasks belong to the tokio runtime of the thread that spawns them.
    pub fn machine(clock: Clock) -> Self {
        Self { clock, place: None, waits: None }
    }

    /// The machine, where the node of this name writes down in `waits` what it waits for.
    pub fn watched(clock: Clock, waits: Waits, name: &str) -> Self {
        let node = waits.enter(name);
        Self { clock, place: None, waits: Some((waits, node)) }
    }

    /// The place of `node` in a simulation.
    pub fn simulated(sim: Sim, node: Node) -> Self {
        let waits = Some((sim.waits().clone(), node));
        Self { clock: sim.clock(), place: Some((sim, node)), waits }
    }

    /// The run's common clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The simulation and this node's number in it; `None` on the machine.
    pub fn place(&self) -> Option<&(Sim, Node)> {
        self.place.as_ref()
    }

    /// Starts a task of this node, which ends with the node at the latest.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Task<T> {
        match &self.place {
            None => Task::machine(work),
            Some((sim, node)) => Task::simulated(sim, *node, work),
        }
    }

    /// Does `work` and lets its `cost` pass. A node computes one thing at a time: on a virtual clock work that comes while
    /// it is busy begins when it no longer is. What is dropped before its end is given up, and leaves the node free.
    pub async fn compute<T>(&self, cost: Cost, work: impl FnOnce() -> T) -> T {
        self.compute_times(1.0, cost, work).await
    }

    /// As [`compute`](Self::compute), so many times the cost; what is measured is as long as it is.
    pub async fn compute_times<T>(&self, times: f64, cost: Cost, work: impl FnOnce() -> T) -> T {
        let Some((sim, node)) = &self.place else { return work() };
        let cost = sim.cost_or(cost);
        let begun = machine_now();
        let done = work();
        let (start, end) = sim.charge(*node, cost, times, || begun.elapsed());
        let under_way = UnderWay { sim, node: *node, start, end };
        self.clock.sleep_until(Duration::from_nanos(end)).await;
        drop(under_way);
        done
    }

    /// Whether computing is charged only, and work whose result nobody needs is better left undone.
    pub fn skips_computing(&self) -> bool {
        self.place.as_ref().is_some_and(|(sim, _)| sim.skips_computing())
    }

    /// Waits for `event`; whoever makes a report of the waits asks `describe` what for.
    pub async fn until<T>(&self, describe: impl Fn() -> Wait, event: impl Future<Output = T>) -> T {
        match &self.waits {
            None => event.await,
            Some((waits, node)) => waits.until(*node, describe, event).await,
        }
    }

    /// Writes down what this node waits for, for as long as the answer lives.
    pub fn waiting(&self, wait: impl FnOnce() -> Wait) -> Option<Waiting> {
        let (waits, node) = self.waits.as_ref()?;
        Some(waits.begin(*node, wait()))
    }

    /// Writes down that this node waits for the answer of another one, where the way to it does not do so itself.
    pub fn calling(&self, name: &str, method: &'static str) -> Option<Waiting> {
        let (waits, node) = self.waits.as_ref().filter(|_| self.place.is_none())?;
        Some(waits.begin(*node, Wait::Call { node: waits.enter(name), method, lost: false }))
    }
}

/// Computing that occupies its node until its end, or until it is given up.
struct UnderWay<'a> {
    sim: &'a Sim,
    node: Node,
    start: u64,
    end: u64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.sim.give_up(self.node, self.start, self.end);
    }
}
