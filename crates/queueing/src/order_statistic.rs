//! The l-th smallest of n independent task sizes: what a barrier waits for.
//!
//! Exponential sizes have the closed form X_{l:n} = sum of independent Exp(i mu), i = n-l+1..n; a trace is
//! weighted sample by sample; anything else is integrated from P\[X_{l:n} > x\] = I_S(n-l+1, l), S the survival
//! function of one task and I the regularised incomplete beta function.

use statrs::function::beta::beta_reg;

use crate::distribution::Law;
use crate::error::count;
use crate::harmonic::harmonic_between;
use crate::quadrature::{integrate, integrate_tail};
use crate::{Distribution, Error, Result};

/// The l-th smallest of n independent outcomes.
#[derive(Debug, Clone)]
pub struct OrderStatistic<'a> {
    size: &'a Distribution,
    l: usize,
    n: usize,
}

impl<'a> OrderStatistic<'a> {
    /// The l-th smallest of n.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless 1 <= l <= n.
    pub fn new(size: &'a Distribution, l: usize, n: usize) -> Result<Self> {
        count("n", n, usize::MAX)?;
        count("l", l, n)?;
        Ok(Self { size, l, n })
    }

    /// The largest of n.
    ///
    /// # Errors
    /// [`Error::Parameter`] if n is 0.
    pub fn largest(size: &'a Distribution, n: usize) -> Result<Self> {
        Self::new(size, n, n)
    }

    /// The rates of the exponential stages that make up the order statistic of exponential sizes.
    pub(crate) fn stages(&self) -> Option<Vec<f64>> {
        let rate = self.size.exponential_rate()?;
        Some((self.n - self.l + 1..=self.n).rev().map(|i| i as f64 * rate).collect())
    }

    /// P\[X_{l:n} > x\].
    pub fn survival(&self, x: f64) -> f64 {
        let one = self.size.survival(x);
        if one <= 0.0 || one >= 1.0 {
            return one;
        }
        if self.l == self.n {
            return -(self.n as f64 * (-one).ln_1p()).exp_m1();
        }
        beta_reg((self.n - self.l + 1) as f64, self.l as f64, one)
    }

    /// E\[X_{l:n}\].
    ///
    /// # Errors
    /// [`Error::InfiniteMoment`] for a tail too heavy.
    pub fn mean(&self) -> Result<f64> {
        self.moment(1)
    }

    /// E\[X_{l:n}^order\] for an order of 1, 2 or 3.
    ///
    /// # Errors
    /// [`Error::InfiniteMoment`] for a tail too heavy.
    pub fn moment(&self, order: u32) -> Result<f64> {
        match &self.size.0 {
            Law::Exponential { rate } if order == 1 => Ok(harmonic_between(self.n - self.l, self.n) / rate),
            Law::Exponential { rate } => Ok(self.exponential_moment(order, *rate)),
            Law::Constant { value } => Ok(value.powi(order as i32)),
            Law::Empirical(samples) => {
                Ok(samples.order_expectation(self.l, self.n, |x| x.powi(order as i32)))
            }
            Law::Pareto { shape, .. } if shape * (self.n - self.l + 1) as f64 <= f64::from(order) => {
                let distribution = self.size.name();
                Err(Error::InfiniteMoment { distribution, order, formula: "the order statistic" })
            }
            _ => Ok(self.integrated_moment(order)),
        }
    }

    /// The raw moments of a sum of exponentials from its cumulants (c-1)! sum 1/rate^c.
    fn exponential_moment(&self, order: u32, rate: f64) -> f64 {
        let sum = |power: i32| -> f64 {
            (self.n - self.l + 1..=self.n).rev().map(|i| (i as f64 * rate).powi(-power)).sum()
        };
        let (mean, variance, third) = (sum(1), sum(2), 2.0 * sum(3));
        match order {
            0 => 1.0,
            1 => mean,
            2 => variance + mean * mean,
            _ => third + 3.0 * variance * mean + mean.powi(3),
        }
    }

    /// low^p + integral of p x^(p-1) P\[X_{l:n} > x\].
    fn integrated_moment(&self, order: u32) -> f64 {
        let (low, high) = (self.size.lowest(), self.size.highest());
        let power = order as i32;
        let density = |x: f64| f64::from(order) * x.powi(power - 1) * self.survival(x);
        let area = if high.is_finite() {
            integrate(low, high, 256, density)
        } else {
            // The median is a length over which the survival function changes, however heavy the tail.
            integrate_tail(low, self.size.quantile(0.5) - low, density)
        };
        low.powi(power) + area
    }

    /// ln E\[e^(theta X_{l:n})\] below the pole.
    pub fn log_mgf(&self, theta: f64) -> f64 {
        if let Some(stages) = self.stages() {
            return stages.iter().map(|rate| -(-theta / rate).ln_1p()).sum();
        }
        if let Law::Empirical(samples) = &self.size.0 {
            let top = self.size.highest();
            let sum = samples.order_expectation(self.l, self.n, |x| (theta * (x - top)).exp());
            return theta * top + sum.ln();
        }
        self.integrated_log_mgf(theta)
    }

    fn integrated_log_mgf(&self, theta: f64) -> f64 {
        let (low, high) = (self.size.lowest(), self.size.highest());
        let weighted = |x: f64| {
            let exceeds = self.survival(x);
            if exceeds <= 0.0 { 0.0 } else { (theta * (x - low) + exceeds.ln()).exp() }
        };
        let area = if high.is_finite() {
            integrate(low, high, 256, weighted)
        } else {
            integrate_tail(low, self.size.quantile(0.5) - low, weighted)
        };
        theta * low + (theta * area).ln_1p()
    }

    /// The theta at which the transform becomes infinite.
    ///
    /// # Errors
    /// [`Error::HeavyTail`] as for one task.
    pub fn pole(&self) -> Result<f64> {
        let one = self.size.pole()?;
        // n - l + 1 tasks must all be late; a trace cannot show a tail that thin, so it keeps the pole of one.
        let late = if matches!(self.size.0, Law::Empirical(_)) { 1 } else { self.n - self.l + 1 };
        Ok(one * late as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_and_integrated_moments_agree() -> Result<()> {
        let exact = Distribution::exponential(2.0)?;
        let integrated = Distribution::gamma(1.0, 2.0)?;
        for (l, n) in [(1, 1), (3, 10), (10, 10), (95, 100), (1000, 1000)] {
            let (a, b) = (OrderStatistic::new(&exact, l, n)?, OrderStatistic::new(&integrated, l, n)?);
            for order in 1..=3 {
                let (a, b) = (a.moment(order)?, b.moment(order)?);
                assert!((a / b - 1.0).abs() < 1e-9, "{l} of {n}, order {order}: {a} {b}");
            }
            let (a, b) = (a.log_mgf(0.5), b.log_mgf(0.5));
            assert!((a / b - 1.0).abs() < 1e-8, "{l} of {n}: {a} {b}");
        }
        Ok(())
    }

    #[test]
    fn published_values_of_backup_workers() -> Result<()> {
        let unit = Distribution::exponential(1.0)?;
        for (l, n, mean) in [(9, 10, 1.928_968), (30, 32, 2.558_495), (95, 100, 2.904_044)] {
            assert!((OrderStatistic::new(&unit, l, n)?.mean()? - mean).abs() < 1e-5);
        }
        Ok(())
    }
}
