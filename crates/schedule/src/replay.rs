//! Recorded decisions, and their replay.
//!
//! A recording is a text file of JSON lines: first what the policy was made with, then every step with its
//! events and decisions, last how many there are. Without that line the log ended early. Replaying drives a fresh
//! [`Desk`] with the recorded events only, as a live daemon does, and compares.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    desk::Desk,
    error::{Error, Result},
    model::{Cluster, Job},
    policy::{Floor, Packing, PolicyName, Setup},
    pricing::{PlannerOptions, SlotGrid},
    sim::Entry,
    state::Physics,
};

/// The first line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Which policy decided.
    pub policy: PolicyName,
    /// The rules of the cluster.
    pub physics: Physics,
    cluster: Cluster,
    grid: SlotGrid,
    expected: Vec<Job>,
    planner: PlannerOptions,
    packing: Packing,
    unfairness: f64,
    adjustable: f64,
    floor: Floor,
    seed: u64,
}

impl Header {
    /// Of a policy made with `setup`.
    pub fn new(policy: PolicyName, setup: &Setup, physics: Physics) -> Self {
        Self {
            policy,
            physics,
            cluster: Cluster::clone(&setup.cluster),
            grid: setup.grid,
            expected: setup.expected.clone(),
            planner: setup.planner,
            packing: setup.packing,
            unfairness: setup.unfairness,
            adjustable: setup.adjustable,
            floor: setup.floor,
            seed: setup.seed,
        }
    }

    /// What the policy was made with.
    pub fn setup(&self) -> Setup {
        Setup {
            cluster: Arc::new(self.cluster.clone()),
            grid: self.grid,
            expected: self.expected.clone(),
            planner: self.planner,
            packing: self.packing,
            unfairness: self.unfairness,
            adjustable: self.adjustable,
            floor: self.floor,
            seed: self.seed,
        }
    }

    /// The machines.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

/// A header and its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What the policy was made with.
    pub header: Header,
    /// What it saw and decided.
    pub entries: Vec<Entry>,
    /// Whether the log was written to its end.
    pub complete: bool,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    steps: usize,
}

impl Recording {
    /// Of a simulation's log.
    pub fn new(policy: PolicyName, setup: &Setup, physics: Physics, entries: Vec<Entry>) -> Self {
        let header = Header::new(policy, setup, physics);
        Self { header, entries, complete: true }
    }

    /// It as JSON lines.
    ///
    /// # Errors
    /// A number that cannot be written down: a defect.
    pub fn to_lines(&self) -> Result<String> {
        let json = |source| Error::Json { path: "recording".into(), source };
        let mut text = serde_json::to_string(&self.header).map_err(json)? + "\n";
        for entry in &self.entries {
            text += &(serde_json::to_string(entry).map_err(json)? + "\n");
        }
        let end = End { steps: self.entries.len() };
        Ok(text + &serde_json::to_string(&end).map_err(json)? + "\n")
    }

    /// Writes it as JSON lines.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |source| Error::Io { doing: "writing a recording", path: path.into(), source };
        std::fs::write(path, self.to_lines()?).map_err(failed)
    }

    /// Reads what [`Recording::write`] wrote.
    ///
    /// # Errors
    /// An unreadable file; a line that is not what it should be.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |source| Error::Io { doing: "reading a recording", path: path.into(), source };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        // A line without its end was not written to it.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines().enumerate().map(|(index, line)| (index as u64 + 1, line)).peekable();
        let wrong = |line: u64, error: serde_json::Error| {
            let what = format!("{error}; is this a recording of `schedule simulate --record`?");
            Error::Field { file: path.into(), line, field: "json".into(), what }
        };
        let (line, text) = lines.next().ok_or(Error::Empty { what: "recording" })?;
        let header: Header = serde_json::from_str(text).map_err(|error| wrong(line, error))?;
        let fault =
            |line, field: &str, what| Error::Field { file: path.into(), line, field: field.into(), what };
        header.grid.validate().map_err(|error| fault(line, "grid", error.detail()))?;
        let mut before = 0.0;
        let (mut entries, mut complete) = (Vec::new(), false);
        while let Some((line, text)) = lines.next() {
            if lines.peek().is_none()
                && let Ok(End { steps }) = serde_json::from_str(text)
            {
                complete = steps == entries.len();
                break;
            }
            let entry: Entry = serde_json::from_str(text).map_err(|error| wrong(line, error))?;
            if !(before..f64::INFINITY).contains(&entry.now) {
                let what = format!("{} comes after {before}; time does not go back", entry.now);
                return Err(fault(line, "now", what));
            }
            before = entry.now;
            entries.push(entry);
        }
        Ok(Self { header, entries, complete })
    }

    /// Decides again and compares; returns the number of decisions.
    ///
    /// # Errors
    /// The first step where the policy answers differently, or breaks a rule of the cluster.
    pub fn replay(&self) -> Result<usize> {
        let mut desk = Desk::new(self.header.clone());
        let mut count = 0;
        for entry in &self.entries {
            desk.repeat(entry)?;
            count += entry.decisions.len();
        }
        Ok(count)
    }
}
