//! Validated numbers: rounds, and the bounds of policies.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
};

use serde::{Deserialize, Serialize};

use crate::Error;

/// A round's number, from 0. A member is *at* a round while it works at it or may start it next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Round(u64);

impl Round {
    /// The first round.
    pub const ZERO: Self = Self(0);

    /// The last one that a run could come to: a file that says more is wrong.
    pub(crate) const LAST: Self = Self(1 << 53);

    /// The round with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number, from 0.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The round after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round {}", self.0)
    }
}

/// How many rounds the fastest member may be ahead of the slowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
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

/// A number of members that a round needs: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Least(NonZeroU32);

impl Least {
    /// So many.
    ///
    /// # Errors
    /// For none: a round of nobody would close before it began.
    pub fn new(members: u32) -> Result<Self, Error> {
        let none =
            Error::OutOfRange { what: "the members that a round needs", got: "0".into(), must: "at least 1" };
        NonZeroU32::new(members).map(Self).ok_or(none)
    }

    /// How many.
    pub const fn members(self) -> usize {
        self.0.get() as usize
    }
}

impl fmt::Display for Least {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many steps a member takes by itself before it exchanges: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Steps(NonZeroUsize);

impl Steps {
    /// So many.
    ///
    /// # Errors
    /// For none: a member that takes no step has nothing to exchange.
    pub fn new(steps: usize) -> Result<Self, Error> {
        let none =
            Error::OutOfRange { what: "the steps between exchanges", got: "0".into(), must: "at least 1" };
        NonZeroUsize::new(steps).map(Self).ok_or(none)
    }

    /// How many.
    pub const fn count(self) -> NonZeroUsize {
        self.0
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
