//! Randomised rounding of the relaxation (algorithm 4 of PD-ORS) and the gain G of its lemma.
//!
//! With x' = G x, every coordinate is rounded up with the probability of its fraction, independently. For the
//! program `min c x, A x >= a (m rows), B x <= b (r rows)` with `W_a = min a_i / A_ij`, `W_b = min b_i /
//! B_ij`, each of three bad events has probability at most delta / 3: cost above `3 G / delta` times the
//! relaxation (Markov), a packing row broken by more than the slack of G, a covering row missed by more than
//! the slack of G (Chernoff).

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{
    market::{Market, Offer},
    relaxation::Relaxed,
};

/// Which rows the theoretical gain lets hold exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Favour {
    /// 0 < G <= 1: packing rows hold with probability 1 - delta, covering rows nearly.
    Packing,
    /// G > 1: covering rows hold, packing rows nearly.
    Covering,
}

/// The gain applied to the relaxation before rounding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gain {
    /// A given factor; 1 works best on real sizes (51 % of the jobs round at once against 3 to 14 % elsewhere).
    Fixed(f64),
    /// The lemma's G for this delta.
    Theory {
        /// The allowed probability of failure.
        delta: f64,
        /// The regime.
        favour: Favour,
    },
}

/// The sizes that the lemma depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lemma {
    /// Number of packing rows (r).
    pub packing_rows: f64,
    /// Number of covering rows (m).
    pub covering_rows: f64,
    /// Smallest packing width W_b.
    pub packing_width: f64,
    /// Smallest covering width W_a.
    pub covering_width: f64,
}

impl Lemma {
    /// The sizes for a market and a number of workers. The paper's exact row count could not be read: both
    /// covering rows are counted, and only rows with a coefficient.
    pub fn of(market: &Market, workers: u32) -> Self {
        let job = market.job;
        let kinds = job.worker.plus(&job.server).as_array().iter().filter(|need| **need > 0.0).count();
        let mut packing_width = f64::from(job.workers.max);
        for host in market.hosts() {
            for ((worker, server), free) in
                job.worker.as_array().iter().zip(job.server.as_array()).zip(host.free.as_array())
            {
                let unit = if host.workers_fit > 0 { *worker } else { 0.0 };
                let unit = if host.servers_fit > 0 { unit.max(*server) } else { unit };
                if unit > 0.0 {
                    packing_width = packing_width.min(free / unit);
                }
            }
        }
        let covering_width = f64::from(workers) / job.workers_per_server.unwrap_or(1.0).max(1.0);
        Self {
            packing_rows: (market.hosts().len() * kinds + 1) as f64,
            covering_rows: if job.workers_per_server.is_some() { 2.0 } else { 1.0 },
            packing_width,
            covering_width,
        }
    }

    /// The lemma's G.
    ///
    /// ```text
    /// packing:   G = 1 + k - sqrt(k^2 + 2 k),  k = 3 ln(3 r / delta) / (2 W_b)
    /// covering:  G = 1 + k + sqrt(k^2 + 2 k),  k = ln(3 m / delta) / W_a
    /// ```
    pub fn gain(&self, delta: f64, favour: Favour) -> f64 {
        match favour {
            Favour::Packing => {
                let k = 1.5 * (3.0 * self.packing_rows / delta).ln() / self.packing_width;
                // 1 + k - sqrt(k^2 + 2k) = 1 / (1 + k + sqrt(k^2 + 2k)): no cancellation for large k.
                1.0 / (1.0 + k + (k * k + 2.0 * k).sqrt())
            }
            Favour::Covering => {
                let k = (3.0 * self.covering_rows / delta).ln() / self.covering_width;
                1.0 + k + (k * k + 2.0 * k).sqrt()
            }
        }
    }

    /// The factor by which covering rows may fall short when packing is favoured: `G (1 - sqrt(2 ln(3m/delta)
    /// / (G W_a)))`.
    pub fn covering_slack(&self, delta: f64, gain: f64) -> f64 {
        gain * (1.0 - (2.0 * (3.0 * self.covering_rows / delta).ln() / (gain * self.covering_width)).sqrt())
    }

    /// The factor by which packing rows may be exceeded when covering is favoured: `G (1 + sqrt(3
    /// ln(3r/delta) / (G W_b)))`.
    pub fn packing_slack(&self, delta: f64, gain: f64) -> f64 {
        gain * (1.0 + (3.0 * (3.0 * self.packing_rows / delta).ln() / (gain * self.packing_width)).sqrt())
    }
}

/// How the external case is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rounding {
    /// The gain before rounding.
    pub gain: Gain,
    /// Most trials (S).
    pub trials: u32,
}

impl Default for Rounding {
    fn default() -> Self {
        Self { gain: Gain::Fixed(1.0), trials: 50 }
    }
}

/// One independent rounding of `gain * x`.
pub fn round_once(relaxed: &Relaxed, gain: f64, rng: &mut impl Rng) -> Vec<(u32, u32)> {
    let mut round = |value: f64| {
        let value = gain * value;
        // Amounts below the solver's tolerance are zero, not a chance of one.
        let whole = (value + 1e-7).floor();
        let fraction = value - whole;
        whole as u32 + u32::from(fraction > 1e-7 && rng.random::<f64>() < fraction)
    };
    relaxed.hosted.iter().map(|&(workers, servers)| (round(workers), round(servers))).collect()
}

/// Rounds until all rows hold; after the last trial, repairs: floors, then adds what is missing, cheapest
/// first.
pub fn round(
    market: &Market,
    relaxed: &Relaxed,
    workers: u32,
    rounding: &Rounding,
    rng: &mut impl Rng,
) -> Option<Offer> {
    let gain = match rounding.gain {
        Gain::Fixed(gain) => gain,
        Gain::Theory { delta, favour } => Lemma::of(market, workers).gain(delta, favour),
    };
    for _ in 0..rounding.trials {
        let hosted = round_once(relaxed, gain, rng);
        if holds(market, &hosted, workers) {
            return Some(market.offer(&hosted));
        }
    }
    repair(market, relaxed, workers)
}

fn holds(market: &Market, hosted: &[(u32, u32)], workers: u32) -> bool {
    let hired: u32 = hosted.iter().map(|host| host.0).sum();
    let served: u32 = hosted.iter().map(|host| host.1).sum();
    let covered = hired >= workers && served >= market.job.servers_for(hired);
    covered && hired <= market.job.workers.max && market.fits(hosted)
}

fn repair(market: &Market, relaxed: &Relaxed, workers: u32) -> Option<Offer> {
    let floor = |value: f64| (value + 1e-7).floor() as u32;
    let mut hosted: Vec<_> =
        relaxed.hosted.iter().map(|&(hired, served)| (floor(hired), floor(served))).collect();
    (market.fits(&hosted) && market.complete(&mut hosted, workers)).then(|| market.offer(&hosted))
}
