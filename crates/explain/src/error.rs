//! What can go wrong on the way from a log to a report.

use std::io;
use std::path::{Path, PathBuf};

/// Why a log could not be explained. Damage inside a log is no error: what is sound is read, the rest is counted in
/// [`Damage`](crate::source::Damage).
#[derive(thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done: `read`, `write`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is of no kind that is read here.
    #[error(
        "cannot tell what {} is: {why}; expected a Spark event log (plain, gz, zst, lz4, lzf, snappy or a rolling folder, \
         also in a zip archive), a Chrome or Kineto trace, a flight recorder dump, or a run file of `syncline train --trace`",
        path.display()
    )]
    Unrecognised {
        /// The file or folder.
        path: PathBuf,
        /// What was found instead.
        why: String,
    },
    /// Nothing in it can be explained: empty, or damaged from the start.
    #[error("{} tells nothing: {why}", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// A history server that does not give what was asked for.
    #[error("cannot read {address}: {why}")]
    Server {
        /// The address, as given.
        address: String,
        /// What is wrong, and what there is instead.
        why: String,
    },
    /// A run file that cannot be read or written.
    #[error(transparent)]
    RunFile(#[from] syncline_trace::Error),
    /// A request that does not fit the logs.
    #[error("{0}")]
    Usage(String),
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Completes an I/O error with what was being done to which file.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}
