//! (n, k) with purge: n tasks in n queues, the k-th to finish completes the job and the rest are cancelled,
//! waiting or running. Coded computation, and backup workers under a stream of jobs (Joshi, Liu, Soljanin).

use super::SplitMerge;
use crate::error::count;
use crate::sim::{KOfNSystem, System};
use crate::{Estimate, Exceedance, Kind, Model, Result, Workload};

/// n queues, any k of a job's n tasks complete it.
#[derive(Debug, Clone)]
pub struct KOfN {
    workload: Workload,
    needed: usize,
    servers: usize,
}

impl KOfN {
    /// The first `needed` (k) of `servers` (n) tasks.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= k <= n.
    pub fn new(workload: Workload, needed: usize, servers: usize) -> Result<Self> {
        count("number of servers n", servers, 1_000_000)?;
        count("number of needed tasks k", needed, servers)?;
        Ok(Self { workload, needed, servers })
    }

    /// The lower bound sum_{j<k} 1 / ((n - j) mu - lam).
    ///
    /// # Errors
    /// [`crate::Error::Unstable`] beyond the rate of the bound itself, [`crate::Error::NoFormula`] unless Markovian.
    pub fn lower_bound(&self) -> Result<Estimate> {
        let (lam, mu) = self.workload.markov_or(self.name(), "the mean")?;
        let slowest = (self.servers - self.needed + 1) as f64 * mu;
        crate::error::stable(lam, slowest)?;
        let value = (0..self.needed).map(|j| 1.0 / ((self.servers - j) as f64 * mu - lam)).sum();
        Ok(Estimate::new(value, Kind::LowerBound, "staged lower bound").from("Joshi, Liu, Soljanin 2014"))
    }

    /// Split-merge waits for everyone's k-th task before it goes on: an upper bound while it is stable itself.
    ///
    /// # Errors
    /// [`crate::Error::Unstable`] where split-merge is unstable although this system may not be.
    pub fn upper_bound(&self) -> Result<Estimate> {
        let bound = SplitMerge::first_of(self.workload.clone(), self.needed, self.servers)?.mean()?;
        Ok(Estimate { kind: Kind::UpperBound, method: "split-merge", ..bound }
            .from("Joshi, Liu, Soljanin 2014"))
    }
}

impl Model for KOfN {
    fn name(&self) -> &'static str {
        "(n,k) with purge"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        let (_, mu) = self.workload.markov_or(self.name(), "the largest stable rate")?;
        if self.needed == 1 {
            return Ok(Estimate::exact(self.servers as f64 * mu, "n mu", "minimum of exponentials"));
        }
        if self.needed == self.servers {
            return Ok(Estimate::exact(mu, "mu", "fork-join"));
        }
        // While the job that is furthest behind runs, at most n servers work and each job uses k completions.
        let value =
            (self.servers as f64 / self.needed as f64 * mu).min((self.servers - self.needed + 1) as f64 * mu);
        Ok(Estimate::new(value, Kind::UpperBound, "work conservation").from("Joshi, Liu, Soljanin 2014"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        let lower = self.lower_bound()?;
        if self.needed == 1 {
            return Ok(vec![Estimate::exact(lower.value, "1 / (n mu - lam)", "minimum of exponentials")]);
        }
        let mut list: Vec<Estimate> = self.upper_bound().into_iter().collect();
        list.push(lower);
        Ok(list)
    }

    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>> {
        if self.needed == 1 {
            self.check_stable()?;
            let (lam, mu) = self.workload.markov_or(self.name(), "the quantile")?;
            let tau = eps.nats() / (self.servers as f64 * mu - lam);
            return Ok(vec![Estimate::exact(tau, "exponential sojourn", "minimum of exponentials")]);
        }
        let bound = SplitMerge::first_of(self.workload.clone(), self.needed, self.servers)?.quantile(eps)?;
        Ok(vec![Estimate { kind: Kind::UpperBound, method: "split-merge", ..bound }])
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(KOfNSystem::new(self.servers, self.servers, self.needed))
    }
}
