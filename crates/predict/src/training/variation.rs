//! How a worker's rounds differ, split two ways: worker by round.
//!
//! T(w, i) = mean + a_w + common(w, i) + e(w, i). A worker that is always slow (a_w) gains nothing from staleness, a slow
//! round (e) does, and what hits all at once ([`Common`]) is no reason to wait for one another: they must be told apart.
//! The a_w are shrunk by the share of their spread that chance explains (the residuals' variance over the rounds), so
//! that equal workers come out equal. Where workers vary unequally, each keeps its own residuals.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use syncline_queueing::sim::Random;

use super::common::{Common, Rounds};
use super::sample::{exceeds_chance, thinned};
use super::tail::Tail;
use crate::sample::{mean, median};

/// Residuals that a profile keeps: quantiles of all of them.
const KEPT: usize = 1000;
/// Those that it keeps of each worker, where they are told apart, at least.
const KEPT_OF_EACH: usize = 100;
/// Residuals that a resample holds at most.
const MOST_DRAWN: usize = 20 * KEPT;

/// What rounds add at random.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residuals {
    /// Centred: at most a thousand quantiles, in ascending order.
    pub residual_s: Vec<f64>,
    /// Their standard deviation.
    pub deviation_s: f64,
    /// How many were measured.
    pub samples: usize,
    /// Their upper tenth as a distribution that goes on beyond the largest.
    pub tail: Option<Tail>,
}

/// The spread of a round's work, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// What each worker of the trace always takes more (or less) than the mean.
    pub persistent_s: Vec<f64>,
    /// The share of the differences between the workers' means that is not chance.
    pub persistent_sure: f64,
    /// What the rounds add at random, centred: at most a thousand quantiles, in ascending order.
    pub residual_s: Vec<f64>,
    /// Standard deviation of what the rounds add.
    pub deviation_s: f64,
    /// How many rounds were measured, over all workers.
    pub samples: usize,
    /// The upper tenth of the residuals as a distribution that goes on beyond the largest.
    pub tail: Option<Tail>,
    /// Each worker's own residuals, where some workers vary more than others; else none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<Residuals>,
    /// What workers have in common.
    #[serde(default)]
    pub common: Common,
}

impl Residuals {
    fn of(mut values: Vec<f64>, kept: usize) -> Self {
        values.sort_by(f64::total_cmp);
        Self {
            deviation_s: mean(values.iter().map(|e| e * e)).sqrt(),
            samples: values.len(),
            tail: Tail::fit(&values),
            residual_s: thinned(values, kept),
        }
    }
}

impl Variation {
    /// Splits each worker's rounds; returns the mean over workers as well.
    pub(crate) fn fit(of_worker: &[Rounds]) -> (f64, Self) {
        let means: Vec<f64> = of_worker.iter().map(|list| mean(list.iter().map(|(_, x)| *x))).collect();
        let grand = mean(means.iter().copied());
        let centred = |(list, mean): (&Rounds, &f64)| list.iter().map(|(i, x)| (*i, x - mean)).collect();
        let mut centred: Vec<Rounds> = of_worker.iter().zip(&means).map(centred).collect();
        let common = Common::take_out(&mut centred);
        let all = Residuals::of(centred.iter().flatten().map(|(_, e)| *e).collect(), KEPT);
        let rounds = of_worker.iter().map(Vec::len).min().unwrap_or(1).max(1);
        let chance = all.deviation_s.powi(2) / rounds as f64;
        let spread = means.iter().map(|m| (m - grand).powi(2)).sum::<f64>() / (means.len().max(2) - 1) as f64;
        // Differences that chance alone makes in one run of a hundred count as none: else they would be repeated among the
        // workers beyond those of the trace.
        let degrees = means.len().max(2) as f64 - 1.0;
        let sure =
            if spread > chance * (1.0 + 3.0 * (2.0 / degrees).sqrt()) { 1.0 - chance / spread } else { 0.0 };
        let variation = Self {
            persistent_s: means.iter().map(|m| sure * (m - grand)).collect(),
            persistent_sure: sure,
            own: own(&centred),
            residual_s: all.residual_s,
            deviation_s: all.deviation_s,
            samples: all.samples,
            tail: all.tail,
            common,
        };
        (grand, variation)
    }

