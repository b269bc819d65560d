//! The mean, weighted by samples (FedAvg's fold). One bad client moves it anywhere.

use syncline_round::fold;

use super::{Answer, Fold, samples, values};
use crate::Result;

/// sum of samples x values over the sum of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mean;

impl Fold for Mean {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        Ok(fold::mean(&values(answers), &samples(answers)))
    }
}
