//! What a person at the launcher should know, though nothing is asked of them.

use std::fmt;
use std::time::Duration;

use crate::{Cause, NodeId};

/// A remark about a node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// No sign of life has come from this node for so long.
    Silent(NodeId, Duration),
    /// One has come again.
    HeardAgain(NodeId),
    /// It failed, and is started again after this wait: which of how many restarts of its group.
    Restarts { node: NodeId, cause: Cause, after: Duration, restart: u32, of: u32 },
    /// It failed, and the program goes on without it.
    Lost(NodeId, Cause),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(node, time) => write!(
                f,
                "{node} has not been heard of for {time:.0?}: its process is stopped, or its machine is swapping; \
                 the run waits for it"
            ),
            Self::HeardAgain(node) => write!(f, "{node} is heard of again"),
            Self::Restarts { node, cause, after, restart, of } => {
                write!(f, "{node} {cause}; it is started again in {after:?} (restart {restart} of {of})")
            }
            Self::Lost(node, cause) => write!(f, "{node} {cause}; the program goes on without it"),
        }
    }
}
