//! Jobs and clusters from files that people write: JSON, or a CSV table of jobs.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::{
    error::{Error, Result},
    model::{Cluster, Job, JobId, Resources, Utility, WorkerRange},
    profile::Measured,
    trace::Table,
};

/// The columns that a CSV table of jobs must have.
const REQUIRED: [&str; 2] = ["worker_gpu", "worker_cpu"];
/// What else it must have, unless a profile says it.
const MEASURED: [&str; 3] = ["workload", "batch", "seconds_per_sample"];

/// Reads jobs from a JSON array or, by the ending `.csv`, from a table with at least the columns `workload`,
/// `batch`, `seconds_per_sample`, `worker_gpu` and `worker_cpu`; the others are `name`, `arrival`,
/// `gradient_mb`, `workers_per_server`, `worker_memory`, `worker_storage`, `server_cpu`, `server_memory`,
/// `server_storage`, `internal_gbps`, `external_gbps`, `min_workers`, `max_workers`, `restart`, and `value`,
/// `decay`, `target` of the utility.
///
/// A job may name the `profile` of a measured run, a file beside the jobs' own. Then `batch`,
/// `seconds_per_sample`, `gradient_mb`, `workers_per_server` and the most workers come from there unless they are
/// given, and `epochs` may stand for `workload`.
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
    let jobs = objects(path)?;
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
    parse(path, &text(path)?)
}

/// Jobs from JSON. Only those with a profile go through a loose form, so that faults of the others name their line.
fn objects(path: &Path) -> Result<Vec<Job>> {
    let text = text(path)?;
    let loose: Vec<Value> = parse(path, &text)?;
    if loose.iter().all(|job| job.get("profile").is_none()) {
        return parse(path, &text);
    }
    let numbered = loose.into_iter().enumerate();
    let entry =
        |entry: usize| move |source| Error::Entry { file: path.into(), entry, source: Box::new(source) };
    numbered.map(|(index, job)| object(path, job).map_err(entry(index + 1))).collect()
}

fn object(path: &Path, mut job: Value) -> Result<Job> {
    let wrong = |source| Error::Json { path: path.into(), source };
    if let Some(fields) = job.as_object_mut()
        && let Some(profile) = fields.remove("profile")
    {
        let name: String = serde_json::from_value(profile).map_err(wrong)?;
        complete(path, fields, &Measured::read(&beside(path, &name))?)?;
    }
    serde_json::from_value(job).map_err(wrong)
}

/// A file named in another is looked for beside it.
fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(name)
}

/// Adds what was measured to what is given.
fn complete(path: &Path, fields: &mut Map<String, Value>, measured: &Measured) -> Result<()> {
    let number = |fields: &Map<String, Value>, field: &str| fields.get(field).and_then(Value::as_f64);
    if let Some(epochs) = fields.remove("epochs") {
        let fault = |wanted| Error::Invalid {
            subject: path.display().to_string(),
            field: "epochs".into(),
            found: epochs.to_string(),
            wanted,
        };
        let count = epochs.as_f64().ok_or_else(|| fault("it is a number"))?;
        let epoch = measured.epoch.ok_or_else(|| fault(NO_EPOCH))?;
        if fields.contains_key("workload") {
            return Err(fault(BOTH));
        }
        fields.insert("workload".into(), json!(count * epoch));
    }
    let gbps = number(fields, "internal_gbps").unwrap_or(100.0);
    let batch = number(fields, "batch").map_or(measured.batch, |batch| batch as u32);
    if !fields.contains_key("seconds_per_sample") {
        let seconds = measured.seconds_per_sample(gbps).ok_or_else(|| Error::Invalid {
            subject: "link".into(),
            field: "internal_gbps".into(),
            found: gbps.to_string(),
            wanted: SLOW_LINK,
        })?;
        fields.insert("seconds_per_sample".into(), json!(seconds));
    }
    for (field, value) in [
        ("batch", json!(measured.batch)),
        ("gradient_mb", json!(measured.gradient_mb)),
        ("workers_per_server", json!(measured.workers_per_server)),
        ("workers", json!({ "min": 1, "max": measured.most_workers.min(batch) })),
    ] {
        fields.entry(field).or_insert(value);
    }
    Ok(())
}

const NO_EPOCH: &str = "the profile's trace does not say how many samples an epoch has; give `workload`";

const BOTH: &str = "`workload` is given too; give one of them";
const SLOW_LINK: &str = "the measured run's link was faster than that; give `seconds_per_sample` too";

fn text(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path);
    text.map_err(|source| Error::Io { doing: "reading", path: path.into(), source })
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Json { path: path.into(), source })
}

fn table(path: &Path) -> Result<Vec<Job>> {
    let table = Table::read(path, &REQUIRED)?;
    if !table.has("profile") {
        Table::read(path, &MEASURED)?;
    }
    table.rows().map(|row| job(path, &row)).collect()
}

fn job(path: &Path, row: &crate::trace::Row) -> Result<Job> {
    let profile = row.text("profile");
    let measured = if profile.is_empty() { None } else { Some(Measured::read(&beside(path, profile))?) };
    let measured = measured.as_ref();
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
    let given = |column: &str| !row.text(column).is_empty();
    let batch = match measured {
        Some(measured) if !given("batch") => measured.batch,
        _ => row.count("batch")?,
    };
    let internal_gbps = or("internal_gbps", 100.0)?;
    let seconds_per_sample = match measured {
        Some(measured) if !given("seconds_per_sample") => measured
            .seconds_per_sample(internal_gbps)
            .ok_or_else(|| row.fault("internal_gbps", SLOW_LINK.into()))?,
        _ => row.amount("seconds_per_sample")?,
    };
    if given("epochs") && given("workload") {
        return Err(row.fault("epochs", BOTH.into()));
    }
    let workload = match measured {
        Some(measured) if !given("workload") => {
            let epoch = measured.epoch.ok_or_else(|| row.fault("epochs", NO_EPOCH.into()))?;
            row.amount("epochs")? * epoch
        }
        _ => row.amount("workload")?,
    };
    let most = measured.map_or(batch, |measured| measured.most_workers.min(batch));
    let server = demand("server")?;
    let usual = if server.is_zero() { 0.0 } else { 1.0 };
    let ratio = or("workers_per_server", measured.map_or(usual, |measured| measured.workers_per_server))?;
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
        workload,
        estimate: None,
        batch,
        seconds_per_sample,
        gradient_mb: or("gradient_mb", measured.map_or(0.0, |measured| measured.gradient_mb))?,
        workers_per_server: (ratio > 0.0).then_some(ratio),
        worker: demand("worker")?,
        server,
        internal_gbps,
        external_gbps: or("external_gbps", 100.0)?,
        utility,
        workers: WorkerRange { min: count("min_workers", 1)?, max: count("max_workers", most)? },
        speeds: Vec::new(),
        restart: or("restart", 0.0)?,
        group: String::new(),
    };
    job.validate().map_err(|error| row.fault("job", error.detail()))?;
    Ok(job)
}
