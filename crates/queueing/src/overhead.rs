//! How finely to cut a job: the mean makespan of k tiny tasks with overhead, and the k that minimises it
//! (structure: Bora, Walker, Fidler 2022; closed forms derived for this project, within 0.1 % of simulation).

use crate::error::{count, non_negative, positive};
use crate::harmonic::harmonic;
use crate::sim::Overhead;
use crate::{Distribution, Error, OrderStatistic, Result};

/// A job of total work L on s workers, cut into k exponential tasks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Granularity {
    workers: usize,
    work: f64,
    overhead: Overhead,
    /// E\[X_{s:s}\] / E\[X\] - 1: what the last wave waits for, in tasks.
    straggle: f64,
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
        Ok(Self { workers, work, overhead, straggle: harmonic(workers) - 1.0 })
    }

    /// The same for tasks of another shape: only the ratio of the largest of s to the mean enters.
    ///
    /// # Errors
    /// [`Error::InfiniteMoment`] for a tail too heavy.
    pub fn with_shape(self, size: &Distribution) -> Result<Self> {
        let largest = OrderStatistic::largest(size, self.workers)?.mean()?;
        Ok(Self { straggle: largest / size.mean() - 1.0, ..self })
    }

    fn per_task(&self) -> f64 {
        self.overhead.task + self.overhead.task_random
    }

    /// m(k) = L/s + (L/k)(H_s - 1) + o (1 + (k - s)/s) + c_j + k c_p.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless k >= s.
    pub fn makespan(&self, tasks: usize) -> Result<f64> {
        if tasks < self.workers {
            return Err(Error::parameter(
                "number of tasks k",
                tasks,
                format!("at least s = {}", self.workers),
            ));
        }
        let (k, s) = (tasks as f64, self.workers as f64);
        let work = self.work / s + self.work / k * self.straggle;
        Ok(work + self.per_task() * k / s + self.overhead.job + k * self.overhead.departure)
    }

    /// k* = sqrt( L (H_s - 1) / (o/s + c_p) ), a real number; not below s; infinite without any overhead per task.
    pub fn optimal(&self) -> f64 {
        let price = self.per_task() / self.workers as f64 + self.overhead.departure;
        (self.work * self.straggle / price).sqrt().max(self.workers as f64)
    }

    /// The whole number of tasks next to the optimum with the least makespan.
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
        let (low, high) = (best.floor() as usize, best.ceil() as usize);
        Ok(if self.makespan(low)? < self.makespan(high)? { low } else { high })
    }
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
}
