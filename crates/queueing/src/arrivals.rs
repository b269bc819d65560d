//! How jobs arrive: renewal processes (Poisson and deterministic among them), Markov-modulated gaps, and traces.
//!
//! For exponential bounds a process is reduced to its envelope E e^(-theta A(m,n)) <= C e^(-theta rho (n-m)) with
//! the decay per gap ln M_A(-theta) and the factor C (1 for independent gaps; for Markov-modulated ones the
//! spectral radius and the spread of the eigenvector, Fidler and Jiang, INFOCOM 2016).

mod modulated;
mod parse;

pub use modulated::Modulated;

use crate::error::positive;
use crate::sim::Random;
use crate::{Distribution, Empirical, Result};

/// An arrival process.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// Independent gaps of one distribution.
    Renewal(Distribution),
    /// The distribution of the next gap depends on a hidden Markov chain.
    Modulated(Modulated),
    /// The gaps of a trace: formulas take them as independent, the simulator replays them in order.
    Replay {
        /// The gaps in the order of the trace.
        gaps: Vec<f64>,
        /// The same, as a distribution.
        spread: Distribution,
    },
}

/// How an arrival process enters an exponential bound at one theta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Envelope {
    /// ln of the factor by which a gap shrinks e^(theta backlog), at most zero.
    pub log_gap: f64,
    /// ln of the factor in front, at least zero.
    pub log_factor: f64,
}

impl Arrivals {
    /// Poisson arrivals of the given rate.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless the rate is positive; likewise below.
    pub fn poisson(rate: f64) -> Result<Self> {
        Ok(Self::Renewal(Distribution::exponential(positive("arrival rate", rate)?)?))
    }

    /// One job every 1 / rate.
    pub fn deterministic(rate: f64) -> Result<Self> {
        Ok(Self::Renewal(Distribution::constant(1.0 / positive("arrival rate", rate)?)?))
    }

    /// The gaps of a trace, in order.
    ///
    /// # Errors
    /// [`crate::Error::TooFewSamples`] if it is empty, [`crate::Error::Parameter`] if a gap is negative or all are zero.
    pub fn replay(gaps: Vec<f64>) -> Result<Self> {
        let spread = Distribution::empirical(Empirical::new(gaps.clone())?);
        positive("mean gap of the trace", spread.mean())?;
        Ok(Self::Replay { gaps, spread })
    }

    /// Jobs per unit of time.
    pub fn rate(&self) -> f64 {
        match self {
            Self::Renewal(gap) | Self::Replay { spread: gap, .. } => 1.0 / gap.mean(),
            Self::Modulated(chain) => 1.0 / chain.mean_gap(),
        }
    }

    /// Whether this is a Poisson process, which most exact formulas need.
    pub fn is_poisson(&self) -> bool {
        matches!(self, Self::Renewal(gap) if gap.exponential_rate().is_some())
    }

    /// The squared coefficient of variation of a gap, without its correlations.
    pub fn scv(&self) -> f64 {
        match self {
            Self::Renewal(gap) | Self::Replay { spread: gap, .. } => gap.scv(),
            Self::Modulated(chain) => chain.scv(),
        }
    }

    pub(crate) fn envelope(&self, theta: f64) -> Envelope {
        match self {
            Self::Renewal(gap) | Self::Replay { spread: gap, .. } => {
                Envelope { log_gap: gap.log_mgf(-theta), log_factor: 0.0 }
            }
            Self::Modulated(chain) => chain.envelope(theta),
        }
    }

    /// The same process, run faster or slower so that its rate becomes `rate`.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless the rate is positive.
    pub fn at_rate(&self, rate: f64) -> Result<Self> {
        let factor = self.rate() / positive("arrival rate", rate)?;
        match self {
            Self::Renewal(gap) => Ok(Self::Renewal(gap.scaled(factor))),
            Self::Modulated(chain) => Ok(Self::Modulated(chain.scaled(factor))),
            Self::Replay { gaps, .. } => Self::replay(gaps.iter().map(|gap| gap * factor).collect()),
        }
    }

    /// A source of gaps for one simulated run.
    pub(crate) fn source(&self, random: &mut Random) -> Source<'_> {
        match self {
            Self::Renewal(gap) => Source::Renewal(gap),
            Self::Modulated(chain) => Source::Modulated { chain, state: chain.draw_state(random) },
            Self::Replay { gaps, .. } => Source::Replay { gaps, next: 0 },
        }
    }
}

/// Gaps of one run, in order.
pub(crate) enum Source<'a> {
    Renewal(&'a Distribution),
    Modulated { chain: &'a Modulated, state: usize },
    Replay { gaps: &'a [f64], next: usize },
}

impl Source<'_> {
    /// The next gap; a trace starts again at its end.
    #[inline]
    pub(crate) fn gap(&mut self, random: &mut Random) -> f64 {
        match self {
            Self::Renewal(gap) => gap.draw(random),
            Self::Modulated { chain, state } => chain.step(state, random),
            Self::Replay { gaps, next } => {
                let gap = gaps[*next];
                *next = (*next + 1) % gaps.len();
                gap
            }
        }
    }
}
