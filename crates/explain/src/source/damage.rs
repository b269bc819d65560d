//! What of a log could not be used.

use serde::Serialize;

/// One line that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadLine {
    /// Its number in the log, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// What of a log could not be used: counted always, described up to a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// How many lines.
    pub lines: u64,
    /// The first of them.
    pub first: Vec<BadLine>,
    /// What happened to the packing: a frame cut short, a block with a wrong length.
    pub notes: Vec<String>,
}

impl Damage {
    /// How many lines, and how many notes, are described.
    pub const DESCRIBED: usize = 20;

    /// Counts a line.
    pub fn count(&mut self, line: u64, why: impl Into<String>) {
        self.lines += 1;
        if self.first.len() < Self::DESCRIBED {
            self.first.push(BadLine { line, why: why.into() });
        }
    }

    /// Adds a note about the packing.
    pub fn note(&mut self, note: String) {
        if self.notes.len() < Self::DESCRIBED && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whether all of the log was usable.
    pub fn is_none(&self) -> bool {
        self.lines == 0 && self.notes.is_empty()
    }
}
