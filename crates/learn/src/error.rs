//! What can go wrong with a model: it does not fit the data, or its file is not one.

use std::path::PathBuf;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error about a model.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model's text is not known.
    #[error("unknown model `{found}`: {reason}; use one of {valid}", valid = crate::spec::VALID)]
    Spec {
        /// The text given.
        found: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model cannot learn from these data.
    #[error("the model `{model}` cannot learn from these data: {reason}")]
    Unfit {
        /// The model's name.
        model: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A model does not fit the data that it is to be trained or tested on.
    #[error("the model does not fit the data: {0}")]
    Check(String),
    /// A saved model does not fit the data that it is to judge.
    #[error("the saved model does not fit the data: {0}")]
    Mismatch(String),
    /// A model file could not be read or written.
    #[error("cannot {action} the model {}: {source}", path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is no model of this program.
    #[error("{} is not a usable model: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
