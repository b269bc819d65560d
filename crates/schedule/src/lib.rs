//! Online scheduling of many training jobs on a shared cluster.

pub mod bound;
pub mod compare;
pub mod error;
pub mod exact;
pub mod explain;
pub mod jobs_file;
pub mod lp;
pub mod model;
pub mod policy;
pub mod pricing;
pub mod replay;
pub mod report;
pub mod setting;
pub mod sim;
pub mod state;
pub mod trace;

pub use error::{Error, Result};
pub use model::{
    Cluster, DeviceId, Job, JobId, KINDS, Machine, MachineId, Placement, Resource, Resources, Share, Utility,
    WorkerRange,
};
pub use policy::{Decision, Event, Policy, PolicyName, Setup};
