//! What can be wrong with a policy or with what a worker claims.

use crate::{Clock, WorkerId};

/// Why a policy cannot be built or an arrival is refused.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An option's value is not one of those that exist.
    #[error("{what} `{got}` is not known: valid values are {valid}")]
    Unknown {
        /// The option, as the user knows it.
        what: &'static str,
        /// What was given.
        got: String,
        /// What could have been given.
        valid: &'static str,
    },
    /// A number is outside its range.
    #[error("{what} is {got}: it must be {must}")]
    OutOfRange {
        /// The parameter.
        what: &'static str,
        /// What was given.
        got: String,
        /// The range that makes sense.
        must: &'static str,
    },
    /// A setting that would change nothing.
    #[error("{what} has no effect on {on}: leave it out, or use {instead}")]
    NoEffect {
        /// The setting.
        what: &'static str,
        /// What it was given for.
        on: String,
        /// What it has an effect on.
        instead: &'static str,
    },
    /// A worker that the gate was not built for.
    #[error("{worker} does not take part: there are {workers} workers, counted from 0")]
    UnknownWorker {
        /// Who it claims to be.
        worker: WorkerId,
        /// How many there are.
        workers: usize,
    },
    /// A worker pushed for a round that it is not working at.
    #[error("{worker} pushed for {got} while {}: each started round is pushed once", match .expected {
        Some(clock) => format!("working at {clock}"),
        None => "it had started none".to_owned(),
    })]
    OutOfTurn {
        /// Who pushed.
        worker: WorkerId,
        /// The round that it had started.
        expected: Option<Clock>,
        /// The round that it named.
        got: Clock,
    },
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
