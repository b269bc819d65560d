//! Whom a rule about messages or lines is for.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::NetworkError;

/// Nodes that a rule is about.
///
/// ```
/// use syncline_wire::Party;
/// let party: Party = "worker/0..4".parse()?;
/// assert!(party.holds("worker/3") && !party.holds("worker/4"));
/// # Ok::<(), syncline_wire::NetworkError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// All nodes.
    Anybody,
    /// The node of this name (`worker/0`), or all nodes of this group (`worker`).
    Named(String),
    /// Nodes of a group by their ranks: `worker/0..4` are the first four.
    Ranks(String, Range<usize>),
}

impl Party {
    /// Whether the node of this name belongs to it.
    pub fn holds(&self, node: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::Named(name) => {
                node.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Ranks(group, ranks) => {
                let rank = node.strip_prefix(group.as_str()).and_then(|rest| rest.strip_prefix('/'));
                rank.and_then(|rank| rank.parse().ok()).is_some_and(|rank| ranks.contains(&rank))
            }
        }
    }

    /// Whether some node can belong to both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anybody, _) | (_, Self::Anybody) => true,
            (Self::Named(one), Self::Named(_)) if other.holds(one) => true,
            (Self::Named(_), Self::Named(other)) => self.holds(other),
            (Self::Ranks(group, ranks), Self::Ranks(other, others)) => {
                group == other && ranks.start < others.end && others.start < ranks.end
            }
            (some @ Self::Ranks(group, _), Self::Named(name))
            | (Self::Named(name), some @ Self::Ranks(group, _)) => group == name || some.holds(name),
        }
    }

    /// How closely it says whom it means: a node before some of a group, these before the group, and that before all.
    pub(super) fn closeness(&self) -> u8 {
        match self {
            Self::Anybody => 0,
            Self::Named(name) if !name.contains('/') => 1,
            Self::Ranks(..) => 2,
            Self::Named(_) => 3,
        }
    }
}

impl FromStr for Party {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError::Party(text.to_owned());
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(wrong());
        }
        if text == "*" {
            return Ok(Self::Anybody);
        }
        let Some((group, ranks)) = text.split_once('/') else { return Ok(Self::Named(text.to_owned())) };
        let Some((first, end)) = ranks.split_once("..") else {
            return ranks.parse::<usize>().map(|_| Self::Named(text.to_owned())).map_err(|_| wrong());
        };
        let (first, end) = (first.parse().map_err(|_| wrong())?, end.parse().map_err(|_| wrong())?);
        let is_some = !group.is_empty() && first < end;
        is_some.then(|| Self::Ranks(group.to_owned(), first..end)).ok_or_else(wrong)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("*"),
            Self::Named(name) => f.write_str(name),
            Self::Ranks(group, ranks) => write!(f, "{group}/{}..{}", ranks.start, ranks.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(text: &str) -> Party {
        text.parse().unwrap()
    }

    #[test]
    fn parties_are_read_and_written_alike() {
        for text in ["*", "worker", "worker/3", "worker/0..4"] {
            assert_eq!(party(text).to_string(), text);
        }
        for text in
            ["", "worker/", "worker/x", "worker/4..4", "worker/4..", "/0..1", "two words", "worker/-1"]
        {
            assert!(text.parse::<Party>().unwrap_err().to_string().contains("worker/0..4"), "{text}");
        }
    }

    #[test]
    fn who_meets_whom_does_not_depend_on_who_is_asked() {
        let meeting = [
            ("*", "worker/3"),
            ("worker", "worker/3"),
            ("worker", "worker/0..4"),
            ("worker/3", "worker/0..4"),
            ("worker/0..4", "worker/3..5"),
        ];
        let apart = [
            ("worker", "server"),
            ("worker/4", "worker/0..4"),
            ("worker/0..4", "worker/4..5"),
            ("worker/1", "worker/10"),
        ];
        for (pairs, meets) in [(&meeting[..], true), (&apart[..], false)] {
            for (one, other) in pairs {
                assert_eq!(party(one).meets(&party(other)), meets, "{one} {other}");
                assert_eq!(party(other).meets(&party(one)), meets, "{other} {one}");
            }
        }
    }
}
