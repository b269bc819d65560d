//! What one round costs in parts: computing, exchanging, updating.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use syncline_round::{Every, Policy};

use super::cycles::{Cycle, Cycles};
use super::line::Line;
use super::setup::{Injected, Setup};
use crate::Question;
use crate::sample::{mean, median};

/// What computing a gradient takes: `fixed + per_sample samples`, told apart only where rounds of different sizes were
/// measured, such as the short last one of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// Seconds of a full round.
    pub full_s: f64,
    /// Samples of a full round.
    pub samples: f64,
    /// Seconds that do not depend on the samples, where known.
    pub fixed_s: Option<f64>,
    /// Seconds a sample, where known.
    pub per_sample_s: Option<f64>,
}

impl Compute {
    pub(crate) fn fit(cycles: &Cycles, setup: &Setup) -> Self {
        match setup.shares.differ() {
            true => Self::of_unlike(cycles.of_worker(), setup),
            false => Self::of_like(cycles.of_worker(), setup),
        }
    }

    /// Of workers whose full rounds have as many samples.
    fn of_like(of_worker: &[Vec<Cycle>], setup: &Setup) -> Self {
        let all = || of_worker.iter().flatten();
        let samples = all().map(|cycle| cycle.samples as f64).fold(0.0, f64::max);
        let is_full = |cycle: &Cycle| cycle.samples as f64 >= 0.98 * samples;
        let point = |cycle: &Cycle| (cycle.samples as f64, cycle.compute_s);
        let full: Vec<(f64, f64)> = all().filter(|cycle| is_full(cycle)).map(point).collect();
        let short: Vec<(f64, f64)> = all().filter(|cycle| !is_full(cycle)).map(point).collect();
        let common = CommonError::of(all().map(|cycle| (cycle.round, is_full(cycle), cycle.compute_s)));
        let full_s = mean(full.iter().map(|point| point.1));
        let typical_s = median(full.iter().map(|point| point.1)).unwrap_or(0.0);
        let per_sample_s = slope(&full, &short, (samples, typical_s), common).map(|slope| {
            // An interruption is the likelier the longer a gradient takes; a delay comes once a round.
            let interrupted = if setup.injected == Injected::Delays { 1.0 } else { full_s / typical_s };
            (slope * interrupted).min(full_s / samples)
        });
        let fixed_s = per_sample_s.map(|slope| (full_s - slope * samples).max(0.0));
        Self { full_s, samples, fixed_s, per_sample_s }
    }

    /// Of workers with unlike shares, as a round of an even one: each is fitted by itself, because who is slow has the shorter rounds,
    /// so that of all together a sample would seem to cost nothing.
    fn of_unlike(of_worker: &[Vec<Cycle>], setup: &Setup) -> Self {
        let each: Vec<Self> =
            of_worker.iter().map(|list| Self::of_like(std::slice::from_ref(list), setup)).collect();
        let largest = of_worker.iter().flatten().map(|cycle| cycle.samples).max().unwrap_or(0);
        let rows = setup.rows_of(setup.workers);
        let samples = Question::about(setup, 1).map_or(largest, |question| question.epoch(rows).full);
        let (growth, samples) = (Growth::of(&each, setup.injected), samples.max(1) as f64);
        // What a round of one length takes over one of another does not hang on how long they are.
        let mean_s = mean(of_worker.iter().flatten().map(|cycle| cycle.compute_s));
        let rough = growth.with(mean_s, samples);
        let full_s = mean(of_worker.iter().flatten().map(|cycle| rough.full_of(cycle, setup.injected)));
        growth.with(full_s, samples)
    }

    /// Seconds that a worker would have computed for a full round, from one that it computed.
    pub(crate) fn full_of(&self, cycle: &Cycle, injected: Injected) -> f64 {
        let of = |samples: f64| self.of(samples, injected);
        let (own_s, full_s) = (of(cycle.samples as f64), of(self.samples));
        match injected {
            Injected::Delays => cycle.compute_s - own_s + full_s,
            _ if own_s > 0.0 => cycle.compute_s * full_s / own_s,
            _ => cycle.compute_s,
        }
    }

