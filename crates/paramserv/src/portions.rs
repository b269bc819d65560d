//! Rows by speed (`--partition weight:measured`): before each epoch but the first the rows are dealt out anew, to each worker as
//! many as it gets through while the others get through theirs.
//!
//! How fast each is, and whether it is worth it, `round`'s [`Speeds`] say, which predictions ask too. The rows of an epoch are cut into
//! as many rounds for each worker, so that nobody runs out of rows before the others, and a round of all has as many rows as before.
//!
//! - PORTION-1: in an epoch each row is one worker's; how many each has is decided once and told to all, also to one that begins
//!   anew.
//! - PORTION-2: everybody has a row at least, as long as there are enough.
//! - PORTION-3: nobody waits for the times of somebody who does not come to the epoch's end any more.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use syncline_data::{Dataset, Weights, permutation};
use syncline_round::{Every, assign::Speeds};
use tokio::sync::watch;

use crate::{batches::Batches, protocol::WorkerTimes};

/// What is known of an epoch's rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Portions {
    /// Of which epoch.
    epoch: u32,
    /// How many rows each worker has.
    counts: Vec<u64>,
    speeds: Speeds,
    /// What each had gone through when the epoch began, and how long it had computed.
    before: Vec<(u64, Duration)>,
}

impl Portions {
    /// Equal ones.
    fn new(rows: usize, workers: usize) -> Self {
        let cut = |worker: usize| (worker * rows / workers) as u64;
        Self {
            epoch: 0,
            counts: (0..workers).map(|worker| cut(worker + 1) - cut(worker)).collect(),
            speeds: Speeds::unknown(workers),
            before: vec![(0, Duration::ZERO); workers],
        }
    }

    /// Goes on to the next epoch, to whose beginning the workers have come with these times.
    fn advance(&mut self, times: &[WorkerTimes]) {
        for (worker, (before, now)) in self.before.iter_mut().zip(times).enumerate() {
            let samples = now.samples.saturating_sub(before.0);
            let spent = now.compute.saturating_sub(before.1);
            self.speeds.heard(worker, samples as f64, spent.as_secs_f64());
            *before = (now.samples, now.compute);
        }
        self.epoch += 1;
        if let Some(counts) = self.better() {
            self.counts = counts;
        }
    }

    /// Counts with which an epoch would be worth so much shorter, if there are.
    fn better(&self) -> Option<Vec<u64>> {
        let rows = self.counts.iter().sum::<u64>() as usize;
        let dealt = Weights::new(self.speeds.weights()?).ok()?.counts(rows);
        let each: Vec<f64> = dealt.iter().map(|&count| count as f64).collect();
        let before: Vec<f64> = self.counts.iter().map(|&count| count as f64).collect();
        let counts = || dealt.iter().map(|&count| count as u64).collect();
        self.speeds.is_worth(&each, &before).then(counts)
    }
}

/// What is decided, and what is heard for the next decision.
#[derive(Clone, Debug)]
struct State {
    history: u32,
    portions: Portions,
    /// By worker: its times as it came to the end of the epoch.
    heard: Vec<Option<WorkerTimes>>,
    /// Somebody has stopped within an epoch: the run is over for all before the next one.
    is_cut: bool,
}

/// Who decides, in the launching process.
pub(crate) struct Dealer(watch::Sender<State>);

impl Dealer {
    /// Of so many rows.
    pub(crate) fn new(rows: usize, workers: usize) -> Self {
        let portions = Portions::new(rows, workers);
        let state = State { history: 0, portions, heard: vec![None; workers], is_cut: false };
        Self(watch::Sender::new(state))
    }

    /// How many rows each worker has in an epoch, to whose beginning this one has come with these times; answered when all have.
    pub(crate) async fn portions(
        &self,
        worker: u32,
        history: u32,
        epoch: u32,
        times: WorkerTimes,
    ) -> Vec<u64> {
        self.0.send_if_modified(|state| {
            if state.history != history || epoch <= state.portions.epoch {
                return false;
            }
            if let Some(heard) = state.heard.get_mut(worker as usize) {
                *heard = Some(times);
            }
            let Some(all) = state.heard.iter().copied().collect::<Option<Vec<_>>>() else { return false };
            state.portions.advance(&all);
            state.heard.fill(None);
            true
        });
        let is_known =
            |state: &State| state.history != history || epoch <= state.portions.epoch || state.is_cut;
        let mut changes = self.0.subscribe();
        match changes.wait_for(is_known).await {
            Ok(state) => state.portions.counts.clone(),
            // The sender lives in `self`, so the channel cannot close under this borrow.
            Err(_) => Vec::new(),
        }
    }

    /// A worker has stopped within an epoch (PORTION-3).
    pub(crate) fn is_cut(&self) {
        self.0.send_modify(|state| state.is_cut = true);
    }

    pub(crate) fn save(&self) -> Portions {
        self.0.borrow().portions.clone()
    }

