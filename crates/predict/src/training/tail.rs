//! What lies beyond the largest measurement: a generalised Pareto distribution above the 90 % point.
//!
//! P[X > u + y | X > u] = (1 + shape y / scale)^(-1 / shape) (Pickands 1975), fitted by probability-weighted moments
//! (Hosking and Wallis 1987): with the exceedances y_1 <= .. <= y_n, a0 their mean and
//! a1 = mean of (1 - (i - 0.35)/n) y_i, shape = 2 - a0 / (a0 - 2 a1) and scale = 2 a0 a1 / (a0 - 2 a1). The largest of n
//! workers is taken from the measurements themselves as long as there are ten times as many of them as workers.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use syncline_queueing::sim::Random;

/// The share of measurements that the tail stands for.
const SHARE: f64 = 0.1;
/// Exceedances below which no tail is fitted.
const FEWEST: usize = 20;
/// Tails heavier than this (no finite variance) are cut to it.
const HEAVIEST: f64 = 0.5;

/// A fitted tail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// u, in seconds.
    pub threshold_s: f64,
    /// 0 for an exponential tail, positive for a heavier, negative for one with an end.
    pub shape: f64,
    /// In seconds.
    pub scale_s: f64,
}

impl Tail {
    /// The tail of these values in ascending order; nothing where they are too few or all alike.
    pub(crate) fn fit(sorted: &[f64]) -> Option<Self> {
        let start = ((1.0 - SHARE) * sorted.len() as f64) as usize;
        let threshold_s = *sorted.get(start.checked_sub(1)?)?;
        let above = &sorted[start..];
        if above.len() < FEWEST {
            return None;
        }
        let count = above.len() as f64;
        let (mut a0, mut a1) = (0.0, 0.0);
        for (i, x) in above.iter().enumerate() {
            let y = x - threshold_s;
            a0 += y / count;
            a1 += (1.0 - (i as f64 + 0.65) / count) * y / count;
        }
        let apart = a0 - 2.0 * a1;
        if !(a0 > 0.0 && apart > 0.0) {
            return None;
        }
        let shape = (2.0 - a0 / apart).min(HEAVIEST);
        // A shape that was cut keeps the mean of the exceedances, scale / (1 - shape).
        let scale_s = if shape < HEAVIEST { 2.0 * a0 * a1 / apart } else { a0 * (1.0 - shape) };
        Some(Self { threshold_s, shape, scale_s })
    }

    /// Whether it is a distribution with a mean.
    pub(crate) fn is_sound(&self) -> bool {
        let Self { threshold_s, shape, scale_s } = *self;
        threshold_s.is_finite() && scale_s.is_finite() && scale_s >= 0.0 && (-10.0..1.0).contains(&shape)
    }

    /// A value above the threshold.
    pub(crate) fn draw(&self, random: &mut Random) -> f64 {
        let uniform = 1.0 - random.random::<f64>();
        let y = if self.shape.abs() < 1e-9 {
            -uniform.ln()
        } else {
            (uniform.powf(-self.shape) - 1.0) / self.shape
        };
        self.threshold_s + self.scale_s * y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_queueing::sim::stream;

    #[test]
    fn known_tails_are_found_again() {
        for (shape, scale_s) in [(0.0, 2.0), (0.3, 1.0), (-0.4, 1.0)] {
            let truth = Tail { threshold_s: 5.0, shape, scale_s };
            let mut random = stream(7, 0);
            let mut values = vec![1.0; 90_000];
            values.extend((0..10_000).map(|_| truth.draw(&mut random)));
            values[89_999] = 5.0;
            values.sort_by(f64::total_cmp);
            let found = Tail::fit(&values).unwrap();
            assert!((found.shape - shape).abs() < 0.05, "{found:?}");
            assert!((found.scale_s / scale_s - 1.0).abs() < 0.05, "{found:?}");
        }
    }

    #[test]
    fn too_few_or_equal_values_have_no_tail() {
        assert_eq!(Tail::fit(&[]), None);
        assert_eq!(Tail::fit(&(0..100).map(f64::from).collect::<Vec<_>>()), None);
        assert_eq!(Tail::fit(&[1.0; 1000]), None);
    }
}
