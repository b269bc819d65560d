//! One node as the supervisor keeps it.

use std::time::Duration;

use super::patience::Silence;
use crate::{NodeId, NodeName, OnFailure};

/// What a node is to the life of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs to its own end.
    Plain,
    /// Serves until the program stops.
    Service,
    /// Ends the program by ending.
    Driver,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attendance {
    /// From the start to the end.
    Always,
    /// From the start; its group grows and shrinks.
    FromStart,
    /// Once it is woken; its group grows and shrinks.
    Woken,
}

/// A node's part in the life of the program.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: NodeId,
    pub(crate) role: Role,
    pub(crate) policy: OnFailure,
    /// Whether it rests when it has come to its end, and may be woken then.
    pub(crate) may_rest: bool,
    /// When its process was started, until it joins.
    pub(crate) starting: Option<Duration>,
    /// When its process last gave a sign of life; threads give none.
    pub(crate) heard: Option<Duration>,
    /// Whether its own work is done, and it only serves still.
    pub(crate) is_idle: bool,
    /// Whether its silence has been told of.
    pub(crate) told: bool,
    pub(crate) fate: Fate,
}

/// Where a node is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It lives, or is about to.
    Alive,
    /// It has failed; when it is gone it will be started again after this time.
    Failed { restart: Duration },
    /// It is gone, and will be started again at this time.
    Restarts { at: Duration },
    /// It has failed, and when it is gone that is the end of it.
    Lost,
    /// It is gone for good: whether it ran to its end.
    Ended { finished: bool },
    /// It is not there, and may be woken: whether it was there before.
    Resting { lived: bool },
}

impl Member {
    pub(crate) fn new(name: NodeName, role: Role, policy: OnFailure) -> Self {
        let id = NodeId::first(name);
        Self {
            id,
            role,
            policy,
            may_rest: false,
            starting: None,
            heard: None,
            is_idle: false,
            told: false,
            fate: Fate::Alive,
        }
    }

    /// With this attendance.
    pub(crate) fn attending(self, attendance: Attendance) -> Self {
        match attendance {
            Attendance::Always => self,
            Attendance::FromStart => Self { may_rest: true, ..self },
            Attendance::Woken => Self { may_rest: true, fate: Fate::Resting { lived: false }, ..self },
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.fate, Fate::Ended { .. } | Fate::Resting { .. })
    }

    /// Whether its process may be waited for and listened to.
    pub(crate) fn is_alive(&self) -> bool {
        self.fate == Fate::Alive
    }

    /// Makes it the next incarnation, which is about to be started.
    pub(crate) fn begin_anew(&mut self) -> NodeId {
        let Self { role, policy, may_rest, .. } = *self;
        let id = self.id.next();
        *self = Self { id: id.clone(), may_rest, ..Self::new(id.name.clone(), role, policy) };
        id
    }

    /// Wakes it if it rests, or is lost; the incarnation that is about to be started.
    pub(crate) fn wake(&mut self) -> Option<NodeId> {
        match self.fate {
            _ if !self.may_rest => None,
            Fate::Resting { lived: false } => {
                self.fate = Fate::Alive;
                Some(self.id.clone())
            }
            Fate::Resting { lived: true } | Fate::Ended { finished: false } => Some(self.begin_anew()),
            // As soon as what is left of it is gone (SUP-7).
            Fate::Lost => {
                self.fate = Fate::Failed { restart: Duration::ZERO };
                None
            }
            _ => None,
        }
    }

    /// When something is to be done about it if nothing is heard until then.
    pub(crate) fn silent_at(&self, silence: Silence) -> Option<Duration> {
        let heard = self.heard.filter(|_| self.is_alive())?;
        let told = (!self.told).then_some(heard + silence.told);
        told.into_iter().chain(silence.limit.map(|limit| heard + limit)).min()
    }
}