    /// Seconds a sample in a full round, everything included.
    pub fn each_s(&self) -> f64 {
        self.full_s / self.samples.max(1.0)
    }

    /// Seconds of a round of so many samples; where the fixed part is unknown, in proportion, unless injected delays make
    /// nearly all of it, which come once a round.
    pub(crate) fn of(&self, samples: f64, injected: Injected) -> f64 {
        match (self.fixed_s, self.per_sample_s) {
            (Some(fixed), Some(each)) if samples > 0.0 => fixed + each * samples,
            _ if injected == Injected::Delays && samples > 0.0 => self.full_s,
            _ => self.each_s() * samples,
        }
    }
}

/// How the time of a round grows with its samples, where workers are not like each other.
#[derive(Debug, Clone, Copy)]
enum Growth {
    /// The fixed part takes as long as so many samples: a slow worker is as much slower in both.
    Scaled { fixed_samples: f64 },
    /// So many seconds a sample: delays were injected, which come once a round, and are a worker's own.
    Added { per_sample_s: f64 },
    /// No worker has had rounds of other lengths.
    Unknown,
}

impl Growth {
    /// In the middle of those workers of whom it is known.
    fn of(each: &[Compute], injected: Injected) -> Self {
        let known =
            || each.iter().filter_map(|own| Some((own.fixed_s?, own.per_sample_s.filter(|s| *s > 0.0)?)));
        let found = if injected == Injected::Delays {
            median(known().map(|(_, per_sample_s)| per_sample_s))
                .map(|per_sample_s| Self::Added { per_sample_s })
        } else {
            median(known().map(|(fixed_s, per_sample_s)| fixed_s / per_sample_s))
                .map(|fixed_samples| Self::Scaled { fixed_samples })
        };
        found.unwrap_or(Self::Unknown)
    }

    /// Where a full round of so many samples takes so long.
    fn with(self, full_s: f64, samples: f64) -> Compute {
        let per_sample_s = match self {
            Self::Scaled { fixed_samples } => Some(full_s / (fixed_samples + samples)),
            Self::Added { per_sample_s } => Some(per_sample_s.min(full_s / samples)),
            Self::Unknown => None,
        };
        let fixed_s = per_sample_s.map(|each_s| (full_s - each_s * samples).max(0.0));
        Compute { full_s, samples, fixed_s, per_sample_s }
    }
}

/// Seconds a sample from the rounds that are shorter than the full ones, by medians, because a machine that does other
/// things as well makes outliers; nothing where the full rounds' own spread could have made it.
fn slope(
    full: &[(f64, f64)],
    short: &[(f64, f64)],
    (samples, typical_s): (f64, f64),
    common: CommonError,
) -> Option<f64> {
    const FEWEST: usize = 3;
    const SURE: f64 = 3.0;
    if short.len() < FEWEST || full.len() < FEWEST {
        return None;
    }
    let slope = median(short.iter().map(|(x, y)| (typical_s - y) / (samples - x)))?;
    // A normal sample's deviation is 1.48 times the median distance from its median, the median's error 1.25 times the
    // mean's.
    let deviation = 1.48 * median(full.iter().map(|(_, y)| (y - typical_s).abs()))?;
    let apart = samples - mean(short.iter().map(|(x, _)| *x));
    let error = 1.25 * (deviation / (short.len() as f64).sqrt()).hypot(common.of_short(deviation)) / apart;
    (slope > SURE * error).then_some(slope)
}

/// How far the mean of the short rounds may be off because a round may be slow for all workers at once: they are then only as many as
/// there are such rounds, however many workers go through each.
#[derive(Debug, Clone, Copy)]
struct CommonError {
    /// The deviation of the full rounds' means over the workers.
    between_s: f64,
    /// Workers in a full round.
    workers: f64,
    /// Different short rounds.
    short: f64,
}

