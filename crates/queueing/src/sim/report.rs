//! What a simulation found.

use super::Interval;
use crate::Exceedance;

/// Means, quantiles and throughput over all replications.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// E\[T\], arrival to departure.
    pub mean: Interval,
    /// E\[W\], arrival to the start of the first task.
    pub wait: Interval,
    /// The quantiles of T that the plan asked for.
    pub quantiles: Vec<(Exceedance, Interval)>,
    /// Jobs per unit of time; for a saturated run the largest stable rate.
    pub throughput: Interval,
    /// Jobs counted.
    pub jobs: u64,
    /// Tasks simulated, warm-up included.
    pub tasks: u64,
    /// Jobs dropped at the start of each replication.
    pub warm_up: u64,
    /// Whether quantiles are exact; otherwise they carry a relative error of 2^-11.
    pub exact_quantiles: bool,
    /// The same by class of jobs, the most urgent first; empty where jobs have none.
    pub classes: Vec<ClassReport>,
}

/// The means over the jobs of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassReport {
    /// E\[T\].
    pub mean: Interval,
    /// E\[W\].
    pub wait: Interval,
    /// Jobs counted.
    pub jobs: u64,
}

impl Report {
    /// Whether the 95 % interval of the mean is this narrow relative to the mean.
    pub fn is_precise(&self, precision: f64) -> bool {
        self.mean.half_width(0.95) <= precision * self.mean.value
    }
}
