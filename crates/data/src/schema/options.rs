//! What a user says of a file of data: which column is the target, what becomes of missing cells, and so on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, Notation, Result};

/// How to read training data. The default finds everything out.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Which column is the target (in LIBSVM it is always the first).
    pub label: Label,
    /// How text tables are laid out.
    pub layout: Layout,
    /// What the target is: found out when `None`.
    pub task: Option<Task>,
    /// The only feature columns to take, by name or number from 1; all when empty.
    pub columns: Vec<String>,
    /// Columns to leave out, by name or number.
    pub drop: Vec<String>,
    /// Columns whose cells are words, numbers or not, by name or number.
    pub category: Vec<String>,
    /// The column of weights, by name or number: how much each row counts. In LIBSVM a weight stands after the label, as
    /// in `LABEL:WEIGHT INDEX:VALUE ...`, and is read so whatever is given here.
    pub weight: Option<String>,
    /// What becomes of missing cells.
    pub missing: Missing,
    /// How cells are written.
    pub notation: Notation,
    /// Whether indices start at 0 (LIBSVM): they do if a 0 occurs when `None`.
    pub zero_based: Option<bool>,
    /// Leave numbers as they are, instead of bringing each column and a real target to mean 0 and deviation 1.
    pub raw: bool,
}

/// How a text table is laid out. The default finds it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Whether the first row names the columns.
    pub header: Header,
    /// What divides cells, `b' '` for any blanks: found in the first lines when `None`.
    pub delimiter: Option<u8>,
}

/// Which column is the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Label {
    /// The last one.
    #[default]
    Last,
    /// The column of this number, from 1.
    Position(usize),
    /// The column that the header names so.
    Name(String),
}

impl FromStr for Label {
    type Err = std::convert::Infallible;

    /// `last`, a column number from 1, or else a name.
    fn from_str(text: &str) -> Result<Label, Self::Err> {
        Ok(match (text, text.parse()) {
            ("last", _) => Label::Last,
            (_, Ok(position)) => Label::Position(position),
            (name, Err(_)) => Label::Name(name.into()),
        })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Last => f.write_str("last"),
            Label::Position(position) => position.fmt(f),
            Label::Name(name) => f.write_str(name),
        }
    }
}

/// Whether the first row names the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Header {
    /// It does if its words stand above numbers, or no cell of it is a number.
    #[default]
    Auto,
    /// It does.
    Present,
    /// It is data.
    Absent,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A class; a number is then a class's name.
    Classification,
    /// A real number.
    Regression,
}

/// What becomes of missing cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// A number becomes its column's mean, a word none of the words.
    #[default]
    Mean,
    /// The row is left out.
    Drop,
    /// As with the mean, and one more feature tells that the cell was missing.
    Indicator,
}

impl FromStr for Missing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Missing> {
        match text {
            "mean" => Ok(Missing::Mean),
            "drop" => Ok(Missing::Drop),
            "indicator" => Ok(Missing::Indicator),
            _ => Err(Error::Unknown {
                what: "treatment of missing cells",
                found: text.into(),
                valid: "mean, drop, indicator",
            }),
        }
    }
}
