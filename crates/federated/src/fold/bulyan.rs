//! Bulyan: Krum picks, then each coordinate is the mean of the values nearest to the median of the picked, so that
//! a bad client cannot hide a large change of one coordinate among many small ones. (El Mhamdi et al., arXiv
//! 1802.07927.)

use syncline_round::fold;

use super::{Answer, Fold, values};
use crate::{Error, Result};

/// Bulyan against `liars` bad clients; it needs 4 liars + 3 answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulyan {
    liars: usize,
}

impl Bulyan {
    /// Stands `liars` bad clients.
    pub fn new(liars: usize) -> Self {
        Self { liars }
    }
}

impl Fold for Bulyan {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        let (found, needed) = (answers.len(), 4 * self.liars + 3);
        fold::bulyan(&values(answers), self.liars).ok_or(Error::TooFew {
            fold: "bulyan",
            liars: self.liars,
            needed,
            found,
        })
    }
}
