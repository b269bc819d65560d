//! The empirical distribution of a trace.
//!
//! Its transform is trusted only where many samples carry it: M(theta) = mean of w = e^(theta x) has the
//! effective sample size (sum w)^2 / sum w^2, and beyond the theta where that falls below 50 the largest few
//! samples decide everything, which is how a heavy tail shows itself.

use statrs::function::beta::beta_reg;

use crate::root::bisect;
use crate::{Error, Result};

/// The smallest effective sample size at which an empirical transform is believed.
const TRUSTED: f64 = 50.0;

/// Measured times in ascending order; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Empirical {
    sorted: Vec<f64>,
}

impl Empirical {
    /// Takes the samples of a trace, in any order.
    ///
    /// # Errors
    /// [`Error::TooFewSamples`] for an empty trace, [`Error::Parameter`] for a negative or non-finite sample.
    pub fn new(mut samples: Vec<f64>) -> Result<Self> {
        if samples.is_empty() {
            return Err(Error::TooFewSamples { have: 0, need: 1, question: "an empirical distribution" });
        }
        if let Some(bad) = samples.iter().find(|x| !(**x >= 0.0 && x.is_finite())) {
            return Err(Error::parameter("sample", bad, "zero or more, and finite"));
        }
        samples.sort_by(f64::total_cmp);
        Ok(Self { sorted: samples })
    }

    /// The samples in ascending order.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// Always false: an empty trace is refused.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self { sorted: self.sorted.iter().map(|x| x * factor).collect() }
    }

    pub(crate) fn moment(&self, order: u32) -> f64 {
        self.sorted.iter().map(|x| x.powi(order as i32)).sum::<f64>() / self.len() as f64
    }

    pub(crate) fn survival(&self, x: f64) -> f64 {
        let above = self.len() - self.sorted.partition_point(|&sample| sample <= x);
        above as f64 / self.len() as f64
    }

    pub(crate) fn quantile(&self, exceedance: f64) -> f64 {
        let above = (exceedance * self.len() as f64 * (1.0 + 1e-12)) as usize;
        self.sorted[self.len() - 1 - above.min(self.len() - 1)]
    }

    /// E f(X) for X the `l`-th smallest of `n` draws:
    /// sum of f(x_(i)) [I_(i/N)(l, n-l+1) - I_((i-1)/N)(l, n-l+1)], I the regularised incomplete beta function.
    pub(crate) fn order_expectation(&self, l: usize, n: usize, f: impl Fn(f64) -> f64) -> f64 {
        let (a, b) = (l as f64, (n - l + 1) as f64);
        let size = self.len() as f64;
        let mut below = 0.0;
        let mut total = 0.0;
        for (i, &x) in self.sorted.iter().enumerate() {
            let upto = if i + 1 == self.len() { 1.0 } else { beta_reg(a, b, (i + 1) as f64 / size) };
            if upto > below {
                total += f(x) * (upto - below);
            }
            below = upto;
        }
        total
    }

    pub(crate) fn log_mgf(&self, theta: f64) -> f64 {
        let top = if theta > 0.0 { self.sorted[self.len() - 1] } else { self.sorted[0] };
        let sum: f64 = self.sorted.iter().map(|x| (theta * (x - top)).exp()).sum();
        theta * top + (sum / self.len() as f64).ln()
    }

    pub(crate) fn largest_trusted_theta(&self) -> Result<f64> {
        if (self.len() as f64) < TRUSTED {
            let question = "an exponential bound";
            return Err(Error::TooFewSamples { have: self.len(), need: TRUSTED as usize, question });
        }
        let spread = self.sorted[self.len() - 1] - self.sorted[0];
        if spread == 0.0 {
            return Ok(f64::INFINITY);
        }
        // At 1e6 / spread only the largest sample has weight left, unless it is there 50 times.
        Ok(bisect(0.0, 1e6 / spread, |theta| TRUSTED - self.effective_size(theta)))
    }

    fn effective_size(&self, theta: f64) -> f64 {
        let top = self.sorted[self.len() - 1];
        let (sum, squares) = self.sorted.iter().fold((0.0, 0.0), |(sum, squares), x| {
            let weight = (theta * (x - top)).exp();
            (sum + weight, squares + weight * weight)
        });
        sum * sum / squares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_an_order_statistic_sum_to_one() -> Result<()> {
        let flat = Empirical::new(vec![2.0; 40])?;
        assert!((flat.order_expectation(3, 7, |x| x) - 2.0).abs() < 1e-12);
        Ok(())
    }

    #[test]
    fn an_empty_trace_is_refused() {
        assert!(matches!(Empirical::new(vec![]), Err(Error::TooFewSamples { have: 0, .. })));
    }

    #[test]
    fn the_trusted_range_ends_where_the_largest_sample_takes_over() -> Result<()> {
        let heavy = Empirical::new((1..=1000).map(|i| (1000.0 / f64::from(i)).powi(2)).collect())?;
        let light = Empirical::new((1..=1000).map(|i| -(f64::from(i) / 1001.0).ln()).collect())?;
        assert!(heavy.largest_trusted_theta()? * heavy.moment(1) < 0.01);
        assert!(light.largest_trusted_theta()? > 0.4);
        Ok(())
    }
}
