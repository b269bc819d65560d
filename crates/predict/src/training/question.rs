//! What is asked: a size, a policy, a batch.

use syncline_round::{Every, Policy};
use syncline_trace::Run;

use super::coded::products;
use super::setup::{Injected, Setup};
use crate::{Error, Machines};

/// A run that has not been made. [`JobProfile::question`](crate::JobProfile::question) asks about the traced run itself;
/// change what is to be different.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question {
    /// How many workers.
    pub workers: usize,
    /// How many servers share the parameters.
    pub servers: usize,
    /// When workers wait.
    pub sync: Policy,
    /// Rows in one worker's batch; 0 where the trace does not say.
    pub batch: u64,
    /// Batches between exchanges, unless the policy says how many.
    pub every: Every,
    /// Whether the workers share the traced run's machine.
    pub machines: Machines,
    /// Rounds that the run lasts: a short one shows more chance, so that its interval is wider.
    pub rounds: u64,
}

impl Question {
    /// The very run that a trace is of, so that a prediction can be compared with what was measured.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`] where its trace does not say in known words how it was set up.
    pub fn of(run: &Run) -> Result<Self, Error> {
        let setup = Setup::of(run, &run.info.training());
        Self::about(&setup, setup.rounds)
    }

    pub(crate) fn about(setup: &Setup, rounds: u64) -> Result<Self, Error> {
        Ok(Self {
            workers: setup.workers,
            servers: setup.servers.max(1),
            sync: setup.policy()?,
            batch: setup.batch,
            every: setup.exchange()?,
            // Sleeping workers take no core: each might as well have its own.
            machines: if setup.injected == Injected::Nothing { Machines::One } else { Machines::Own },
            rounds,
        })
    }

    /// The same for as many rounds as the traced run's data and epochs give: with more workers each has fewer. As many
    /// as are asked for already where the trace does not say what they were.
    #[must_use]
    pub fn whole(self, setup: &Setup) -> Self {
        if self.sync.coded().is_some() {
            let rounds = products(setup);
            return if rounds > 0 { Self { rounds, ..self } } else { self };
        }
        if setup.rows == 0 || setup.epochs == 0 || self.batch == 0 {
            return self;
        }
        let rows = setup.rows_of(self.workers);
        Self { rounds: self.epoch(rows).rounds.saturating_mul(setup.epochs), ..self }
    }

    /// How often workers exchange: as the policy says, where that is its matter.
    pub(crate) fn exchange(&self) -> Every {
        self.sync.every().unwrap_or(self.every)
    }

    /// Samples of a worker's rounds in one epoch, of `rows` in all: full rounds, and a shorter one at the end.
    pub(crate) fn epoch(&self, rows: u64) -> Epoch {
        let batch = self.batch.max(1);
        let own = rows.div_ceil(self.workers.max(1) as u64);
        if rows == 0 {
            return Epoch {
                full: batch.saturating_mul(self.exchange().batches(1) as u64),
                rounds: u64::MAX,
                last: 0,
            };
        }
        let batches = own.div_ceil(batch);
        let full = batch.saturating_mul(self.exchange().batches(batches as usize) as u64).min(own);
        let rounds = own.div_ceil(full);
        Epoch { full, rounds, last: own - (rounds - 1) * full }
    }
}

/// What the rounds of an epoch hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Epoch {
    /// Samples in all rounds but the last.
    pub full: u64,
    pub rounds: u64,
    /// Samples in the last.
    last: u64,
}

impl Epoch {
    /// Samples of a round, counted from the run's start.
    pub(crate) fn samples(&self, round: u64) -> u64 {
        if round % self.rounds == self.rounds - 1 { self.last } else { self.full }
    }

    /// Samples of a round on average.
    pub(crate) fn mean(&self) -> f64 {
        let rounds = self.rounds as f64;
        (self.full as f64 * (rounds - 1.0) + self.last as f64) / rounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_cut_as_the_workers_cut_it() {
        let setup =
            Setup { workers: 2, servers: 1, sync: "bsp".into(), batch: 20, rows: 205, ..Setup::default() };
        let question = Question::about(&setup, 10).unwrap();
        let epoch = question.epoch(setup.rows);
        assert_eq!((epoch.samples(0), epoch.samples(4), epoch.samples(5), epoch.samples(6)), (20, 20, 3, 20));
        let whole = Question { every: Every::Epoch, ..question }.epoch(setup.rows);
        assert_eq!((whole.samples(0), whole.samples(1)), (103, 103));
        let threes = Question { every: "batches:3".parse().unwrap(), ..question }.epoch(setup.rows);
        assert_eq!((threes.samples(0), threes.samples(1), threes.samples(2)), (60, 43, 60));
        assert!((threes.mean() - 51.5).abs() < 1e-12);
        let local = Question { sync: "local:3".parse().unwrap(), ..question }.epoch(setup.rows);
        assert_eq!(local, threes, "the policy says how often");
    }
}
