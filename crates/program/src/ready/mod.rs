//! Services that most programs need, ready made: so that nobody writes them by hand again.
//!
//! | | for |
//! |---|---|
//! | [`Barrier`] | nodes that wait for each other, round by round |
//! | [`Queue`] | work handed from some to others, at most so much at a time |
//! | [`Condition`] | a value that some set, and for which others wait |
//! | [`Cached`] | what another service answers, without asking it each time |
//!
//! Each is added to a program like any service, and reached from a node's context. What waits at one is named in the report
//! of a deadlock.

mod barrier;
mod cacher;
mod condition;
mod queue;

pub use barrier::{Barrier, BarrierService, BarrierSide};
pub use cacher::{Cached, CachedSide, CacherService, Caching};
pub use condition::{Condition, ConditionService, ConditionSide};
pub use queue::{Queue, QueueService, QueueSide};
