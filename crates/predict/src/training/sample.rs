//! Small statistics that several fits share.

use crate::sample::mean;

/// The standard normal quantile of one in a thousand, and what each doubling of the tests adds to it.
const ONE_OF_A_THOUSAND: f64 = 3.09;
const PER_DOUBLING: f64 = 0.2;

/// Whether a ratio of variances with so many degrees of freedom above the line, and many below it, is larger than chance
/// makes it in one run of a thousand, shared among so many tests: the chi-square quantile of Wilson and Hilferty (1931),
/// (1 - 2 / 9k + z sqrt(2 / 9k))^3.
pub(super) fn exceeds_chance(ratio: f64, freedom: f64, tests: usize) -> bool {
    let z = ONE_OF_A_THOUSAND + PER_DOUBLING * (tests.max(1) as f64).log2();
    let small = 2.0 / (9.0 * freedom);
    ratio > (1.0 - small + z * small.sqrt()).powi(3)
}

/// At most so many quantiles of ascending values, at the middles of equal shares, centred as the values were.
pub(super) fn thinned(sorted: Vec<f64>, kept: usize) -> Vec<f64> {
    if sorted.len() <= kept {
        return sorted;
    }
    let at = |i: usize| sorted[((i as f64 + 0.5) / kept as f64 * sorted.len() as f64) as usize];
    let kept: Vec<f64> = (0..kept).map(at).collect();
    // Thinning cuts the extremes; the mean stays 0.
    let centre = mean(kept.iter().copied());
    kept.into_iter().map(|x| x - centre).collect()
}
