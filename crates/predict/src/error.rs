//! Why a question cannot be answered: always said, never guessed over.

/// What keeps a trace from answering.
#[derive(Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The trace holds no training rounds.
    #[error(
        "the trace of '{run}' holds no rounds of workers (compute spans): record one with syncline train --trace"
    )]
    NoRounds {
        /// The run's name.
        run: String,
    },
    /// Too little was measured.
    #[error(
        "cannot tell: {have} rounds per worker are too few, at least {need} are needed; record a longer run"
    )]
    TooShort {
        /// Rounds of the worker with the fewest.
        have: usize,
        /// Rounds needed.
        need: usize,
    },
    /// The question lies too far from what was measured.
    #[error(
        "cannot tell: {asked} workers are more than {limit} times the {measured} of the trace; record a run of more workers"
    )]
    TooFar {
        /// Workers asked for.
        asked: usize,
        /// Workers in the trace.
        measured: usize,
        /// The factor up to which the trace is extrapolated.
        limit: usize,
    },
    /// The trace does not hold what the question needs.
    #[error("cannot tell: {why}")]
    CannotTell {
        /// What is missing, and how to get it.
        why: String,
    },
    /// A job profile that cannot be.
    #[error("the job profile cannot be used: {what}")]
    Profile {
        /// What is wrong with it.
        what: String,
    },
    /// A policy that the number of workers does not allow.
    #[error(transparent)]
    Policy(syncline_round::Error),
    /// The trace names a setting that is not known here.
    #[error("the trace's {what} is '{found}', which is not known: record it with this version")]
    UnknownSetting {
        /// Which one.
        what: &'static str,
        /// What the trace says.
        found: String,
    },
    /// The loop cannot be simulated.
    #[error(transparent)]
    Queueing(#[from] syncline_queueing::Error),
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
