//! What is to be predicted: a real number or a class for each row.

use crate::batch::TargetsView;
use crate::{Error, Result};
use std::ops::Range;

/// One target per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Real numbers, for regression.
    Real(Vec<f32>),
    /// Classes, for classification: each label is an index into the names.
    Class {
        /// One label per row, below `names.len()`.
        labels: Vec<u32>,
        /// The classes' names as the file wrote them, sorted (numbers by value).
        names: Vec<String>,
    },
}

impl Targets {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Targets::Real(values) => values.len(),
            Targets::Class { labels, .. } => labels.len(),
        }
    }

    /// The classes' names; none for real targets.
    pub fn classes(&self) -> &[String] {
        match self {
            Targets::Real(_) => &[],
            Targets::Class { names, .. } => names,
        }
    }

    /// The targets of the rows of `range`, borrowed.
    pub fn view(&self, range: Range<usize>) -> TargetsView<'_> {
        match self {
            Targets::Real(values) => TargetsView::Real(&values[range]),
            Targets::Class { labels, .. } => TargetsView::Class(&labels[range]),
        }
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Targets {
        match self {
            Targets::Real(values) => Targets::Real(rows.iter().map(|&row| values[row]).collect()),
            Targets::Class { labels, names } => {
                Targets::Class { labels: rows.iter().map(|&row| labels[row]).collect(), names: names.clone() }
            }
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Targets::Class { labels, names } if labels.iter().any(|&label| label as usize >= names.len()) => {
                Err(Error::Shape(format!("a label is not below the number of classes, {}", names.len())))
            }
            _ => Ok(()),
        }
    }
}
