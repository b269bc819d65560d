//! A simulated value with the error that its replications show.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The mean of independent replications and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean over replications.
    pub value: f64,
    /// Its standard error; infinite with a single replication.
    pub error: f64,
    /// The number of replications.
    pub replications: usize,
}

impl Interval {
    /// Mean and error of the given values, one a replication.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - value) * (v - value)).sum();
        let error = if values.len() > 1 { (squares / (n - 1.0) / n).sqrt() } else { f64::INFINITY };
        Self { value, error, replications: values.len() }
    }

    /// Half the width of the interval that covers the truth with probability `level` (Student's t).
    pub fn half_width(&self, level: f64) -> f64 {
        match StudentsT::new(0.0, 1.0, self.replications as f64 - 1.0) {
            Ok(t) => t.inverse_cdf(0.5 + 0.5 * level) * self.error,
            Err(_) => f64::INFINITY,
        }
    }
}
