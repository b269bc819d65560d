//! Split-merge: the next job starts when all needed tasks of the current one are done.
//!
//! A single server whose service time is X_{l:k}: M/G/1 for the mean, M/PH/1 for the tail of exponential tasks.
//! A Spark job with one stage at a time, or any loop that ends in a barrier.

use crate::error::count;
use crate::sim::{SplitMergeSystem, System};
use crate::single_server::{Gm1, Lundberg, Mg1, Mph1};
use crate::uniformisation::is_affordable;
use crate::{Estimate, Exceedance, Kind, Model, OrderStatistic, PhaseType, Result, Workload};

/// k tasks on k workers, the job holds them all until l tasks are done.
#[derive(Debug, Clone)]
pub struct SplitMerge {
    workload: Workload,
    tasks: usize,
    needed: usize,
}

impl SplitMerge {
    /// k tasks, all needed.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if k is 0.
    pub fn new(workload: Workload, tasks: usize) -> Result<Self> {
        Self::first_of(workload, tasks, tasks)
    }

    /// k tasks, of which the first l to finish are needed; the rest are killed.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= l <= k.
    pub fn first_of(workload: Workload, needed: usize, tasks: usize) -> Result<Self> {
        count("number of tasks k", tasks, 1_000_000)?;
        count("number of needed tasks l", needed, tasks)?;
        Ok(Self { workload, tasks, needed })
    }

    fn service(&self) -> Result<OrderStatistic<'_>> {
        OrderStatistic::new(&self.workload.size, self.needed, self.tasks)
    }

    fn queue(&self) -> Result<Mg1> {
        self.check_stable()?;
        let service = self.service()?;
        Mg1::new(self.workload.rate(), service.mean()?, service.moment(2)?)
    }

    fn bound(&self) -> Result<Lundberg<'_>> {
        self.check_stable()?;
        let service = self.service()?;
        let (mean, pole) = (service.mean()?, service.pole()?);
        Lundberg::new(&self.workload.arrivals, mean, pole, move |theta| service.log_mgf(theta))
    }

    /// Means of sojourn and wait that are exact without Poisson arrivals, and their formula: one exponential task, or
    /// jobs and tasks that never vary.
    fn renewal(&self) -> Result<Option<(f64, f64, &'static str)>> {
        let Workload { arrivals, size } = &self.workload;
        if arrivals.scv() == 0.0 && size.variance() == 0.0 {
            return Ok(Some((size.mean(), 0.0, "D/D/1")));
        }
        let queue = Gm1::of(arrivals, size.exponential_rate()).filter(|_| self.tasks == 1).transpose()?;
        Ok(queue.map(|queue| (queue.mean_sojourn(), queue.mean_wait(), "GI/M/1")))
    }

    /// th*: the rate at which the exponential bound decays.
    ///
    /// # Errors
    /// [`crate::Error::Unstable`] or [`crate::Error::HeavyTail`].
    pub fn decay(&self) -> Result<f64> {
        Ok(self.bound()?.decay())
    }

    /// The exponential bound of the waiting time's quantile.
    ///
    /// # Errors
    /// [`crate::Error::Unstable`] or [`crate::Error::HeavyTail`].
    pub fn wait_bound(&self, eps: Exceedance) -> Result<Estimate> {
        Ok(Estimate::new(self.bound()?.wait_quantile(eps), Kind::UpperBound, "exponential bound")
            .from("Fidler and Jiang 2016"))
    }
}

