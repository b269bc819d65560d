//! What the daemon knows of a job beside the scheduler's state: its task, its attempts, and how it ended.

use std::borrow::Cow;

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
    /// Those of late of which nobody knows how they ended, and of which none got further than those before.
    pub losses: u32,
    /// How far the furthest of these got: a share of its work.
    #[serde(default)]
    pub furthest: f64,
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
    /// Since when it has this size, if that was given to it while it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resized: Option<f64>,
    /// The size that it is being given while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resizing: Option<Resizing>,
    /// Why it could not be given another size while it ran: it is stopped for that, and goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Another size that a running attempt is being given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resizing {
    /// Where, with how many.
    pub to: Placement,
    /// The cores that it will be held to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<usize>,
    /// Since when it is told, in seconds.
    pub since: f64,
}

/// A finished attempt, or the time at one of its sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// Where.
    pub placement: Placement,
    /// From when, in seconds.
    pub from: f64,
    /// Until when.
    pub until: f64,
    /// Whether it was given this size while it ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resized: bool,
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
            furthest: 0.0,
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
        if let Some(open) = self.open.take() {
            self.keep(open.ran(at));
        }
    }

    /// The open attempt has the size that it was being given.
    pub(crate) fn resize(&mut self, at: f64) {
        let Some(open) = &mut self.open else { return };
        let Some(Resizing { to, cores, .. }) = open.resizing.take() else { return };
        let before = open.ran(at);
        (open.placement, open.cores, open.resized) = (to, cores, Some(before.until));
        self.keep(before);
    }

    fn keep(&mut self, ran: Ran) {
        if self.history.len() == KEPT {
            self.history.remove(0);
        }
        self.history.push(ran);
    }
}

impl Attempt {
    /// Since when it has its present size.
    pub fn since(&self) -> f64 {
        self.resized.unwrap_or(self.begun)
    }

    /// What it holds: while it is given another size, the greater of both on each machine.
    pub fn holds(&self) -> Cow<'_, Placement> {
        let Some(Resizing { to, .. }) = &self.resizing else { return Cow::Borrowed(&self.placement) };
        let mut all = self.placement.clone();
        for share in to.shares() {
            let now = self.placement.shares().iter().find(|now| now.machine == share.machine);
            let (workers, servers) = now.map_or((0, 0), |now| (now.workers, now.servers));
            let more = (share.workers.saturating_sub(workers), share.servers.saturating_sub(servers));
            all.add(share.machine, more.0, more.1);
        }
        Cow::Owned(all)
    }

    /// The cores that it is held to, before and after.
    pub(crate) fn all_cores(&self) -> impl Iterator<Item = usize> {
        let next = self.resizing.iter().flat_map(|resizing| &resizing.cores);
        self.cores.iter().chain(next).copied()
    }

    /// The time at its present size, which ends at `at`.
    fn ran(&self, at: f64) -> Ran {
        let from = self.since();
        Ran { placement: self.placement.clone(), from, until: at.max(from), resized: self.resized.is_some() }
    }
}
