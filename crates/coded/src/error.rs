//! What can be wrong with a code or with the answers that it is to decode.

/// What went wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter is outside its range.
    #[error("{what} is {got}: it must be {must}")]
    OutOfRange {
        /// The parameter.
        what: &'static str,
        /// What was given.
        got: String,
        /// The range that makes sense.
        must: String,
    },
    /// The workers that answered do not determine the result.
    #[error("the answers of workers {answered:?} do not suffice: {needed}")]
    NotDecodable {
        /// Who answered, in increasing order.
        answered: Vec<usize>,
        /// What would suffice.
        needed: String,
    },
    /// The answers determine the result, but rounding would spoil it.
    #[error(
        "the answers of workers {answered:?} would be decoded with a relative error of up to {error:.1e} (condition number \
         {condition:.1e}), above the tolerance {tolerance:.0e}: wait for another worker, or take fewer parity workers"
    )]
    IllConditioned {
        /// Who answered, in increasing order.
        answered: Vec<usize>,
        /// The condition number of their rows of the code.
        condition: f64,
        /// The condition number times the rounding error of the answers.
        error: f64,
        /// What is allowed.
        tolerance: f64,
    },
    /// An answer that cannot be one of this round.
    #[error("the answer of worker {worker} is no answer of this round: {reason}")]
    BadAnswer {
        /// Who sent it.
        worker: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer of a group was given by a majority.
    #[error(
        "the group of workers {members:?} has no answer that {majority} of them agree on: more than {liars} of them lie"
    )]
    NoMajority {
        /// The group.
        members: Vec<usize>,
        /// How many must agree.
        majority: usize,
        /// How many liars the code stands.
        liars: usize,
    },
    /// A packet, cache or buffer that does not fit the plan it is used with.
    #[error("{what}: {reason}")]
    Mismatch {
        /// What was being done, to what.
        what: &'static str,
        /// Why it cannot be.
        reason: String,
    },
    /// A program whose workers hold a coded matrix failed.
    #[error("{0}")]
    Program(String),
    /// A distribution for which a time cannot be told.
    #[error(transparent)]
    Time(#[from] syncline_queueing::Error),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Refuses a whole number outside `low..=high`.
pub(crate) fn within(what: &'static str, got: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&got) {
        return Ok(());
    }
    let must =
        if high == usize::MAX { format!("at least {low}") } else { format!("between {low} and {high}") };
    Err(Error::OutOfRange { what, got: got.to_string(), must })
}

/// Refuses what is not a positive number.
pub(crate) fn positive(what: &'static str, got: f64) -> Result<()> {
    if got.is_finite() && got > 0.0 {
        return Ok(());
    }
    Err(Error::OutOfRange { what, got: got.to_string(), must: "a positive number".into() })
}
