//! Mixed jobs on one pool: classes of different width, some with a start barrier (released task by task), some
//! without. FIFO without overtaking. Each class uses up its share of the capacity:
//! lam_max = mu / sum_c q_c (H_s - H_{s-k_c} with a barrier, k_c / s without).

use crate::error::{count, non_negative};
use crate::harmonic::harmonic_between;
use crate::sim::{HybridSystem, System};
use crate::{Error, Estimate, Exceedance, Model, Result, Workload};

/// How a class of jobs starts its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// All at the same instant.
    Together,
    /// Each as soon as a worker is free.
    Apart,
}

/// A class of jobs: its share of the arrivals, its width, and how it starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// The probability that a job belongs to the class.
    pub share: f64,
    /// Tasks per job.
    pub width: usize,
    /// Whether the tasks wait for each other at the start.
    pub start: Start,
}

/// s workers shared by classes of jobs.
#[derive(Debug, Clone)]
pub struct Hybrid {
    workload: Workload,
    workers: usize,
    classes: Vec<Class>,
}

impl Hybrid {
    /// The given classes on `workers` (s).
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the shares sum to 1 and barrier jobs fit.
    pub fn new(workload: Workload, workers: usize, classes: Vec<Class>) -> Result<Self> {
        count("number of workers s", workers, 100_000)?;
        for class in &classes {
            non_negative("share of a class", class.share)?;
            count(
                "width of a class",
                class.width,
                if class.start == Start::Together { workers } else { 1_000_000 },
            )?;
        }
        let total: f64 = classes.iter().map(|class| class.share).sum();
        if (total - 1.0).abs() > 1e-9 {
            return Err(Error::parameter("sum of the classes' shares", total, "1"));
        }
        Ok(Self { workload, workers, classes })
    }

    /// Jobs of width k drawn uniformly from `widths`, a share `barrier` of them with a start barrier.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the share is a probability and the widths are a range that fits.
    pub fn uniform(
        workload: Workload,
        workers: usize,
        widths: std::ops::RangeInclusive<usize>,
        barrier: f64,
    ) -> Result<Self> {
        if !(0.0..=1.0).contains(&barrier) {
            return Err(Error::parameter("share of barrier jobs", barrier, "between 0 and 1"));
        }
        count("smallest width", *widths.start(), workers)?;
        count("largest width", *widths.end(), workers)?;
        let number = widths.clone().count() as f64;
        let classes = widths.flat_map(|width| {
            let class = |share: f64, start| Class { share: share / number, width, start };
            [class(barrier, Start::Together), class(1.0 - barrier, Start::Apart)]
        });
        Self::new(workload, workers, classes.collect())
    }
}

impl Model for Hybrid {
    fn name(&self) -> &'static str {
        "hybrid barrier"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        let Some(mu) = self.workload.size.exponential_rate() else {
            return Err(self.no_formula("the largest stable rate with tasks that are not exponential"));
        };
        let cost = |class: &Class| match class.start {
            Start::Together => harmonic_between(self.workers - class.width, self.workers),
            Start::Apart => class.width as f64 / self.workers as f64,
        };
        let per_job: f64 = self.classes.iter().map(|class| class.share * cost(class)).sum();
        Ok(Estimate::exact(
            mu / per_job,
            "capacity per class",
            "derived for this project; simulation agrees to 0.1 %",
        ))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        Err(self.no_formula("the mean"))
    }

    fn quantiles(&self, _: Exceedance) -> Result<Vec<Estimate>> {
        Err(self.no_formula("the quantile"))
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(HybridSystem::new(self.workers, &self.classes))
    }
}
