//! Raw moments in closed form.

use statrs::function::gamma::ln_gamma;

use super::{Distribution, Law};
use crate::{Error, Result};

impl Distribution {
    /// E\[X^order\]; infinite where a heavy tail makes it so.
    pub fn moment(&self, order: u32) -> f64 {
        let n = f64::from(order);
        match &self.0 {
            Law::Exponential { rate } => factorial(order) / rate.powf(n),
            Law::Shifted { shift, rate } => shifted_moment(*shift, *rate, order),
            Law::Gamma { shape, rate } => (0..order).map(|i| (shape + f64::from(i)) / rate).product(),
            Law::HyperExponential { branches } => {
                branches.iter().map(|(p, rate)| p * factorial(order) / rate.powf(n)).sum()
            }
            Law::PhaseType(phases) => phases.moment(order),
            Law::LogNormal { mu, sigma } => (n * mu + 0.5 * n * n * sigma * sigma).exp(),
            Law::Weibull { shape, scale } => scale.powf(n) * ln_gamma(1.0 + n / shape).exp(),
            Law::Pareto { shape, .. } if *shape <= n => f64::INFINITY,
            Law::Pareto { shape, scale } => shape * scale.powf(n) / (shape - n),
            Law::Constant { value } => value.powf(n),
            Law::Uniform { low, high } => {
                (high.powf(n + 1.0) - low.powf(n + 1.0)) / ((n + 1.0) * (high - low))
            }
            Law::Empirical(samples) => samples.moment(order),
        }
    }

    /// E\[X\].
    pub fn mean(&self) -> f64 {
        self.moment(1)
    }

    /// Var X.
    pub fn variance(&self) -> f64 {
        match &self.0 {
            Law::Constant { .. } => 0.0,
            Law::Uniform { low, high } => (high - low) * (high - low) / 12.0,
            Law::Shifted { rate, .. } => 1.0 / (rate * rate),
            Law::LogNormal { sigma, .. } => (sigma * sigma).exp_m1() * self.mean() * self.mean(),
            _ => (self.moment(2) - self.mean() * self.mean()).max(0.0),
        }
    }

    /// The squared coefficient of variation, Var X / (E X)^2.
    pub fn scv(&self) -> f64 {
        self.variance() / (self.mean() * self.mean())
    }

    /// The moment, or an error that names the formula which cannot do without it.
    pub(crate) fn finite_moment(&self, order: u32, formula: &'static str) -> Result<f64> {
        let moment = self.moment(order);
        if moment.is_finite() {
            Ok(moment)
        } else {
            Err(Error::InfiniteMoment { distribution: self.name(), order, formula })
        }
    }
}

fn factorial(n: u32) -> f64 {
    (1..=n).map(f64::from).product()
}

/// E\[(d + Y)^n\] by the binomial theorem, with E\[Y^i\] = i! / rate^i.
fn shifted_moment(shift: f64, rate: f64, order: u32) -> f64 {
    let mut binomial = 1.0;
    let mut total = 0.0;
    for i in 0..=order {
        total += binomial * shift.powi((order - i) as i32) * factorial(i) / rate.powi(i as i32);
        binomial *= f64::from(order - i) / f64::from(i + 1);
    }
    total
}
