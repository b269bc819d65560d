//! Which start of which node: a node that is started again is another one, under the same name.

use std::fmt;

use serde::{Deserialize, Serialize};
use syncline_wire::{Identity, Peer, Token};

use crate::NodeName;

/// One incarnation of a node. What is said of an earlier one does not concern a later one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId {
    /// The node.
    pub name: NodeName,
    /// How often it had been started before: 0 for the first.
    pub incarnation: u32,
}

impl NodeId {
    /// The first incarnation of this node.
    pub(crate) fn first(name: NodeName) -> Self {
        Self { name, incarnation: 0 }
    }

    /// The one after this.
    pub(crate) fn next(&self) -> Self {
        Self { name: self.name.clone(), incarnation: self.incarnation + 1 }
    }

    /// As the wire names it.
    pub(crate) fn peer(&self) -> Peer {
        Peer { name: self.name.to_string(), incarnation: self.incarnation.into() }
    }

    /// What it shows of itself, with the run's secret.
    pub(crate) fn identity(&self, token: Token) -> Identity {
        Identity::new(token, self.name.to_string()).incarnation(self.incarnation.into())
    }

    /// What a file of this incarnation is called: two of them never share a socket.
    pub(crate) fn file_name(&self) -> String {
        let name = self.name.file_name();
        if self.incarnation == 0 { name } else { format!("{name}.{}", self.incarnation) }
    }
}

/// The name, and from the second incarnation on which one: `worker/2`, `worker/2#1`.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.incarnation {
            0 => write!(f, "{}", self.name),
            incarnation => write!(f, "{}#{incarnation}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnations_have_names_and_files_of_their_own() {
        let first = NodeId::first("worker/2".parse().unwrap());
        let second = first.next();
        assert_eq!((first.to_string(), second.to_string()), ("worker/2".to_owned(), "worker/2#1".to_owned()));
        assert_eq!((first.file_name(), second.file_name()), ("worker.2".to_owned(), "worker.2.1".to_owned()));
        assert!(first < second);
    }
}
