//! Apache Spark's event logs, versions 3 and 4.
//!
//! A log is read as a stream: [`feed`] parses blocks of lines in parallel and keeps their order, the [`Collector`] puts
//! events together, and whenever no job is open hands on a [`Window`]: the jobs that overlapped in time with all their
//! stages and tasks. A window is dropped once it was looked at, so memory is bounded by the jobs that are open at a time.

mod collector;
mod event;
mod feed;
mod model;
mod quick;
mod raw;
mod totals;

pub(crate) use collector::{Collector, Sink};
pub(crate) use event::Metrics;
pub(crate) use feed::feed;
pub(crate) use model::{Application, Stage, Task, Window};
