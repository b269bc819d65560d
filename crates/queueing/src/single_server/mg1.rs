//! M/G/1: W = lam E\[S^2\] / (2 (1 - rho)), T = W + E S, Var T = lam E\[S^3\] / (3 (1 - rho)) + W^2 + Var S.

use crate::Result;
use crate::error::{positive, stable};

/// A single server with Poisson arrivals, by the first moments of its service time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mg1 {
    rate: f64,
    mean: f64,
    second: f64,
}

impl Mg1 {
    /// Arrival rate, E S and E S^2.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless all are positive, [`crate::Error::Unstable`] if rate * mean >= 1.
    pub fn new(rate: f64, mean: f64, second: f64) -> Result<Self> {
        positive("mean service time", mean)?;
        positive("second moment of the service time", second)?;
        stable(positive("arrival rate", rate)?, 1.0 / mean)?;
        Ok(Self { rate, mean, second })
    }

    /// The share of time that the server is busy.
    pub fn utilisation(&self) -> f64 {
        self.rate * self.mean
    }

    /// The mean time from arrival to the start of service.
    pub fn mean_wait(&self) -> f64 {
        self.rate * self.second / (2.0 * (1.0 - self.utilisation()))
    }

    /// The mean time from arrival to departure.
    pub fn mean_sojourn(&self) -> f64 {
        self.mean_wait() + self.mean
    }

    /// The variance of the sojourn time, given E S^3.
    pub fn sojourn_variance(&self, third: f64) -> f64 {
        let wait = self.mean_wait();
        self.rate * third / (3.0 * (1.0 - self.utilisation())) + wait * wait + self.second
            - self.mean * self.mean
    }
}
