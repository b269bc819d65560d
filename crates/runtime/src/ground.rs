//! What one node stands on: the machine, or its place in a simulation.

use std::time::Duration;

use crate::clock::machine_now;
use crate::{Clock, Cost, Node, Sim, Task, Wait, Waiting};

/// What one node stands on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ground {
    clock: Clock,
    /// The simulation and the node's number in it; `None` on the machine.
    place: Option<(Sim, Node)>,
}

impl Ground {
    /// The machine, with the run's clock. Its tasks belong to the tokio runtime of the thread that spawns them.
    pub fn machine(clock: Clock) -> Self {
        Self { clock, place: None }
    }

    /// The place of `node` in a simulation.
    pub fn simulated(sim: Sim, node: Node) -> Self {
        Self { clock: sim.clock(), place: Some((sim, node)) }
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
    /// it is busy begins when it no longer is.
    pub async fn compute<T>(&self, cost: Cost, work: impl FnOnce() -> T) -> T {
        let Some((sim, node)) = &self.place else { return work() };
        let cost = sim.cost_or(cost);
        let begun = machine_now();
        let done = work();
        let end = sim.charge(*node, cost, || begun.elapsed());
        self.clock.sleep_until(Duration::from_nanos(end)).await;
        done
    }

    /// Waits for `event`; the simulation asks `describe` what for when it makes a report. On the machine nobody asks.
    pub async fn until<T>(&self, describe: impl Fn() -> Wait, event: impl Future<Output = T>) -> T {
        match &self.place {
            None => event.await,
            Some((sim, node)) => sim.waits().until(*node, describe, event).await,
        }
    }

    /// Tells the simulation what this node waits for, for as long as the answer lives. On the machine nobody asks.
    pub fn waiting(&self, wait: impl FnOnce() -> Wait) -> Option<Waiting> {
        let (sim, node) = self.place.as_ref()?;
        Some(sim.waits().begin(*node, wait()))
    }
}
