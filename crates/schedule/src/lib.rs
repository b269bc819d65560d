//! Online scheduling of many training jobs on a shared cluster: PD-ORS, its rivals, a policy of our own, and
//! a simulator.
//!
//! Read in this order:
//!
//! - [`model`]: resources, machines, jobs, utilities, placements. Nothing here knows of time passing.
//! - [`pricing`]: prices, and the best schedule of one job at them, with [`lp`] for linear programs.
//! - [`event`], [`state`] and [`policy`]: what happened, what a scheduler knows, what it decides; one module a policy.
//! - [`desk`]: one policy driven step by step, as a daemon does.
//! - [`sim`]: arrivals, completions and failures in slots or continuous time, and the metrics.
//! - [`setting`], [`trace`], [`jobs_file`], [`profile`]: where jobs come from.
//! - [`calendar`]: days and times of files and of answers.
//! - [`snapshot`]: the queue of another scheduler as it is now, and answers about it.
//! - [`study`]: what a person asks of a comparison, checked and made an experiment.
//! - [`compare`], [`report`], [`explain`], [`bound`], [`exact`], [`replay`], [`validate`]: what is made of them.
//!
//! Nothing here touches a clock, a socket or a thread; files only in the readers and in `report` and
//! `replay`. It depends on microlp for linear programs (with the feature `highs` on HiGHS for integer
//! programs), csv, parquet and serde_json for files, rand for seeded draws, and on
//! `predict` for the profiles of measured jobs.
//!
//! ```
//! use std::sync::Arc;
//! use syncline_schedule::{PolicyName, Setup, setting::Setting, sim::{Clock, Options, simulate}, state::Physics};
//!
//! let setting = Setting { machines: 10, jobs: 8, ..Setting::calibrated() };
//! let cluster = Arc::new(setting.cluster()?);
//! let jobs = setting.draw(1);
//! let mut policy = PolicyName::Syncline.build(&Setup::new(&cluster, setting.grid, &jobs));
//! let options = Options { clock: Clock::slots(&setting.grid), physics: Physics::default(), outages: Vec::new() };
//! let run = simulate(&cluster, &jobs, policy.as_mut(), &options, None)?;
//! assert!(run.outcome.metrics().utility > 0.0);
//! # Ok::<(), syncline_schedule::Error>(())
//! ```

pub mod bound;
pub mod calendar;
pub mod compare;
pub mod desk;
pub mod error;
pub mod event;
pub mod exact;
pub mod explain;
pub mod jobs_file;
pub mod lp;
pub mod model;
pub mod policy;
pub mod pricing;
pub mod profile;
pub mod replay;
pub mod report;
pub mod setting;
pub mod sim;
pub mod snapshot;
pub mod state;
pub mod study;
pub mod trace;
pub mod validate;

pub use error::{Error, Result};
pub use event::{Decision, Event};
pub use model::{
    Cluster, DeviceId, Job, JobId, KINDS, Machine, MachineId, Placement, Queue, Reservation, Resource,
    Resources, Share, Utility, Values, WorkerRange,
};
pub use policy::{Policy, PolicyName, Setup};
