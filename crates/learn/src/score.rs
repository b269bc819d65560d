//! How well a model did on some rows: sums, so that the scores of batches and workers add up exactly.

use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Sums over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Number of rows.
    pub rows: u64,
    /// Sum of the rows' losses, without regularisation; NaN where it is not known, if the [model](crate::Model::tells_loss) says
    /// so.
    pub loss: f64,
    /// Rows whose class was predicted right; 0 for real targets.
    pub correct: u64,
    /// Sum of the squared differences from real targets; 0 for classes.
    pub squared_error: f64,
}

impl Score {
    /// Mean loss of a row; NaN without rows.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.rows as f64
    }

    /// Share of the rows predicted right, 0 to 1; NaN without rows.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.rows as f64
    }

    /// The score of standardised real targets in the user's units, of which one stored unit is `deviation`: squared
    /// losses and errors grow with its square. With a deviation of 1, as classes have, nothing changes.
    #[must_use]
    pub fn in_units(self, deviation: f64) -> Score {
        let square = deviation * deviation;
        Score { loss: self.loss * square, squared_error: self.squared_error * square, ..self }
    }

    /// Root of the mean squared error, in the target's unit; NaN without rows.
    pub fn rmse(&self) -> f64 {
        (self.squared_error / self.rows as f64).sqrt()
    }
}

impl Add for Score {
    type Output = Score;

    fn add(self, other: Score) -> Score {
        Score {
            rows: self.rows + other.rows,
            loss: self.loss + other.loss,
            correct: self.correct + other.correct,
            squared_error: self.squared_error + other.squared_error,
        }
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        *self = *self + other;
    }
}

impl Sum for Score {
    fn sum<I: Iterator<Item = Score>>(scores: I) -> Score {
        scores.fold(Score::default(), Add::add)
    }
}
