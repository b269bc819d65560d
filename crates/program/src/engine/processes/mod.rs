//! The engine in which every node is a process of this machine.
//!
//! A process knows what it is by its role, is bound to the launcher's life by its leash, and takes part as a member: all
//! of that is in [`control`](crate::control). On the launcher's side a [`process`] is started by a [`way`], on this machine with
//! its share of it ([`allotment`]), heard ([`output`]), killed and reaped; the [`fleet`] is all of them.
//!
//! - PROC-1: no process outlives its launcher, however that ends: the leash breaks, and the process kills its group.
//! - PROC-2: a process is killed with all that it started, because it leads a process group.
//! - PROC-3: a process group is signalled only before its leader is reaped, so never a stranger with the same number.

pub(crate) mod allotment;
pub(crate) mod fleet;
pub(crate) mod memory;
pub(crate) mod output;
pub(crate) mod process;
pub(crate) mod restart;
pub(crate) mod way;
