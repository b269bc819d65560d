//! How a worker's rounds differ, split two ways: worker by round.
//!
//! T(w, i) = mean + a_w + e(w, i). A worker that is always slow (a_w) gains nothing from staleness, a slow round (e) does,
//! so the two must be told apart. The a_w are shrunk by the share of their spread that chance explains (the residuals'
//! variance over the rounds), so that equal workers come out equal.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use syncline_queueing::sim::Random;

use super::tail::Tail;
use crate::sample::mean;

/// Residuals that a profile keeps: quantiles of all of them.
const KEPT: usize = 1000;
/// Residuals that a resample holds at most.
const MOST_DRAWN: usize = 20 * KEPT;

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
}

impl Variation {
    /// Splits each worker's rounds; returns the mean over workers as well.
    pub(crate) fn fit(of_worker: &[Vec<f64>]) -> (f64, Self) {
        let means: Vec<f64> = of_worker.iter().map(|list| mean(list.iter().copied())).collect();
        let grand = mean(means.iter().copied());
        let centred =
            of_worker.iter().zip(&means).flat_map(|(list, mean)| list.iter().map(move |x| x - mean));
        let mut all: Vec<f64> = centred.collect();
        all.sort_by(f64::total_cmp);
        let variance = mean(all.iter().map(|e| e * e));
        let rounds = of_worker.iter().map(Vec::len).min().unwrap_or(1).max(1);
        let chance = variance / rounds as f64;
        let spread = means.iter().map(|m| (m - grand).powi(2)).sum::<f64>() / (means.len().max(2) - 1) as f64;
        // Differences that chance alone makes in one run of a hundred count as none: else they would be repeated among the
        // workers beyond those of the trace.
        let degrees = means.len().max(2) as f64 - 1.0;
        let sure =
            if spread > chance * (1.0 + 3.0 * (2.0 / degrees).sqrt()) { 1.0 - chance / spread } else { 0.0 };
        let variation = Self {
            persistent_s: means.iter().map(|m| sure * (m - grand)).collect(),
            persistent_sure: sure,
            deviation_s: variance.sqrt(),
            samples: all.len(),
            tail: Tail::fit(&all),
            residual_s: thinned(all),
        };
        (grand, variation)
    }

    /// The share of the work's variance that belongs to workers and not to rounds.
    pub fn persistent_share(&self) -> f64 {
        let workers = mean(self.persistent_s.iter().map(|a| a * a));
        workers / (workers + self.deviation_s.powi(2)).max(f64::MIN_POSITIVE)
    }

    /// Whether the largest of so many workers lies beyond what the measurements show by themselves.
    pub(crate) fn needs_tail(&self, workers: usize) -> bool {
        10 * workers > self.samples
    }

    /// What the truth may be, as far as the measurements tell: a resample.
    pub(crate) fn resample(&self, random: &mut Random) -> Resample<'_> {
        let size = self.samples;
        // A profile may claim any number of samples; more than these show nothing new.
        let mut drawn: Vec<f64> = (0..size.min(MOST_DRAWN))
            .map(|_| self.residual_s[random.random_range(0..self.residual_s.len())])
            .collect();
        let centre = mean(drawn.iter().copied());
        drawn.iter_mut().for_each(|e| *e -= centre);
        let workers = self.persistent_s.len() as f64;
        let error = self.deviation_s * (workers / size as f64).sqrt();
        let mut gauss = || normal(random);
        let shift = error / workers.sqrt() * gauss();
        let persistent = self
            .persistent_s
            .iter()
            .map(|a| a + self.persistent_sure.sqrt() * error * (1.0 - 1.0 / workers).sqrt() * gauss())
            .collect();
        Resample { shift, persistent, residual: drawn, of: self }
    }

    /// The measurements as they are.
    pub(crate) fn as_measured(&self) -> Resample<'_> {
        Resample {
            shift: 0.0,
            persistent: self.persistent_s.clone(),
            residual: self.residual_s.clone(),
            of: self,
        }
    }
}

/// One of the variations that the measurements allow.
#[derive(Debug)]
pub(crate) struct Resample<'a> {
    /// By how much the mean may be off.
    pub shift: f64,
    persistent: Vec<f64>,
    residual: Vec<f64>,
    of: &'a Variation,
}

impl Resample<'_> {
    /// What worker `index` always takes more than the mean; workers beyond those of the trace repeat them in turn.
    pub(crate) fn persistent(&self, index: usize) -> f64 {
        self.persistent[index % self.persistent.len()]
    }

    /// What a round adds; with a fitted tail the upper tenth comes from that.
    pub(crate) fn draw(&self, random: &mut Random, tail: TailUse) -> f64 {
        let value = self.residual[random.random_range(0..self.residual.len())];
        match &self.of.tail {
            Some(fitted) if tail == TailUse::Fitted && value > fitted.threshold_s => fitted.draw(random),
            _ => value,
        }
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

/// As many quantiles of ascending values, at the middles of equal shares.
fn thinned(sorted: Vec<f64>) -> Vec<f64> {
    if sorted.len() <= KEPT {
        return sorted;
    }
    let at = |i: usize| sorted[((i as f64 + 0.5) / KEPT as f64 * sorted.len() as f64) as usize];
    let kept: Vec<f64> = (0..KEPT).map(at).collect();
    // Thinning cuts the extremes; the mean stays 0.
    let centre = mean(kept.iter().copied());
    kept.into_iter().map(|x| x - centre).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_worker_is_told_from_slow_rounds() {
        let noise = |w: usize, i: usize| ((w * 31 + i * 17) % 11) as f64 / 11.0 - 5.0 / 11.0;
        let run = |slow: f64| {
            let work = |w: usize, i: usize| 10.0 + if w == 2 { slow } else { 0.0 } + noise(w, i);
            let lists: Vec<Vec<f64>> = (0..4).map(|w| (0..110).map(|i| work(w, i)).collect()).collect();
            Variation::fit(&lists).1
        };
        assert!(run(0.0).persistent_share() < 0.01);
        let slow = run(8.0);
        assert!(slow.persistent_share() > 0.95 && (slow.persistent_s[2] - 6.0).abs() < 0.1, "{slow:?}");
    }
}
