//! How a program lives and comes to its end: pure values and decisions, without a clock, a thread or a process.
//!
//! The [`supervisor`] takes events in and says what to do, by the [`policy`] of each group and the launcher's
//! [`patience`]; [`exit`] tells what the end of a process means, [`failure`] how a node failed and who is to blame. The
//! [`roster`] is what is known to all about every node, the [`ledger`] what has passed between them, [`stop`] the request to
//! end as nodes see it, and [`stall`] tells when nothing moves any more. A [`wish`] is for a group to grow or to shrink.

pub(crate) mod exit;
pub(crate) mod failure;
pub(crate) mod ledger;
pub(crate) mod member;
pub(crate) mod patience;
pub(crate) mod policy;
pub(crate) mod remark;
pub(crate) mod roster;
pub(crate) mod stall;
pub(crate) mod stop;
pub(crate) mod supervisor;
pub(crate) mod wish;
