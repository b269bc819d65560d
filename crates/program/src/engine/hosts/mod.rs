//! The engines in which every node is a process on a host of its own or a shared one: hosts reached by SSH, and those that
//! Slurm or Kubernetes gives.
//!
//! A [`site`] is what the user asks for; it [opens](site::Site::open) as a farm: hosts with free places ([`placement`])
//! and a way to start a process there ([`ssh`], [`slurm`], [`kubernetes`]). What the way starts is this binary as an [`agent`], which
//! starts the node beside it and is bound to the launcher by the same leash as a process of this machine: its standard
//! input, which the way carries. So everything else is as for [processes](super::processes).
//!
//! - HOST-1: the run's secret travels by standard input only; neither arguments nor environment hold it.
//! - HOST-2: when the connection or the launcher is gone, the agent kills the node with all that it started.
//! - HOST-3: nodes and launcher talk by TLS; in the clear only where the user says so by name.

pub(crate) mod agent;
pub(crate) mod hostfile;
pub(crate) mod kubernetes;
pub(crate) mod limit;
pub(crate) mod placement;
pub(crate) mod rehearsal;
mod shell;
pub(crate) mod site;
pub(crate) mod slurm;
pub(crate) mod ssh;
