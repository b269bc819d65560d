//! How far off the prediction is for the very run that it was fitted to: said before anything else.

use syncline_round::Sync;

use crate::{Cycles, Error, Interval, Prediction, Question};

/// A run's measured round time beside its prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Check {
    /// Measured seconds per round's worth of gradients.
    pub measured: Interval,
    /// The same, predicted for the run's own workers and policy.
    pub predicted: Prediction,
}

impl Check {
    /// Asks a run about itself.
    ///
    /// # Errors
    /// As for [`Cycles::profile`].
    pub fn of(cycles: &Cycles, sync: Sync) -> Result<Self, Error> {
        let predicted = cycles.profile()?.predict(&Question { workers: cycles.workers(), sync })?;
        Ok(Self { measured: cycles.measured(), predicted })
    }

    /// Predicted over measured, less one.
    pub fn error(&self) -> f64 {
        self.predicted.round_s.value / self.measured.value - 1.0
    }

    /// A prediction with room for this error.
    pub fn widen(&self, prediction: Prediction) -> Prediction {
        let error = self.error().abs();
        let (round_s, samples_per_s) =
            (prediction.round_s.widened(error), prediction.samples_per_s.widened(error));
        Prediction { round_s, samples_per_s, ..prediction }
    }
}
