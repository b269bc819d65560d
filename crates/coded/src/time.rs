//! What redundancy buys: the time of a round as an order statistic.
//!
//! The whole job takes 1 + Exp(mu) on one worker (the shift is the unit of time), a share 1 / l of it 1 / l of
//! that. H_n are harmonic numbers. (Lee et al., arXiv 1512.02673; Tandon et al., arXiv 1612.03301.)

use statrs::function::beta::beta_reg;
use syncline_queueing::{Distribution, OrderStatistic, harmonic, harmonic_squares};

use crate::code::MOST_WORKERS;
use crate::error::{positive, within};
use crate::{Error, Repetition, Replicate, Result};

/// The law 1 + Exp(mu) of the whole job on one worker, in units of its shift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShiftedExponential {
    mu: f64,
}

/// The best code of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Answers needed, k.
    pub needed: usize,
    /// E\[T\] of a round.
    pub mean: f64,
}

impl ShiftedExponential {
    /// The law with this rate.
    ///
    /// # Errors
    /// Unless the rate is positive.
    pub fn new(mu: f64) -> Result<Self> {
        positive("mu", mu)?;
        Ok(Self { mu })
    }

    /// E\[T\] of n workers without a code: (1 / n) (1 + H_n / mu).
    ///
    /// # Errors
    /// Without workers.
    pub fn uncoded(self, n: usize) -> Result<f64> {
        self.mds(n, n)
    }

    /// E\[T\] with r copies of each of n / r blocks: (r / n) (1 + H_(n / r) / (r mu)).
    ///
    /// # Errors
    /// Unless r divides n.
    pub fn replicated(self, n: usize, r: usize) -> Result<f64> {
        Replicate::new(n, r)?;
        let (blocks, copies) = ((n / r) as f64, r as f64);
        Ok((1.0 + harmonic(n / r) / (copies * self.mu)) / blocks)
    }

    /// E\[T\] of an (n, k) code: (1 / k) (1 + (H_n - H_(n - k)) / mu).
    ///
    /// # Errors
    /// Unless 1 <= k <= n.
    pub fn mds(self, n: usize, k: usize) -> Result<f64> {
        check(n, k)?;
        Ok((1.0 + (harmonic(n) - harmonic(n - k)) / self.mu) / k as f64)
    }

    /// Var\[T\] of an (n, k) code: (1 / (k mu)^2) sum of 1 / i^2 over i = n - k + 1 .. n.
    ///
    /// # Errors
    /// Unless 1 <= k <= n.
    pub fn mds_variance(self, n: usize, k: usize) -> Result<f64> {
        check(n, k)?;
        Ok((harmonic_squares(n) - harmonic_squares(n - k)) / (k as f64 * self.mu).powi(2))
    }

    /// The quantile u of T of an (n, k) code: (1 - ln(1 - v) / mu) / k with I_v(k, n - k + 1) = u, I the
    /// regularised incomplete beta function.
    ///
    /// # Errors
    /// Unless 1 <= k <= n and 0 < u < 1.
    pub fn mds_quantile(self, n: usize, k: usize, u: f64) -> Result<f64> {
        check(n, k)?;
        if !(u > 0.0 && u < 1.0) {
            let must = "between 0 and 1".into();
            return Err(Error::OutOfRange { what: "the quantile", got: u.to_string(), must });
        }
        let v = inverse_beta(k as f64, (n - k + 1) as f64, u);
        Ok((1.0 - (-v).ln_1p() / self.mu) / k as f64)
    }

    /// E\[T\] of a cyclic gradient code of n workers that stands s stragglers: ((s + 1) / n) (1 + (H_n - H_s) /
    /// mu).
    ///
    /// # Errors
    /// Unless s < n.
    pub fn cyclic(self, n: usize, s: usize) -> Result<f64> {
        within("the number of workers", n, 1, MOST_WORKERS)?;
        within("the number of stragglers", s, 0, n - 1)?;
        Ok((s + 1) as f64 / n as f64 * (1.0 + (harmonic(n) - harmonic(s)) / self.mu))
    }

