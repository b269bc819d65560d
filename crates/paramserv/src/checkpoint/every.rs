//! How often a checkpoint is taken.

use std::{fmt, str::FromStr, time::Duration};

use crate::{Error, server::Pace};

/// How often a checkpoint is taken.
///
/// ```
/// use syncline_paramserv::CheckpointEvery;
/// let every: CheckpointEvery = "rounds:500".parse()?;
/// assert_eq!(every, CheckpointEvery::Rounds(500));
/// assert_eq!("seconds:90".parse::<CheckpointEvery>()?.to_string(), "seconds:90");
/// # Ok::<(), syncline_paramserv::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CheckpointEvery {
    /// Every so many rounds.
    Rounds(u64),
    /// Every so many epochs.
    Epochs(u32),
    /// Whenever so much time has passed since the last one, of the run's clock.
    Time(Duration),
}

impl CheckpointEvery {
    /// The names a user can give.
    pub const VALID: &'static str =
        "rounds:N, epochs:N and seconds:S (such as rounds:500, epochs:1 or seconds:60)";

    /// The longest time between two.
    const LONGEST: f64 = 1e6;

    /// The round before which one is due, where the last was before this one; nothing where that is a matter of time, or the run is
    /// over by then.
    pub(crate) fn round_after(self, last: u64, pace: Pace) -> Option<u64> {
        let rounds = match self {
            Self::Time(_) => return None,
            Self::Rounds(rounds) => rounds,
            Self::Epochs(epochs) => u64::from(epochs).saturating_mul(pace.rounds_per_epoch),
        };
        let next = (last / rounds).saturating_add(1).saturating_mul(rounds);
        (next < pace.rounds).then_some(next)
    }
}

impl Default for CheckpointEvery {
    /// Once a minute.
    fn default() -> Self {
        Self::Time(Duration::from_secs(60))
    }
}

impl FromStr for CheckpointEvery {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let positive = |number: &str| number.parse::<u64>().ok().filter(|&number| number > 0);
        let every = match text.split_once(':') {
            Some(("rounds", number)) => positive(number).map(Self::Rounds),
            Some(("epochs", number)) => {
                positive(number).and_then(|number| u32::try_from(number).ok()).map(Self::Epochs)
            }
            Some(("seconds", number)) => {
                let seconds =
                    number.parse::<f64>().ok().filter(|seconds| (1e-3..=Self::LONGEST).contains(seconds));
                seconds.map(|seconds| Self::Time(Duration::from_secs_f64(seconds)))
            }
            _ => None,
        };
        let unknown = || Error::Option {
            what: "checkpoint-every",
            got: text.to_owned(),
            valid: Self::VALID.to_owned(),
        };
        every.ok_or_else(unknown)
    }
}

impl fmt::Display for CheckpointEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rounds(rounds) => write!(f, "rounds:{rounds}"),
            Self::Epochs(epochs) => write!(f, "epochs:{epochs}"),
            Self::Time(time) => write!(f, "seconds:{}", time.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["rounds:1", "epochs:3", "seconds:60", "seconds:0.25"] {
            assert_eq!(text.parse::<CheckpointEvery>().unwrap().to_string(), text);
        }
        for text in
            ["", "rounds", "rounds:0", "epochs:-1", "epochs:99999999999", "seconds:0", "seconds:NaN", "60s"]
        {
            let said = text.parse::<CheckpointEvery>().unwrap_err().to_string();
            assert!(said.contains("seconds:S"), "{text}: {said}");
        }
    }
}
