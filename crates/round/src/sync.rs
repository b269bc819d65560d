//! The synchronisation policies by name.

use std::{fmt, str::FromStr};

use crate::{Error, Staleness};

/// When a worker may go on, and which gradients a round waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sync {
    /// Bulk-synchronous: a round closes when every worker has pushed; nobody starts the next before.
    Bsp,
    /// Asynchronous: nobody waits, each gradient is folded alone.
    Asp,
    /// Stale-synchronous (Ho et al., NIPS 2013): no worker starts round c before all have finished round
    /// c - bound - 1; each gradient is folded alone.
    Ssp {
        /// How far the fastest may be ahead of the slowest.
        bound: Staleness,
    },
    /// Bulk-synchronous with spare workers (Chen et al., 2016): a round closes when all but `spare` have pushed; what
    /// comes later is dropped, and its worker joins the round that is then open.
    Backup {
        /// How many workers a round does not wait for.
        spare: u32,
    },
}

impl Sync {
    /// The names a user can give.
    pub const VALID: &'static str = "bsp, asp, ssp:BOUND (such as ssp:2) and backup:SPARE (such as backup:1)";
}

impl FromStr for Sync {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Unknown { what: "sync", got: text.to_owned(), valid: Self::VALID };
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number.parse::<u32>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        match (name, number) {
            ("bsp", None) => Ok(Self::Bsp),
            ("asp", None) => Ok(Self::Asp),
            ("ssp", Some(bound)) => Ok(Self::Ssp { bound: Staleness::new(bound) }),
            ("backup", Some(spare)) => Ok(Self::Backup { spare }),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bsp => f.write_str("bsp"),
            Self::Asp => f.write_str("asp"),
            Self::Ssp { bound } => write!(f, "ssp:{bound}"),
            Self::Backup { spare } => write!(f, "backup:{spare}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["bsp", "asp", "ssp:0", "ssp:3", "backup:1"] {
            assert_eq!(text.parse::<Sync>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_name_lists_the_valid_ones() {
        for text in ["", "sync", "ssp", "ssp:", "ssp:-1", "ssp:x", "bsp:1", "backup", "ssp:1:2"] {
            let message = text.parse::<Sync>().unwrap_err().to_string();
            assert!(message.contains("ssp:BOUND") && message.contains("bsp, asp"), "{message}");
        }
    }
}
