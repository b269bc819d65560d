//! Redundancy-d: each job sends a copy to d of N servers chosen at random; the first copy to finish cancels the
//! others (Gardner et al.). Speculative execution from the start.

use crate::error::count;
use crate::sim::{KOfNSystem, System};
use crate::{Estimate, Exceedance, Model, Result, Workload};

/// N servers, d copies a job; the workload's rate is the total over all servers.
#[derive(Debug, Clone)]
pub struct Redundancy {
    workload: Workload,
    servers: usize,
    copies: usize,
}

impl Redundancy {
    /// `copies` (d) of each job on `servers` (N).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= d <= N.
    pub fn new(workload: Workload, copies: usize, servers: usize) -> Result<Self> {
        count("number of servers N", servers, 1_000_000)?;
        count("number of copies d", copies, servers)?;
        Ok(Self { workload, servers, copies })
    }
}

impl Model for Redundancy {
    fn name(&self) -> &'static str {
        "redundancy-d"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        let (_, mu) = self.workload.markov_or(self.name(), "the largest stable rate")?;
        Ok(Estimate::exact(self.servers as f64 * mu, "N mu", "Gardner et al. 2017"))
    }

    /// E\[T\] = sum_{i=d..N} 1 / (N mu C(N-1,d-1) / C(i-1,d-1) - N lam), lam per server.
    fn means(&self) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        let (total, mu) = self.workload.markov_or(self.name(), "the mean")?;
        // C(N-1,d-1) / C(i-1,d-1), built downwards from i = N, where it is 1.
        let mut ratio = 1.0;
        let mut mean = 0.0;
        for i in (self.copies..=self.servers).rev() {
            mean += 1.0 / (self.servers as f64 * mu * ratio - total);
            ratio *= (i - 1) as f64 / (i - self.copies) as f64;
        }
        Ok(vec![Estimate::exact(mean, "redundancy-d", "Gardner et al. 2017")])
    }

    fn quantiles(&self, _: Exceedance) -> Result<Vec<Estimate>> {
        Err(self.no_formula("the quantile"))
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(KOfNSystem::new(self.servers, self.copies, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() -> Result<()> {
        for (n, d, lam, mean) in
            [(5, 2, 0.5, 0.83048), (5, 2, 0.8, 1.60417), (10, 2, 0.8, 1.410074), (10, 3, 0.8, 0.94447)]
        {
            let model = Redundancy::new(Workload::markov(lam * n as f64, 1.0)?, d, n)?;
            let ours = model.mean()?.value;
            assert!((ours / mean - 1.0).abs() < 1e-5, "({n},{d},{lam}): {ours}");
        }
        Ok(())
    }
}