    /// All went back to what was saved, in the history of this number; to the beginning where that is nothing.
    pub(crate) fn restore(&self, history: u32, saved: Portions) {
        self.0.send_modify(|state| {
            let rows = state.portions.counts.iter().sum::<u64>() as usize;
            let workers = state.heard.len();
            let fits = saved.counts.len() == workers && saved.counts.iter().sum::<u64>() as usize == rows;
            state.portions = if fits { saved } else { Portions::new(rows, workers) };
            state.history = history;
            state.heard.fill(None);
        });
    }
}

/// From how many rows each worker has to which they are.
#[derive(Clone)]
pub(crate) struct Dealt {
    pub all: Arc<Dataset>,
    pub seed: u64,
    /// Rows of a batch where all have as many.
    pub batch: usize,
    pub every: Every,
    pub rounds_per_epoch: u64,
}

impl Dealt {
    /// A worker's rows: those of one permutation between its and the next one's first.
    pub(crate) fn rows(&self, worker: u32, counts: &[u64]) -> Dataset {
        let first: u64 = counts[..worker as usize].iter().sum();
        let order = permutation(self.all.rows(), self.seed);
        let rows = first as usize..(first + counts[worker as usize]) as usize;
        self.all.select(&order[rows])
    }

    /// The batches of a worker that has so many rows.
    pub(crate) fn batches(&self, rows: usize) -> Batches {
        Batches::evenly(0..rows, self.batch, self.every, self.rounds_per_epoch)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn times(samples: u64, compute_s: f64) -> WorkerTimes {
        WorkerTimes { samples, compute: Duration::from_secs_f64(compute_s), ..WorkerTimes::default() }
    }

    #[test]
    fn who_takes_three_times_as_long_gets_a_third_and_a_slow_epoch_counts_half() {
        let mut portions = Portions::new(1000, 4);
        assert_eq!(portions.counts, [250; 4]);
        let mut all = [times(250, 1.0), times(250, 1.0), times(250, 1.0), times(250, 3.0)];
        portions.advance(&all);
        assert_eq!((portions.epoch, &portions.counts[..]), (1, &[300, 300, 300, 100][..]));
        // All alike in what they need for a row as before.
        all = [times(550, 2.2), times(550, 2.2), times(550, 2.2), times(350, 4.2)];
        portions.advance(&all);
        assert_eq!(portions.counts, [300, 300, 300, 100], "nothing to gain");
        // The last one is as fast as the others in this epoch.
        all = [times(850, 3.4), times(850, 3.4), times(850, 3.4), times(450, 4.6)];
        portions.advance(&all);
        assert_eq!(portions.counts, [286, 285, 286, 143], "twice as long a row, in the mean");
    }

    #[test]
    fn portion_2_nobody_is_without_and_what_is_not_known_changes_nothing() {
        let mut portions = Portions::new(10, 3);
        portions.advance(&[times(3, 1e-6), times(3, 1e9), times(4, 1e-6)]);
        assert_eq!((portions.counts[1], portions.counts.iter().sum::<u64>()), (1, 10));
        let mut portions = Portions::new(10, 2);
        portions.advance(&[times(5, 1.0), times(5, 0.0)]);
        assert_eq!(portions.counts, [5, 5]);
    }

    #[test]
    fn portion_1_all_are_told_the_same_when_all_have_come_and_who_begins_anew_too() {
        let dealer = Dealer::new(100, 2);
        let ask = |worker, history, epoch, compute_s| {
            dealer.portions(worker, history, epoch, times(50, compute_s)).now_or_never()
        };
        assert_eq!(ask(0, 0, 0, 0.0), Some(vec![50, 50]));
        assert_eq!(ask(0, 0, 1, 1.0), None, "the other one has not come");
        assert_eq!(ask(1, 0, 1, 3.0), Some(vec![75, 25]));
        assert_eq!(ask(0, 0, 1, 9.0), Some(vec![75, 25]), "decided once");
        let saved = dealer.save();
        assert_eq!(ask(1, 0, 2, 6.0), None);
        dealer.restore(1, saved);
        assert_eq!(ask(1, 1, 1, 3.0), Some(vec![75, 25]), "of what was saved");
        assert_eq!(ask(1, 0, 2, 6.0), Some(vec![75, 25]), "who is of a history before is not kept waiting");
        dealer.restore(2, Portions::default());
        assert_eq!(ask(1, 2, 0, 3.0), Some(vec![50, 50]), "at the beginning");
    }

    #[test]
    fn portion_3_who_stops_within_an_epoch_is_not_waited_for() {
        let dealer = Dealer::new(100, 2);
        assert!(dealer.portions(0, 0, 1, times(50, 1.0)).now_or_never().is_none());
        dealer.is_cut();
        assert!(dealer.portions(0, 0, 1, times(50, 1.0)).now_or_never().is_some());
    }
}
