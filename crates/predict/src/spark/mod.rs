//! Spark applications: one event log taken apart into work and overheads, and asked "what if".
//!
//! [`SparkLog`] reads the log. [`SparkProfile`] splits every task into the time that it holds a slot, what the driver
//! needs to hear of its end, and what the slot needs to get its next task; every stage into submission, first launch,
//! tasks and end; and the application into groups of jobs that overlapped and the driver's gaps between them. Questions
//! change these values, and one scheduler of whole tasks (`schedule`) plays them again on any number of slots.
//!
//! Times are in seconds.

mod barrier;
mod cluster;
mod contention;
mod cost;
mod fit;
mod log;
mod memory;
mod partitions;
mod pool;
mod price;
mod replay;
mod schedule;
mod size;
mod speculation;
mod stream;
mod threads;
mod timeline;
mod tree;
mod waits;
mod work;

pub use barrier::BarrierForecast;
pub use cluster::{Cluster, ClusterForecast, OnDemand};
pub use cost::{Limit, Tariff, Unit};
pub use log::SparkLog;
pub use memory::Memory;
pub use partitions::Cut;
pub use price::Price;
pub use replay::{SparkCheck, SparkForecast};
pub use size::Size;
pub use speculation::{Copies, SpeculationForecast};
pub use stream::{Discipline, StreamForecast};
pub use tree::TreeForecast;
pub use waits::{BarrierWaits, WaitModels};
pub use work::SparkProfile;
