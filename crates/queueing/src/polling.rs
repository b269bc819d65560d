//! The overhead of event and polling schedulers (Spark's barrier mode): a stage whose last slot became free starts
//! at the next arrival or the next periodic revival of offers, O = min(U(0, T0), Exp(lam)).

use crate::Result;
use crate::error::positive;

/// E\[O\] = 1/lam - (1 - e^(-lam T0)) / (lam^2 T0); confirmed on logs of Spark (T0 = 1 s by default).
///
/// # Errors
/// [`crate::Error::Parameter`] unless both are positive.
pub fn mean_overhead(events: f64, period: f64) -> Result<f64> {
    let lam = positive("rate of scheduling events", events)?;
    let t0 = positive("polling period T0", period)?;
    let x = lam * t0;
    if x < 1e-3 {
        // T0 (1/2 - x/6 + x^2/24): the two terms below cancel.
        return Ok(t0 * (0.5 - x / 6.0 + x * x / 24.0));
    }
    Ok(1.0 / lam + (-x).exp_m1() / (lam * lam * t0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values_and_no_cancellation() -> Result<()> {
        for (lam, mean) in [(0.5, 0.42612), (1.0, 0.36788), (5.0, 0.16027)] {
            assert!((mean_overhead(lam, 1.0)? - mean).abs() < 5e-6);
        }
        assert!((mean_overhead(1e-12, 1.0)? - 0.5).abs() < 1e-9);
        assert!((mean_overhead(0.999e-3, 1.0)? / mean_overhead(1.001e-3, 1.0)? - 1.0).abs() < 1e-6);
        Ok(())
    }
}
