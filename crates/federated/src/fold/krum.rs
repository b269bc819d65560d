//! Krum: the answer whose nearest others are nearest, or the mean of the best few. (Blanchard et al., arXiv
//! 1703.02757.)

use syncline_round::fold;

use super::{Answer, Fold, samples, values};
use crate::Result;
use crate::error::within;

/// Krum against `liars` bad clients; Multi-Krum where more than one answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Krum {
    liars: usize,
    keep: usize,
}

impl Krum {
    /// The one answer of least score.
    pub fn new(liars: usize) -> Self {
        Self { liars, keep: 1 }
    }

    /// The sample-weighted mean of the `keep` answers of least score; of all, where there are fewer.
    ///
    /// # Errors
    /// Unless at least one is kept.
    pub fn multi(liars: usize, keep: usize) -> Result<Self> {
        within("the number of answers kept", keep, 1, usize::MAX)?;
        Ok(Self { liars, keep })
    }

    /// Whether the guarantee of the paper holds for `answers` answers: 2 liars + 3 are needed.
    pub fn is_guaranteed(&self, answers: usize) -> bool {
        answers >= 2 * self.liars + 3
    }
}

impl Fold for Krum {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        Ok(fold::krum(&values(answers), &samples(answers), self.liars, self.keep))
    }
}
