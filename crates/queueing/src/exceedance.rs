//! The probability with which a quantile may be exceeded.

use crate::{Error, Result};

/// A probability strictly between 0 and 1: the eps-quantile tau of T satisfies P\[T > tau\] <= eps.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Exceedance(f64);

impl Exceedance {
    /// Accepts a probability strictly between 0 and 1.
    ///
    /// # Errors
    /// [`Error::Parameter`] for anything else.
    pub fn new(probability: f64) -> Result<Self> {
        if probability > 0.0 && probability < 1.0 {
            Ok(Self(probability))
        } else {
            Err(Error::parameter("eps", probability, "strictly between 0 and 1"))
        }
    }

    /// The probability.
    pub fn get(self) -> f64 {
        self.0
    }

    /// -ln eps, which every exponential bound needs.
    pub fn nats(self) -> f64 {
        -self.0.ln()
    }
}
