//! What a process that was started again learns once, as early as it asks: its role, the run's token, and when to stop.

use std::sync::OnceLock;

use syncline_wire::Token;

use super::leash::Leash;
use super::role::Role;
use crate::Error;
use crate::engine::hosts::agent;
use crate::life::stop::Stop;

/// A process's place in a run.
pub(crate) struct Enrolment {
    pub(crate) role: Role,
    pub(crate) stop: Stop,
    token: Result<Token, String>,
}

impl Enrolment {
    /// This process's own, if it was started to run a node. From the first call on the process is bound to its
    /// launcher: it ends when that does.
    pub(crate) fn of_this_process() -> Option<&'static Self> {
        static ENROLMENT: OnceLock<Option<Enrolment>> = OnceLock::new();
        agent::be_if_asked();
        ENROLMENT.get_or_init(|| Role::of_this_process().map(Self::take_up)).as_ref()
    }

    fn take_up(role: Role) -> Self {
        let stop = Stop::new();
        let token = Self::bind(&role, &stop).map_err(|error| error.to_string());
        Self { role, stop, token }
    }

    fn bind(role: &Role, stop: &Stop) -> Result<Token, Error> {
        let mut leash = Leash::take(role.control.clone())?;
        let token = leash.token()?;
        leash.watch(stop.clone())?;
        Ok(token)
    }

    /// The run's token.
    ///
    /// # Errors
    /// [`Error::Handshake`] when the launcher did not hand it over.
    pub(crate) fn token(&self) -> Result<Token, Error> {
        self.token.clone().map_err(Error::Handshake)
    }
}
