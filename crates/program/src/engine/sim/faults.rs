//! What goes wrong in a simulation, by script.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use syncline_runtime::{parse_duration, write_duration};
use syncline_wire::Fault;

use crate::{Error, NodeName};

/// Something that goes wrong in a simulation at its time.
///
/// ```
/// use syncline_program::SimFault;
/// let fault: SimFault = "kill worker/1 3s".parse()?;
/// assert_eq!(fault.to_string(), "kill worker/1 3s");
/// let fault: SimFault = "partition worker/0>server 1s..2s".parse()?;
/// # Ok::<(), syncline_program::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SimFault {
    /// A node is killed, as by `SIGKILL`.
    Kill {
        /// Which.
        node: NodeName,
        /// When, since the run's start.
        at: Duration,
    },
    /// A node does nothing for a while, as between `SIGSTOP` and `SIGCONT`, and gives no sign of life.
    Freeze {
        /// Which.
        node: NodeName,
        /// From when on, since the run's start.
        at: Duration,
        /// When it goes on; never by itself where that is not said.
        until: Option<Duration>,
    },
    /// So many nodes of a group that grows and shrinks are wished to be there.
    Scale {
        /// The group's label.
        group: String,
        /// How many.
        size: usize,
        /// When, since the run's start.
        at: Duration,
    },
    /// Something happens to messages.
    Network(Fault),
}

impl FromStr for SimFault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let kill = || {
            let (node, at) = text.strip_prefix("kill ")?.trim().split_once(' ')?;
            Some(Self::Kill { node: node.parse().ok()?, at: parse_duration(at.trim())? })
        };
        let freeze = || {
            let (node, time) = text.strip_prefix("freeze ")?.trim().split_once(' ')?;
            let (at, until) = match time.trim().split_once("..") {
                Some((at, until)) => (parse_duration(at)?, Some(parse_duration(until)?)),
                None => (parse_duration(time.trim())?, None),
            };
            let runs_forward = until.is_none_or(|until| until > at);
            runs_forward.then_some(Self::Freeze { node: node.parse().ok()?, at, until })
        };
        let scale = || {
            let mut words = text.strip_prefix("scale ")?.split_whitespace();
            let (group, size, at) = (words.next()?, words.next()?, words.next()?);
            let at = parse_duration(at).filter(|_| words.next().is_none())?;
            Some(Self::Scale { group: group.to_owned(), size: size.parse().ok()?, at })
        };
        let network = || text.parse().map(Self::Network).ok();
        kill().or_else(freeze).or_else(scale).or_else(network).ok_or_else(|| Error::Fault(text.to_owned()))
    }
}

impl fmt::Display for SimFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { node, at } => write!(f, "kill {node} {}", write_duration(*at)),
            Self::Freeze { node, at, until: None } => write!(f, "freeze {node} {}", write_duration(*at)),
            Self::Freeze { node, at, until: Some(until) } => {
                write!(f, "freeze {node} {}..{}", write_duration(*at), write_duration(*until))
            }
            Self::Scale { group, size, at } => write!(f, "scale {group} {size} {}", write_duration(*at)),
            Self::Network(fault) => write!(f, "{fault}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_and_nonsense_refused_with_the_forms() {
        for text in [
            "kill worker/1 3s",
            "freeze worker/1 3s",
            "freeze worker/1 3s..4s",
            "scale worker 6 3s",
            "drop a/0>b #3",
            "delay *>b 1s..2s 5ms",
            "partition a>* 0ns..1ms",
        ] {
            assert_eq!(text.parse::<SimFault>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "kill",
            "kill worker/1",
            "kill worker/x 3s",
            "kill worker/1 3",
            "kill worker/1 exp:3s",
            "burn a",
            "freeze worker/1",
            "freeze worker/1 4s..3s",
            "freeze worker/1 3s..",
            "scale worker 6",
            "scale worker six 3s",
            "scale worker 6 3s 4s",
        ] {
            let said = text.parse::<SimFault>().unwrap_err().to_string();
            assert!(said.contains("kill worker/1 3s") && said.contains("drop"), "{said}");
        }
    }
}
