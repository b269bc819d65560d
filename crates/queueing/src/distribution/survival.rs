//! Survival functions P\[X > x\] and quantiles, from which order statistics are integrated.

use statrs::function::erf::erfc;
use statrs::function::gamma::gamma_ur;

use super::{Distribution, Law};
use crate::root::{bisect, bracket};

impl Distribution {
    /// P\[X > x\], accurate in relative terms far out in the tail.
    pub fn survival(&self, x: f64) -> f64 {
        if x < self.lowest() {
            return 1.0;
        }
        match &self.0 {
            Law::Exponential { rate } => (-rate * x).exp(),
            Law::Shifted { shift, rate } => (-rate * (x - shift)).exp(),
            Law::Gamma { shape, rate } => upper_gamma(*shape, rate * x),
            Law::HyperExponential { branches } => {
                branches.iter().map(|(p, rate)| p * (-rate * x).exp()).sum()
            }
            Law::PhaseType(phases) => phases.survival(x),
            Law::LogNormal { .. } if x <= 0.0 => 1.0,
            Law::LogNormal { mu, sigma } => 0.5 * erfc((x.ln() - mu) / (sigma * std::f64::consts::SQRT_2)),
            Law::Weibull { shape, scale } => (-(x / scale).powf(*shape)).exp(),
            Law::Pareto { shape, scale } => (scale / x).powf(*shape),
            Law::Constant { .. } => 0.0,
            Law::Uniform { low, high } => ((high - x) / (high - low)).clamp(0.0, 1.0),
            Law::Empirical(samples) => samples.survival(x),
        }
    }

    /// The smallest x with P\[X > x\] <= `exceedance`, which must lie in (0, 1).
    pub fn quantile(&self, exceedance: f64) -> f64 {
        match &self.0 {
            Law::Exponential { rate } => -exceedance.ln() / rate,
            Law::Shifted { shift, rate } => shift - exceedance.ln() / rate,
            Law::Weibull { shape, scale } => scale * (-exceedance.ln()).powf(1.0 / shape),
            Law::Pareto { shape, scale } => scale * exceedance.powf(-1.0 / shape),
            Law::Constant { value } => *value,
            Law::Uniform { low, high } => high - exceedance * (high - low),
            Law::Empirical(samples) => samples.quantile(exceedance),
            _ => {
                let high = bracket(self.mean(), |x| exceedance - self.survival(x));
                bisect(0.0, high, |x| exceedance - self.survival(x))
            }
        }
    }

    /// The largest x with P\[X < x\] = 0.
    pub(crate) fn lowest(&self) -> f64 {
        match &self.0 {
            Law::Shifted { shift, .. } => *shift,
            Law::Pareto { scale, .. } => *scale,
            Law::Constant { value } => *value,
            Law::Uniform { low, .. } => *low,
            Law::Empirical(samples) => samples.sorted()[0],
            _ => 0.0,
        }
    }

    /// The smallest x with P\[X > x\] = 0; infinite for most.
    pub(crate) fn highest(&self) -> f64 {
        match &self.0 {
            Law::Constant { value } => *value,
            Law::Uniform { high, .. } => *high,
            Law::Empirical(samples) => samples.quantile(f64::MIN_POSITIVE),
            _ => f64::INFINITY,
        }
    }
}

/// The regularised upper incomplete gamma function; for a whole shape the finite Poisson sum, which keeps its
/// relative precision in the tail.
fn upper_gamma(shape: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if shape.fract() != 0.0 || shape > 64.0 {
        return gamma_ur(shape, x);
    }
    let mut term = 1.0;
    let mut sum = 1.0;
    for i in 1..shape as u32 {
        term *= x / f64::from(i);
        sum += term;
    }
    sum * (-x).exp()
}
