//! What can go wrong with data. Every variant names the file, the line and the column that it knows of.

use std::path::PathBuf;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error in a file of data or in a request about a data set.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened, read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done: "open", "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The content of a line is not what it must be.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line number from 1.
        line: u64,
        /// What was found and what to do.
        message: String,
    },
    /// The file as a whole cannot be used.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// Columns cannot be used as they are.
    #[error("{}: {}", path.display(), crate::schema::misfits_text(*columns, misfits))]
    Columns {
        /// The file.
        path: PathBuf,
        /// Columns that it has.
        columns: usize,
        /// Those that do not fit.
        misfits: Vec<crate::Misfit>,
    },
    /// The parts of a data set do not fit together.
    #[error("the data set is inconsistent: {0}")]
    Shape(String),
    /// A set that cannot be made as it was asked for.
    #[error("{0}")]
    Unmakeable(String),
    /// A share outside of (0, 1), or one that would leave a part without rows.
    #[error(
        "cannot set a share of {share} of {rows} rows aside: give a number between 0 and 1 that leaves rows on both sides"
    )]
    Share {
        /// The share asked for.
        share: f64,
        /// The rows of the data set.
        rows: usize,
    },
    /// A scaling fitted to other data.
    #[error("the scaling does not fit the data: {0}")]
    Scaling(String),
    /// An option's text is none of the valid values.
    #[error("unknown {what} `{found}`: use one of {valid}")]
    Unknown {
        /// What the option is.
        what: &'static str,
        /// The text given.
        found: String,
        /// The valid values.
        valid: &'static str,
    },
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
