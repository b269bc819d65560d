//! Barrier execution: a job takes the k workers that are free first, at the instant when the last of them is.
//! 1-barrier releases each with its own task, 2-barrier all with the job; the l-th completion ends the job and
//! kills its stragglers. FIFO without overtaking.

use super::clocks::Clocks;
use super::{Passage, Random, System, nth};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    WithTask,
    WithJob,
}

/// s workers, k tasks a job, l of them needed.
#[derive(Debug, Clone)]
pub struct BarrierSystem {
    clocks: Clocks,
    width: usize,
    needed: usize,
    release: Release,
    last_start: f64,
    scratch: Vec<f64>,
}

impl BarrierSystem {
    /// Start barrier only: (s, k, l).
    pub fn one(workers: usize, width: usize, needed: usize) -> Self {
        Self::new(workers, width, needed, Release::WithTask)
    }

    /// Start and departure barrier: (s, k, l).
    pub fn two(workers: usize, width: usize, needed: usize) -> Self {
        Self::new(workers, width, needed, Release::WithJob)
    }

    fn new(workers: usize, width: usize, needed: usize, release: Release) -> Self {
        let scratch = vec![0.0; width];
        Self { clocks: Clocks::new(workers), width, needed, release, last_start: 0.0, scratch }
    }
}

/// Takes `width` workers out; returns the time from which all of them are free.
#[inline]
pub(crate) fn gather(clocks: &mut Clocks, width: usize) -> f64 {
    (0..width).fold(0.0, |_, _| clocks.take())
}

impl System for BarrierSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.width
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], _: &mut Random) -> Passage {
        let started = gather(&mut self.clocks, self.width).max(arrival).max(self.last_start);
        self.last_start = started;
        self.scratch.copy_from_slice(sizes);
        let service = nth(&mut self.scratch, self.needed);
        for size in sizes {
            let busy = if self.release == Release::WithJob { service } else { size.min(service) };
            self.clocks.put(started + busy);
        }
        Passage { started, departed: started + service }
    }
}
