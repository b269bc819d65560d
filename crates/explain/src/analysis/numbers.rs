//! Small statistics that several analyses share.

/// The `q`-quantile of sorted values, linear between neighbours (type 7); 0 without values.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64)
}

/// The mean; 0 without values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The median of values in any order; 0 without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// The expected largest of `n` independent draws from the sorted sample:
/// `sum over k of x(k) * ((k/m)^n - ((k-1)/m)^n)`, the mean of the n-th order statistic of the empirical distribution.
pub(crate) fn expected_largest(sorted: &[f64], n: usize) -> f64 {
    let m = sorted.len() as f64;
    let power = |k: usize| (k as f64 / m).powf(n as f64);
    sorted.iter().enumerate().map(|(at, value)| value * (power(at + 1) - power(at))).sum()
}

/// A straight line through points by least squares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Line {
    pub slope: f64,
    /// Pearson's correlation; 0 when either side does not vary.
    pub correlation: f64,
    pub points: usize,
}

impl Line {
    /// Whether the relation is positive and would hardly be chance: t = r * sqrt((n-2) / (1-r^2)) above 3.
    pub fn is_convincing(&self) -> bool {
        let freedom = self.points as f64 - 2.0;
        let unexplained = (1.0 - self.correlation * self.correlation).max(1e-12);
        self.slope > 0.0 && freedom >= 2.0 && self.correlation * (freedom / unexplained).sqrt() > 3.0
    }
}

/// Fits `y = a + slope * x`.
pub(crate) fn line(points: &[(f64, f64)]) -> Line {
    let n = points.len() as f64;
    if points.len() < 2 {
        return Line::default();
    }
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / n, sum.1 + point.1 / n));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for point in points {
        let (dx, dy) = (point.0 - x, point.1 - y);
        (xx, yy, xy) = (xx + dx * dx, yy + dy * dy, xy + dx * dy);
    }
    // What rounding leaves of no variation is none.
    if xx <= 1e-12 * n * x * x || yy <= 1e-12 * n * y * y {
        return Line { points: points.len(), ..Line::default() };
    }
    Line { slope: xy / xx, correlation: xy / (xx * yy).sqrt(), points: points.len() }
}

/// The chance of `hits` or more in `trials` if each hits with chance `p`: the upper tail of the binomial distribution.
pub(crate) fn binomial_tail(hits: u64, trials: u64, p: f64) -> f64 {
    if hits == 0 || p >= 1.0 {
        return 1.0;
    }
    if p <= 0.0 {
        return 0.0;
    }
    // P(X >= k) is the regularised incomplete beta function I_p(k, n-k+1).
    statrs::function::beta::beta_reg(hits as f64, (trials - hits.min(trials)) as f64 + 1.0, p)
}

/// Two-sided p value of the Mann-Whitney U test with the normal approximation and midranks: the chance that two samples
/// of one distribution differ in location as much as these.
pub(crate) fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len() as f64, b.len() as f64);
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|&x| (x, true)).chain(b.iter().map(|&x| (x, false))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut rank_sum, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let end = at + all[at..].iter().take_while(|x| x.0 == all[at].0).count();
        let rank = (at + 1 + end) as f64 / 2.0;
        rank_sum += rank * all[at..end].iter().filter(|x| x.1).count() as f64;
        let tied = (end - at) as f64;
        ties += tied * tied * tied - tied;
        at = end;
    }
    let total = n + m;
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)).max(1.0));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    statrs::function::erf::erfc(z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert_eq!(quantile(&[7.0], 0.9), 7.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn largest_of_two_uniform_draws() {
        let sorted: Vec<f64> = (0..10_000).map(|at| (at as f64 + 0.5) / 10_000.0).collect();
        assert!((expected_largest(&sorted, 2) - 2.0 / 3.0).abs() < 1e-3);
        assert!((expected_largest(&sorted, 1) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn binomial_tail_of_a_fair_coin() {
        assert!((binomial_tail(8, 10, 0.5) - 56.0 / 1024.0).abs() < 1e-9);
        assert_eq!(binomial_tail(0, 10, 0.5), 1.0);
    }

    #[test]
    fn a_shift_is_seen_and_its_absence_is_not() {
        let a: Vec<f64> = (0..40).map(|at| f64::from(at % 13)).collect();
        let b: Vec<f64> = a.iter().map(|x| x + 6.0).collect();
        assert!(mann_whitney(&a, &b) < 1e-4);
        assert!(mann_whitney(&a, &a) > 0.9);
        assert_eq!(mann_whitney(&[1.0; 5], &[1.0; 5]), 1.0);
    }

    #[test]
    fn a_line_needs_points_and_a_rise() {
        let points: Vec<(f64, f64)> =
            (0..10).map(|x| (f64::from(x), 3.0 * f64::from(x) + f64::from(x % 2))).collect();
        let found = line(&points);
        assert!((found.slope - 3.0).abs() < 0.1 && found.is_convincing());
        assert!(!line(&points[..2]).is_convincing());
        assert!(!line(&[(1.0, 2.0); 9]).is_convincing());
    }
}
