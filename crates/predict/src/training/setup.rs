//! How a run was set up, as its trace says.

use serde::{Deserialize, Serialize};
use syncline_round::{Every, Policy};
use syncline_trace::{Phase, Run, TrainingSetup};

use super::shares::Shares;
use crate::Error;

/// How a run was set up. Unknown numbers are 0, unknown texts empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// The run's name.
    pub name: String,
    /// Workers.
    pub workers: usize,
    /// Servers.
    pub servers: usize,
    /// The synchronisation policy, as `syncline train --sync` takes it.
    pub sync: String,
    /// Rows in one worker's batch.
    pub batch: u64,
    /// How often workers exchange, as `syncline train --every` takes it.
    pub every: String,
    /// Rows trained on in an epoch.
    pub rows: u64,
    /// Who gets how many of them.
    #[serde(skip_serializing_if = "Shares::is_even")]
    pub shares: Shares,
    /// Bytes of all parameters, and so of a dense gradient.
    pub parameter_bytes: u64,
    /// Bytes of a dense gradient as it was sent, where it was sent in another format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_push_bytes: Option<u64>,
    /// Where the nodes ran: `threads` or `processes`.
    pub on: String,
    /// What delays were injected: such workers sleep and take no core.
    pub injected: Injected,
    /// Workers that injected delays name, by which who is slow is known for other numbers of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<usize>,
    /// Epochs that the run was to last.
    pub epochs: u64,
    /// Rounds that were traced, in which at least one worker computed.
    pub rounds: u64,
}

/// Delays that were injected into a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Injected {
    /// None: workers compute all the time.
    #[default]
    Nothing,
    /// Times what is computed, so that they grow with the batch.
    Times,
    /// Of their own, once a round.
    Delays,
}

impl Injected {
    /// What `syncline train --inject` was given.
    fn of(delays: &[String]) -> Self {
        if delays.is_empty() {
            return Self::Nothing;
        }
        if delays.iter().all(|delay| delay.ends_with('x')) { Self::Times } else { Self::Delays }
    }
}

/// The workers that `syncline train --inject` was given by number.
fn named(delays: &[String]) -> Vec<usize> {
    let numbers = delays.iter().filter_map(|delay| {
        let who = delay.split(':').next()?;
        who.split(',').find_map(|part| part.strip_prefix("worker="))?.parse().ok()
    });
    let mut named: Vec<usize> = numbers.collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// The number of rounds with a gradient.
fn rounds(run: &Run) -> u64 {
    let computed = run.spans.iter().filter(|span| span.phase == Phase::Compute);
    let mut rounds: Vec<u64> = computed.map(|span| span.round).collect();
    rounds.sort_unstable();
    rounds.dedup();
    rounds.len() as u64
}

impl Setup {
    /// What a trace says of its run.
    pub(crate) fn of(run: &Run, told: &TrainingSetup) -> Self {
        let largest = run.spans.iter().filter(|span| span.phase == Phase::Compute).map(|span| span.records);
        Self {
            name: run.info.run.clone(),
            workers: run.info.workers as usize,
            servers: (run.info.servers as usize).max(1),
            sync: run.info.sync.clone(),
            batch: told.batch.filter(|rows| *rows > 0).or(largest.max()).unwrap_or(0),
            every: told.every.clone().unwrap_or_default(),
            rows: told.rows.unwrap_or(0),
            shares: told.partition.as_deref().map(Shares::of).unwrap_or_default(),
            parameter_bytes: told.parameters.unwrap_or(0).saturating_mul(size_of::<f32>() as u64),
            whole_push_bytes: told.whole_push_bytes,
            on: told.on.clone().unwrap_or_default(),
            injected: Injected::of(&told.inject),
            named: named(&told.inject),
            epochs: told.epochs.unwrap_or(0),
            rounds: rounds(run),
        }
    }

    /// The policy.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`] where it is not one that is known.
    pub fn policy(&self) -> Result<Policy, Error> {
        self.sync.parse().map_err(|_| unknown("synchronisation policy", &self.sync))
    }

    /// How often workers exchange; every batch where the trace does not say.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`] where it is said in unknown words.
    pub fn exchange(&self) -> Result<Every, Error> {
        if self.every.is_empty() {
            return Ok(Every::Batch);
        }
        self.every.parse().map_err(|_| unknown("update frequency", &self.every))
    }

    /// Rows that so many workers go through in an epoch, all together; 0 where the trace does not say.
    pub(crate) fn rows_of(&self, workers: usize) -> u64 {
        match self.shares {
            Shares::All => self.rows.saturating_mul(workers as u64),
            _ => self.rows,
        }
    }

    /// Whether nodes share one process, so that parameters and gradients are handed over and not sent.
    pub(crate) fn shares_memory(&self) -> bool {
        self.on == "threads"
    }
}

fn unknown(what: &'static str, found: &str) -> Error {
    Error::UnknownSetting { what, found: found.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn injected_delays_name_their_workers() {
        let named = |text: &str| super::named(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(named("worker=2:3ms all:exp:5ms round=3,worker=0:1s worker=2:4ms"), [0, 2]);
        assert!(named("all:3x round=4..5:2ms").is_empty());
    }
}
