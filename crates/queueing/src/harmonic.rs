//! Harmonic numbers: the mean and variance of order statistics of exponential variables are differences of them.

/// H_n = 1 + 1/2 + ... + 1/n; 0 for n = 0. Summed from the small end, so that large n keeps its digits.
pub fn harmonic(n: usize) -> f64 {
    (1..=n).rev().map(|i| 1.0 / i as f64).sum()
}

/// H2_n = 1 + 1/4 + ... + 1/n^2; 0 for n = 0.
pub fn harmonic_squares(n: usize) -> f64 {
    (1..=n).rev().map(|i| 1.0 / (i as f64 * i as f64)).sum()
}

/// H_n - H_m for m <= n without the cancellation of subtracting the two.
pub fn harmonic_between(m: usize, n: usize) -> f64 {
    (m + 1..=n).rev().map(|i| 1.0 / i as f64).sum()
}
