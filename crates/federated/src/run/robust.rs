//! A fold by name: how the answers of a round become one.

use std::fmt;
use std::str::FromStr;

use crate::fold::{Bulyan, Fold, Krum, Mean, Median, Trimmed};
use crate::{Error, Result};

/// How answers are folded.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum FoldName {
    /// The weighted mean.
    #[default]
    Mean,
    /// The median of each coordinate.
    Median,
    /// The trimmed mean of each coordinate.
    Trimmed {
        /// Share left out at either end.
        share: f64,
    },
    /// The answers nearest to their neighbours.
    Krum {
        /// Bad clients to stand.
        liars: usize,
        /// Answers kept.
        keep: usize,
    },
    /// Krum's picks, then the values near their median.
    Bulyan {
        /// Bad clients to stand.
        liars: usize,
    },
}

impl FoldName {
    /// The names a user can give.
    pub const VALID: &'static str = "mean, median, trimmed:SHARE (such as trimmed:0.2), krum:LIARS, krum:LIARS,KEEP (Multi-Krum) and bulyan:LIARS";

    /// The fold.
    ///
    /// # Errors
    /// When a number makes no sense for it.
    pub fn build(self) -> Result<Box<dyn Fold>> {
        Ok(match self {
            Self::Mean => Box::new(Mean),
            Self::Median => Box::new(Median),
            Self::Trimmed { share } => Box::new(Trimmed::new(share)?),
            Self::Krum { liars, keep } => Box::new(Krum::multi(liars, keep)?),
            Self::Bulyan { liars } => Box::new(Bulyan::new(liars)),
        })
    }

    /// Answers with which its guarantee holds.
    pub fn needs(self) -> usize {
        match self {
            Self::Krum { liars, .. } => 2 * liars + 3,
            Self::Bulyan { liars } => 4 * liars + 3,
            _ => 1,
        }
    }
}

impl FromStr for FoldName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::Unknown { what: "fold", got: text.to_owned(), valid: Self::VALID.to_owned() };
        let (name, numbers) =
            text.split_once(':').map_or((text, None), |(name, numbers)| (name, Some(numbers)));
        let whole = |text: &str| text.parse::<usize>().map_err(|_| unknown());
        let fold = match (name, numbers) {
            ("mean", None) => Self::Mean,
            ("median", None) => Self::Median,
            ("trimmed", Some(share)) => Self::Trimmed { share: share.parse().map_err(|_| unknown())? },
            ("krum", Some(numbers)) => match numbers.split_once(',') {
                Some((liars, keep)) => Self::Krum { liars: whole(liars)?, keep: whole(keep)? },
                None => Self::Krum { liars: whole(numbers)?, keep: 1 },
            },
            ("bulyan", Some(liars)) => Self::Bulyan { liars: whole(liars)? },
            _ => return Err(unknown()),
        };
        fold.build()?;
        Ok(fold)
    }
}

impl fmt::Display for FoldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Median => f.write_str("median"),
            Self::Trimmed { share } => write!(f, "trimmed:{share}"),
            Self::Krum { liars, keep: 1 } => write!(f, "krum:{liars}"),
            Self::Krum { liars, keep } => write!(f, "krum:{liars},{keep}"),
            Self::Bulyan { liars } => write!(f, "bulyan:{liars}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["mean", "median", "trimmed:0.2", "krum:1", "krum:2,5", "bulyan:1"] {
            assert_eq!(text.parse::<FoldName>().unwrap().to_string(), text);
        }
        for text in ["", "krum", "mean:1", "trimmed:0.5", "trimmed:x", "krum:1,0", "bulyan:-1"] {
            assert!(text.parse::<FoldName>().is_err(), "{text}");
        }
    }
}
