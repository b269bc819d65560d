//! How the process of a node comes to be.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use super::allotment::{Allotment, Share};
use super::memory::Victims;
use super::restart;
use crate::Error;
use crate::control::role::{self, Role};
use crate::engine::hosts::limit::Limit;
use crate::engine::{Reach, Seat};
use crate::life::exit::Exit;

/// A way to start processes. What it starts has its leash as standard input, and its output is the node's.
pub(crate) trait Way: Send {
    /// How far it reaches.
    fn reach(&self) -> Reach;

    /// How an incarnation of a node is started: this binary, with these arguments or its own, as `role`.
    ///
    /// # Errors
    /// [`Error::Resources`] or [`Error::Room`] when there is no place that has what the node needs.
    fn start(&mut self, seat: &Seat, role: &Role, arguments: Option<&[String]>) -> Result<Start, Error>;

    /// How long it gives to the program; nothing where it sets no limit.
    fn limit(&self) -> Option<Limit> {
        None
    }
}

/// A process that is about to be started.
pub(crate) struct Start {
    pub(crate) command: Command,
    /// Where the node will be, where hosts have names.
    pub(crate) host: Option<String>,
    /// What of this machine it is held to.
    pub(crate) share: Share,
    /// What the end of the command tells of the node's. Called once it is gone.
    pub(crate) told: Told,
}

/// Reads the end of a command; and whether its node had told before how its work ended.
pub(crate) type Told = Box<dyn FnOnce(ExitStatus, bool) -> Exit + Send>;

/// On this machine.
pub(crate) struct Here(Allotment);

impl Here {
    pub(crate) fn new() -> Self {
        Self(Allotment::of_this_machine())
    }
}

impl Way for Here {
    fn reach(&self) -> Reach {
        Reach::SameHost
    }

    fn start(&mut self, seat: &Seat, role: &Role, arguments: Option<&[String]>) -> Result<Start, Error> {
        let share = self.0.share(&seat.id, &seat.needs)?;
        let mut command = restart::this_program()?;
        command.envs(share.environment.iter().map(|(name, value)| (name, value)));
        // After the node's own variables, which must not take its role from it.
        command.envs(role.variables());
        role::bind_to_this_process(&mut command);
        match arguments {
            Some(arguments) => command.args(arguments),
            None => command.args(restart::arguments()),
        };
        let victims = Victims::now();
        let told = Box::new(move |status, _| victims.among(told(status)));
        Ok(Start { command, host: None, share, told })
    }
}

/// Where the binary is that this program is started with.
pub(crate) fn this_binary(node: &str) -> Result<PathBuf, Error> {
    restart::binary().map_err(Error::system(format!("cannot start the process of {node}")))
}

/// How a process of this machine ended, as the system tells it.
pub(crate) fn told(status: ExitStatus) -> Exit {
    match (status.signal(), status.code()) {
        (Some(signal), _) => Exit::Signal(signal),
        (None, Some(code)) => Exit::Code(code),
        (None, None) => Exit::Unknown,
    }
}
