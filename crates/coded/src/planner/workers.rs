//! Slow workers and slow moments are not the same: a code pays for the second, and the first is better left out.
//!
//! The variance of the times splits by worker as in the analysis of one factor: between workers sigma_w^2, within
//! them sigma^2.

use crate::{Error, Result};

/// How the variance of task times splits.
#[derive(Clone, Debug, PartialEq)]
pub struct Slowness {
    /// Share of the variance that lies between workers, from 0 to 1.
    pub between: f64,
    /// The slowest worker.
    pub slowest: usize,
    /// Its mean over the mean of the others.
    pub ratio: f64,
}

impl Slowness {
    /// Whether leaving the slowest worker out is better than coding around it: most of the variance lies between
    /// workers, and the slowest takes longer than the others would if they did its share too.
    pub fn leave_out(&self, workers: usize) -> bool {
        self.between > 0.5 && self.ratio > workers as f64 / (workers.max(2) - 1) as f64
    }
}

/// Splits the variance of times, given worker by worker in rounds of equal number.
///
/// # Errors
/// Unless there are at least two workers with the same number, two or more, of finite times.
pub fn slowness(times: &[Vec<f64>]) -> Result<Slowness> {
    let rounds = times.first().map_or(0, Vec::len);
    let even = times.iter().all(|of| of.len() == rounds && of.iter().all(|time| time.is_finite()));
    if times.len() < 2 || rounds < 2 || !even {
        let reason =
            "two or more workers with two or more finite times each, as many of each, are needed".into();
        return Err(Error::Mismatch { what: "splitting the variance of task times", reason });
    }
    let (n, m) = (times.len() as f64, rounds as f64);
    let means: Vec<f64> = times.iter().map(|of| of.iter().sum::<f64>() / m).collect();
    let mean = means.iter().sum::<f64>() / n;
    let within: f64 = times
        .iter()
        .zip(&means)
        .flat_map(|(of, mean)| of.iter().map(move |time| (time - mean).powi(2)))
        .sum::<f64>()
        / (n * (m - 1.0));
    let of_means = means.iter().map(|of| (of - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // The means scatter by chance too.
    let between = (of_means - within / m).max(0.0);
    let total = between + within;
    let slowest = (0..times.len()).fold(0, |slow, next| if means[next] > means[slow] { next } else { slow });
    let others = (mean * n - means[slowest]) / (n - 1.0);
    Ok(Slowness {
        between: if total > 0.0 { between / total } else { 0.0 },
        slowest,
        ratio: means[slowest] / others,
    })
}
