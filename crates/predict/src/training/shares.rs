//! How the rows of a run are dealt out, and what that makes of each worker's rounds.
//!
//! Workers whose rows are not as many have rounds that are not as long, so that what a round takes is first said of a round of even
//! shares, and then of the share that a worker has. Where shares follow the workers' speeds (`--partition weight:measured`) a
//! simulated run deals them out as a live one does, by the same rule, from the times that its workers took.

use serde::{Deserialize, Serialize};
use syncline_round::assign::Speeds;

use crate::{Error, Question};

/// Who gets how many rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shares {
    /// All as many.
    #[default]
    Even,
    /// Each worker all of them.
    All,
    /// In proportion to these weights, one a worker.
    Weights(Vec<f64>),
    /// As many at first, and before each further epoch by how fast each was.
    BySpeed,
}

impl Shares {
    /// What `syncline train --partition` was given.
    pub(crate) fn of(partition: &str) -> Self {
        match partition.split_once(':') {
            None if partition == "overlap-reshuffle" => Self::All,
            Some(("weight", "measured")) => Self::BySpeed,
            Some(("weight", weights)) => {
                let weights: Result<Vec<f64>, _> =
                    weights.split(',').map(|weight| weight.trim().parse()).collect();
                weights.map_or(Self::Even, Self::Weights)
            }
            _ => Self::Even,
        }
    }

    pub(crate) fn is_even(&self) -> bool {
        *self == Self::Even
    }

    /// Whether workers have rounds of unlike lengths.
    pub(crate) fn differ(&self) -> bool {
        matches!(self, Self::Weights(_) | Self::BySpeed)
    }

    /// Whether they can be those of so many workers.
    pub(crate) fn is_sound(&self, workers: usize) -> bool {
        match self {
            Self::Weights(weights) => {
                weights.len() == workers && weights.iter().all(|weight| weight.is_finite() && *weight > 0.0)
            }
            _ => true,
        }
    }

    /// Refuses a question about workers for whom the run has no shares.
    pub(crate) fn check(&self, question: &Question) -> Result<(), Error> {
        let why = match self {
            Self::Weights(weights) if weights.len() != question.workers => format!(
                "the rows of the trace were dealt out by weights of its {} workers, which say nothing of the shares of {}: record \
                 a run with even shares, or with --partition weight:measured",
                weights.len(),
                question.workers
            ),
            Self::BySpeed if question.workers > 1 && !question.sync.waits_for_all() => format!(
                "the rows of the trace were dealt out by speed, which `train` does not do under {}, where workers come to the end \
                 of an epoch at different times: record a run with even shares",
                question.sync
            ),
            _ => return Ok(()),
        };
        Err(Error::CannotTell { why })
    }
}

/// The shares of a simulated run, in the course of it.
#[derive(Debug, Clone)]
pub(crate) struct Dealt {
    /// Of each worker, over an even one.
    shares: Vec<f64>,
    by_speed: Option<BySpeed>,
}

#[derive(Debug, Clone)]
struct BySpeed {
    epoch: u64,
    speeds: Speeds,
    /// By worker: rows and seconds of the epoch so far.
    spent: Vec<(f64, f64)>,
}

impl Dealt {
    pub(crate) fn new(shares: &Shares, workers: usize) -> Self {
        let even = vec![1.0; workers];
        let by_speed = (*shares == Shares::BySpeed).then(|| BySpeed {
            epoch: 0,
            speeds: Speeds::unknown(workers),
            spent: vec![(0.0, 0.0); workers],
        });
        match shares {
            Shares::Weights(weights) if weights.len() == workers => {
                Self { shares: normalised(weights), by_speed }
            }
            _ => Self { shares: even, by_speed },
        }
    }

    /// Whether each round of an epoch is as long as the others, where they are dealt out anew.
    pub(crate) fn are_by_speed(&self) -> bool {
        self.by_speed.is_some()
    }

    /// A worker's share in an epoch, which is dealt out when the first one comes to it.
    pub(crate) fn share(&mut self, worker: usize, epoch: u64) -> f64 {
        if let Some(known) = self.by_speed.as_mut().filter(|known| known.epoch < epoch) {
            known.epoch = epoch;
            for (worker, (rows, seconds)) in known.spent.iter_mut().enumerate() {
                known.speeds.heard(worker, *rows, *seconds);
                (*rows, *seconds) = (0.0, 0.0);
            }
            let dealt = known.speeds.weights().map(|weights| normalised(&weights));
            if let Some(dealt) = dealt.filter(|dealt| known.speeds.is_worth(dealt, &self.shares)) {
                self.shares = dealt;
            }
        }
        self.shares[worker]
    }

    /// A worker has computed so long for so many rows.
    pub(crate) fn computed(&mut self, worker: usize, rows: f64, seconds: f64) {
        if let Some(known) = &mut self.by_speed {
            known.spent[worker].0 += rows;
            known.spent[worker].1 += seconds;
        }
    }
}

/// The same proportions, with a mean of 1.
fn normalised(weights: &[f64]) -> Vec<f64> {
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    weights.iter().map(|weight| weight / mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_says_who_has_how_many() {
        assert_eq!(Shares::of("random"), Shares::Even);
        assert_eq!(Shares::of("overlap-reshuffle"), Shares::All);
        assert_eq!(Shares::of("weight:measured"), Shares::BySpeed);
        assert_eq!(Shares::of("weight:2,1,1"), Shares::Weights(vec![2.0, 1.0, 1.0]));
        assert_eq!(Shares::of("weight:x"), Shares::Even);
        assert!(!Shares::of("weight:2,0").is_sound(2) && !Shares::of("weight:2,1").is_sound(3));
    }

    #[test]
    fn shares_follow_the_speeds_from_the_second_epoch_on() {
        let mut dealt = Dealt::new(&Shares::BySpeed, 4);
        for worker in 0..4 {
            assert_eq!(dealt.share(worker, 0), 1.0);
            dealt.computed(worker, 10.0, if worker == 3 { 3.0 } else { 1.0 });
        }
        let shares: Vec<f64> = (0..4).map(|worker| dealt.share(worker, 1)).collect();
        for (share, expected) in shares.iter().zip([1.2, 1.2, 1.2, 0.4]) {
            assert!((share - expected).abs() < 1e-12, "{shares:?}");
        }
        let weighed = Dealt::new(&Shares::Weights(vec![2.0, 1.0, 1.0]), 3).share(0, 5);
        assert_eq!(weighed, 1.5);
    }
}
