//! What can be wrong with a strategy, an answer, or a message of the secure sum.

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
    /// A name that is none.
    #[error("unknown {what} `{got}`; the valid ones are {valid}")]
    Unknown {
        /// What was to be named.
        what: &'static str,
        /// What was given.
        got: String,
        /// The names that are understood.
        valid: String,
    },
    /// Settings that contradict each other, or one that has no effect beside the others.
    #[error("{0}")]
    Settings(String),
    /// Rows cannot be read, or are not those of clients.
    #[error("{0}")]
    Data(String),
    /// The model does not fit the data.
    #[error("{0}")]
    Model(String),
    /// The model is no longer made of numbers.
    #[error("the model diverged in round {round}: take a smaller rate, or fewer local steps")]
    Diverged {
        /// The round, from 1.
        round: u64,
    },
    /// Too many rounds failed one after the other.
    #[error("{failed} rounds in a row failed, the last because {reason}; the run ended in round {round}")]
    Hopeless {
        /// How many.
        failed: u32,
        /// Why the last did.
        reason: String,
        /// The round, from 1.
        round: u64,
    },
    /// The trace cannot be written.
    #[error("the trace is incomplete: {0}")]
    Trace(String),
    /// A client's answer cannot be folded.
    #[error("the answer of client {client} cannot be used: {reason}")]
    BadAnswer {
        /// Who sent it.
        client: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing usable came back.
    #[error(
        "no usable answer: {bad} of {heard} were refused, because they were no numbers (where clients diverge, take a smaller \
         rate); the model stays as it is"
    )]
    NoAnswers {
        /// Answers that came.
        heard: usize,
        /// Answers among them that were refused.
        bad: usize,
    },
    /// Too few answers for a fold that stands liars.
    #[error("{fold} with {liars} bad clients needs at least {needed} usable answers, there are {found}")]
    TooFew {
        /// The fold.
        fold: &'static str,
        /// How many bad clients it is to stand.
        liars: usize,
        /// How many answers it needs.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A message of the secure sum that is out of place. The state is unchanged.
    #[error("a message of client {from} was refused at stage {stage}: {reason}")]
    Refused {
        /// Who sent it; the server is 0 for clients.
        from: u32,
        /// The stage of the receiver.
        stage: &'static str,
        /// Why.
        reason: String,
    },
    /// What a client of one's own does failed.
    #[error("client {client} failed: {reason}")]
    Client {
        /// Which.
        client: usize,
        /// What it said.
        reason: String,
    },
    /// A program whose nodes compute for clients failed.
    #[error("{0}")]
    Program(String),
    /// A run on nodes was interrupted before it came to its end.
    #[cfg(feature = "program")]
    #[error("interrupted by {0}")]
    Interrupted(syncline_program::Interrupt),
    /// A secure sum that can no longer succeed. Nothing was revealed.
    #[error("the secure sum failed: {reason}")]
    SumFailed {
        /// Why.
        reason: String,
    },
}

impl Error {
    /// Whether the user asked for something that makes no sense.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::OutOfRange { .. } | Self::Unknown { .. } | Self::Settings(_))
    }
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

/// Refuses what is not a number in `low..=high`.
pub(crate) fn between(what: &'static str, got: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&got) {
        return Ok(());
    }
    let must =
        if high == f64::INFINITY { format!("at least {low}") } else { format!("between {low} and {high}") };
    Err(Error::OutOfRange { what, got: got.to_string(), must })
}

/// Refuses settings that are wrong, with what is said of them.
pub(crate) fn refuse_if(wrong: bool, said: &str) -> Result<()> {
    if wrong { Err(Error::Settings(said.to_owned())) } else { Ok(()) }
}

/// Refuses what is not a positive, finite number.
pub(crate) fn positive(what: &'static str, got: f64) -> Result<()> {
    if got.is_finite() && got > 0.0 {
        return Ok(());
    }
    Err(Error::OutOfRange { what, got: got.to_string(), must: "a positive number".into() })
}
