//! What can go wrong with a run file.

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// Why a run file could not be written or read.
#[derive(thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {doing} the run file {}: {source}", path.display())]
    Io {
        /// What was being done: `create`, `append to`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is damaged, or no Parquet at all.
    #[error("cannot {doing} the run file {}: {source}; `syncline trace validate` tells what of it is sound", path.display())]
    Parquet {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the Parquet library said.
        source: ParquetError,
    },
    /// It is Parquet, but not of spans.
    #[error("{} is no run file: {why}", path.display())]
    NotARun {
        /// The file.
        path: PathBuf,
        /// What is missing or of the wrong type.
        why: String,
    },
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Completes an I/O error with what was being done to which file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// Completes a Parquet error with what was being done to which file.
    pub(super) fn parquet(doing: &'static str, path: &Path) -> impl FnOnce(ParquetError) -> Self {
        move |source| Self::Parquet { doing, path: path.to_owned(), source }
    }
}
