//! The median of each coordinate (Yin et al., arXiv 1803.01498). Sample counts are ignored: a liar would claim many.

use super::by_coordinate;

/// The middle value of each coordinate; of an even number the mean of the middle two.
///
/// # Panics
/// Without answers.
pub fn median(answers: &[&[f64]]) -> Vec<f64> {
    by_coordinate(answers, middle)
}

/// The median of sorted values.
pub(super) fn middle(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => 0.5 * (sorted[middle - 1] + sorted[middle]),
    }
}
