//! The executor in which every node is a process.
//!
//! A process knows what it is by its [`role`] (environment), is bound to the launcher's life by its [`leash`]
//! (standard input; both together are its [`enrolment`]), and takes part as a [`member`]; its
//! [`pulse`] shows that it is not frozen. On the launcher's side a [`process`] is started, heard
//! ([`output`]), killed and reaped, and the [`fleet`] is all of them; they meet at the [`meeting`] point.
//!
//! - PROC-1: no process outlives its launcher, however that ends: the leash breaks, and the process kills its group.
//! - PROC-2: a process is killed with all that it started, because it leads a process group.
//! - PROC-3: a process group is signalled only before its leader is reaped, so never a stranger with the same number.

pub(crate) mod enrolment;
pub(crate) mod fleet;
mod leash;
pub(crate) mod meeting;
pub(crate) mod member;
pub(crate) mod output;
mod process;
mod pulse;
mod role;
