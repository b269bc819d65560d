//! How finely to cut a job: the mean makespan of k tiny tasks with overhead, and the k that minimises it
//! (structure: Bora, Walker, Fidler 2022; closed forms derived for this project, within 0.1 % of simulation).

use crate::error::{count, non_negative, positive};
use crate::harmonic::harmonic;
use crate::sim::Overhead;
use crate::{Distribution, Error, OrderStatistic, Result};

/// A job of total work L on s workers, cut into k tasks: exponential ones, unless another shape is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Granularity {
    workers: usize,
    work: f64,
    overhead: Overhead,
    /// E\[X_{s:s}\] / E\[X\] - 1: what the last wave waits for, in tasks.
    straggle: f64,
    /// Of another shape than exponential.
    shape: Option<Distribution>,
}

impl Granularity {
    /// `workers` (s), total `work` (L), and the overheads.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless s >= 1, L > 0 and no overhead is negative.
    pub fn new(workers: usize, work: f64, overhead: Overhead) -> Result<Self> {
        count("number of workers s", workers, 1_000_000)?;
        positive("total work L", work)?;
        for part in [overhead.task, overhead.task_random, overhead.job, overhead.departure] {
            non_negative("overhead", part)?;
        }
        Ok(Self { workers, work, overhead, straggle: harmonic(workers) - 1.0, shape: None })
    }

    /// The same for tasks of another shape: only the ratio of the largest of s to the mean enters.
    ///
    /// # Errors
    /// [`Error::InfiniteMoment`] for a tail too heavy.
    pub fn with_shape(self, size: &Distribution) -> Result<Self> {
        let straggle = largest_over_mean(size, self.workers)? - 1.0;
        Ok(Self { straggle, shape: Some(size.clone()), ..self })
    }

    fn per_task(&self) -> f64 {
        self.overhead.task + self.overhead.task_random
    }

    /// m(k) = L/s + (L/k)(H_s - 1) + o (1 + (k - s)/s) + c_j + k c_p; fewer tasks than workers leave the others idle:
    /// m(k) = (L/k) E\[X_{k:k}\] / E\[X\] + o + c_j + k c_p, with exponential tasks (L/k) H_k.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless k >= 1.
    pub fn makespan(&self, tasks: usize) -> Result<f64> {
        count("number of tasks k", tasks, usize::MAX)?;
        let (k, s) = (tasks as f64, self.workers as f64);
        let driver = self.overhead.job + k * self.overhead.departure;
        if tasks < self.workers {
            let largest = match &self.shape {
                Some(size) => largest_over_mean(size, tasks)?,
                None => harmonic(tasks),
            };
            return Ok(self.work / k * largest + self.per_task() + driver);
        }
        Ok(self.work / s + self.work / k * self.straggle + self.per_task() * k / s + driver)
    }

    /// Of as many tasks as workers or more, k* = sqrt( L (H_s - 1) / (o/s + c_p) ), a real number; not below s; infinite
    /// without any overhead per task.
    pub fn optimal(&self) -> f64 {
        let price = self.per_task() / self.workers as f64 + self.overhead.departure;
        (self.work * self.straggle / price).sqrt().max(self.workers as f64)
    }

    /// The whole number of tasks with the least makespan, which may be less than the number of workers where the driver
    /// takes long for each.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no overhead per task: then more tasks are always better.
    pub fn optimal_tasks(&self) -> Result<usize> {
        let best = self.optimal();
        if !best.is_finite() || best > 1e15 {
            return Err(Error::parameter(
                "overhead per task",
                0,
                "positive: without it more tasks are always better",
            ));
        }
        let mut least = (f64::INFINITY, 0);
        for tasks in [self.few_tasks()?, best.floor() as usize, best.ceil() as usize] {
            let makespan = self.makespan(tasks)?;
            if makespan < least.0 {
                least = (makespan, tasks);
            }
        }
        Ok(least.1)
    }

    /// The best number of tasks up to the number of workers. E\[X_{k:k}\] / k is convex in k, so that a search by halves
    /// finds it.
    fn few_tasks(&self) -> Result<usize> {
        let (mut low, mut high) = (1, self.workers);
        while low < high {
            let middle = low + (high - low) / 2;
            // As m(s) is continuous from either side, this asks about k < s alone.
            if self.makespan(middle)? <= self.makespan(middle + 1)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }
}

/// E\[X_{k:k}\] / E\[X\].
fn largest_over_mean(size: &Distribution, tasks: usize) -> Result<f64> {
    Ok(OrderStatistic::largest(size, tasks)?.mean()? / size.mean())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_optima() -> Result<()> {
        let overhead = Overhead { task: 3.1e-3, job: 0.02, departure: 7.4e-6, ..Overhead::default() };
        let ten = Granularity::new(10, 10.0, overhead)?;
        assert_eq!(ten.optimal_tasks()?, 247);
        assert!((ten.makespan(247)? - 1.1765).abs() < 5e-5);
        let fifty = Granularity::new(50, 50.0, overhead)?;
        assert_eq!(fifty.optimal_tasks()?, 1588);
        assert!((fifty.makespan(1588)? - 1.2404).abs() < 5e-5);
        let spark = Granularity::new(2, 1.2, Overhead { task: 0.09, ..Overhead::default() })?;
        assert!((spark.optimal() - 3.7).abs() < 0.06);
        Ok(())
    }

    #[test]
    fn a_slow_driver_wants_fewer_tasks_than_workers() -> Result<()> {
        let job = |work, departure, shape: Distribution| {
            Granularity::new(100, work, Overhead { departure, ..Overhead::default() })?.with_shape(&shape)
        };
        let exponential = Distribution::exponential(1.0)?;
        let one = job(1.0, 1.0, exponential.clone())?;
        assert_eq!((one.optimal_tasks()?, one.makespan(1)?), (1, 2.0));
        // Every number of tasks is tried.
        for (work, shape) in [
            (30.0, exponential),
            (30.0, Distribution::constant(1.0)?),
            (300.0, Distribution::uniform(0.5, 1.5)?),
        ] {
            let job = job(work, 0.1, shape)?;
            let best = job.optimal_tasks()?;
            let all = (1..=2000).map(|tasks| job.makespan(tasks)).collect::<Result<Vec<_>>>()?;
            let least = all.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(job.makespan(best)? <= least * (1.0 + 1e-9), "{best}: {} {least}", job.makespan(best)?);
        }
        // Without overhead by the driver the old answer holds.
        assert!(job(1.0, 0.0, Distribution::exponential(1.0)?)?.optimal_tasks().is_err());
        Ok(())
    }
}
