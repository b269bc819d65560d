//! How much to simulate.

use crate::error::positive;
use crate::{Error, Exceedance, Result};

/// The size, seed and precision of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Jobs over all replications, warm-up not counted.
    pub jobs: u64,
    /// Independent replications, at least 2 for an error estimate.
    pub replications: usize,
    /// The seed of all streams.
    pub seed: u64,
    /// Threads; the results do not depend on their number.
    pub threads: usize,
    /// Quantiles of the sojourn time to report.
    pub quantiles: Vec<Exceedance>,
    /// Stop as soon as the 95 % interval of the mean is this narrow relative to it; `jobs` is then a round, repeated
    /// up to 64 times.
    pub precision: Option<f64>,
    /// Samples a replication keeps for exact quantiles; beyond that it keeps a histogram with relative error 2^-11.
    pub exact_samples: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            jobs: 1_000_000,
            replications: 16,
            seed: 1,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            quantiles: Vec::new(),
            precision: None,
            exact_samples: 1 << 20,
        }
    }
}

impl Plan {
    /// Jobs per replication.
    pub(crate) fn jobs_each(&self) -> u64 {
        self.jobs.div_ceil(self.replications as u64)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.jobs == 0 || self.replications == 0 || self.threads == 0 {
            return Err(Error::parameter("jobs, replications and threads", 0, "at least 1"));
        }
        if let Some(precision) = self.precision {
            positive("precision", precision)?;
        }
        for eps in &self.quantiles {
            let beyond = eps.get() * self.jobs_each() as f64;
            if beyond < 10.0 {
                let need = (10.0 / eps.get()).ceil() as usize * self.replications;
                return Err(Error::TooFewSamples {
                    have: self.jobs as usize,
                    need,
                    question: "the quantile asked for",
                });
            }
        }
        Ok(())
    }
}
