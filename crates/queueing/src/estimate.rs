//! A number together with what it is worth: exact, a bound, an approximation or a fit, where it is valid, and
//! who derived it. No model of this crate returns a bare number, so that a bound is never printed as a mean.

use std::fmt;

/// What a value is in relation to the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The true value, to the precision of floating point.
    Exact,
    /// The truth is at most this value.
    UpperBound,
    /// The truth is at least this value.
    LowerBound,
    /// Derived with a simplification whose error was measured.
    Approximation,
    /// Constants were fitted to simulations.
    Fit,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::UpperBound => "upper bound",
            Self::LowerBound => "lower bound",
            Self::Approximation => "approximation",
            Self::Fit => "fit",
        })
    }
}

/// A value with its standing.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The number; a time in the unit of the task sizes, or a rate in its inverse.
    pub value: f64,
    /// What the number is in relation to the truth.
    pub kind: Kind,
    /// The formula's name.
    pub method: &'static str,
    /// Where the formula holds and how far off it was measured to be.
    pub validity: &'static str,
    /// The publication or derivation.
    pub source: &'static str,
}

impl Estimate {
    /// An exact value.
    pub fn exact(value: f64, method: &'static str, source: &'static str) -> Self {
        Self { value, kind: Kind::Exact, method, validity: "whenever stable", source }
    }

    pub(crate) fn new(value: f64, kind: Kind, method: &'static str) -> Self {
        Self { value, kind, method, validity: "whenever stable", source: "standard" }
    }

    pub(crate) fn valid(self, validity: &'static str) -> Self {
        Self { validity, ..self }
    }

    pub(crate) fn from(self, source: &'static str) -> Self {
        Self { source, ..self }
    }
}
