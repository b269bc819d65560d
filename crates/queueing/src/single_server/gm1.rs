//! GI/M/1: renewal arrivals, exponential service. A job finds n others with probability (1 - sigma) sigma^n, where sigma
//! is the root below 1 of sigma = M_A(-mu (1 - sigma)); so its sojourn is exponential with rate mu (1 - sigma).

use crate::error::{positive, stable};
use crate::root::bisect;
use crate::{Arrivals, Distribution, Exceedance, Result};

/// A single server with independent gaps between arrivals and exponential service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gm1 {
    rate: f64,
    /// 1 - sigma, which keeps its digits near saturation.
    gap: f64,
}

impl Gm1 {
    /// The gaps' distribution and the service rate.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless the rate is positive, [`crate::Error::Unstable`] if jobs come too fast.
    pub fn new(gaps: &Distribution, rate: f64) -> Result<Self> {
        let rate = positive("service rate", rate)?;
        stable(1.0 / gaps.mean(), rate)?;
        // 1 - sigma = 1 - M_A(-mu (1 - sigma)): expm1 of its logarithm loses nothing.
        let gap = bisect(0.0, 1.0, |gap| gap + gaps.log_mgf(-rate * gap).exp_m1());
        Ok(Self { rate, gap })
    }

    /// For a workload of this kind; nothing for any other.
    pub(crate) fn of(arrivals: &Arrivals, service: Option<f64>) -> Option<Result<Self>> {
        match arrivals {
            Arrivals::Renewal(gaps) => service.map(|rate| Self::new(gaps, rate)),
            Arrivals::Modulated(_) | Arrivals::Replay { .. } => None,
        }
    }

    /// The mean time from arrival to departure, 1 / (mu (1 - sigma)).
    pub fn mean_sojourn(&self) -> f64 {
        1.0 / (self.rate * self.gap)
    }

    /// The mean time from arrival to the start of service, sigma / (mu (1 - sigma)).
    pub fn mean_wait(&self) -> f64 {
        (1.0 - self.gap) * self.mean_sojourn()
    }

    /// The smallest tau with P\[T > tau\] <= eps.
    pub fn sojourn_quantile(&self, eps: Exceedance) -> f64 {
        -eps.get().ln() * self.mean_sojourn()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_roots() -> Result<()> {
        // Poisson arrivals: sigma = rho. Every 2: sigma = e^(-2 (1 - sigma)), 0.203188. Erlang-2 gaps of rate 1 each:
        // sigma = (1 / (2 - sigma))^2, (3 - sqrt 5) / 2.
        let mean = |gaps: Distribution| Gm1::new(&gaps, 1.0).map(|queue| queue.mean_sojourn());
        assert!((mean(Distribution::exponential(0.5)?)? - 2.0).abs() < 1e-9);
        assert!((mean(Distribution::constant(2.0)?)? - 1.0 / (1.0 - 0.203_187_869_98)).abs() < 1e-8);
        assert!((mean(Distribution::erlang(2, 1.0)?)? - 1.0 / (1.0 - 0.381_966_011_25)).abs() < 1e-8);
        assert!(mean(Distribution::constant(0.9)?).is_err());
        Ok(())
    }
}
