//! Families of distributions of task times, with their parameters. Times are in ms.

use serde::Serialize;
use statrs::function::erf::erfc;
use statrs::function::gamma::{gamma_lr, ln_gamma};
use syncline_terminal::unit::milliseconds;

/// A fitted family with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Family {
    /// `1 - exp(-rate x)`
    Exponential {
        /// Per ms.
        rate: f64,
    },
    /// An exponential that starts at `shift`.
    ShiftedExponential {
        /// The least time, in ms.
        shift: f64,
        /// Per ms.
        rate: f64,
    },
    /// The sum of `shape` exponentials.
    Erlang {
        /// How many.
        shape: u32,
        /// Per ms.
        rate: f64,
    },
    /// Gamma.
    Gamma {
        /// Shape.
        shape: f64,
        /// Per ms.
        rate: f64,
    },
    /// The logarithm is normal.
    Lognormal {
        /// Mean of the logarithm.
        mu: f64,
        /// Deviation of the logarithm.
        sigma: f64,
    },
    /// `1 - exp(-(x/scale)^shape)`
    Weibull {
        /// Shape.
        shape: f64,
        /// In ms.
        scale: f64,
    },
    /// One of two exponentials.
    HyperExponential {
        /// The chance of the first.
        p: f64,
        /// The first's, per ms.
        rate_1: f64,
        /// The second's, per ms.
        rate_2: f64,
    },
}

impl Family {
    /// The name with parameters, for people.
    pub fn describe(&self) -> String {
        match *self {
            Self::Exponential { rate } => format!("exponential, mean {}", milliseconds(1.0 / rate)),
            Self::ShiftedExponential { shift, rate } => {
                format!("shifted exponential, {} + mean {}", milliseconds(shift), milliseconds(1.0 / rate))
            }
            Self::Erlang { shape, rate } => {
                format!("Erlang-{shape}, mean {}", milliseconds(f64::from(shape) / rate))
            }
            Self::Gamma { shape, rate } => {
                format!("gamma, shape {shape:.2}, mean {}", milliseconds(shape / rate))
            }
            Self::Lognormal { mu, sigma } => {
                format!("lognormal, median {}, sigma {sigma:.2}", milliseconds(mu.exp()))
            }
            Self::Weibull { shape, scale } => {
                format!("Weibull, shape {shape:.2}, scale {}", milliseconds(scale))
            }
            Self::HyperExponential { p, rate_1, rate_2 } => format!(
                "hyper-exponential, {:.0} % of mean {}, else {}",
                100.0 * p,
                milliseconds(1.0 / rate_1),
                milliseconds(1.0 / rate_2)
            ),
        }
    }

    /// How many parameters it has.
    pub(super) fn parameters(&self) -> f64 {
        match self {
            Self::Exponential { .. } => 1.0,
            Self::HyperExponential { .. } => 3.0,
            _ => 2.0,
        }
    }

    /// The logarithm of its density at `x`.
    pub(super) fn ln_density(&self, x: f64) -> f64 {
        match *self {
            Self::Exponential { rate } => rate.ln() - rate * x,
            Self::ShiftedExponential { shift, rate } if x >= shift => rate.ln() - rate * (x - shift),
            Self::ShiftedExponential { .. } => f64::NEG_INFINITY,
            Self::Erlang { shape, rate } => Self::Gamma { shape: f64::from(shape), rate }.ln_density(x),
            Self::Gamma { shape, rate } => {
                shape * rate.ln() + (shape - 1.0) * x.ln() - rate * x - ln_gamma(shape)
            }
            Self::Lognormal { mu, sigma } => {
                let z = (x.ln() - mu) / sigma;
                -x.ln() - sigma.ln() - 0.5 * (std::f64::consts::TAU).ln() - 0.5 * z * z
            }
            Self::Weibull { shape, scale } => {
                let log = (x / scale).ln();
                shape.ln() - scale.ln() + (shape - 1.0) * log - (shape * log).exp()
            }
            Self::HyperExponential { p, rate_1, rate_2 } => {
                (p * rate_1 * (-rate_1 * x).exp() + (1.0 - p) * rate_2 * (-rate_2 * x).exp()).ln()
            }
        }
    }

    /// The chance of at most `x`.
    pub fn cumulative(&self, x: f64) -> f64 {
        match *self {
            Self::Exponential { rate } => 1.0 - (-rate * x).exp(),
            Self::ShiftedExponential { shift, rate } => 1.0 - (-rate * (x - shift).max(0.0)).exp(),
            Self::Erlang { shape, rate } => Self::Gamma { shape: f64::from(shape), rate }.cumulative(x),
            Self::Gamma { shape, rate } => {
                // Outside of what the series takes, the answer is at an end.
                let at = rate * x;
                if at > 0.0 && at.is_finite() { gamma_lr(shape, at) } else { f64::from(u8::from(at > 0.0)) }
            }
            Self::Lognormal { mu, sigma } => 0.5 * erfc(-(x.ln() - mu) / (sigma * std::f64::consts::SQRT_2)),
            Self::Weibull { shape, scale } => 1.0 - (-(x / scale).powf(shape)).exp(),
            Self::HyperExponential { p, rate_1, rate_2 } => {
                1.0 - p * (-rate_1 * x).exp() - (1.0 - p) * (-rate_2 * x).exp()
            }
        }
    }
}
