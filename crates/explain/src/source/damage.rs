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
    /// Notes beyond those.
    pub more_notes: u64,
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
        if self.notes.contains(&note) {
            return;
        }
        if self.notes.len() < Self::DESCRIBED {
            self.notes.push(note);
        } else {
            self.more_notes += 1;
        }
    }

    /// Adds what another part of the log, and the decoders below it, could not use.
    pub(crate) fn join(&mut self, other: Self, notes: Vec<String>) {
        let undescribed = other.lines - other.first.len() as u64;
        other.first.into_iter().for_each(|bad| self.count(bad.line, bad.why));
        self.lines += undescribed;
        self.more_notes += other.more_notes;
        other.notes.into_iter().chain(notes).for_each(|note| self.note(note));
    }

    /// Whether all of the log was usable.
    pub fn is_none(&self) -> bool {
        self.lines == 0 && self.notes.is_empty()
    }
}
