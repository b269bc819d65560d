//! How often a worker exchanges with the servers.

use std::{fmt, num::NonZeroUsize, str::FromStr};

use crate::Error;

/// How many batches a worker computes between a pull and the next push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Every {
    /// One.
    #[default]
    Batch,
    /// So many, with a step of the worker's own after each.
    Batches(NonZeroUsize),
    /// All of its batches, with a step of the worker's own after each.
    Epoch,
}

impl Every {
    /// The names a user can give.
    pub const VALID: &'static str = "batch, batches:N (such as batches:4) and epoch";

    /// Batches in a round, for a worker that has `batches` in an epoch.
    pub fn batches(self, batches: usize) -> usize {
        match self {
            Self::Batch => 1,
            Self::Batches(n) => n.get(),
            Self::Epoch => batches.max(1),
        }
    }
}

impl FromStr for Every {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match (text, text.strip_prefix("batches:").map(str::parse)) {
            ("batch", _) => Ok(Self::Batch),
            ("epoch", _) => Ok(Self::Epoch),
            (_, Some(Ok(n))) => Ok(Self::Batches(n)),
            _ => Err(Error::Unknown { what: "every", got: text.to_owned(), valid: Self::VALID }),
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch => f.write_str("batch"),
            Self::Batches(n) => write!(f, "batches:{n}"),
            Self::Epoch => f.write_str("epoch"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["batch", "batches:3", "epoch"] {
            assert_eq!(text.parse::<Every>().unwrap().to_string(), text);
        }
        for text in ["", "batches", "batches:0", "batches:-1", "epochs"] {
            assert!(text.parse::<Every>().unwrap_err().to_string().contains("batches:N"), "{text}");
        }
    }
}
