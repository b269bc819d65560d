//! Validated names for things that are counted: a worker, its clock, a staleness bound.

use std::fmt;

/// A worker, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(u32);

impl WorkerId {
    /// The worker with this index.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Its index, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.0)
    }
}

/// A round's number, from 0; a worker's clock is the round that it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clock(u64);

impl Clock {
    /// The first round.
    pub const ZERO: Self = Self(0);

    /// The round with this number.
    pub const fn new(round: u64) -> Self {
        Self(round)
    }

    /// Its number, from 0.
    pub const fn round(self) -> u64 {
        self.0
    }

    /// The round after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round {}", self.0)
    }
}

/// How many rounds the fastest worker may be ahead of the slowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Staleness(u32);

impl Staleness {
    /// A bound of so many rounds.
    pub const fn new(rounds: u32) -> Self {
        Self(rounds)
    }

    /// The bound in rounds.
    pub const fn rounds(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
