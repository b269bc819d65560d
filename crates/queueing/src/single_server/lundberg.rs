//! GI/GI/1 by Kingman's exponential bound: with th* = sup { th > 0 : M_S(th) M_A(-th) <= 1 },
//! P\[W >= tau\] <= e^(-th tau) and P\[T >= tau\] <= M_S(th) e^(-th tau) for any th in (0, th*] (the martingale form;
//! Fidler and Jiang, INFOCOM 2016). Markov-modulated arrivals add the factor of their envelope. Everything is
//! kept in logarithms.

use crate::arrivals::Arrivals;
use crate::root::{bisect, bracket, minimum};
use crate::{Error, Exceedance, Result};

/// The exponential decay of a single-server queue.
pub struct Lundberg<'a> {
    arrivals: &'a Arrivals,
    service: Box<dyn Fn(f64) -> f64 + 'a>,
    decay: f64,
}

impl<'a> Lundberg<'a> {
    /// `service` is ln M_S, finite below `pole`; `mean` is E S.
    ///
    /// # Errors
    /// [`Error::Unstable`] if the queue is.
    pub fn new(
        arrivals: &'a Arrivals,
        mean: f64,
        pole: f64,
        service: impl Fn(f64) -> f64 + 'a,
    ) -> Result<Self> {
        let drift = |theta: f64| service(theta) + arrivals.envelope(theta).log_gap;
        if arrivals.rate() * mean >= 1.0 {
            return Err(Error::Unstable { rate: arrivals.rate(), largest: 1.0 / mean });
        }
        let high = if pole.is_finite() { pole * (1.0 - 1e-12) } else { bracket(1.0 / mean, drift) };
        // NaN (an overflow beyond the root) must read as "too far".
        let decay = bisect(0.0, high, |theta| if drift(theta) <= 0.0 { -1.0 } else { 1.0 });
        Ok(Self { arrivals, service: Box::new(service), decay })
    }

    /// th*: the tail of the wait decays at least this fast.
    pub fn decay(&self) -> f64 {
        self.decay
    }

    /// The tau with e^(-th* tau) <= eps: a bound of the waiting time's quantile.
    pub fn wait_quantile(&self, eps: Exceedance) -> f64 {
        (self.arrivals.envelope(self.decay).log_factor + eps.nats()).max(0.0) / self.decay
    }

    /// min over th of (ln of all factors + ln 1/eps) / th: a bound of the sojourn time's quantile.
    pub fn sojourn_quantile(&self, eps: Exceedance) -> f64 {
        self.quantile_with(eps, |theta| (self.service)(theta))
    }

    /// The same with other factors, given as a logarithm, in front of e^(-th tau).
    pub fn quantile_with(&self, eps: Exceedance, log_factor: impl Fn(f64) -> f64) -> f64 {
        minimum(0.0, self.decay, |theta| {
            (self.arrivals.envelope(theta).log_factor + log_factor(theta) + eps.nats()) / theta
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Distribution;

    #[test]
    fn the_mm1_queue_decays_with_the_difference_of_its_rates() -> Result<()> {
        let arrivals = Arrivals::poisson(0.4)?;
        let size = Distribution::exponential(1.0)?;
        let bound = Lundberg::new(&arrivals, 1.0, 1.0, |theta| size.log_mgf(theta))?;
        assert!((bound.decay() - 0.6).abs() < 1e-12);
        let eps = Exceedance::new(1e-3)?;
        // e^(-(mu - lam) tau) / rho
        assert!((bound.sojourn_quantile(eps) - (1e3f64 / 0.4).ln() / 0.6).abs() < 1e-8);
        Ok(())
    }
}
