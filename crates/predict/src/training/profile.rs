//! A job's work, split two ways: worker by round.
//!
//! T(w, i) = mean + a_w + e(w, i). A worker that is always slow (a_w) gains nothing from staleness, a slow round (e) does,
//! so the two must be told apart. The a_w are shrunk by the share of their spread that chance explains (the residuals'
//! variance over the rounds), so that equal workers come out equal.

use crate::{Cycle, Cycles, Error};

/// Rounds per worker below which nothing is predicted.
const FEWEST: usize = 20;

/// What one job costs: the schedule's and the prediction's view of it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobProfile {
    /// Workers of the trace.
    pub workers: usize,
    /// Mean work of a round, in seconds: pull, compute and push.
    pub work_s: f64,
    /// What each worker of the trace always takes more (or less) than the mean, in seconds.
    pub persistent_s: Vec<f64>,
    /// What the rounds add at random, in seconds, centred.
    pub residual_s: Vec<f64>,
    /// Time of the servers per gradient, one gradient after another.
    pub server_s: f64,
    /// Samples in one worker's batch.
    pub samples_per_cycle: f64,
    /// Rounds of the worker with the fewest.
    pub rounds: usize,
}

impl JobProfile {
    pub(crate) fn fit(cycles: &Cycles) -> Result<Self, Error> {
        let lists = cycles.of_worker();
        let rounds = lists.iter().map(Vec::len).min().unwrap_or(0);
        if rounds < FEWEST {
            return Err(Error::TooShort { have: rounds, need: FEWEST });
        }
        let means: Vec<f64> = lists.iter().map(|list| mean(list.iter().map(Cycle::work_s))).collect();
        let work_s = mean(means.iter().copied());
        let residual_s: Vec<f64> = lists
            .iter()
            .zip(&means)
            .flat_map(|(list, mean)| list.iter().map(move |c| c.work_s() - mean))
            .collect();
        let chance = mean(residual_s.iter().map(|e| e * e)) / rounds as f64;
        let spread =
            means.iter().map(|m| (m - work_s).powi(2)).sum::<f64>() / (means.len().max(2) - 1) as f64;
        let real = if spread > 0.0 { (1.0 - chance / spread).max(0.0) } else { 0.0 };
        let persistent_s = means.iter().map(|m| real * (m - work_s)).collect();
        let server_s = cycles.update_s() / cycles.per_update() as f64;
        let samples_per_cycle = cycles.samples_per_cycle();
        Ok(Self {
            workers: lists.len(),
            work_s,
            persistent_s,
            residual_s,
            server_s,
            samples_per_cycle,
            rounds,
        })
    }

    /// The share of the work's variance that belongs to workers and not to rounds.
    pub fn persistent_share(&self) -> f64 {
        let workers = mean(self.persistent_s.iter().map(|a| a * a));
        workers / (workers + mean(self.residual_s.iter().map(|e| e * e))).max(f64::MIN_POSITIVE)
    }
}

pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    sum / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_worker_is_told_from_slow_rounds() {
        let noise = |w: u32, i: u64| ((w as u64 * 31 + i * 17) % 11) as f64 / 11.0 - 5.0 / 11.0;
        let run = |slow: f64| {
            let cycles = (0..4).flat_map(|w| {
                (0..110).map(move |i| {
                    let work = 10.0 + if w == 2 { slow } else { 0.0 } + noise(w, i);
                    Cycle::new(w, i, 0.0, work)
                })
            });
            Cycles::new(4, cycles.collect()).and_then(|cycles| cycles.profile())
        };
        let equal = run(0.0).unwrap();
        assert!(equal.persistent_share() < 0.01, "{}", equal.persistent_share());
        let slow = run(8.0).unwrap();
        assert!(slow.persistent_share() > 0.95 && (slow.persistent_s[2] - 6.0).abs() < 0.1, "{slow:?}");
    }
}
