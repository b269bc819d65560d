//! Split-merge: start = max(A, last departure), departure = start + X_{l:k}.

use super::{Passage, Random, System, latest, nth};

/// k workers that serve one job at a time until its l-th task is done.
#[derive(Debug, Clone)]
pub struct SplitMergeSystem {
    tasks: usize,
    needed: usize,
    free: f64,
    scratch: Vec<f64>,
}

impl SplitMergeSystem {
    /// `tasks` (k), `needed` (l).
    pub fn new(tasks: usize, needed: usize) -> Self {
        Self { tasks, needed, free: 0.0, scratch: Vec::new() }
    }
}

impl System for SplitMergeSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.tasks
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], _: &mut Random) -> Passage {
        let started = self.free.max(arrival);
        let service = if self.needed == self.tasks {
            latest(sizes)
        } else {
            self.scratch.clear();
            self.scratch.extend_from_slice(sizes);
            nth(&mut self.scratch, self.needed)
        };
        self.free = started + service;
        Passage { started, departed: self.free }
    }
}
