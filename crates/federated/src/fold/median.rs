//! The median and the trimmed mean of each coordinate. (Yin et al., arXiv 1803.01498.) Sample counts are ignored: a
//! liar would claim many.

use syncline_round::fold;

use super::{Answer, Fold, values};
use crate::error::between;
use crate::{Error, Result};

/// The middle value; of an even number the mean of the middle two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Median;

impl Fold for Median {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        Ok(fold::median(&values(answers)))
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
        Ok(fold::trimmed(&values(answers), self.share))
    }
}
