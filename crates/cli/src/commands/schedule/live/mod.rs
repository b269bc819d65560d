//! The commands of the live scheduler: the daemon, and those that talk to it.

mod ask;
pub mod serve;
mod status;
mod submit;
pub mod there;
pub mod training;

use std::{path::PathBuf, process::exit};

use clap::ValueHint;
use syncline_serve::{Client, Error, access, hosts::LOST};

pub use self::{
    ask::{CancelArgs, ExplainArgs, RecordArgs, WaitArgs, cancel, explain, record, wait},
    status::{Args as StatusArgs, run as status},
    submit::{Args as SubmitArgs, run as submit},
};
use crate::failure::Failure;

/// Which scheduler.
#[derive(clap::Args)]
pub struct Place {
    /// The scheduler's folder [default: syncline/schedule in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    state: Option<PathBuf>,
}

impl Place {
    fn folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(access::usual_folder)
    }

    fn client(&self) -> Result<Client, Failure> {
        Ok(Client::of(&self.folder())?)
    }
}

/// How an attempt that the daemon began fails: where a host was lost, it ends at once with the code that says so.
fn told(failure: Failure) -> Failure {
    if matches!(failure, Failure::HostLost(_)) {
        failure.report();
        exit(LOST);
    }
    failure
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Schedule(error) => error.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}
