//! Single-fork speculation (Wang, Joshi, Wornell): when a share 1 - p of n tasks is done, r fresh copies of each of
//! the remaining pn tasks are added. Computed from the task sizes of a trace alone.

use crate::error::count;
use crate::quadrature::{integrate, integrate_tail};
use crate::{Distribution, Error, Result};

/// What becomes of the original of a task that is forked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// It runs on beside its r copies.
    Kept,
    /// It is killed and r + 1 fresh copies start.
    Killed,
}

/// The price and the gain of one speculation rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speculation {
    /// The mean time until all tasks are done.
    pub latency: f64,
    /// Machine time per task.
    pub cost: f64,
}

/// F^(-1)(1 - p) + E\[Y_{pn:pn}\] with Y the minimum of the residual (kept) and the fresh copies.
///
/// # Errors
/// [`Error::Parameter`] unless 0 < p < 1 and n >= 1.
pub fn single_fork(
    size: &Distribution,
    tasks: usize,
    p: f64,
    copies: usize,
    original: Original,
) -> Result<Speculation> {
    count("number of tasks n", tasks, 10_000_000)?;
    if !(p > 0.0 && p < 1.0) {
        return Err(Error::parameter("share of tasks to speculate on", p, "strictly between 0 and 1"));
    }
    let fork = size.quantile(p);
    let at_fork = size.survival(fork).max(f64::MIN_POSITIVE);
    let left = |y: f64| match original {
        Original::Kept => size.survival(fork + y) / at_fork * size.survival(y).powi(copies as i32),
        Original::Killed => size.survival(y).powi(copies as i32 + 1),
    };
    let late = ((p * tasks as f64).round() as usize).max(1);
    let last = decaying(size, |y| -(late as f64 * (-left(y)).ln_1p()).exp_m1());
    let mean_rest = decaying(size, left);
    let before = decaying_to(size, fork);
    // Until the fork each task runs on one machine; after it the late ones run on 1 + r each.
    let cost = before + p * (copies as f64 + 1.0) * mean_rest;
    Ok(Speculation { latency: fork + last, cost })
}

/// The integral of a survival-like function over all times.
fn decaying(size: &Distribution, f: impl Fn(f64) -> f64) -> f64 {
    let high = size.highest();
    if high.is_finite() { integrate(0.0, high, 512, f) } else { integrate_tail(0.0, size.quantile(0.5), f) }
}

/// E\[min(X, limit)\].
fn decaying_to(size: &Distribution, limit: f64) -> f64 {
    integrate(0.0, limit, 512, |x| size.survival(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memoryless_tasks_gain_the_speed_of_their_copies() -> Result<()> {
        let size = Distribution::exponential(1.0)?;
        let forked = single_fork(&size, 100, 0.1, 1, Original::Kept)?;
        // ln 10 until the fork, then the largest of 10 minima at rate 2
        assert!((forked.latency - (10f64.ln() + crate::harmonic::harmonic(10) / 2.0)).abs() < 1e-9);
        assert!((forked.cost - 1.0).abs() < 1e-9);
        Ok(())
    }
}
