//! Distributions of task sizes and of gaps between arrivals.
//!
//! One closed type, so that every formula and the simulator can treat each law in the way that suits it best:
//! closed forms for moments and transforms where they exist, order statistics through the survival function,
//! and block-wise sampling. The invariant: a value of [`Distribution`] has valid parameters and only
//! non-negative outcomes.

mod empirical;
mod moments;
mod parse;
mod phase_type;
mod phases;
mod sample;
mod survival;
mod transform;

pub use empirical::Empirical;
pub(crate) use phase_type::Move;
pub use phase_type::PhaseType;
pub(crate) use sample::exponential as unit_exponential;

use crate::error::{non_negative, positive};
use crate::{Error, Result};

/// A distribution of non-negative times.
///
/// ```
/// # use syncline_queueing::Distribution;
/// let size: Distribution = "erlang:4,4".parse()?;
/// assert_eq!(size.mean(), 1.0);
/// assert_eq!(size.scv(), 0.25);
/// # Ok::<(), syncline_queueing::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution(pub(crate) Law);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Law {
    Exponential { rate: f64 },
    Shifted { shift: f64, rate: f64 },
    Gamma { shape: f64, rate: f64 },
    HyperExponential { branches: Vec<(f64, f64)> },
    PhaseType(PhaseType),
    LogNormal { mu: f64, sigma: f64 },
    Weibull { shape: f64, scale: f64 },
    Pareto { shape: f64, scale: f64 },
    Constant { value: f64 },
    Uniform { low: f64, high: f64 },
    Empirical(Empirical),
}

impl Distribution {
    /// Exponential with the given rate (mean 1 / rate).
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the rate is positive; likewise for the constructors below.
    pub fn exponential(rate: f64) -> Result<Self> {
        Ok(Self(Law::Exponential { rate: positive("rate", rate)? }))
    }

    /// A constant plus an exponential: no task is faster than `shift`.
    pub fn shifted_exponential(shift: f64, rate: f64) -> Result<Self> {
        Ok(Self(Law::Shifted { shift: non_negative("shift", shift)?, rate: positive("rate", rate)? }))
    }

    /// The sum of `stages` exponentials of the given rate.
    pub fn erlang(stages: usize, rate: f64) -> Result<Self> {
        Self::gamma(stages as f64, rate)
    }

    /// Gamma with mean shape / rate.
    pub fn gamma(shape: f64, rate: f64) -> Result<Self> {
        Ok(Self(Law::Gamma { shape: positive("shape", shape)?, rate: positive("rate", rate)? }))
    }

    /// With probability `p` of a branch, an exponential of the branch's rate; `branches` are `(p, rate)`.
    pub fn hyper_exponential(branches: &[(f64, f64)]) -> Result<Self> {
        for &(p, rate) in branches {
            non_negative("branch probability", p)?;
            positive("rate", rate)?;
        }
        let total: f64 = branches.iter().map(|branch| branch.0).sum();
        if (total - 1.0).abs() > 1e-9 {
            return Err(Error::parameter("sum of the branch probabilities", total, "1"));
        }
        Ok(Self(Law::HyperExponential { branches: branches.to_vec() }))
    }

    /// The time that a Markov chain takes until it is absorbed.
    pub fn phase_type(phases: PhaseType) -> Self {
        Self(Law::PhaseType(phases))
    }

    /// exp(N(mu, sigma^2)).
    pub fn log_normal(mu: f64, sigma: f64) -> Result<Self> {
        if !mu.is_finite() {
            return Err(Error::parameter("mu", mu, "finite"));
        }
        Ok(Self(Law::LogNormal { mu, sigma: positive("sigma", sigma)? }))
    }

    /// P\[X > x\] = exp(-(x / scale)^shape).
    pub fn weibull(shape: f64, scale: f64) -> Result<Self> {
        Ok(Self(Law::Weibull { shape: positive("shape", shape)?, scale: positive("scale", scale)? }))
    }

    /// P\[X > x\] = (scale / x)^shape from x = scale on.
    pub fn pareto(shape: f64, scale: f64) -> Result<Self> {
        Ok(Self(Law::Pareto { shape: positive("shape", shape)?, scale: positive("scale", scale)? }))
    }

    /// Always the same value.
    pub fn constant(value: f64) -> Result<Self> {
        Ok(Self(Law::Constant { value: positive("constant", value)? }))
    }

    /// Uniform between two times.
    pub fn uniform(low: f64, high: f64) -> Result<Self> {
        non_negative("low", low)?;
        if high > low && high.is_finite() {
            Ok(Self(Law::Uniform { low, high }))
        } else {
            Err(Error::parameter("high", high, format!("finite and above low = {low}")))
        }
    }

    /// The samples of a trace, each as likely as any other.
    pub fn empirical(samples: Empirical) -> Self {
        Self(Law::Empirical(samples))
    }

    /// The distribution of `factor` times the outcome.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self(match &self.0 {
            Law::Exponential { rate } => Law::Exponential { rate: rate / factor },
            Law::Shifted { shift, rate } => Law::Shifted { shift: shift * factor, rate: rate / factor },
            Law::Gamma { shape, rate } => Law::Gamma { shape: *shape, rate: rate / factor },
            Law::HyperExponential { branches } => {
                let branches = branches.iter().map(|(p, rate)| (*p, rate / factor)).collect();
                Law::HyperExponential { branches }
            }
            Law::PhaseType(phases) => Law::PhaseType(phases.scaled(factor)),
            Law::LogNormal { mu, sigma } => Law::LogNormal { mu: mu + factor.ln(), sigma: *sigma },
            Law::Weibull { shape, scale } => Law::Weibull { shape: *shape, scale: scale * factor },
            Law::Pareto { shape, scale } => Law::Pareto { shape: *shape, scale: scale * factor },
            Law::Constant { value } => Law::Constant { value: value * factor },
            Law::Uniform { low, high } => Law::Uniform { low: low * factor, high: high * factor },
            Law::Empirical(samples) => Law::Empirical(samples.scaled(factor)),
        })
    }

    /// The distribution's name in messages.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Law::Exponential { .. } => "exponential",
            Law::Shifted { .. } => "shifted exponential",
            Law::Gamma { .. } => "gamma",
            Law::HyperExponential { .. } => "hyper-exponential",
            Law::PhaseType(_) => "phase-type",
            Law::LogNormal { .. } => "lognormal",
            Law::Weibull { .. } => "Weibull",
            Law::Pareto { .. } => "Pareto",
            Law::Constant { .. } => "constant",
            Law::Uniform { .. } => "uniform",
            Law::Empirical(_) => "empirical",
        }
    }

    /// The rate if the distribution is exponential; most exact formulas hold only then.
    pub fn exponential_rate(&self) -> Option<f64> {
        match self.0 {
            Law::Exponential { rate } => Some(rate),
            _ => None,
        }
    }
}
