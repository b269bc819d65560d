//! The mean, weighted by samples (FedAvg's fold). One bad client moves it anywhere.

use super::{Answer, Fold};
use crate::Result;

/// sum of samples x values over the sum of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mean;

impl Fold for Mean {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        // Equal models must average to themselves to the bit: the mean is walked to, not summed up, since v + w (x
        // - v) = v for x = v.
        let mut mean = answers[0].values.clone();
        let mut total = answers[0].samples;
        for answer in &answers[1..] {
            total += answer.samples;
            let share = answer.samples / total;
            for (mean, value) in mean.iter_mut().zip(&answer.values) {
                *mean += share * (value - *mean);
            }
        }
        Ok(mean)
    }
}
