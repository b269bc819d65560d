//! Tail probabilities of absorbing Markov chains by uniformisation:
//! P\[X > x\] = sum over n of Poisson(q x; n) * v P^n 1 with P = I + Q / q, q the largest rate out of a state.
//! Every term is non-negative, so that a probability of 1e-12 keeps its digits, and a step costs only as many
//! operations as the chain has transitions. The masses v P^n 1 do not depend on x and are kept for the next one.

use std::cell::RefCell;

use crate::Exceedance;
use crate::distribution::PhaseType;
use crate::root::{bisect, bracket};

/// Operations that an exact quantile may take; a few seconds.
const MOST_OPERATIONS: f64 = 1e9;
/// Chains of queues leave out states with less than 1e-20 of the weight: a rarer event is not theirs to tell.
const RAREST: f64 = 1e-12;

/// A chain that is left by absorption, as the uniformisation needs it.
pub(crate) trait Absorbing {
    /// The initial row vector.
    fn start(&self) -> Vec<f64>;
    /// A rate that no state exceeds.
    fn rate(&self) -> f64;
    /// `out = row * Q`.
    fn step(&self, row: &[f64], out: &mut [f64]);
}

/// The tail of one chain's absorption time.
pub(crate) struct Decay<'a, C> {
    chain: &'a C,
    rate: f64,
    progress: RefCell<Progress>,
}

struct Progress {
    row: Vec<f64>,
    next: Vec<f64>,
    masses: Vec<f64>,
}

impl<'a, C: Absorbing> Decay<'a, C> {
    pub(crate) fn of(chain: &'a C) -> Self {
        let row = chain.start();
        let masses = vec![row.iter().sum()];
        let next = vec![0.0; row.len()];
        Self { chain, rate: chain.rate(), progress: RefCell::new(Progress { row, next, masses }) }
    }

    /// P\[X > x\].
    pub(crate) fn survival(&self, x: f64) -> f64 {
        let mean = self.rate * x;
        if mean <= 0.0 {
            return self.mass(0);
        }
        // Twelve deviations to either side leave out less than 1e-30 of the Poisson weight.
        let reach = 12.0 * mean.sqrt() + 40.0;
        let first = (mean - reach).max(0.0) as usize;
        let last = (mean + reach) as usize;
        let mut weight = (first as f64 * mean.ln() - mean - ln_factorial(first)).exp();
        let mut total = 0.0;
        for n in first..=last {
            total += weight * self.mass(n);
            weight *= mean / (n + 1) as f64;
        }
        total
    }

    /// The smallest tau with P\[X > tau\] <= eps; `scale` is a time of its order.
    pub(crate) fn quantile(&self, scale: f64, eps: Exceedance) -> f64 {
        let excess = |x: f64| eps.get() - self.survival(x);
        bisect(0.0, bracket(scale, excess), excess)
    }

    fn mass(&self, n: usize) -> f64 {
        let progress = &mut *self.progress.borrow_mut();
        while progress.masses.len() <= n {
            self.chain.step(&progress.row, &mut progress.next);
            for (state, change) in progress.row.iter_mut().zip(&progress.next) {
                *state = (*state + change / self.rate).max(0.0);
            }
            progress.masses.push(progress.row.iter().sum());
        }
        progress.masses[n]
    }
}

/// The quantile of a chain's absorption time, which does not exceed `bound`; None if that is too much work.
pub(crate) fn exact_quantile(chain: &PhaseType, eps: Exceedance, bound: f64) -> Option<f64> {
    (eps.get() >= RAREST && is_affordable(chain.phases(), chain.rate() * bound))
        .then(|| Decay::of(chain))
        .map(|tail| bisect(0.0, bound, |x| eps.get() - tail.survival(x)))
}

/// Whether so many states can be followed over so many mean steps.
pub(crate) fn is_affordable(states: usize, steps: f64) -> bool {
    states as f64 * (steps + 12.0 * steps.sqrt() + 40.0) < MOST_OPERATIONS
}

fn ln_factorial(n: usize) -> f64 {
    statrs::function::gamma::ln_gamma(n as f64 + 1.0)
}
