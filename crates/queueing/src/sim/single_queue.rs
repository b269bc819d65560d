//! Single-queue fork-join: each task goes to the worker that is free first.

use super::clocks::Clocks;
use super::{Passage, Random, System};

/// s workers behind one FIFO queue of tasks, k tasks a job.
#[derive(Debug, Clone)]
pub struct SingleQueueSystem {
    clocks: Clocks,
    tasks: usize,
}

impl SingleQueueSystem {
    /// `workers` (s), `tasks` (k).
    pub fn new(workers: usize, tasks: usize) -> Self {
        Self { clocks: Clocks::new(workers), tasks }
    }
}

/// Starts the tasks one by one, not before `from`; returns the first start, the last start and the last finish.
#[inline]
pub(crate) fn spread(clocks: &mut Clocks, from: f64, sizes: &[f64]) -> (f64, f64, f64) {
    let first = clocks.earliest().max(from);
    let (mut start, mut finish) = (first, 0.0f64);
    for size in sizes {
        start = clocks.earliest().max(from);
        finish = finish.max(start + size);
        clocks.replace_earliest(start + size);
    }
    (first, start, finish)
}

impl System for SingleQueueSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.tasks
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], _: &mut Random) -> Passage {
        let (started, _, departed) = spread(&mut self.clocks, arrival, sizes);
        Passage { started, departed }
    }
}
