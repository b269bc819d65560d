//! The trimmed mean of each coordinate (Yin et al., arXiv 1803.01498). Sample counts are ignored: a liar would claim many.

use super::by_coordinate;

/// The mean of each coordinate without the floor(share n) largest and as many smallest values; 0 <= share < 0.5.
///
/// # Panics
/// Without answers, or with a share that leaves nothing.
pub fn trimmed(answers: &[&[f64]], share: f64) -> Vec<f64> {
    let cut = (share * answers.len() as f64).floor() as usize;
    by_coordinate(answers, |sorted| plain_mean(&sorted[cut..sorted.len() - cut]))
}

/// Walked to instead of summed up, so that equal values average to themselves to the bit.
pub(super) fn plain_mean(values: &[f64]) -> f64 {
    let step = |(mean, count): (f64, f64), value: &f64| (mean + (value - mean) / (count + 1.0), count + 1.0);
    values.iter().fold((0.0, 0.0), step).0
}
