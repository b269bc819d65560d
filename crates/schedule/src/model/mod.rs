//! What is scheduled and where: resources, machines, jobs, utilities and placements.

mod cluster;
mod job;
mod placement;
mod resources;
mod utility;

pub use cluster::{Cluster, DeviceId, Machine, MachineId};
pub use job::{Job, JobId, WorkerRange};
pub use placement::{Placement, Share};
pub use resources::{KINDS, Resource, Resources};
pub use utility::Utility;
