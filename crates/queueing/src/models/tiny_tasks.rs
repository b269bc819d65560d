//! Tiny tasks: k >= s small tasks of one job on s workers, the next job starts when the last task is done.
//!
//! Service = Erlang(k - s, s mu) + sum_{i<=s} Exp(i mu), so M/PH/1 answers everything (Fidler, Walker, Bora 2020).

use super::split_merge::exact_tail;
use crate::error::count;
use crate::sim::{System, TinyTasksSystem};
use crate::single_server::{Lundberg, Mg1};
use crate::{Estimate, Exceedance, Kind, Model, Result, Workload};

/// k tasks a job on s workers, k >= s, exponential tasks.
#[derive(Debug, Clone)]
pub struct TinyTasks {
    workload: Workload,
    workers: usize,
    tasks: usize,
}

impl TinyTasks {
    /// `tasks` (k) a job on `workers` (s).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= s <= k.
    pub fn new(workload: Workload, workers: usize, tasks: usize) -> Result<Self> {
        count("number of tasks k", tasks, 1_000_000)?;
        count("number of workers s", workers, tasks)?;
        Ok(Self { workload, workers, tasks })
    }

    /// The rates of the stages that one job's service passes.
    fn stages(&self) -> Result<Vec<f64>> {
        let Some(mu) = self.workload.size.exponential_rate() else {
            return Err(self.no_formula("tasks that are not exponential"));
        };
        let pool = self.workers as f64 * mu;
        let full = std::iter::repeat_n(pool, self.tasks - self.workers);
        Ok(full.chain((1..=self.workers).rev().map(|i| i as f64 * mu)).collect())
    }

    fn bound(&self) -> Result<Lundberg<'_>> {
        self.check_stable()?;
        let stages = self.stages()?;
        let mean = stages.iter().map(|rate| 1.0 / rate).sum();
        let pole = stages.iter().copied().fold(f64::INFINITY, f64::min);
        let service = move |theta: f64| stages.iter().map(|rate| -(-theta / rate).ln_1p()).sum();
        Lundberg::new(&self.workload.arrivals, mean, pole, service)
    }

    /// The share of the workers' capacity that can be used at most: 1 / (1 + (s/k)(H_s - 1)).
    ///
    /// # Errors
    /// [`crate::Error::NoFormula`] unless tasks are exponential.
    pub fn largest_utilisation(&self) -> Result<f64> {
        let work = self.tasks as f64 * self.workload.size.mean();
        Ok(self.largest_rate()?.value * work / self.workers as f64)
    }
}

impl Model for TinyTasks {
    fn name(&self) -> &'static str {
        "tiny tasks, split-merge"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        let mean: f64 = self.stages()?.iter().map(|rate| 1.0 / rate).sum();
        Ok(Estimate::exact(1.0 / mean, "1 / E[service]", "Fidler, Walker, Bora 2020"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        let (lam, _) = self.workload.markov_or(self.name(), "the mean")?;
        let stages = self.stages()?;
        let mean: f64 = stages.iter().map(|rate| 1.0 / rate).sum();
        let variance: f64 = stages.iter().map(|rate| 1.0 / (rate * rate)).sum();
        let value = Mg1::new(lam, mean, variance + mean * mean)?.mean_sojourn();
        Ok(vec![Estimate::exact(value, "M/G/1", "Pollaczek-Khinchine")])
    }

    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>> {
        let bound = Estimate::new(self.bound()?.sojourn_quantile(eps), Kind::UpperBound, "exponential bound")
            .from("Fidler, Walker, Bora 2020");
        if !self.workload.arrivals.is_poisson() {
            return Ok(vec![bound]);
        }
        let exact = exact_tail(self.workload.rate(), &self.stages()?, eps, Some(bound.value))?;
        Ok(exact.into_iter().chain([bound]).collect())
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(TinyTasksSystem::new(self.workers, self.tasks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_utilisation_table() -> Result<()> {
        let rows = [
            (4, 1, 0.48),
            (4, 10, 0.9023),
            (10, 2, 0.5090),
            (10, 100, 0.9811),
            (50, 5, 0.5883),
            (50, 20, 0.8511),
        ];
        for (s, per_worker, expected) in rows {
            let model = TinyTasks::new(Workload::markov(0.01, 1.0)?, s, per_worker * s)?;
            assert!((model.largest_utilisation()? - expected).abs() < 5.1e-5);
        }
        Ok(())
    }
}
