//! Partial mapping: a job's k tasks go to k of n servers chosen at random. Independent branches bound it from
//! above (Wang, Harchol-Balter, Jiang, Scheller-Wolf, Srikant 2019); the measured slack is 1 to 3.5 %.

use crate::error::count;
use crate::harmonic::harmonic;
use crate::sim::{PartialMappingSystem, System};
use crate::{Estimate, Exceedance, Kind, Model, Result, Workload};

/// n servers with a queue each, k tasks a job.
#[derive(Debug, Clone)]
pub struct PartialMapping {
    workload: Workload,
    tasks: usize,
    servers: usize,
}

impl PartialMapping {
    /// `tasks` (k) on `servers` (n).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= k <= n.
    pub fn new(workload: Workload, tasks: usize, servers: usize) -> Result<Self> {
        count("number of servers n", servers, 1_000_000)?;
        count("number of tasks k", tasks, servers)?;
        Ok(Self { workload, tasks, servers })
    }

    /// The rate by which one server's service exceeds its arrivals.
    fn slack(&self) -> Result<f64> {
        self.check_stable()?;
        let (lam, mu) = self.workload.markov_or(self.name(), "the sojourn time")?;
        Ok(mu - lam * self.tasks as f64 / self.servers as f64)
    }
}

impl Model for PartialMapping {
    fn name(&self) -> &'static str {
        "partial mapping"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        let value = self.servers as f64 / (self.tasks as f64 * self.workload.size.mean());
        Ok(Estimate::exact(value, "n / (k E[X])", "random splitting"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        let value = harmonic(self.tasks) / self.slack()?;
        Ok(vec![Estimate::new(value, Kind::UpperBound, "independent branches").from("Wang et al. 2019")])
    }

    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>> {
        let each = -((-eps.get()).ln_1p() / self.tasks as f64).exp_m1();
        let value = -each.ln() / self.slack()?;
        Ok(vec![Estimate::new(value, Kind::UpperBound, "independent branches").from("Wang et al. 2019")])
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(PartialMappingSystem::new(self.servers, self.tasks))
    }
}
