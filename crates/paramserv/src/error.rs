//! What can be wrong with a training run.

use std::{
    io,
    path::{Path, PathBuf},
};

use syncline_wire::{CallError, ServiceError};

/// Why a run was refused or failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option's value is not one of those that exist.
    #[error("{what} `{got}` is not known: valid values are {valid}")]
    Option {
        /// The option.
        what: &'static str,
        /// What was given.
        got: String,
        /// What could have been given.
        valid: String,
    },
    /// A number makes no sense for this run.
    #[error("{what} is {got}: {must}")]
    OutOfRange {
        /// The option.
        what: &'static str,
        /// What was given.
        got: String,
        /// What it must be.
        must: String,
    },
    /// A loss or a gradient is no longer a number.
    #[error(
        "the {what} became infinite or not a number in epoch {epoch} (round {round}, worker {worker}): {}",
        cause(suspect.as_deref(), *rate)
    )]
    Diverged {
        /// Which of the two.
        what: &'static str,
        /// From 1.
        epoch: u64,
        /// The worker's clock.
        round: u64,
        /// Who saw it.
        worker: u32,
        /// The learning rate.
        rate: f32,
        /// What in the data may be behind it.
        suspect: Option<String>,
    },
    /// A value of a gradient is beyond what the format of pushes holds.
    #[error(
        "a value of the gradient is {value} (round {round}, worker {worker}), and f16 holds none beyond 65504: use --compress push=bf16, \
         or shorten gradients with --clip"
    )]
    TooLarge {
        /// The value.
        value: f32,
        /// The worker's round.
        round: u64,
        /// Whose gradient.
        worker: u32,
    },
    /// A server answered what makes no sense.
    #[error("server {server} broke the protocol: {what}; do all processes run the same build?")]
    Protocol {
        /// Which.
        server: usize,
        /// What it did.
        what: String,
    },
    /// A worker has failed, and would fail again if it were started again.
    #[error("worker {worker} failed, and would again: {why}")]
    Hopeless {
        /// Which.
        worker: u32,
        /// How.
        why: String,
    },
    /// A checkpoint cannot be read or written.
    #[error("{}: {reason}", syncline_terminal::path(path))]
    Checkpoint {
        /// The file, or the folder in which there is none.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A run cannot go on from a checkpoint of another training.
    #[error(
        "{} is of another training: {difference}; give the settings and the data that it was made with",
        syncline_terminal::path(path)
    )]
    Differs {
        /// The checkpoint.
        path: PathBuf,
        /// In what.
        difference: String,
    },
    /// A folder cannot take this run's checkpoints.
    #[error(
        "checkpoints cannot be written into {}: {by}; or name another folder",
        syncline_terminal::path(path)
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Why.
        by: String,
    },
    /// A file is no job.
    #[error("{}: {reason}", place(path, *line))]
    Job {
        /// The file.
        path: PathBuf,
        /// From 1, where it is known.
        line: Option<usize>,
        /// What is wrong, with the key.
        reason: String,
    },
    /// Two settings contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// A model cannot learn from the data.
    #[error(transparent)]
    Unsuitable(syncline_learn::Error),
    /// A folder cannot take this run.
    #[error("{} cannot be this run's folder: {by}; or name another one", syncline_terminal::path(path))]
    RunFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        by: String,
    },
    /// A file or folder of a run could not be used.
    #[error("cannot {doing} {}: {source}", syncline_terminal::path(path))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The model and the data do not fit each other.
    #[error(transparent)]
    Learn(#[from] syncline_learn::Error),
    /// Weights cannot be as asked.
    #[error(transparent)]
    Data(#[from] syncline_data::Error),
    /// A policy or an optimiser cannot be as asked.
    #[error(transparent)]
    Round(#[from] syncline_round::Error),
    /// The program could not be launched, or a node of it failed.
    #[error("{0}")]
    Program(#[from] syncline_program::Error),
    /// A call failed. It is the source too, from which the launcher sees that a failure is only a lost peer.
    #[error("{0}")]
    Wire(#[from] syncline_wire::Error),
    /// The trace cannot be written.
    #[error(transparent)]
    Trace(#[from] syncline_trace::Error),
}

/// Why steps go astray, and what to do.
fn cause(suspect: Option<&str>, rate: f32) -> String {
    match suspect {
        Some(suspect) => format!("{suspect}; mend that, or lower --lr (now {rate}) if it is right"),
        None => format!(
            "the steps are too large; lower --lr (now {rate}), or standardise the data if that was switched off"
        ),
    }
}

/// `job.toml, line 3`.
fn place(path: &Path, line: Option<usize>) -> String {
    let path = syncline_terminal::path(path);
    line.map_or_else(|| path.clone(), |line| format!("{path}, line {line}"))
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Whether the mistake is in what was asked for, as opposed to something that went wrong on the way.
    pub fn is_usage(&self) -> bool {
        let learn = |error: &syncline_learn::Error| matches!(error, syncline_learn::Error::Check(_));
        matches!(self, Self::Option { .. } | Self::OutOfRange { .. } | Self::Round(_))
            || matches!(self, Self::Differs { .. } | Self::Occupied { .. } | Self::RunFolder { .. })
            || matches!(self, Self::Job { .. } | Self::Contradiction(_))
            || matches!(self, Self::Learn(error) if learn(error))
            || matches!(self, Self::Program(syncline_program::Error::UnknownNode(_)))
    }
}

impl From<CallError<ServiceError>> for Error {
    fn from(error: CallError<ServiceError>) -> Self {
        Self::Wire(match error {
            CallError::Service(error) => syncline_wire::Error::Remote(error.to_string()),
            CallError::Wire(error) => error,
        })
    }
}
