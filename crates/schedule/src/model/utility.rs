//! What finishing a job is worth, as a function of the time since it arrived.
//!
//! Invariant: a utility is never negative and never rises with time; the policies rely on both.

use serde::{Deserialize, Serialize};

/// Utility of the elapsed time between arrival and completion, in hours (one slot of the papers).
///
/// ```
/// use syncline_schedule::Utility;
/// let urgent = Utility::Sigmoid { value: 50.0, decay: 5.0, target: 4.0 };
/// assert!(urgent.at(2.0) > 49.0 && urgent.at(6.0) < 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Utility {
    /// `value / (1 + exp(decay * (elapsed - target)))`, the shape of OASiS and PD-ORS.
    Sigmoid {
        /// The priority theta 1.
        value: f64,
        /// The urgency theta 2 per hour; zero makes the job insensitive to time.
        decay: f64,
        /// The target completion time theta 3, in hours.
        target: f64,
    },
    /// All of `value` up to the deadline, nothing after it.
    Deadline {
        /// Worth in time.
        value: f64,
        /// The latest useful elapsed time, in hours.
        deadline: f64,
    },
    /// Falls from `value` to zero at `zero_at` hours.
    Linear {
        /// Worth at once.
        value: f64,
        /// When nothing is left, in hours.
        zero_at: f64,
    },
    /// Always `value`, however late.
    Constant {
        /// Worth whenever it completes.
        value: f64,
    },
}

impl Utility {
    /// The utility of completing `elapsed_hours` after arrival.
    pub fn at(&self, elapsed_hours: f64) -> f64 {
        match *self {
            Self::Sigmoid { value, decay, target } => {
                value / (1.0 + (decay * (elapsed_hours - target)).exp())
            }
            Self::Deadline { value, deadline } => {
                if elapsed_hours <= deadline {
                    value
                } else {
                    0.0
                }
            }
            Self::Linear { value, zero_at } => value * (1.0 - elapsed_hours / zero_at).clamp(0.0, 1.0),
            Self::Constant { value } => value,
        }
    }

    /// The class of Google's scheduling classes that the shape falls in, for reports per class.
    pub fn class(&self) -> &'static str {
        match *self {
            Self::Constant { .. } => "insensitive",
            Self::Sigmoid { decay: 0.0, .. } => "insensitive",
            Self::Sigmoid { decay, .. } if decay < 2.0 => "sensitive",
            Self::Linear { .. } => "sensitive",
            Self::Sigmoid { .. } | Self::Deadline { .. } => "critical",
        }
    }

    /// The name of the first parameter that is negative, not finite, or a zero where none may be.
    pub fn invalid(&self) -> Option<&'static str> {
        let bad = |x: f64| !(x.is_finite() && x >= 0.0);
        match *self {
            Self::Sigmoid { value, .. } | Self::Deadline { value, .. } if bad(value) => Some("value"),
            Self::Linear { value, .. } | Self::Constant { value } if bad(value) => Some("value"),
            Self::Sigmoid { decay, .. } if bad(decay) => Some("decay"),
            Self::Sigmoid { target, .. } if bad(target) => Some("target"),
            Self::Deadline { deadline, .. } if bad(deadline) => Some("deadline"),
            Self::Linear { zero_at, .. } if bad(zero_at) || zero_at == 0.0 => Some("zero_at"),
            _ => None,
        }
    }
}

impl Default for Utility {
    fn default() -> Self {
        Self::Constant { value: 1.0 }
    }
}