    /// The share of the work's variance that belongs to workers and not to rounds.
    pub fn persistent_share(&self) -> f64 {
        let workers = mean(self.persistent_s.iter().map(|a| a * a));
        workers / (workers + self.deviation_s.powi(2)).max(f64::MIN_POSITIVE)
    }

    /// Whether the workers of the trace are not like each other.
    pub fn tells_workers_apart(&self) -> bool {
        self.persistent_sure > 0.0 || !self.own.is_empty() || self.common.course_s.len() > 1
    }

    /// Workers of the trace, from the one with the shortest rounds to the one with the longest: by their means, and a
    /// deviation besides where they vary unequally.
    pub(crate) fn ranking(&self) -> Vec<usize> {
        let length = |worker: usize| {
            self.persistent_s[worker] + self.own.get(worker).map_or(0.0, |own| own.deviation_s)
        };
        let mut workers: Vec<usize> = (0..self.persistent_s.len()).collect();
        workers.sort_by(|a, b| length(*a).total_cmp(&length(*b)));
        workers
    }

    /// Whether the largest of so many workers lies beyond what the measurements show by themselves.
    pub(crate) fn needs_tail(&self, workers: usize) -> bool {
        10 * workers > self.samples
    }

    /// What the truth may be, as far as the measurements tell: a resample.
    pub(crate) fn resample(&self, random: &mut Random) -> Resample<'_> {
        let residual = redrawn(&self.residual_s, self.samples, random);
        let own: Vec<Vec<f64>> =
            self.own.iter().map(|own| redrawn(&own.residual_s, own.samples, random)).collect();
        let workers = self.persistent_s.len() as f64;
        let rounds = (self.samples as f64 / workers).max(1.0);
        let shocks = redrawn(&self.common.shock_s, rounds as usize, random);
        let error = self.deviation_s / rounds.sqrt();
        let mut gauss = || normal(random);
        let shift = (error / workers.sqrt()).hypot(self.common.shock_deviation_s() / rounds.sqrt()) * gauss();
        let off = |worker: usize| {
            self.own.get(worker).map_or(error, |own| own.deviation_s / (own.samples.max(1) as f64).sqrt())
        };
        let spread = self.persistent_sure.sqrt() * (1.0 - 1.0 / workers).sqrt();
        let persistent = self.persistent_s.iter().enumerate();
        let persistent = persistent.map(|(worker, a)| a + spread * off(worker) * gauss()).collect();
        Resample { shift, persistent, residual, own, shocks, of: self }
    }

    /// The measurements as they are.
    pub(crate) fn as_measured(&self) -> Resample<'_> {
        Resample {
            shift: 0.0,
            persistent: self.persistent_s.clone(),
            residual: self.residual_s.clone(),
            own: self.own.iter().map(|own| own.residual_s.clone()).collect(),
            shocks: self.common.shock_s.clone(),
            of: self,
        }
    }
}

/// Each worker's residuals by themselves, if some vary more than chance explains: the analysis of variance of their
/// distances from the median (Brown and Forsythe 1974), which heavy tails do not mislead.
fn own(of_worker: &[Rounds]) -> Vec<Residuals> {
    let workers = of_worker.len() as f64;
    let distances = |list: &Rounds| {
        let middle = median(list.iter().map(|(_, e)| *e)).unwrap_or(0.0);
        list.iter().map(|(_, e)| (e - middle).abs()).collect::<Vec<f64>>()
    };
    let distances: Vec<Vec<f64>> = of_worker.iter().map(distances).collect();
    let count = distances.iter().map(Vec::len).sum::<usize>() as f64;
    if workers < 2.0 || count <= workers {
        return Vec::new();
    }
    let grand = mean(distances.iter().flatten().copied());
    let (mut between, mut within) = (0.0, 0.0);
    for list in &distances {
        let own = mean(list.iter().copied());
        between += list.len() as f64 * (own - grand).powi(2);
        within += list.iter().map(|z| (z - own).powi(2)).sum::<f64>();
    }
    let freedom = workers - 1.0;
    let ratio = (between / freedom) / (within / (count - workers)).max(f64::MIN_POSITIVE);
    if !exceeds_chance(ratio, freedom, 1) {
        return Vec::new();
    }
    let kept = (4 * KEPT / of_worker.len()).clamp(KEPT_OF_EACH, KEPT);
    let residuals = |list: &Rounds| {
        // Taking the common parts out may have moved a worker's mean a little.
        let centre = mean(list.iter().map(|(_, e)| *e));
        Residuals::of(list.iter().map(|(_, e)| e - centre).collect(), kept)
    };
    of_worker.iter().map(residuals).collect()
}

