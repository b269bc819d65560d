//! What a node runs in: its [`context`], the [`directory`] of the services beside it, the running of its [`body`], or of a
//! [`crew`] that shares a process, and the
//! way to services that may be started again ([`peer`]).

pub(crate) mod body;
pub(crate) mod context;
pub(crate) mod crew;
pub(crate) mod directory;
pub(crate) mod peer;
