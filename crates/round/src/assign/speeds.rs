//! Work by speed: each member gets as much as it gets through while the others get through theirs.
//!
//! How long a row takes a member is what it has been seen to take, in the mean with what was known before, so that one stretch that is
//! slow by chance counts half.

use serde::{Deserialize, Serialize};

/// The longest that a row may take a member over the shortest: with more, the slow one would hardly have a row.
const UNLIKE: f64 = 999.0;

/// Rows are dealt out anew where that shortens the time for all of them to this share at most: each time they are copied.
const WORTH: f64 = 0.98;

/// How fast the members of a run are found to be.
///
/// ```
/// use syncline_round::assign::Speeds;
///
/// let mut speeds = Speeds::unknown(2);
/// assert_eq!(speeds.weights(), None);
/// speeds.heard(0, 100.0, 1.0);
/// speeds.heard(1, 100.0, 3.0);
/// let weights = speeds.weights().unwrap();
/// assert!((weights[0] / weights[1] - 3.0).abs() < 1e-12);
/// assert!(speeds.is_worth(&[150.0, 50.0], &[100.0, 100.0]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Speeds {
    /// Seconds that a row takes each member; 0 where that is not known.
    row_s: Vec<f64>,
}

impl Speeds {
    /// Of so many members, of whom nothing is known.
    pub fn unknown(members: usize) -> Self {
        Self { row_s: vec![0.0; members] }
    }

    /// A member has gone through so many rows in so many seconds; none of either says nothing.
    pub fn heard(&mut self, member: usize, rows: f64, seconds: f64) {
        let Some(row_s) = self.row_s.get_mut(member) else { return };
        if rows > 0.0 && seconds > 0.0 {
            let each_s = seconds / rows;
            *row_s = if *row_s > 0.0 { (*row_s + each_s) / 2.0 } else { each_s };
        }
    }

    /// In which proportion rows are to be dealt out, where that is known of all.
    pub fn weights(&self) -> Option<Vec<f64>> {
        let shortest = self.row_s.iter().copied().fold(f64::INFINITY, f64::min);
        let is_known = shortest > 0.0 && shortest.is_finite();
        is_known.then(|| self.row_s.iter().map(|row_s| 1.0 / row_s.min(UNLIKE * shortest)).collect())
    }

    /// Whether it is worth it to deal out so many rows each in place of so many.
    pub fn is_worth(&self, rows: &[f64], before: &[f64]) -> bool {
        self.longest_s(rows) <= WORTH * self.longest_s(before)
    }

    /// Seconds until the slowest is through.
    fn longest_s(&self, rows: &[f64]) -> f64 {
        rows.iter().zip(&self.row_s).map(|(rows, row_s)| rows * row_s).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_stretch_counts_half_and_what_is_not_known_of_one_is_not_known() {
        let mut speeds = Speeds::unknown(2);
        speeds.heard(0, 10.0, 10.0);
        speeds.heard(1, 0.0, 3.0);
        assert_eq!(speeds.weights(), None, "of one nothing is known");
        speeds.heard(1, 10.0, 10.0);
        speeds.heard(1, 10.0, 30.0);
        assert_eq!(speeds.weights(), Some(vec![1.0, 0.5]));
        speeds.heard(7, 1.0, 1.0);
        assert_eq!(Speeds::default().weights(), None);
    }

    #[test]
    fn little_is_not_worth_it_and_nobody_is_left_without() {
        let mut speeds = Speeds::unknown(2);
        speeds.heard(0, 100.0, 1.00);
        speeds.heard(1, 100.0, 1.01);
        assert!(!speeds.is_worth(&[100.5, 99.5], &[100.0, 100.0]));
        speeds.heard(1, 1.0, 1e9);
        let weights = speeds.weights().unwrap();
        assert!(weights[0] / weights[1] <= UNLIKE * 1.001);
    }
}
