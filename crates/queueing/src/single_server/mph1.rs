//! M/PH/1: the exact tails of waiting and sojourn time.
//!
//! With service a, Q, t0 = -Q 1: beta = lam a (-Q)^(-1) sums to rho, the wait is phase-type with start beta and
//! generator B = Q + t0 beta, and the sojourn goes on from there into a service that starts as a:
//! P\[T > x\] = [beta, (1 - rho) a] exp(G x) 1 with G = [[B, (-B 1) a], [0, Q]]. G is never formed: its rank-one
//! parts are applied as such, so that a thousand phases cost a few thousand operations a step.

use crate::distribution::PhaseType;
use crate::error::{positive, stable};
use crate::uniformisation::{Absorbing, Decay};
use crate::{Exceedance, Result};

/// A single server with Poisson arrivals and phase-type service.
#[derive(Debug, Clone)]
pub struct Mph1 {
    service: PhaseType,
    beta: Vec<f64>,
    utilisation: f64,
}

impl Mph1 {
    /// Arrival rate and service time.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless the rate is positive, [`crate::Error::Unstable`] if it is too high.
    pub fn new(rate: f64, service: PhaseType) -> Result<Self> {
        stable(positive("arrival rate", rate)?, 1.0 / service.moment(1))?;
        let beta: Vec<f64> =
            service.occupation(service.initial()).into_iter().map(|time| rate * time).collect();
        let utilisation = beta.iter().sum();
        Ok(Self { service, beta, utilisation })
    }

    /// P\[W > x\].
    pub fn wait_tail(&self, x: f64) -> f64 {
        Decay::of(&Waiting(self)).survival(x)
    }

    /// P\[T > x\].
    pub fn sojourn_tail(&self, x: f64) -> f64 {
        Decay::of(&Sojourn(self)).survival(x)
    }

    /// The smallest tau with P\[T > tau\] <= eps.
    pub fn sojourn_quantile(&self, eps: Exceedance) -> f64 {
        Decay::of(&Sojourn(self)).quantile(self.service.moment(1), eps)
    }

    /// The smallest tau with P\[W > tau\] <= eps; 0 if a job finds the server free often enough.
    pub fn wait_quantile(&self, eps: Exceedance) -> f64 {
        if eps.get() >= self.utilisation {
            return 0.0;
        }
        Decay::of(&Waiting(self)).quantile(self.service.moment(1), eps)
    }

    /// `out = row * B`; returns row * t0.
    fn step_waiting(&self, row: &[f64], out: &mut [f64]) -> f64 {
        self.service.step(row, out);
        let finished = row.iter().zip(self.service.exits()).map(|(mass, rate)| mass * rate).sum();
        for (cell, beta) in out.iter_mut().zip(&self.beta) {
            *cell += finished * beta;
        }
        finished
    }
}

struct Waiting<'a>(&'a Mph1);

impl Absorbing for Waiting<'_> {
    fn start(&self) -> Vec<f64> {
        self.0.beta.clone()
    }

    fn rate(&self) -> f64 {
        self.0.service.rate()
    }

    fn step(&self, row: &[f64], out: &mut [f64]) {
        self.0.step_waiting(row, out);
    }
}

struct Sojourn<'a>(&'a Mph1);

impl Absorbing for Sojourn<'_> {
    fn start(&self) -> Vec<f64> {
        let idle = 1.0 - self.0.utilisation;
        self.0.beta.iter().copied().chain(self.0.service.initial().iter().map(|a| idle * a)).collect()
    }

    fn rate(&self) -> f64 {
        self.0.service.rate()
    }

    fn step(&self, row: &[f64], out: &mut [f64]) {
        let phases = self.0.service.phases();
        let (waiting, served) = out.split_at_mut(phases);
        let finished = self.0.step_waiting(&row[..phases], waiting);
        self.0.service.step(&row[phases..], served);
        let begins = finished * (1.0 - self.0.utilisation);
        for (cell, a) in served.iter_mut().zip(self.0.service.initial()) {
            *cell += begins * a;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_phase_is_the_mm1_queue() -> Result<()> {
        let queue = Mph1::new(0.5, PhaseType::hypoexponential(&[1.0])?)?;
        for x in [0.0, 1.0, 10.0, 50.0] {
            assert!((queue.sojourn_tail(x) / (-0.5 * x).exp() - 1.0).abs() < 1e-12);
            assert!((queue.wait_tail(x) / (0.5 * (-0.5 * x).exp()) - 1.0).abs() < 1e-12);
        }
        let tau = queue.sojourn_quantile(Exceedance::new(1e-9)?);
        assert!((tau / (2.0 * 9.0 * 10f64.ln()) - 1.0).abs() < 1e-12);
        Ok(())
    }
}
