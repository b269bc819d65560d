//! Who takes part in a round, as a user says it.

use std::fmt;
use std::str::FromStr;

use crate::error::{between, positive, within};
use crate::{Error, Result};

/// Who takes part in a round, as a user says it.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Select {
    /// All.
    #[default]
    All,
    /// So many, uniformly.
    Count(usize),
    /// This share of all, uniformly; at least one.
    Share(f64),
    /// So many, by their numbers of rows.
    BySamples(usize),
    /// Each by itself with this probability.
    Poisson(f64),
    /// So many that the quorum answers in 99 of 100 rounds.
    Over,
}

impl Select {
    /// The names a user can give.
    pub const VALID: &'static str = "all, a number (such as 20), a share (such as 0.1), samples:N, poisson:RATE and over (as many as the quorum needs \
         with the dropout)";
}

impl FromStr for Select {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown =
            || Error::Unknown { what: "selection", got: text.to_owned(), valid: Self::VALID.to_owned() };
        let count = |text: &str| {
            let count = text.parse().map_err(|_| unknown())?;
            within("the number of clients a round", count, 1, usize::MAX)?;
            Ok(count)
        };
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            None if text == "over" => Ok(Self::Over),
            Some(("samples", number)) => Ok(Self::BySamples(count(number)?)),
            Some(("poisson", rate)) => {
                let rate = rate.parse().map_err(|_| unknown())?;
                positive("the sampling rate", rate)?;
                between("the sampling rate", rate, 0.0, 1.0)?;
                Ok(Self::Poisson(rate))
            }
            None if text.contains('.') => {
                let share = text.parse().map_err(|_| unknown())?;
                positive("the share of clients", share)?;
                between("the share of clients", share, 0.0, 1.0)?;
                Ok(Self::Share(share))
            }
            None => Ok(Self::Count(count(text)?)),
            Some(_) => Err(unknown()),
        }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share:?}"),
            Self::BySamples(count) => write!(f, "samples:{count}"),
            Self::Poisson(rate) => write!(f, "poisson:{rate}"),
            Self::Over => f.write_str("over"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_read_as_they_are_written() {
        for text in ["all", "20", "0.1", "samples:5", "poisson:0.05", "over", "1.0"] {
            assert_eq!(text.parse::<Select>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "1.5", "poisson:0", "samples", "some"] {
            assert!(text.parse::<Select>().is_err(), "{text}");
        }
    }
}