impl Model for SplitMerge {
    fn name(&self) -> &'static str {
        "split-merge"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        Ok(Estimate::exact(1.0 / self.service()?.mean()?, "1 / E[X_l:k]", "renewal argument"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        if !self.workload.arrivals.is_poisson() {
            self.check_stable()?;
            if let Some(exact) = self.renewal()? {
                return Ok(vec![Estimate::exact(exact.0, exact.2, "standard")]);
            }
            let service = self.service()?;
            let (mean, second) = (service.mean()?, service.moment(2)?);
            let wait = kingman(&self.workload, mean, second / (mean * mean) - 1.0);
            return Ok(vec![
                Estimate::new(wait + mean, Kind::Approximation, "Kingman G/G/1")
                    .valid("good in heavy traffic, independent gaps")
                    .from("Kingman 1961"),
            ]);
        }
        Ok(vec![Estimate::exact(self.queue()?.mean_sojourn(), "M/G/1", "Pollaczek-Khinchine")])
    }

    fn waits(&self) -> Result<Vec<Estimate>> {
        if !self.workload.arrivals.is_poisson() {
            self.check_stable()?;
            let exact = self.renewal()?.ok_or_else(|| self.no_formula("the mean wait"))?;
            return Ok(vec![Estimate::exact(exact.1, exact.2, "standard")]);
        }
        Ok(vec![Estimate::exact(self.queue()?.mean_wait(), "M/G/1", "Pollaczek-Khinchine")])
    }

    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        let stages = self.workload.arrivals.is_poisson().then(|| self.service().ok()?.stages()).flatten();
        let bound = self.bound().map(|bound| bound.sojourn_quantile(eps));
        let mut list = Vec::new();
        if self.tasks == 1
            && !self.workload.arrivals.is_poisson()
            && let Some(queue) = Gm1::of(&self.workload.arrivals, self.workload.size.exponential_rate())
        {
            list.push(Estimate::exact(queue?.sojourn_quantile(eps), "GI/M/1", "standard"));
        }
        if let Some(stages) = stages {
            list.extend(exact_tail(self.workload.rate(), &stages, eps, bound.as_ref().ok().copied())?);
        }
        match bound {
            Ok(value) => list.push(
                Estimate::new(value, Kind::UpperBound, "exponential bound").from("Fidler and Jiang 2016"),
            ),
            Err(error) if list.is_empty() => return Err(error),
            Err(_) => {}
        }
        Ok(list)
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(SplitMergeSystem::new(self.tasks, self.needed))
    }
}

/// The exact quantile behind Poisson arrivals of a service that passes these stages, unless the chain is too large; the
/// quantile does not exceed `bound`.
pub(crate) fn exact_tail(
    rate: f64,
    stages: &[f64],
    eps: Exceedance,
    bound: Option<f64>,
) -> Result<Option<Estimate>> {
    let fastest = stages.iter().copied().fold(0.0, f64::max);
    // Twice the stages: those of the wait and those of the service.
    if bound.is_some_and(|bound| !is_affordable(2 * stages.len(), fastest * bound)) {
        return Ok(None);
    }
    let queue = Mph1::new(rate, PhaseType::hypoexponential(stages)?)?;
    Ok(Some(Estimate::exact(queue.sojourn_quantile(eps), "M/PH/1", "Neuts, phase-type tails")))
}

/// W ~ rho / (1 - rho) * (Ca^2 + Cs^2) / 2 * E S; exact for Poisson arrivals.
pub(crate) fn kingman(workload: &Workload, mean: f64, scv: f64) -> f64 {
    let rho = workload.rate() * mean;
    rho / (1.0 - rho) * 0.5 * (workload.arrivals.scv() + scv) * mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_ten_tasks() -> Result<()> {
        let model = SplitMerge::new(Workload::markov(0.3, 1.0)?, 10)?;
        assert!((model.utilisation()? - 0.878690).abs() < 1e-6);
        assert!((model.waits()?[0].value - 12.52411).abs() < 1e-5);
        assert!((model.mean()?.value - 15.45307).abs() < 1e-5);
        for (eps, tau) in
            [(0.5, 11.2064), (0.1, 33.5149), (0.01, 65.4312), (0.001, 97.3475), (1e-6, 193.0964)]
        {
            assert!((model.quantile(Exceedance::new(eps)?)?.value - tau).abs() < 1e-4, "{eps}");
        }
        assert!((model.decay()? - 0.07214452).abs() < 1e-8);
        let eps = Exceedance::new(1e-6)?;
        assert!((model.quantiles(eps)?[1].value - 194.485).abs() < 1e-3);
        assert!((model.wait_bound(eps)?.value - 191.498).abs() < 1e-3);
        Ok(())
    }
}
