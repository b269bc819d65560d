//! What the daemon knows of a job beside the scheduler's state: its task, its attempts, and how it ended.

use serde::{Deserialize, Serialize};
use syncline_schedule::{JobId, Placement, jobs_file::Task};

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number.
    pub id: JobId,
    /// Its name; no two jobs of one name are unfinished at the same time.
    pub name: String,
    /// What runs.
    pub task: Task,
    /// Attempts begun so far.
    pub attempts: u32,
    /// Those that ended without success, though nobody stopped them.
    pub failures: u32,
    /// Those of which nobody knows how they ended.
    pub losses: u32,
    /// The attempt whose processes may exist.
    pub open: Option<Attempt>,
    /// Not to be started before this time, in seconds.
    pub not_before: f64,
    /// How it ended, if it has.
    pub outcome: Option<Outcome>,
    /// When it ended, in seconds.
    pub ended: Option<f64>,
    /// What ran where, the latest last, as far as it is kept.
    pub history: Vec<Ran>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "why", rename_all = "kebab-case")]
pub enum Outcome {
    /// With success.
    Done,
    /// Without, for good.
    Failed(String),
    /// Somebody cancelled it.
    Cancelled,
    /// It had run for as long as it may, in seconds.
    TimedOut(f64),
    /// The policy does not want to run it.
    TurnedDown(String),
}

/// One start of a job: processes with a given size in a given place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// Where.
    pub placement: Placement,
    /// Since when, in seconds.
    pub begun: f64,
    /// When it was asked to stop.
    pub asked: Option<f64>,
    /// Whether it was killed, because it did not.
    pub killed: bool,
    /// The cores that it is held to, by number from 0; none: it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<usize>,
}

/// A finished attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// Where.
    pub placement: Placement,
    /// From when, in seconds.
    pub from: f64,
    /// Until when.
    pub until: f64,
}

/// How many finished attempts are kept of a job.
const KEPT: usize = 200;

impl Record {
    /// Before its first attempt.
    pub fn new(id: JobId, name: String, task: Task) -> Self {
        Self {
            id,
            name,
            task,
            attempts: 0,
            failures: 0,
            losses: 0,
            open: None,
            not_before: 0.0,
            outcome: None,
            ended: None,
            history: Vec::new(),
        }
    }

    /// Whether it still wants to run.
    pub fn is_unfinished(&self) -> bool {
        self.outcome.is_none()
    }

    /// Ends it.
    pub(crate) fn end(&mut self, outcome: Outcome, at: f64) {
        (self.outcome, self.ended) = (Some(outcome), Some(at));
    }

    /// The open attempt's processes are gone.
    pub(crate) fn close(&mut self, at: f64) {
        if let Some(Attempt { placement, begun, .. }) = self.open.take() {
            if self.history.len() == KEPT {
                self.history.remove(0);
            }
            self.history.push(Ran { placement, from: begun, until: at.max(begun) });
        }
    }
}
