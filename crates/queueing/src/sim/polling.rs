//! Barrier execution as Spark's scheduler does it: a job that had to wait starts O after its k-th worker became
//! free, O = min(U(0, T0), Exp(lam)): the next periodic revival of offers, or the next arrival, whichever is first.

use rand::RngExt;

use super::barrier::gather;
use super::clocks::Clocks;
use super::{Passage, Random, System, latest};
use crate::distribution::unit_exponential;
use crate::error::{count, positive};
use crate::{Result, polling};

/// s workers, k tasks a job behind a start barrier, offers revived every T0.
#[derive(Debug, Clone)]
pub struct PollingSystem {
    clocks: Clocks,
    width: usize,
    last_start: f64,
    period: f64,
    events: f64,
}

impl PollingSystem {
    /// `workers` (s), `width` (k), `period` (T0, 1 s in Spark) and the rate of arrivals that also wake the scheduler.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= k <= s and the others are positive.
    pub fn new(workers: usize, width: usize, period: f64, events: f64) -> Result<Self> {
        count("width of a job k", width, workers)?;
        polling::mean_overhead(events, period)?;
        positive("polling period T0", period)?;
        Ok(Self { clocks: Clocks::new(workers), width, last_start: 0.0, period, events })
    }
}

impl System for PollingSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.width
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], random: &mut Random) -> Passage {
        let ready = gather(&mut self.clocks, self.width).max(self.last_start);
        let started = if ready <= arrival {
            arrival
        } else {
            let tick = self.period * random.random::<f64>();
            ready + tick.min(unit_exponential(random) / self.events)
        };
        self.last_start = started;
        for size in sizes {
            self.clocks.put(started + size);
        }
        Passage { started, departed: started + latest(sizes) }
    }
}
