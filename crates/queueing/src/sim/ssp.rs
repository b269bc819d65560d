//! The stale-synchronous training loop as a recursion: worker w begins iteration i at
//! b = max(own finish of i - 1, last finish of iteration i - s - 1), for staleness bound s; s = 0 is BSP.

use super::{Interval, Plan, stream};
use crate::error::count;
use crate::{Distribution, Result};

/// n workers that start iteration after iteration, none more than `staleness` iterations ahead of the slowest.
#[derive(Debug, Clone)]
pub struct StaleLoop {
    finish: Vec<f64>,
    /// The last finish of the most recent iterations, at index iteration modulo length.
    latest: Vec<f64>,
    iteration: usize,
}

impl StaleLoop {
    /// All workers at iteration 0, time 0.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if there is no worker.
    pub fn new(workers: usize, staleness: usize) -> Result<Self> {
        count("number of workers", workers, 10_000_000)?;
        count("staleness + 1", staleness.saturating_add(1), 10_000_000)?;
        Ok(Self { finish: vec![0.0; workers], latest: vec![0.0; staleness + 1], iteration: 0 })
    }

    /// Lets every worker do its next iteration with the given sizes; returns when the last one has finished it.
    pub fn advance(&mut self, sizes: &[f64]) -> f64 {
        let slot = self.iteration % self.latest.len();
        let gate = self.latest[slot];
        let mut last: f64 = 0.0;
        for (finish, size) in self.finish.iter_mut().zip(sizes) {
            let begin = if *finish > gate { *finish } else { gate };
            *finish = begin + size;
            last = if *finish > last { *finish } else { last };
        }
        self.latest[slot] = last;
        self.iteration += 1;
        last
    }

    /// The mean time per iteration in the long run, by replications.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if there is no worker or nothing to simulate.
    pub fn iteration_time(
        workers: usize,
        staleness: usize,
        size: &Distribution,
        plan: &Plan,
    ) -> Result<Interval> {
        let iterations = (plan.jobs / plan.replications as u64).max(1);
        // The loop forgets its start as the workers' lead spreads over the staleness window.
        let warm_up = iterations / 5;
        let mut rates = Vec::with_capacity(plan.replications);
        for replication in 0..plan.replications {
            let mut random = stream(plan.seed, replication as u64);
            let mut stale = Self::new(workers, staleness)?;
            let mut sizes = vec![0.0; workers];
            let mut progress = (0.0, 0.0);
            for i in 0..warm_up + iterations {
                size.fill(&mut random, &mut sizes);
                progress.1 = stale.advance(&sizes);
                if i + 1 == warm_up {
                    progress.0 = progress.1;
                }
            }
            rates.push((progress.1 - progress.0) / iterations as f64);
        }
        Ok(Interval::of(&rates))
    }
}
