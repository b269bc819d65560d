//! The median and the trimmed mean of each coordinate. (Yin et al., arXiv 1803.01498.) Sample counts are ignored: a
//! liar would claim many.

use super::{Answer, Fold, by_coordinate};
use crate::error::between;
use crate::{Error, Result};

/// The middle value; of an even number the mean of the middle two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Median;

impl Fold for Median {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        Ok(by_coordinate(answers, |sorted| median(&sorted)))
    }
}

pub(super) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => 0.5 * (sorted[middle - 1] + sorted[middle]),
    }
}

/// The mean without the largest and the smallest values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trimmed {
    share: f64,
}

impl Trimmed {
    /// Leaves floor(share n) values out at either end.
    ///
    /// # Errors
    /// Unless 0 <= share < 0.5.
    pub fn new(share: f64) -> Result<Self> {
        between("the trimmed share", share, 0.0, 0.5)?;
        if share == 0.5 {
            let must = "below 0.5, or nothing is left".into();
            return Err(Error::OutOfRange { what: "the trimmed share", got: share.to_string(), must });
        }
        Ok(Self { share })
    }
}

impl Fold for Trimmed {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        let cut = (self.share * answers.len() as f64).floor() as usize;
        Ok(by_coordinate(answers, |sorted| mean(&sorted[cut..sorted.len() - cut])))
    }
}

/// Walked to instead of summed up, so that equal values average to themselves to the bit.
pub(super) fn mean(values: &[f64]) -> f64 {
    let step = |(mean, count): (f64, f64), value: &f64| (mean + (value - mean) / (count + 1.0), count + 1.0);
    values.iter().fold((0.0, 0.0), step).0
}
