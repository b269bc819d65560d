//! What can go wrong while jobs are really run.

use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure names the thing and says what to do.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A job, a cluster or a decision that is not possible.
    #[error(transparent)]
    Schedule(#[from] syncline_schedule::Error),
    /// A file or folder of the daemon.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Two daemons on one folder.
    #[error("{}: another `schedule serve` keeps its books here; use that one, or give --state another folder", .0.display())]
    Taken(PathBuf),
    /// The books cannot be read or written.
    #[error("{}: {doing}: {what}", path.display())]
    Store {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        what: String,
    },
    /// The books were begun with something else.
    #[error("{}: its books were begun with another {what}; start as before, or give --state a new folder", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// `policy`, `cluster`, `slots`.
        what: &'static str,
    },
    /// A request that makes no sense, such as a job that is not there.
    #[error("{0}")]
    Refused(String),
    /// The daemon cannot take the request now.
    #[error("{0}")]
    Busy(String),
    /// There is no daemon, or it is not ours.
    #[error("no scheduler answers at {address}: {why}; start one with `syncline schedule serve`")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What came instead of an answer.
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
    /// An I/O failure with its file.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
