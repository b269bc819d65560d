//! Jobs and clusters from files that people write: JSON, TOML, or CSV tables.

mod dependencies;
mod document;
mod list;
mod machines;
mod schema;
mod table;
mod task;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub use self::{
    dependencies::check as check_dependencies,
    list::Entry,
    machines::{cluster, read_cluster},
    schema::Form,
    task::{Blanks, Task},
};
use crate::{
    error::{Error, Result},
    model::{Cluster, Job, JobId},
};

const NO_EPOCH: &str = "the profile's trace does not say how many samples an epoch has; give `workload`";

const BOTH: &str = "`workload` is given too; give one of them";
const SLOW_LINK: &str = "the measured run's link was faster than that; give `seconds_per_sample` too";

/// Reads jobs from a JSON array, from TOML (by the ending `.toml`; the list is named `jobs`) or, by the ending `.csv`, from a
/// table. Its columns are the fields of a job; those that have parts have a column for each part: `worker_gpu`, `server_cpu`,
/// `min_workers`, `max_workers`, `speed_a100`, `needs_disk`, and `shape`, `value`, `decay`, `target`, `deadline`, `zero_at` of the utility.
/// Several names in one cell have `;` between them.
///
/// A job may name the `profile` of a measured run, a file beside the jobs' own. Then `batch`,
/// `seconds_per_sample`, `gradient_mb`, `workers_per_server` and the most workers come from there unless they are
/// given, and `epochs` may stand for `workload`.
///
/// A job may have a `command` and what belongs to it ([`Task`]), which a simulation passes over, and `seconds` may stand
/// for `workload`, `batch` and `seconds_per_sample`: what it takes with its fewest workers.
///
/// `array` makes so many jobs of one entry, named `name-0`, `name-1`, ..., and `speeds` may be given by the
/// names of the cluster's device types. `after` and `after_any` name jobs of the same file; the name of an array stands for
/// all its jobs.
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

/// The jobs of a file as values that can be sent to somebody who has neither the file nor the profiles beside it. They are not
/// checked yet: whoever knows the cluster does that with [`sent_jobs`].
///
/// # Errors
/// An unreadable file or profile; a CSV table, in which no command has a column.
pub fn jobs_to_send(path: &Path) -> Result<Vec<Value>> {
    if document::has_ending(path, "csv") {
        let what = "a table has no column for commands; write the jobs in TOML or JSON".into();
        return Err(Error::Field { file: path.into(), line: 1, field: "command".into(), what });
    }
    list::complete_list(path)
}

/// What was sent, for a cluster that must be able to run it, in the order in which it was sent. Whether there are the jobs that
/// others come after is for [`check_dependencies`] to say, by whoever knows what was sent before.
///
/// # Errors
/// No job, a field that is not what it should be, two jobs of one name, a job that the cluster can never run.
pub fn sent_jobs(jobs: Vec<Value>, cluster: &Cluster) -> Result<Vec<Entry>> {
    let entries = list::sent(jobs, cluster.devices())?;
    if entries.is_empty() {
        return Err(Error::Empty { what: "job" });
    }
    unique_names(Path::new("jobs"), entries.iter().map(|(job, _)| job))?;
    entries.iter().try_for_each(|(job, _)| cluster.admits(job))?;
    Ok(entries)
}

fn read(path: &Path, devices: &[String]) -> Result<Vec<Job>> {
    let is_table = document::has_ending(path, "csv");
    let mut jobs: Vec<Job> = if is_table {
        table::read(path, devices)?
    } else {
        list::list(path, devices)?.into_iter().map(|(job, _)| job).collect()
    };
    if jobs.is_empty() {
        return Err(Error::NoJobs { file: path.into(), why: String::new() });
    }
    unique_names(path, &jobs)?;
    check_dependencies(&jobs.iter().collect::<Vec<_>>(), &|_| false)?;
    jobs.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
    for (index, job) in jobs.iter_mut().enumerate() {
        job.id = JobId(index as u32);
    }
    Ok(jobs)
}

/// Jobs without a name are told apart by their numbers.
pub(crate) fn unique_names<'a>(path: &Path, jobs: impl IntoIterator<Item = &'a Job>) -> Result<()> {
    let mut known = HashSet::new();
    let twice = jobs.into_iter().find(|job| !job.name.is_empty() && !known.insert(&job.name));
    twice.map_or(Ok(()), |job| Err(Error::Duplicate { file: path.into(), name: job.name.clone() }))
}

/// A file named in another is looked for beside it.
fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(name)
}
