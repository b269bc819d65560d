//! What can be wrong with a question put to this crate. Every variant names the quantity, its value, and what
//! would have been accepted, because most of them reach a user of the command line unchanged.

/// Why a model, a distribution or a simulation could not be built or evaluated.
#[derive(Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A parameter lies outside its range.
    #[error("{what} is {value}: it must be {needs}")]
    Parameter {
        /// The parameter's name.
        what: &'static str,
        /// The value given.
        value: String,
        /// The values that are accepted.
        needs: String,
    },
    /// Work arrives faster than it can be done.
    #[error(
        "unstable: jobs arrive at rate {rate} but at most {largest} can be served (utilisation {:.4}, \
         {:.6} jobs per unit of time too many): lower the arrival rate or add capacity", rate / largest, rate - largest
    )]
    Unstable {
        /// The arrival rate, jobs per unit of time.
        rate: f64,
        /// The rate from which on the backlog grows without bound.
        largest: f64,
    },
    /// The distribution has no exponential moment, so that no exponential bound exists.
    #[error(
        "the {distribution} distribution has too heavy a tail for an exponential bound (its moment generating \
         function is infinite): simulate the system, or use the exact mean"
    )]
    HeavyTail {
        /// The distribution's name.
        distribution: &'static str,
    },
    /// A moment that the formula needs is infinite.
    #[error("the {distribution} distribution has no finite moment of order {order}, which {formula} needs")]
    InfiniteMoment {
        /// The distribution's name.
        distribution: &'static str,
        /// The order of the moment.
        order: u32,
        /// The formula that needs it.
        formula: &'static str,
    },
    /// A trace holds too few samples for the question.
    #[error("{have} samples are too few for {question}: at least {need} are needed")]
    TooFewSamples {
        /// Samples at hand.
        have: usize,
        /// Samples needed.
        need: usize,
        /// What was asked of them.
        question: &'static str,
    },
    /// No formula is known for this combination.
    #[error("no formula for {quantity} of {model}: {instead}")]
    NoFormula {
        /// The model's name.
        model: &'static str,
        /// What was asked.
        quantity: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A text does not describe a distribution or an arrival process.
    #[error("cannot read '{text}' as {kind}: {reason}")]
    Parse {
        /// The text given.
        text: String,
        /// What it should have been.
        kind: &'static str,
        /// Why not, and which forms there are.
        reason: String,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    pub(crate) fn parameter(what: &'static str, value: impl ToString, needs: impl Into<String>) -> Self {
        Self::Parameter { what, value: value.to_string(), needs: needs.into() }
    }
}

/// Passes a positive finite number through and refuses any other.
pub(crate) fn positive(what: &'static str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::parameter(what, value, "positive and finite"))
    }
}

/// Passes a finite number of at least zero through and refuses any other.
pub(crate) fn non_negative(what: &'static str, value: f64) -> Result<f64> {
    if value >= 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::parameter(what, value, "zero or more, and finite"))
    }
}

/// Passes a count within `1..=most` through and refuses any other.
pub(crate) fn count(what: &'static str, value: usize, most: usize) -> Result<usize> {
    match value {
        0 => Err(Error::parameter(what, value, "at least 1")),
        _ if value > most => Err(Error::parameter(what, value, format!("at most {most}"))),
        _ => Ok(value),
    }
}

/// Refuses an arrival rate that reaches the largest stable one.
pub(crate) fn stable(rate: f64, largest: f64) -> Result<()> {
    if rate < largest { Ok(()) } else { Err(Error::Unstable { rate, largest }) }
}