/// A sample of as many values with replacement, centred. A profile may claim any number of samples; more than
/// [`MOST_DRAWN`] show nothing new.
fn redrawn(values: &[f64], samples: usize, random: &mut Random) -> Vec<f64> {
    if values.is_empty() {
        return Vec::new();
    }
    let mut drawn: Vec<f64> =
        (0..samples.min(MOST_DRAWN)).map(|_| values[random.random_range(0..values.len())]).collect();
    let centre = mean(drawn.iter().copied());
    drawn.iter_mut().for_each(|e| *e -= centre);
    drawn
}

/// One of the variations that the measurements allow.
#[derive(Debug)]
pub(crate) struct Resample<'a> {
    /// By how much the mean may be off.
    pub shift: f64,
    persistent: Vec<f64>,
    residual: Vec<f64>,
    own: Vec<Vec<f64>>,
    shocks: Vec<f64>,
    of: &'a Variation,
}

impl Resample<'_> {
    /// What a worker of the trace always takes more than the mean.
    pub(crate) fn persistent(&self, worker: usize) -> f64 {
        self.persistent[worker]
    }

    /// What a round adds for one worker of the trace; with a fitted tail the upper tenth comes from that.
    pub(crate) fn draw(&self, worker: usize, random: &mut Random, tail: TailUse) -> f64 {
        let (values, fitted) = match self.own.get(worker) {
            Some(own) => (own, self.of.own[worker].tail.as_ref()),
            None => (&self.residual, self.of.tail.as_ref()),
        };
        let value = values[random.random_range(0..values.len())];
        match fitted {
            Some(fitted) if tail == TailUse::Fitted && value > fitted.threshold_s => fitted.draw(random),
            _ => value,
        }
    }

    /// What a round adds for all workers at once.
    pub(crate) fn shock(&self, random: &mut Random) -> f64 {
        if self.shocks.is_empty() { 0.0 } else { self.shocks[random.random_range(0..self.shocks.len())] }
    }
}

/// Where large residuals come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TailUse {
    /// From the measurements alone.
    Measured,
    /// From the fitted distribution.
    Fitted,
}

/// A standard normal number: the sum of twelve uniform ones less six, which is as good as is needed here.
pub(crate) fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(w: usize, i: usize) -> f64 {
        ((w * 31 + i * 17) % 11) as f64 / 11.0 - 5.0 / 11.0
    }

    fn fitted(work: impl Fn(usize, usize) -> f64) -> Variation {
        let lists: Vec<Rounds> = (0..4).map(|w| (0..110).map(|i| (i as u64, work(w, i))).collect()).collect();
        Variation::fit(&lists).1
    }

    #[test]
    fn a_slow_worker_is_told_from_slow_rounds() {
        let run = |slow: f64| fitted(|w, i| 10.0 + if w == 2 { slow } else { 0.0 } + noise(w, i));
        assert!(run(0.0).persistent_share() < 0.01 && !run(0.0).tells_workers_apart());
        let slow = run(8.0);
        assert!(slow.persistent_share() > 0.95 && (slow.persistent_s[2] - 6.0).abs() < 0.1, "{slow:?}");
        assert_eq!(slow.ranking()[3], 2);
    }

    #[test]
    fn a_worker_that_varies_more_keeps_its_own_residuals() {
        let unlike = fitted(|w, i| 10.0 + if w == 1 { 20.0 } else { 1.0 } * noise(w, i));
        assert_eq!(unlike.own.len(), 4);
        assert!(unlike.own[1].deviation_s > 15.0 * unlike.own[0].deviation_s);
        assert_eq!(unlike.ranking()[3], 1);
    }
}
