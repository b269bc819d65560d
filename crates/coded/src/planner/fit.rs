//! Reading measured times: as shift + Exp(rate), or as they are.

use syncline_queueing::Distribution;

use crate::{Error, Result};

/// How times are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As outcomes of shift + Exp(rate).
    ShiftedExponential,
    /// As all that can happen.
    Times,
}

/// The shifted exponential law of some times, and whether it fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The least time.
    pub shift: f64,
    /// 1 / (mean - shift); infinite where all times are equal.
    pub rate: f64,
    /// Kolmogorov's distance: the largest gap between the law's and the times' distribution function.
    pub distance: f64,
    /// The reading to trust.
    pub better: Reading,
}

impl Fit {
    /// Fits times of the whole job.
    ///
    /// # Errors
    /// When there are fewer than two times, or one is no positive number.
    pub fn of(times: &[f64]) -> Result<Self> {
        if times.len() < 2 {
            let must = "at least 2".into();
            return Err(Error::OutOfRange {
                what: "the number of times",
                got: times.len().to_string(),
                must,
            });
        }
        if let Some(bad) = times.iter().find(|time| !(time.is_finite() && **time > 0.0)) {
            let must = "a positive number".into();
            return Err(Error::OutOfRange { what: "a task's time", got: bad.to_string(), must });
        }
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let shift = sorted[0];
        let spread = sorted.iter().sum::<f64>() / sorted.len() as f64 - shift;
        // The mean of equal times may be a rounding error beside them, on either side.
        let rate = if spread > 1e-12 * shift { 1.0 / spread } else { f64::INFINITY };
        let distance = distance(&sorted, shift, rate);
        // The 95 % limit of the distance with both parameters fitted is about 1.094 / sqrt(m) for an exponential
        // law (Lilliefors 1969).
        let fits = distance <= 1.094 / (sorted.len() as f64).sqrt();
        let better = if fits && rate.is_finite() { Reading::ShiftedExponential } else { Reading::Times };
        Ok(Self { shift, rate, distance, better })
    }

    /// shift + Exp(rate).
    ///
    /// # Errors
    /// When all times were equal.
    pub fn law(&self) -> Result<Distribution> {
        Ok(Distribution::shifted_exponential(self.shift, self.rate)?)
    }
}

fn distance(sorted: &[f64], shift: f64, rate: f64) -> f64 {
    let count = sorted.len() as f64;
    let gaps = sorted.iter().enumerate().map(|(index, time)| {
        let law = -(-(time - shift) * rate).exp_m1();
        // The times' distribution function jumps here: the gap is looked at on both sides.
        (law - index as f64 / count).abs().max((law - (index + 1) as f64 / count).abs())
    });
    gaps.fold(0.0, f64::max)
}
