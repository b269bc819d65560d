//! The columns of data files: what names them, and whether they are those that a model was trained on.

use std::path::Path;

use syncline::data::{Dataset, Header};

use crate::failure::Failure;

/// Refuses rows whose columns are named otherwise than in training: they would meet the wrong weights.
pub fn check_names(trained: &[String], data: &Dataset, path: &Path) -> Result<(), Failure> {
    match trained.iter().zip(data.feature_names()).find(|(trained, found)| trained != found) {
        None => Ok(()),
        Some((trained, found)) => Err(Failure::Failed(format!(
            "{}: it has the column `{found}` where the training data have `{trained}`: bring the columns into one order",
            path.display()
        ))),
    }
}

/// Whether a CSV file's first line names its columns.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum HeaderLine {
    /// It does if none of its feature cells is a number
    Auto,
    /// It does
    Present,
    /// It is data
    Absent,
}

impl From<HeaderLine> for Header {
    fn from(line: HeaderLine) -> Self {
        match line {
            HeaderLine::Auto => Self::Auto,
            HeaderLine::Present => Self::Present,
            HeaderLine::Absent => Self::Absent,
        }
    }
}
