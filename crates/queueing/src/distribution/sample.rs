//! Drawing sizes, a block at a time: the law is looked at once a block, and the inner loop is free of branches
//! on it.

use rand::RngExt;
use rand_distr::{Distribution as _, Exp1, Gamma, StandardNormal};

use super::{Distribution, Law, PhaseType};
use crate::sim::Random;

impl Distribution {
    /// One outcome.
    pub fn draw(&self, random: &mut Random) -> f64 {
        let mut one = [0.0];
        self.fill(random, &mut one);
        one[0]
    }

    /// Fills `out` with independent outcomes.
    pub fn fill(&self, random: &mut Random, out: &mut [f64]) {
        match &self.0 {
            Law::Exponential { rate } => {
                let mean = 1.0 / rate;
                each(out, || mean * exponential(random));
            }
            Law::Shifted { shift, rate } => {
                let mean = 1.0 / rate;
                each(out, || shift + mean * exponential(random));
            }
            Law::Gamma { shape, rate } => fill_gamma(*shape, *rate, random, out),
            Law::HyperExponential { branches } => each(out, || {
                let mut left: f64 = random.random();
                let last = branches[branches.len() - 1];
                let chosen = branches.iter().find(|branch| {
                    left -= branch.0;
                    left < 0.0
                });
                exponential(random) / chosen.unwrap_or(&last).1
            }),
            Law::PhaseType(phases) => each(out, || walk(phases, random)),
            Law::LogNormal { mu, sigma } => each(out, || {
                let normal: f64 = StandardNormal.sample(random);
                (mu + sigma * normal).exp()
            }),
            Law::Weibull { shape, scale } => {
                let power = 1.0 / shape;
                each(out, || scale * exponential(random).powf(power));
            }
            Law::Pareto { shape, scale } => each(out, || scale * (exponential(random) / shape).exp()),
            Law::Constant { value } => out.fill(*value),
            Law::Uniform { low, high } => each(out, || low + (high - low) * random.random::<f64>()),
            Law::Empirical(samples) => {
                let sorted = samples.sorted();
                each(out, || sorted[random.random_range(0..sorted.len())]);
            }
        }
    }
}

#[inline(always)]
fn each(out: &mut [f64], mut draw: impl FnMut() -> f64) {
    for slot in out {
        *slot = draw();
    }
}

/// A unit exponential by the ziggurat method.
#[inline(always)]
pub(crate) fn exponential(random: &mut Random) -> f64 {
    Exp1.sample(random)
}

fn fill_gamma(shape: f64, rate: f64, random: &mut Random, out: &mut [f64]) {
    if shape.fract() == 0.0 && shape <= 4.0 {
        let stages = shape as u32;
        each(out, || (0..stages).map(|_| exponential(random)).sum::<f64>() / rate);
        return;
    }
    match Gamma::new(shape, 1.0 / rate) {
        Ok(gamma) => each(out, || gamma.sample(random)),
        Err(_) => out.fill(f64::NAN), // the constructor of Distribution has refused such parameters
    }
}

/// The time of one walk through the chain.
fn walk(phases: &PhaseType, random: &mut Random) -> f64 {
    let departures = phases.departures();
    let mut phase = pick(phases.initial().iter().copied(), random.random());
    let mut time = 0.0;
    loop {
        time += exponential(random) / departures[phase];
        let at = random.random::<f64>() * departures[phase] - phases.exits()[phase];
        if at < 0.0 {
            return time;
        }
        let ways = phases.moves().iter().filter(|step| step.from == phase);
        let chosen = pick(ways.clone().map(|step| step.rate), at);
        phase = ways.clone().nth(chosen).map_or(phase, |step| step.to);
    }
}

/// The index of the weight in whose share `at` falls.
fn pick(weights: impl Iterator<Item = f64>, mut at: f64) -> usize {
    let mut last = 0;
    for (i, weight) in weights.enumerate() {
        last = i;
        at -= weight;
        if at < 0.0 {
            break;
        }
    }
    last
}
