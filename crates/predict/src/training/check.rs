//! How far off the prediction is for the very run that it was fitted to: said before anything else.

use crate::{Cycles, Error, Interval, Prediction};

/// A run's measured round time beside its prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Check {
    /// Measured seconds per round's worth of gradients.
    pub measured: Interval,
    /// The same, predicted for the run's own size and policy.
    pub predicted: Prediction,
}

impl Check {
    /// Asks a run about itself.
    ///
    /// # Errors
    /// As for [`Cycles::profile`], and [`Error::CannotTell`] for a trace without a stretch in which all worked.
    pub fn of(cycles: &Cycles) -> Result<Self, Error> {
        let profile = cycles.profile()?;
        let predicted = profile.predict(&profile.question()?)?;
        let measured = cycles.measured();
        let sound = |interval: Interval| {
            interval.value > 0.0 && interval.low.is_finite() && interval.high.is_finite()
        };
        if !(sound(measured) && sound(predicted.round_s)) {
            let why =
                "the trace's times make no sense: no gradient was folded while all workers worked".to_owned();
            return Err(Error::CannotTell { why });
        }
        Ok(Self { measured, predicted })
    }

    /// Predicted over measured, less one.
    pub fn error(&self) -> f64 {
        self.predicted.round_s.value / self.measured.value - 1.0
    }

    /// The part of the error that chance does not explain: what lies beyond both intervals together.
    pub fn systematic(&self) -> f64 {
        let Interval { value, low, high } = self.predicted.round_s;
        let chance = (0.5 * (high - low)).hypot(0.5 * (self.measured.high - self.measured.low));
        ((value - self.measured.value).abs() - chance).max(0.0) / self.measured.value
    }

    /// A prediction with room for the systematic error.
    pub fn widen(&self, prediction: Prediction) -> Prediction {
        let error = self.systematic();
        let widen = |interval: Interval| interval.widened(error).positive();
        let (round_s, samples_per_s) = (widen(prediction.round_s), widen(prediction.samples_per_s));
        Prediction { round_s, samples_per_s, ..prediction }
    }
}
