//! 2-barrier execution: k <= s workers start a job together and are released together when it departs. FIFO without
//! overtaking. floor(s/k) jobs fit side by side: M/G/c with c = floor(s/k) and S = X_{l:k}.

use crate::error::count;
use crate::sim::{BarrierSystem, System};
use crate::{Estimate, Exceedance, Kind, Model, OrderStatistic, Result, Workload};

/// s workers, k tasks a job of which l must finish; the job's end kills the rest.
#[derive(Debug, Clone)]
pub struct TwoBarrier {
    workload: Workload,
    workers: usize,
    width: usize,
    needed: usize,
}

impl TwoBarrier {
    /// All of `width` (k) tasks on `workers` (s).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= k <= s.
    pub fn new(workload: Workload, workers: usize, width: usize) -> Result<Self> {
        Self::first_of(workload, workers, width, width)
    }

    /// The job departs with its l-th finished task: (s, k, l).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= l <= k <= s.
    pub fn first_of(workload: Workload, workers: usize, width: usize, needed: usize) -> Result<Self> {
        count("number of workers s", workers, 100_000)?;
        count("width of a job k", width, workers)?;
        count("number of needed tasks l", needed, width)?;
        Ok(Self { workload, workers, width, needed })
    }

    fn side_by_side(&self) -> usize {
        self.workers / self.width
    }

    fn service(&self) -> Result<OrderStatistic<'_>> {
        OrderStatistic::new(&self.workload.size, self.needed, self.width)
    }
}

impl Model for TwoBarrier {
    fn name(&self) -> &'static str {
        "2-barrier"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        let value = self.side_by_side() as f64 / self.service()?.mean()?;
        Ok(Estimate::exact(value, "floor(s/k) / E[X_l:k]", "M/G/c"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        let wait = self.waits()?.remove(0);
        let value = wait.value + self.service()?.mean()?;
        Ok(vec![Estimate { value, ..wait }])
    }

    /// (1 + C^2) / 2 times the wait of M/M/c.
    fn waits(&self) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        if !self.workload.arrivals.is_poisson() {
            return Err(self.no_formula("the mean wait"));
        }
        let service = self.service()?;
        let (mean, second) = (service.mean()?, service.moment(2)?);
        let servers = self.side_by_side();
        let value = 0.5 * second / (mean * mean) * mmc_wait(servers, self.workload.rate(), mean);
        let (kind, method) = match servers {
            1 => (Kind::Exact, "M/G/1"),
            _ => (Kind::Approximation, "M/G/c by its variability"),
        };
        Ok(vec![
            Estimate::new(value, kind, method).valid("error below 1 % of E[T]").from("Lee and Longton 1959"),
        ])
    }

    fn quantiles(&self, _: Exceedance) -> Result<Vec<Estimate>> {
        Err(self.no_formula("the quantile"))
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(BarrierSystem::two(self.workers, self.width, self.needed))
    }
}

/// The mean wait of M/M/c from Erlang's B by its recursion, which needs no factorials.
pub(super) fn mmc_wait(servers: usize, lam: f64, mean: f64) -> f64 {
    let load = lam * mean;
    let blocked = (1..=servers).fold(1.0, |b, i| load * b / (i as f64 + load * b));
    let rho = load / servers as f64;
    let waits = blocked / (1.0 - rho * (1.0 - blocked));
    waits * mean / (servers as f64 - load)
}
