//! Apache Spark's event logs, versions 3 and 4.
//!
//! A log is read as a stream by [`read`]: `feed` parses blocks of lines in parallel and keeps their order, the `Collector` puts
//! events together, and whenever no job is open hands on a [`Window`]: the jobs that overlapped in time with all their
//! stages and tasks. A window is dropped once it was looked at, so memory is bounded by the jobs that are open at a time.

mod building;
mod collector;
mod event;
mod feed;
mod model;
mod property;
mod quick;
mod raw;
mod raw_sql;
mod reader;
pub mod setting;
mod sql;
mod totals;

pub use collector::Sink;
pub use event::{Allocation, Ending, Metrics, Properties, StageKey, TaskKind};
pub use model::{Application, Executor, Job, Running, Stage, Task, Window};
pub use reader::{Reading, read};
pub use sql::{Sql, SqlFacts};
pub use totals::FailureCounts;

pub(crate) use collector::Collector;
pub(crate) use reader::follow;