impl CommonError {
    /// Of rounds: their number, whether they are full, and seconds.
    fn of(rounds: impl Iterator<Item = (u64, bool, f64)>) -> Self {
        let (mut full, mut short) = (BTreeMap::<u64, (f64, f64)>::new(), BTreeSet::new());
        for (round, is_full, s) in rounds {
            if is_full {
                let (count, sum) = full.entry(round).or_default();
                *count += 1.0;
                *sum += s;
            } else {
                short.insert(round);
            }
        }
        let means = || full.values().map(|(count, sum)| sum / count);
        let middle = median(means()).unwrap_or(0.0);
        Self {
            between_s: 1.48 * median(means().map(|mean| (mean - middle).abs())).unwrap_or(0.0),
            workers: full.values().map(|found| found.0).sum::<f64>() / (full.len() as f64).max(1.0),
            short: (short.len() as f64).max(1.0),
        }
    }

    /// The part of the error that belongs to rounds, where each worker's own rounds deviate by so much: that makes means differ by itself.
    fn of_short(self, own_s: f64) -> f64 {
        ((self.between_s.powi(2) - own_s.powi(2) / self.workers.max(1.0)).max(0.0) / self.short).sqrt()
    }
}

/// What a worker's pull and push take by themselves, without the wait at the gate and the servers' work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Mean seconds of a round's pull.
    pub pull_s: f64,
    /// Mean seconds of a round's push.
    pub push_s: f64,
    /// Mean bytes of both.
    pub bytes: f64,
    /// Mean bytes of the push.
    pub pushed_bytes: f64,
    /// Seconds of both that do not depend on the bytes, where messages of different sizes were measured.
    pub latency_s: Option<f64>,
    /// Seconds a byte, likewise.
    pub per_byte_s: Option<f64>,
}

impl Exchange {
    pub(crate) fn fit(cycles: &Cycles) -> Self {
        let all = || cycles.of_worker().iter().flatten();
        let points: Vec<(f64, f64)> = all().map(|cycle| (cycle.bytes as f64, cycle.exchange_s())).collect();
        let line = Line::fit(&points);
        Self {
            pull_s: mean(all().map(|cycle| cycle.pull_s)),
            push_s: mean(all().map(|cycle| cycle.push_s)),
            bytes: mean(points.iter().map(|point| point.0)),
            pushed_bytes: mean(all().map(|cycle| cycle.pushed_bytes as f64)),
            latency_s: line.map(|line| line.at_zero),
            per_byte_s: line.map(|line| line.slope),
        }
    }

    /// Seconds of a round's pull and push.
    pub fn total_s(&self) -> f64 {
        self.pull_s + self.push_s
    }
}

/// Whether a gradient has a value for every parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gradients {
    /// It has.
    Whole,
    /// It has them for those that its rows read, or comes as factors.
    Parts,
}

/// What the servers' part takes. An update reads and writes the parameters and reads each gradient once; where somebody
/// still reads the parameters it copies them first: (2 + gradients + 2 copied) passes over all bytes. Gradients of parts
/// cost a pass each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    /// What gradients are.
    pub gradients: Gradients,
    /// Seconds for each pass over all parameters, or over a gradient of parts, when it is from this core; 0 where no
    /// update was traced.
    pub pass_s: f64,
    /// Seconds from when the gate opens until a held worker goes on: the means of up to fifty equal shares of what was
    /// measured, in ascending order. A machine that does other things as well shows in the last of them.
    pub wakes_s: Vec<f64>,
}

