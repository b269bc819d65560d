//! The chain of a 1-barrier system: b busy workers and q waiting jobs, q > 0 only while b > s - k.
//!
//! A level q can be left downwards only into b = s, when the (s - k)-th worker becomes free and the next job takes k.
//! That makes G = 1 e_s known, and with it R = lam (-U)^(-1), U = A1 + lam 1 e_s: level q + 1 is level q times R, with
//! no truncation of the queue. U is bidiagonal but for its last column, so that a solve costs k operations, and every
//! term below is positive: nothing cancels near saturation.

use crate::distribution::PhaseType;

/// Weights beyond this share of the whole are left out of a tail.
const NEGLIGIBLE: f64 = 1e-20;
const MOST_STATES: usize = 4_000_000;

pub(super) struct Levels {
    workers: usize,
    lam: f64,
    mu: f64,
    /// The rate of completions with b = s-k+1..s busy workers.
    rates: Vec<f64>,
}

/// Level 0, scaled so that all levels sum to 1.
struct Ground {
    /// The probability that a job starts at once, b <= s - k.
    free: f64,
    /// b = s-k+1..s.
    crowded: Vec<f64>,
}

impl Levels {
    pub(super) fn new(workers: usize, width: usize, lam: f64, mu: f64) -> Self {
        let rates = (workers - width + 1..=workers).map(|busy| busy as f64 * mu).collect();
        Self { workers, lam, mu, rates }
    }

    fn width(&self) -> usize {
        self.rates.len()
    }

    /// E\[q\] = pi_1 (I - R)^(-2) 1 with pi_1 = (level 0's crowded states) R.
    pub(super) fn mean_queue(&self) -> f64 {
        let first = self.next_level(&self.ground().crowded);
        self.and_all_above(&self.and_all_above(&first)).iter().sum()
    }

    /// The sojourn time of an arriving job: it passes the busy states of all levels up to its own, one completion after
    /// the other, and then the completions of its own tasks. None if that takes too many states.
    pub(super) fn sojourn(&self) -> Option<PhaseType> {
        let ground = self.ground();
        let mut levels = vec![ground.crowded];
        while levels[levels.len() - 1].iter().sum::<f64>() > NEGLIGIBLE {
            levels.push(self.next_level(&levels[levels.len() - 1]));
            if levels.len() * self.width() > MOST_STATES {
                return None;
            }
        }
        let own = (1..=self.width()).rev().map(|left| left as f64 * self.mu);
        let rates: Vec<f64> =
            levels.iter().flat_map(|_| self.rates.iter().rev().copied()).chain(own).collect();
        let waiting = levels.iter().rev().flat_map(|level| level.iter().rev().copied());
        let mut start: Vec<f64> = waiting.chain([ground.free]).collect();
        start.resize(rates.len(), 0.0);
        PhaseType::in_line(start, &rates).ok()
    }

    /// x R = lam x (-U)^(-1), by y (-U) = lam x from the last column but one downwards; y is linear in its last entry.
    fn next_level(&self, level: &[f64]) -> Vec<f64> {
        let last = self.width() - 1;
        let mut fixed = vec![0.0; last + 1];
        let mut slope = vec![1.0; last + 1];
        for phase in (0..last).rev() {
            let leaving = self.lam + self.rates[phase];
            fixed[phase] = (self.lam * level[phase] + fixed[phase + 1] * self.rates[phase + 1]) / leaving;
            slope[phase] = slope[phase + 1] * self.rates[phase + 1] / leaving;
        }
        // The sum of all columns: what flows out at the bottom is what flows in.
        let end =
            (self.lam * level[last] + self.lam * fixed.iter().sum::<f64>()) / (slope[0] * self.rates[0]);
        fixed.iter().zip(&slope).map(|(fixed, slope)| fixed + slope * end).collect()
    }

    /// x (I - R)^(-1) = x + lam x (-U - lam I)^(-1), solved likewise.
    fn and_all_above(&self, level: &[f64]) -> Vec<f64> {
        let last = self.width() - 1;
        let mut fixed = vec![0.0; last + 1];
        for phase in (0..last).rev() {
            fixed[phase] =
                (self.lam * level[phase] + fixed[phase + 1] * self.rates[phase + 1]) / self.rates[phase];
        }
        let load: f64 = self.rates.iter().map(|rate| self.lam / rate).sum();
        let flow = self.lam * (level[last] + fixed.iter().sum::<f64>()) / (1.0 - load);
        let above = fixed.iter().zip(&self.rates).map(|(fixed, rate)| fixed + flow / rate);
        above.zip(level).map(|(above, own)| own + above).collect()
    }

    /// With upward moves returned to b = s, where the excursion above ends, level 0 is a chain of its own, and its cuts
    /// give w_{b+1} (b + 1) mu = lam (w_{b-k+1} + ... + w_b).
    fn ground(&self) -> Ground {
        let (s, k) = (self.workers, self.width());
        let mut weights = vec![1.0];
        let mut window = 1.0;
        for b in 0..s {
            weights.push(self.lam * window / ((b + 1) as f64 * self.mu));
            window += weights[b + 1];
            if b + 1 >= k {
                window -= weights[b + 1 - k];
            }
            // Summing afresh once in k steps keeps the rounding of the sliding sum from piling up.
            if b % k == 0 {
                window = weights[(b + 2).saturating_sub(k)..].iter().sum();
            }
            if window > 1e200 {
                weights.iter_mut().for_each(|weight| *weight *= 1e-200);
                window *= 1e-200;
            }
        }
        let crowded = weights.split_off(s - k + 1);
        let free: f64 = weights.iter().sum();
        let total = free + self.and_all_above(&crowded).iter().sum::<f64>();
        Ground { free: free / total, crowded: crowded.iter().map(|weight| weight / total).collect() }
    }
}
