//! How often `blame` names somebody wrongly and rightly, against the likelihood-ratio test that knows the law.
//!
//! ```sh
//! cargo run --release -p syncline-explain --example blame -- 300 60
//! ```
//!
//! The peer is told what no log tells: the family of the times, its parameters, and so what an equal worker takes on average. Its
//! threshold is set by simulation to the same chance of naming anybody wrongly. The column beside it is the same test
//! without the knowledge of the average time, which it must take from the other workers of the same log, as any test on a real
//! log must.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution, Exp1, StandardNormal};
use syncline_explain::blame::{Observation, slower};

/// The level at which the report judges.
const LEVEL: f64 = 0.005;

/// Logs for the threshold of the peers.
const NULLS: u64 = 4000;

#[derive(Clone, Copy)]
enum Law {
    Exponential,
    Lognormal,
    Pareto,
}

/// The deviation of the logarithm of the lognormal times.
const SIGMA: f64 = 0.8;

/// The tail index of the Pareto times.
const ALPHA: f64 = 2.5;

impl Law {
    fn name(self) -> &'static str {
        match self {
            Self::Exponential => "exponential",
            Self::Lognormal => "lognormal (sigma 0.8)",
            Self::Pareto => "Pareto (alpha 2.5)",
        }
    }

    fn draw(self, random: &mut Xoshiro256PlusPlus) -> f64 {
        match self {
            Self::Exponential => 100.0 * Distribution::<f64>::sample(&Exp1, random),
            Self::Lognormal => 100.0 * (SIGMA * Distribution::<f64>::sample(&StandardNormal, random)).exp(),
            Self::Pareto => 100.0 * (Distribution::<f64>::sample(&Exp1, random) / ALPHA).exp(),
        }
    }

    /// What of a worker's times the likelihood ratio of "slower" rises with: the sum of exponential times, of the
    /// logarithms of lognormal ones, and the least Pareto time.
    fn statistic(self, times: &[f64]) -> f64 {
        let n = times.len() as f64;
        match self {
            Self::Exponential => (times.iter().sum::<f64>() / n).ln(),
            Self::Lognormal => times.iter().map(|time| time.ln()).sum::<f64>() / n,
            Self::Pareto => times.iter().copied().fold(f64::INFINITY, f64::min).ln(),
        }
    }

    /// The same of all the others together.
    fn of_others(self, statistics: &[f64], own: usize) -> f64 {
        let others = statistics.iter().enumerate().filter(|(at, _)| *at != own).map(|(_, value)| *value);
        let count = (statistics.len() - 1) as f64;
        match self {
            Self::Exponential => (others.map(f64::exp).sum::<f64>() / count).ln(),
            Self::Lognormal => others.sum::<f64>() / count,
            Self::Pareto => others.fold(f64::INFINITY, f64::min),
        }
    }
}

/// Times of `workers` in `meetings`, worker 0 slower by `factor`.
fn times(law: Law, workers: usize, meetings: usize, factor: f64, seed: u64) -> Vec<Vec<f64>> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let slow = |who: usize| if who == 0 { factor } else { 1.0 };
    (0..workers).map(|who| (0..meetings).map(|_| law.draw(&mut random) * slow(who)).collect()).collect()
}

/// The statistics of the two peers, by worker: with and without knowledge of the average time.
fn peers(law: Law, times: &[Vec<f64>]) -> [Vec<f64>; 2] {
    let knowing: Vec<f64> = times.iter().map(|times| law.statistic(times)).collect();
    let comparing = (0..knowing.len()).map(|own| knowing[own] - law.of_others(&knowing, own)).collect();
    [knowing, comparing]
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Whom `blame` names.
fn named(times: &[Vec<f64>]) -> Vec<u32> {
    let meeting = |at: usize| {
        (0..times.len()).map(|who| Observation { who: who as u32, time: times[who][at] }).collect()
    };
    let meetings: Vec<Vec<Observation>> = (0..times[0].len()).map(meeting).collect();
    slower(&meetings, LEVEL).into_iter().map(|blame| blame.who).collect()
}

/// The thresholds of the peers at the level.
fn thresholds(law: Law, workers: usize, meetings: usize) -> [f64; 2] {
    let mut most = [Vec::new(), Vec::new()];
    for seed in 0..NULLS {
        let found = peers(law, &times(law, workers, meetings, 1.0, 1 << 40 | seed));
        most.iter_mut().zip(found).for_each(|(most, found)| most.push(largest(&found)));
    }
    most.map(|mut most| {
        most.sort_by(f64::total_cmp);
        most[((1.0 - LEVEL) * most.len() as f64) as usize]
    })
}

fn main() {
    let argument = |nth: usize, otherwise: u64| {
        std::env::args().nth(nth).and_then(|seeds| seeds.parse().ok()).unwrap_or(otherwise)
    };
    let seeds = Seeds { alike: argument(1, 300), slower: argument(2, 60) };
    println!(
        "| times | workers | meetings | wrongly named | slower by | named | by the peer that knows the law | by the one that knows all but the average |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for workers in [4, 16, 64] {
        for law in [Law::Exponential, Law::Lognormal, Law::Pareto] {
            for meetings in [30, 100, 400] {
                row(law, workers, meetings, &seeds);
            }
        }
    }
}

/// How many logs of workers that are alike, and of ones of which one is slower.
struct Seeds {
    alike: u64,
    slower: u64,
}

fn row(law: Law, workers: usize, meetings: usize, seeds: &Seeds) {
    let wrong =
        (0..seeds.alike).filter(|&seed| !named(&times(law, workers, meetings, 1.0, seed)).is_empty()).count();
    let thresholds = thresholds(law, workers, meetings);
    for factor in [1.1, 1.3, 2.0] {
        let (mut right, mut of_peers) = (0u64, [0u64; 2]);
        for seed in 0..seeds.slower {
            let times = times(law, workers, meetings, factor, 1 << 50 | seed);
            right += u64::from(named(&times).contains(&0));
            let found = peers(law, &times);
            for ((count, found), threshold) in of_peers.iter_mut().zip(found).zip(thresholds) {
                *count += u64::from(found[0] > threshold);
            }
        }
        let percent = |count: u64| format!("{:.0} %", 100.0 * count as f64 / seeds.slower as f64);
        let share = |peer: u64| {
            if peer == 0 {
                "-".to_owned()
            } else {
                format!("{} ({:.2})", percent(peer), right as f64 / peer as f64)
            }
        };
        println!(
            "| {} | {workers} | {meetings} | {wrong} of {} | {factor} | {} | {} | {} |",
            law.name(),
            seeds.alike,
            percent(right),
            share(of_peers[0]),
            share(of_peers[1])
        );
    }
}