impl Serving {
    pub(crate) fn fit(cycles: &Cycles, setup: &Setup, exchange: &Exchange, slower: f64) -> Self {
        let copied = is_copied(setup.policy().unwrap_or(Policy::Bsp), cycles.workers());
        let whole = setup.whole_push_bytes.unwrap_or(setup.parameter_bytes);
        let is_partial = exchange.pushed_bytes > 0.0 && exchange.pushed_bytes < 0.9 * whole as f64;
        let gradients = if is_partial { Gradients::Parts } else { Gradients::Whole };
        let slower = if cycles.workers() > 1 { slower } else { 1.0 };
        let passes = gradients.passes(cycles.per_update(), copied) * slower;
        Self { gradients, pass_s: cycles.update_s() / passes, wakes_s: shares(cycles.wakes_s()) }
    }

    /// The mean of [`Serving::wakes_s`].
    pub fn wake_s(&self) -> f64 {
        mean(self.wakes_s.iter().copied())
    }

    /// Seconds of one update from so many gradients of `workers`, one server's part after the other's.
    pub(crate) fn update_s(&self, gradients: usize, sync: Policy, workers: usize, slower: f64) -> f64 {
        let slower = if workers > 1 { slower } else { 1.0 };
        self.pass_s * self.gradients.passes(gradients, is_copied(sync, workers)) * slower
    }

    /// Seconds of the step that a worker does by itself after each batch where it exchanges less often: it reads and
    /// writes its parameters and the sum, and reads the gradient twice.
    pub(crate) fn local_step_s(&self, every: Every) -> f64 {
        if every == Every::Batch { 0.0 } else { 6.0 * self.pass_s }
    }
}

/// The means of equal shares of ascending values, so that the mean of all is kept.
fn shares(sorted: &[f64]) -> Vec<f64> {
    const SHARES: usize = 50;
    let count = sorted.len().min(SHARES);
    let cut = |share: usize| share * sorted.len() / count.max(1);
    (0..count).map(|share| mean(sorted[cut(share)..cut(share + 1)].iter().copied())).collect()
}

impl Gradients {
    fn passes(self, gradients: usize, copied: Copied) -> f64 {
        match (self, copied) {
            (Self::Whole, Copied::Before) => 4.0 + gradients as f64,
            (Self::Whole, Copied::InPlace) => 2.0 + gradients as f64,
            (Self::Parts, _) => gradients as f64,
        }
    }
}

/// Whether parameters are copied before they are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied {
    Before,
    InPlace,
}

/// Asynchronous updates come while others compute with the parameters.
fn is_copied(sync: Policy, workers: usize) -> Copied {
    if sync.waits_for_all() || workers == 1 { Copied::InPlace } else { Copied::Before }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight workers, two epochs of forty rounds of 100 samples that end with one of 20; what each round adds for all.
    fn fitted(each_s: f64, shock_s: impl Fn(u64) -> f64) -> Compute {
        let noise = |worker: u32, round: u64| ((worker as u64 * 31 + round * 17) % 11) as f64 * 1e-4;
        let cycle = |worker: u32, round: u64| {
            let samples = if round % 40 == 39 { 20 } else { 100 };
            let s = 0.01 + each_s * samples as f64 + shock_s(round) + noise(worker, round);
            Cycle { samples, ..Cycle::new(worker, round, 0.0, s) }
        };
        let rounds = |worker: u32| (0..80).map(move |round| (worker, round));
        let cycles = (0..8).flat_map(rounds).map(|(worker, round)| cycle(worker, round));
        let cycles = Cycles::new(8, cycles.collect()).unwrap();
        Compute::fit(&cycles, cycles.setup())
    }

    #[test]
    fn short_rounds_tell_what_a_sample_costs() {
        let each_s = fitted(1e-4, |_| 0.0).per_sample_s.unwrap();
        assert!((each_s / 1e-4 - 1.0).abs() < 0.1, "{each_s}");
    }

    #[test]
    fn two_rounds_that_are_quick_for_all_tell_nothing() {
        // Rounds differ for all by up to 20 ms, and the short ones, 16 times in two rounds, happen to be among the quick.
        let shock = |round: u64| if round % 40 == 39 { 0.002 } else { (round * 7 % 20) as f64 * 1e-3 };
        assert_eq!(fitted(0.0, shock).per_sample_s, None);
    }
}
