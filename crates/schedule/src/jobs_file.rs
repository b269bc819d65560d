//! Jobs and clusters from files that people write: JSON, or a CSV table of jobs.

use std::{collections::HashSet, path::Path};

use crate::{
    error::{Error, Result},
    model::{Cluster, Job, JobId, Resources, Utility, WorkerRange},
    trace::Table,
};

/// The columns that a CSV table of jobs must have.
const REQUIRED: [&str; 5] = ["workload", "batch", "seconds_per_sample", "worker_gpu", "worker_cpu"];

/// Reads jobs from a JSON array or, by the ending `.csv`, from a table with at least the columns `workload`,
/// `batch`, `seconds_per_sample`, `worker_gpu` and `worker_cpu`; the others are `name`, `arrival`,
/// `gradient_mb`, `workers_per_server`, `worker_memory`, `worker_storage`, `server_cpu`, `server_memory`,
/// `server_storage`, `internal_gbps`, `external_gbps`, `min_workers`, `max_workers`, `restart`, and `value`,
/// `decay`, `target` of the utility.
///
/// # Errors
/// An unreadable file, a field that is not what it should be, or a job that is not valid.
pub fn read_jobs(path: &Path) -> Result<Vec<Job>> {
    let mut jobs: Vec<Job> =
        if path.extension().is_some_and(|ending| ending == "csv") { table(path)? } else { list(path)? };
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

fn list(path: &Path) -> Result<Vec<Job>> {
    let jobs: Vec<Job> = json(path)?;
    for (index, job) in jobs.iter().enumerate() {
        // In the order of the file, which is what its writer can count.
        let job = Job { id: JobId(index as u32), ..job.clone() };
        let entry = |source| Error::Entry { file: path.into(), entry: index + 1, source: Box::new(source) };
        job.validate().map_err(entry)?;
    }
    Ok(jobs)
}

/// Jobs without a name are told apart by their numbers.
pub(crate) fn unique_names(path: &Path, jobs: &[Job]) -> Result<()> {
    let mut known = HashSet::new();
    let twice = jobs.iter().find(|job| !job.name.is_empty() && !known.insert(&job.name));
    twice.map_or(Ok(()), |job| Err(Error::Duplicate { file: path.into(), name: job.name.clone() }))
}

/// Reads a cluster from JSON: `{"machines": [{"capacity": {"gpu": 8, "cpu": 64, "memory": 512}}]}`.
///
/// # Errors
/// An unreadable file or a cluster that is not valid.
pub fn read_cluster(path: &Path) -> Result<Cluster> {
    json(path)
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| Error::Io { doing: "reading", path: path.into(), source })?;
    serde_json::from_str(&text).map_err(|source| Error::Json { path: path.into(), source })
}

fn table(path: &Path) -> Result<Vec<Job>> {
    let table = Table::read(path, &REQUIRED)?;
    table.rows().map(|row| job(&row)).collect()
}

fn job(row: &crate::trace::Row) -> Result<Job> {
    let or = |column: &str, default: f64| {
        if row.text(column).is_empty() { Ok(default) } else { row.amount(column) }
    };
    let demand = |task: &str| -> Result<Resources> {
        let part = |kind: &str| or(&format!("{task}_{kind}"), 0.0);
        Ok(Resources::new(part("gpu")?, part("cpu")?, part("memory")?, part("storage")?))
    };
    let count = |column: &str, default: u32| {
        if row.text(column).is_empty() { Ok(default) } else { row.count(column) }
    };
    let batch = row.count("batch")?;
    let server = demand("server")?;
    let ratio = or("workers_per_server", if server.is_zero() { 0.0 } else { 1.0 })?;
    let utility = if row.text("decay").is_empty() {
        Utility::Constant { value: or("value", 1.0)? }
    } else {
        Utility::Sigmoid {
            value: or("value", 1.0)?,
            decay: row.amount("decay")?,
            target: row.amount("target")?,
        }
    };
    let job = Job {
        id: JobId(0),
        name: row.text("name").to_owned(),
        arrival: or("arrival", 0.0)?,
        workload: row.amount("workload")?,
        estimate: None,
        batch,
        seconds_per_sample: row.amount("seconds_per_sample")?,
        gradient_mb: or("gradient_mb", 0.0)?,
        workers_per_server: (ratio > 0.0).then_some(ratio),
        worker: demand("worker")?,
        server,
        internal_gbps: or("internal_gbps", 100.0)?,
        external_gbps: or("external_gbps", 100.0)?,
        utility,
        workers: WorkerRange { min: count("min_workers", 1)?, max: count("max_workers", batch)? },
        speeds: Vec::new(),
        restart: or("restart", 0.0)?,
        group: String::new(),
    };
    job.validate().map_err(|error| row.fault("job", error.detail()))?;
    Ok(job)
}
