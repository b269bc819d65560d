//! Who was there when: from which round on each share of the work was in whose hands.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

/// A worker begins with a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Take {
    /// The first round of it that the worker does.
    pub round: u64,
    /// When, since the run's start.
    pub at: Duration,
    pub share: u32,
    pub worker: u32,
}

/// All that were taken, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attendance(Vec<Take>);

/// A stretch of a run in which the same workers were there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stretch {
    /// Its first round.
    pub from_round: u64,
    /// When it began, in seconds since the run's start.
    pub from_s: f64,
    /// Who was there, and had something to do.
    pub workers: Vec<u32>,
}

impl Attendance {
    /// Takes in that a share is taken; by whom has it already that is no news.
    pub(crate) fn take(&mut self, take: Take) {
        if self.holder(take.share) != Some(take.worker) {
            self.0.push(take);
        }
    }

    /// In whose hands a share is.
    fn holder(&self, share: u32) -> Option<u32> {
        self.0.iter().rev().find(|take| take.share == share).map(|take| take.worker)
    }

    /// From when on who was there of a run of so many shares; from when on every share was in somebody's hands.
    pub(crate) fn stretches(&self, shares: usize) -> Vec<Stretch> {
        let mut takes = self.0.clone();
        takes.sort_by_key(|take| take.round);
        let mut holders: Vec<Option<u32>> = vec![None; shares];
        let mut stretches: Vec<Stretch> = Vec::new();
        for of_round in takes.chunk_by(|one, other| one.round == other.round) {
            for take in of_round {
                if let Some(holder) = holders.get_mut(take.share as usize) {
                    *holder = Some(take.worker);
                }
            }
            let Some(all) = holders.iter().copied().collect::<Option<BTreeSet<_>>>() else { continue };
            let workers: Vec<u32> = all.into_iter().collect();
            if stretches.last().is_none_or(|last| last.workers != workers) {
                let from = of_round.iter().map(|take| take.at).max().unwrap_or_default();
                stretches.push(Stretch {
                    from_round: of_round[0].round,
                    from_s: from.as_secs_f64(),
                    workers,
                });
            }
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_say_who_was_there_from_which_round_on() {
        let mut all = Attendance::default();
        let mut take = |round: u64, share: u32, worker: u32| {
            all.take(Take { round, at: Duration::from_millis(round), share, worker });
        };
        (0..3).for_each(|share| take(0, share, 0));
        take(5, 1, 1);
        // The same hand again, as after a restart, is no change.
        take(7, 1, 1);
        take(9, 1, 2);
        take(9, 2, 2);
        let found = all.stretches(3);
        let told: Vec<_> =
            found.iter().map(|stretch| (stretch.from_round, stretch.workers.clone())).collect();
        assert_eq!(told, [(0, vec![0]), (5, vec![0, 1]), (9, vec![0, 2])]);
        assert_eq!(found[1].from_s, 0.005);
        assert_eq!(all.stretches(4), [], "one share was in nobody's hands");
    }
}
