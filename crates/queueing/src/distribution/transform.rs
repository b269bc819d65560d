//! Moment generating functions M(theta) = E\[e^(theta X)\], as logarithms: their products overflow near a pole.

use super::{Distribution, Law};
use crate::quadrature::integrate_tail;
use crate::{Error, Result};

impl Distribution {
    /// The supremum of the theta at which M(theta) is finite (for a trace: can still be trusted).
    ///
    /// # Errors
    /// [`Error::HeavyTail`] if there is no positive one, [`Error::TooFewSamples`] for a short trace.
    pub fn pole(&self) -> Result<f64> {
        match &self.0 {
            Law::Exponential { rate } | Law::Shifted { rate, .. } | Law::Gamma { rate, .. } => Ok(*rate),
            Law::HyperExponential { branches } => {
                Ok(branches.iter().filter(|b| b.0 > 0.0).map(|b| b.1).fold(f64::INFINITY, f64::min))
            }
            Law::PhaseType(phases) => Ok(phases.decay()),
            Law::Weibull { shape, .. } if *shape > 1.0 => Ok(f64::INFINITY),
            Law::Weibull { shape, scale } if *shape == 1.0 => Ok(1.0 / scale),
            Law::LogNormal { .. } | Law::Weibull { .. } | Law::Pareto { .. } => {
                Err(Error::HeavyTail { distribution: self.name() })
            }
            Law::Constant { .. } | Law::Uniform { .. } => Ok(f64::INFINITY),
            Law::Empirical(samples) => samples.largest_trusted_theta(),
        }
    }

    /// ln M(theta), for any theta below the pole; negative theta give the Laplace transform.
    pub fn log_mgf(&self, theta: f64) -> f64 {
        match &self.0 {
            Law::Exponential { rate } => -(-theta / rate).ln_1p(),
            Law::Shifted { shift, rate } => theta * shift - (-theta / rate).ln_1p(),
            Law::Gamma { shape, rate } => -shape * (-theta / rate).ln_1p(),
            Law::HyperExponential { branches } => {
                branches.iter().map(|(p, rate)| p * rate / (rate - theta)).sum::<f64>().ln()
            }
            Law::PhaseType(phases) => phases.mgf(theta).ln(),
            Law::Constant { value } => theta * value,
            Law::Uniform { low, high } => theta * low + log_mean_exp(theta * (high - low)),
            Law::Empirical(samples) => samples.log_mgf(theta),
            Law::LogNormal { .. } | Law::Weibull { .. } | Law::Pareto { .. } => self.numeric_log_mgf(theta),
        }
    }

    /// M = e^(theta a) + theta * integral from a of e^(theta x) P\[X > x\], a the lowest outcome.
    fn numeric_log_mgf(&self, theta: f64) -> f64 {
        let (low, scale) = (self.lowest(), self.mean().min(self.quantile(0.5)));
        let tail = integrate_tail(low, scale, |x| {
            let survival = self.survival(x);
            if survival == 0.0 { 0.0 } else { (theta * (x - low) + survival.ln()).exp() }
        });
        theta * low + (theta * tail).ln_1p()
    }
}

/// ln((e^y - 1) / y) without overflow or cancellation.
fn log_mean_exp(y: f64) -> f64 {
    if y.abs() < 1e-5 {
        y / 2.0 + y * y / 24.0
    } else if y > 0.0 {
        y + (-(-y).exp_m1()).ln() - y.ln()
    } else {
        (-y.exp_m1()).ln() - (-y).ln()
    }
}
