//! How a command fails: what is said, and the exit code.

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter},
    process::ExitCode,
};

use syncline::program::Interrupt;

use crate::{
    output::{complain, print},
    screen,
};

/// Why a command ended without success.
#[derive(Debug)]
pub enum Failure {
    /// It was asked for something that makes no sense: exit code 2.
    Usage(String),
    /// Something went wrong: exit code 1.
    Failed(String),
    /// Not it failed, but a host that it ran on was lost: exit code 1, but for jobs of the scheduler.
    HostLost(String),
    /// It was interrupted: exit code 130 or 143, as shells have it.
    Interrupted(Interrupt),
    /// Whoever read the output has gone away (`| head`): nothing to say.
    OutputClosed,
}

impl Failure {
    /// A failure with what was being done.
    pub fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Says what happened on standard error.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Usage(message) => {
                complain("error:", message);
                eprintln!("\nFor more information, try '--help'.");
                ExitCode::from(2)
            }
            Self::Failed(message) | Self::HostLost(message) => {
                complain("error:", message);
                ExitCode::FAILURE
            }
            Self::Interrupted(by) => {
                eprintln!("interrupted by {by}");
                by.exit_code().into()
            }
            Self::OutputClosed => ExitCode::SUCCESS,
        }
    }
}

/// Says what is wrong with a command line, or gives the help that it asks for.
pub fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let screen = screen::stderr();
        // Without clap's colours, because arguments may hold control characters as names from files do.
        eprintln!("{}", screen.fit(&screen.safe(error.to_string().trim_end())));
    } else {
        let (screen, help) = (screen::stdout(), error.to_string());
        // Clap does not break the line that tells the usage. Whoever closed the pipe has seen enough.
        let _ = match screen.fit(&help) {
            Cow::Borrowed(_) => error.print().map_err(Failure::failed),
            Cow::Owned(narrow) => print(&narrow),
        };
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// What is said of it.
impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) | Self::HostLost(message) => f.write_str(message),
            Self::Interrupted(by) => write!(f, "interrupted by {by}"),
            Self::OutputClosed => f.write_str("the output was closed"),
        }
    }
}

impl From<syncline::data::Error> for Failure {
    fn from(error: syncline::data::Error) -> Self {
        Self::failed(error)
    }
}

impl From<syncline::learn::Error> for Failure {
    fn from(error: syncline::learn::Error) -> Self {
        Self::failed(error)
    }
}

impl From<syncline::program::Error> for Failure {
    fn from(error: syncline::program::Error) -> Self {
        match error {
            syncline::program::Error::Interrupted(by) => Self::Interrupted(by),
            error if error.is_host_loss() => Self::HostLost(error.to_string()),
            error => Self::failed(error),
        }
    }
}

impl From<syncline::paramserv::Error> for Failure {
    fn from(error: syncline::paramserv::Error) -> Self {
        match error {
            error if error.is_usage() => Self::Usage(error.to_string()),
            syncline::paramserv::Error::Program(error) => error.into(),
            error => Self::failed(error),
        }
    }
}

impl From<syncline::schedule::Error> for Failure {
    fn from(error: syncline::schedule::Error) -> Self {
        if error.is_usage() { Self::Usage(error.to_string()) } else { Self::failed(error) }
    }
}
