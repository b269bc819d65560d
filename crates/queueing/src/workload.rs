//! What every open system is given: how jobs arrive and how large a task is.

use crate::{Arrivals, Distribution, Error, Result};

/// An arrival process and a distribution of task sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// How jobs arrive.
    pub arrivals: Arrivals,
    /// How long a task takes on a worker.
    pub size: Distribution,
}

impl Workload {
    /// Any arrivals, any task sizes.
    pub fn new(arrivals: Arrivals, size: Distribution) -> Self {
        Self { arrivals, size }
    }

    /// Poisson arrivals of rate `lam` and exponential tasks of rate `mu`: where most exact results hold.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless both are positive.
    pub fn markov(lam: f64, mu: f64) -> Result<Self> {
        Ok(Self::new(Arrivals::poisson(lam)?, Distribution::exponential(mu)?))
    }

    /// lam, jobs per unit of time.
    pub fn rate(&self) -> f64 {
        self.arrivals.rate()
    }

    /// (lam, mu) if arrivals are Poisson and tasks exponential.
    pub fn as_markov(&self) -> Option<(f64, f64)> {
        let mu = self.size.exponential_rate()?;
        self.arrivals.is_poisson().then(|| (self.rate(), mu))
    }

    /// (lam, mu), or the error that names the formula which needs them.
    pub(crate) fn markov_or(&self, model: &'static str, quantity: &'static str) -> Result<(f64, f64)> {
        let instead = "the formula needs Poisson arrivals and exponential tasks; simulate this workload";
        self.as_markov().ok_or(Error::NoFormula { model, quantity, instead })
    }
}
