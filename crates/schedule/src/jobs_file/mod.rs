//! Jobs and clusters from files that people write: JSON, TOML, or CSV tables.

mod document;
mod list;
mod machines;
mod schema;
mod table;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

pub use self::{
    machines::{cluster, read_cluster},
    schema::Form,
};
use crate::{
    error::{Error, Result},
    model::{Cluster, Job, JobId},
};

const NO_EPOCH: &str = "the profile's trace does not say how many samples an epoch has; give `workload`";

const BOTH: &str = "`workload` is given too; give one of them";
const SLOW_LINK: &str = "the measured run's link was faster than that; give `seconds_per_sample` too";

/// Reads jobs from a JSON array, from TOML (by the ending `.toml`; the list is named `jobs`) or, by the ending `.csv`, from a table with at least the columns `workload`,
/// `batch`, `seconds_per_sample`, `worker_gpu` and `worker_cpu`; the others are `name`, `arrival`,
/// `gradient_mb`, `workers_per_server`, `worker_memory`, `worker_storage`, `server_cpu`, `server_memory`,
/// `server_storage`, `internal_gbps`, `external_gbps`, `min_workers`, `max_workers`, `restart`, and `value`,
/// `decay`, `target` of the utility.
///
/// A job may name the `profile` of a measured run, a file beside the jobs' own. Then `batch`,
/// `seconds_per_sample`, `gradient_mb`, `workers_per_server` and the most workers come from there unless they are
/// given, and `epochs` may stand for `workload`.
///
/// In JSON and TOML `array` makes so many jobs of one entry, named `name-0`, `name-1`, ..., and `speeds` may be given by the
/// names of the cluster's device types.
///
/// # Errors
/// An unreadable file, a field that is not what it should be, or a job that is not valid.
pub fn read_jobs(path: &Path) -> Result<Vec<Job>> {
    read(path, &[])
}

/// The same for a cluster that must be able to run them.
///
/// # Errors
/// As [`read_jobs`]; a job that the cluster can never run.
pub fn read_jobs_for(path: &Path, cluster: &Cluster) -> Result<Vec<Job>> {
    let jobs = read(path, cluster.devices())?;
    jobs.iter().try_for_each(|job| cluster.admits(job))?;
    Ok(jobs)
}

fn read(path: &Path, devices: &[String]) -> Result<Vec<Job>> {
    let is_table = document::has_ending(path, "csv");
    let mut jobs: Vec<Job> = if is_table { table::read(path)? } else { list::list(path, devices)? };
    if jobs.is_empty() {
        return Err(Error::Empty { what: "job" });
    }
    unique_names(path, &jobs)?;
    jobs.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
    for (index, job) in jobs.iter_mut().enumerate() {
        job.id = JobId(index as u32);
    }
    Ok(jobs)
}

/// Jobs without a name are told apart by their numbers.
pub(crate) fn unique_names(path: &Path, jobs: &[Job]) -> Result<()> {
    let mut known = HashSet::new();
    let twice = jobs.iter().find(|job| !job.name.is_empty() && !known.insert(&job.name));
    twice.map_or(Ok(()), |job| Err(Error::Duplicate { file: path.into(), name: job.name.clone() }))
}

/// A file named in another is looked for beside it.
fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(name)
}
