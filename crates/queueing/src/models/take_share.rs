//! Moldable jobs that take a share of the idle workers (take-half, take-fraction). Only simulation knows its times: the
//! fewer workers a job takes, the longer it lasts and the more is left for the next.

use crate::error::count;
use crate::sim::{System, TakeShareSystem};
use crate::{Error, Estimate, Exceedance, Model, Result, Workload};

/// s workers, k tasks a job, each job on a share of the workers that it finds idle.
#[derive(Debug, Clone)]
pub struct TakeShare {
    workload: Workload,
    workers: usize,
    tasks: usize,
    share: f64,
}

impl TakeShare {
    /// `tasks` (k) a job on `workers` (s), of which it takes the `share` of the idle ones, rounded up.
    ///
    /// # Errors
    /// [`Error::Parameter`] if either number is 0 or the share is not above 0 and up to 1.
    pub fn new(workload: Workload, workers: usize, tasks: usize, share: f64) -> Result<Self> {
        count("number of workers s", workers, 100_000)?;
        count("number of tasks k", tasks, 1_000_000)?;
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::parameter("share of idle workers", share, "above 0 and at most 1"));
        }
        Ok(Self { workload, workers, tasks, share })
    }
}

impl Model for TakeShare {
    fn name(&self) -> &'static str {
        "take-share"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        Err(self.no_formula("the largest stable rate"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        Err(self.no_formula("the mean"))
    }

    fn quantiles(&self, _: Exceedance) -> Result<Vec<Estimate>> {
        Err(self.no_formula("the quantile"))
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(TakeShareSystem::new(self.workers, self.tasks, self.share))
    }
}
