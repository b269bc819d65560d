//! What is scheduled and where: resources, machines, jobs, utilities and placements.

mod cluster;
mod job;
mod placement;
mod plain;
mod resources;
mod rules;
mod utility;

pub use cluster::{Cluster, DEVICE_LABEL, DeviceId, Machine, MachineId};
pub use job::{Job, JobId, Values, WorkerRange};
pub use placement::{Placement, Share};
pub(crate) use plain::Plain;
pub use resources::{KINDS, Resource, Resources};
pub use rules::{Queue, Reservation};
pub use utility::Utility;