    /// E\[T\] of a repetition gradient code, which waits for the first of each group: ((s + 1) / n) (1 + H_g / ((s
    /// + 1) mu)) for g groups.
    ///
    /// # Errors
    /// Unless s + 1 divides n.
    pub fn repetition(self, n: usize, s: usize) -> Result<f64> {
        let groups = Repetition::new(n, s)?.groups();
        let copies = (s + 1) as f64;
        Ok(copies / n as f64 * (1.0 + harmonic(groups) / (copies * self.mu)))
    }

    /// The k of least E\[T\] among (n, k) codes; of equal ones the smallest.
    ///
    /// # Errors
    /// Without workers.
    pub fn best(self, n: usize) -> Result<Best> {
        let mut best = Best { needed: 1, mean: self.mds(n, 1)? };
        for needed in 2..=n {
            let mean = self.mds(n, needed)?;
            if mean < best.mean {
                best = Best { needed, mean };
            }
        }
        Ok(best)
    }

    /// What k* / n tends to for many workers: alpha* = 1 + 1 / W(-e^(-mu - 1)), W the lower branch of Lambert's
    /// function.
    pub fn best_share(self) -> f64 {
        1.0 + 1.0 / lower_lambert(self.mu + 1.0)
    }

    /// What n E\[T\] at k* tends to for many workers: gamma* = -W(-e^(-mu - 1)) / mu.
    pub fn best_work(self) -> f64 {
        -lower_lambert(self.mu + 1.0) / self.mu
    }
}

/// E\[T\] of an (n, k) code whose whole job takes a time of this law on one worker: E\[X_(k:n)\] / k.
///
/// # Errors
/// Unless 1 <= k <= n, and where the mean is infinite.
pub fn mds_of(whole_job: &Distribution, n: usize, k: usize) -> Result<f64> {
    Ok(OrderStatistic::new(whole_job, k, n)?.mean()? / k as f64)
}

fn check(n: usize, k: usize) -> Result<()> {
    within("the number of workers", n, 1, MOST_WORKERS)?;
    within("the number of answers needed", k, 1, n)
}

/// The v of I_v(a, b) = u, by bisection: slow and certain.
fn inverse_beta(a: f64, b: f64, u: f64) -> f64 {
    let (mut low, mut high) = (0.0f64, 1.0f64);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if beta_reg(a, b, middle) < u {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The lower branch W of Lambert's function at -e^(-y) for y >= 1: w = -x with x - ln x = y, x >= 1, by Newton's
/// method, which converges from the right because x - ln x is convex.
fn lower_lambert(y: f64) -> f64 {
    let mut x = y + (2.0 * (y - 1.0)).sqrt() + 1.0;
    for _ in 0..100 {
        let step = (x - x.ln() - y) / (1.0 - 1.0 / x);
        x -= step;
        if step.abs() <= 1e-16 * x {
            break;
        }
    }
    -x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coding_gains_like_the_published_table() {
        let law = ShiftedExponential::new(1.0).unwrap();
        for (n, needed, speed_up) in [(8, 6, 1.257), (16, 11, 1.436), (64, 44, 1.840), (256, 175, 2.269)] {
            let best = law.best(n).unwrap();
            assert_eq!(best.needed, needed);
            assert!((law.uncoded(n).unwrap() / best.mean - speed_up).abs() < 6e-4);
        }
        assert!((law.best_share() - 0.682_155_57).abs() < 1e-8);
        assert!((law.best_work() - 3.146_193_22).abs() < 1e-8);
    }

    #[test]
    fn two_copies_are_slower_than_none_where_tails_are_light() {
        // For large n from mu = ln 2 on.
        let slower = |mu: f64| {
            let law = ShiftedExponential::new(mu).unwrap();
            law.replicated(1 << 16, 2).unwrap() > law.uncoded(1 << 16).unwrap()
        };
        assert!(slower(0.75) && !slower(0.6));
    }

    #[test]
    fn a_quantile_is_undone_by_the_distribution_function() {
        let law = ShiftedExponential::new(0.5).unwrap();
        let t = law.mds_quantile(10, 5, 0.95).unwrap();
        let one = 1.0 - (-(5.0 * t - 1.0) * 0.5).exp();
        assert!((beta_reg(5.0, 6.0, one) - 0.95).abs() < 1e-12);
    }
}
