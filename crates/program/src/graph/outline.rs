//! What a launcher and the processes it starts compare before they run together: the outline of the graph, and a
//! hash of whatever else must be equal (settings, the data's digest).
//!
//! The outline travels whole, not only as a hash, so that a difference can be named.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Label;

/// What a group's nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Plain nodes, which run to their end.
    Nodes,
    /// Services, each in its own node.
    Services,
    /// A service in the launching process.
    Here,
    /// Groups that share processes.
    Colocation,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nodes => "nodes",
            Self::Services => "services",
            Self::Here => "a service in the launcher",
            Self::Colocation => "colocations",
        })
    }
}

/// One group as the outline shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupOutline {
    pub(crate) label: Label,
    pub(crate) kind: Kind,
    /// The Rust types of its services, empty for plain nodes; the groups of a colocation.
    pub(crate) types: Vec<String>,
    pub(crate) count: usize,
}

impl fmt::Display for GroupOutline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.count, self.kind)?;
        match self.kind {
            Kind::Colocation => write!(f, " of {}", self.types.join(", ")),
            _ if self.types.is_empty() => Ok(()),
            _ => write!(f, " of type {}", self.types.join(", ")),
        }
    }
}

/// A program as another process can compare it with its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outline {
    pub(crate) program: String,
    pub(crate) groups: Vec<GroupOutline>,
    pub(crate) settings: u64,
}

impl Outline {
    /// What `theirs` has that this outline, the launcher's, has not, or the reverse; `None` when they are equal.
    pub(crate) fn difference(&self, theirs: &Self) -> Option<String> {
        if self.program != theirs.program {
            return Some(format!("the program is `{}` here and `{}` there", self.program, theirs.program));
        }
        let group =
            |outline: &Self, label: &Label| outline.groups.iter().find(|g| g.label == *label).cloned();
        for mine in &self.groups {
            match group(theirs, &mine.label) {
                None => return Some(format!("group `{}` is missing there", mine.label)),
                Some(other) if other != *mine => {
                    return Some(format!("group `{}` is {mine} here and {other} there", mine.label));
                }
                Some(_) => {}
            }
        }
        if let Some(extra) = theirs.groups.iter().find(|theirs| group(self, &theirs.label).is_none()) {
            return Some(format!("group `{}` exists only there", extra.label));
        }
        if self.groups != theirs.groups {
            return Some("the groups come in another order there".to_owned());
        }
        (self.settings != theirs.settings)
            .then(|| "the settings or data given to `Program::fingerprint` differ".to_owned())
    }
}

/// Mixes `bytes` into `hash` by FNV-1a with 64 bits (Fowler, Noll, Vo): the same on every machine and in every
/// version, which the standard library's hashers do not promise.
pub(crate) fn mix(hash: u64, bytes: &[u8]) -> u64 {
    let length = (bytes.len() as u64).to_le_bytes();
    length
        .iter()
        .chain(bytes)
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The hash of nothing.
pub(crate) const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(count: usize) -> Outline {
        let label = Label::new("worker").unwrap();
        let groups = vec![GroupOutline { label, kind: Kind::Nodes, types: vec![], count }];
        Outline { program: "p".to_owned(), groups, settings: EMPTY }
    }

    #[test]
    fn equal_outlines_have_no_difference() {
        assert_eq!(outline(2).difference(&outline(2)), None);
    }

    #[test]
    fn a_difference_names_what_differs() {
        let said = outline(2).difference(&outline(3)).unwrap();
        assert_eq!(said, "group `worker` is 2 nodes here and 3 nodes there");
        let empty = Outline { groups: vec![], ..outline(2) };
        assert_eq!(outline(2).difference(&empty).unwrap(), "group `worker` is missing there");
        assert_eq!(empty.difference(&outline(2)).unwrap(), "group `worker` exists only there");
        let renamed = Outline { program: "q".to_owned(), ..outline(2) };
        assert_eq!(outline(2).difference(&renamed).unwrap(), "the program is `p` here and `q` there");
        let set = Outline { settings: mix(EMPTY, b"lr"), ..outline(2) };
        assert!(outline(2).difference(&set).unwrap().contains("settings"));
    }

    #[test]
    fn the_hash_tells_where_one_piece_ends() {
        assert_ne!(mix(mix(EMPTY, b"ab"), b"c"), mix(mix(EMPTY, b"a"), b"bc"));
    }
}
