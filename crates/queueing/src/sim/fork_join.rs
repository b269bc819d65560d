//! Fork-join: f_i = max(f_i, A) + X_i, one line a worker.

use super::{Passage, Random, System, latest, nth};

/// k workers with a queue each; the job departs with its l-th finished task, the others run on.
#[derive(Debug, Clone)]
pub struct ForkJoinSystem {
    free: Vec<f64>,
    needed: usize,
    scratch: Vec<f64>,
}

impl ForkJoinSystem {
    /// `tasks` (k) workers, `needed` (l) of them count.
    pub fn new(tasks: usize, needed: usize) -> Self {
        Self { free: vec![0.0; tasks], needed, scratch: vec![0.0; tasks] }
    }
}

/// Lets every worker finish one more task; returns the earliest start.
#[inline]
pub(crate) fn advance(free: &mut [f64], arrival: f64, sizes: &[f64]) -> f64 {
    let mut started = f64::INFINITY;
    for (free, size) in free.iter_mut().zip(sizes) {
        let start = if *free > arrival { *free } else { arrival };
        started = if start < started { start } else { started };
        *free = start + size;
    }
    started
}

impl System for ForkJoinSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.free.len()
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], _: &mut Random) -> Passage {
        let started = advance(&mut self.free, arrival, sizes);
        let departed = if self.needed == self.free.len() {
            latest(&self.free)
        } else {
            self.scratch.copy_from_slice(&self.free);
            nth(&mut self.scratch, self.needed)
        };
        Passage { started, departed }
    }
}
