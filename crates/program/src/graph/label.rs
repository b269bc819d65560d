//! The names of groups and nodes. A label is checked once, where it is made, because it becomes a thread's name, a
//! socket's file name and a prefix of output lines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The most characters a label may have: the path of a Unix socket is short.
const LONGEST: usize = 32;

/// The name of a group of nodes, such as `worker`: a lower-case letter, then letters, digits, `-` or `_`.
///
/// ```
/// use syncline_program::Label;
/// assert_eq!(Label::new("worker").unwrap().as_str(), "worker");
/// assert!(Label::new("").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Error::Label`] when it is empty, too long, or has a character that a label must not have.
    pub fn new(text: &str) -> Result<Self, Error> {
        match complaint(text) {
            None => Ok(Self(text.to_owned())),
            Some(complaint) => Err(Error::Label { label: text.to_owned(), complaint }),
        }
    }

    /// What stands for a label that was refused, until launching says so.
    pub(crate) fn refused() -> Self {
        Self("refused".to_owned())
    }

    /// The label's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with `text` as a label.
fn complaint(text: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if text.is_empty() {
        Some("should not be empty")
    } else if text.len() > LONGEST {
        Some("is longer than 32 characters")
    } else if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(allowed) {
        Some("must be a lower-case letter, then lower-case letters, digits, `-` or `_`")
    } else {
        None
    }
}

impl TryFrom<String> for Label {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::new(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one node: `worker/2` in a group, `coordinator` or `driver` in the launching process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeName {
    label: Label,
    rank: Option<usize>,
}

impl NodeName {
    pub(crate) fn member(label: Label, rank: usize) -> Self {
        Self { label, rank: Some(rank) }
    }

    pub(crate) fn single(label: Label) -> Self {
        Self { label, rank: None }
    }

    /// The group's label.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The node's number in its group, from 0.
    pub fn rank(&self) -> usize {
        self.rank.unwrap_or(0)
    }

    /// The name as a file is called.
    pub(crate) fn file_name(&self) -> String {
        self.to_string().replace('/', ".")
    }
}

impl FromStr for NodeName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((label, rank)) = text.split_once('/') else { return Label::new(text).map(Self::single) };
        let complaint = "must be followed by the node's number, as in `worker/2`";
        let rank = rank.parse().map_err(|_| Error::Label { label: label.to_owned(), complaint })?;
        Label::new(label).map(|label| Self::member(label, rank))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rank {
            Some(rank) => write!(f, "{}/{rank}", self.label),
            None => write!(f, "{}", self.label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_checked() {
        for good in ["worker", "a", "re-play_2"] {
            assert!(Label::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Worker", "2", "a/b", "a b", "ä", "../x", &"a".repeat(33)] {
            assert!(Label::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_read_as_group_and_rank() {
        let worker = NodeName::member(Label::new("worker").unwrap(), 2);
        assert_eq!((worker.to_string().as_str(), worker.rank()), ("worker/2", 2));
        assert_eq!(worker.file_name(), "worker.2");
        let driver = NodeName::single(Label::new("driver").unwrap());
        assert_eq!((driver.to_string().as_str(), driver.rank()), ("driver", 0));
        for name in [worker, driver] {
            assert_eq!(name.to_string().parse::<NodeName>().unwrap(), name);
        }
        for bad in ["worker/", "worker/x", "/1", ""] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
    }
}
