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
/// What it may have besides.
const OPTIONAL: [&str; 22] = [
    "name",
    "arrival",
    "gradient_mb",
    "workers_per_server",
    "worker_memory",
    "worker_storage",
    "worker_network",
    "server_gpu",
    "server_cpu",
    "server_memory",
    "server_storage",
    "server_network",
    "internal_gbps",
    "external_gbps",
    "min_workers",
    "max_workers",
    "restart",
    "value",
    "decay",
    "target",
    "profile",
    "epochs",
];
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
/// In JSON `array` makes so many jobs of one entry, named `name-0`, `name-1`, ..., and `speeds` may be given by the
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
    let is_table = path.extension().is_some_and(|ending| ending == "csv");
    let mut jobs: Vec<Job> = if is_table { table(path)? } else { list(path, devices)? };
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

fn list(path: &Path, devices: &[String]) -> Result<Vec<Job>> {
    let jobs = objects(path, devices)?;
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

/// A cluster from what a user wrote: machines times GPUs ([`Cluster::from_counts`]), or the name of a file.
///
/// # Errors
/// A file that is not there and no count either; what [`read_cluster`] says.
pub fn cluster(text: &str) -> Result<Cluster> {
    let path = Path::new(text);
    if path.exists() {
        return read_cluster(path);
    }
    Cluster::from_counts(text).map_err(|error| match error {
        // What is neither a file nor a count is a slip of whoever wrote it.
        Error::Invalid { field, found, wanted, .. } if field == "size" => {
            Error::option("cluster", found, wanted)
        }
        error => error,
    })
}

/// Reads a cluster from JSON: `{"machines": [{"name": "a", "count": 4, "capacity": {"gpu": 8, "cpu": 64}}]}`. A machine
/// may also have a `rack`, a `device` type and `labels`, and the cluster an `oversubscription` between racks.
///
/// # Errors
/// An unreadable file or a cluster that is not valid.
pub fn read_cluster(path: &Path) -> Result<Cluster> {
    parse(path, &text(path)?)
}

/// Jobs from JSON. Only those that are not plain go through a loose form, so that faults of the others name their line.
fn objects(path: &Path, devices: &[String]) -> Result<Vec<Job>> {
    let text = text(path)?;
    let loose: Vec<Value> = parse(path, &text)?;
    if loose.iter().all(is_plain) {
        return parse(path, &text);
    }
    let entry =
        |entry: usize| move |source| Error::Entry { file: path.into(), entry, source: Box::new(source) };
    let mut jobs = Vec::new();
    for (index, job) in loose.into_iter().enumerate() {
        jobs.extend(object(path, job, devices).map_err(entry(index + 1))?);
    }
    Ok(jobs)
}

fn is_plain(job: &Value) -> bool {
    let loose = ["id", "profile", "array"].iter().any(|field| job.get(field).is_some());
    !loose && !job.get("speeds").is_some_and(Value::is_object)
}

fn object(path: &Path, mut job: Value, devices: &[String]) -> Result<Vec<Job>> {
    let wrong = |source| Error::Json { path: path.into(), source };
    let mut array = None;
    if let Some(fields) = job.as_object_mut() {
        if let Some(id) = fields.get("id") {
            return Err(invalid("id", id, "jobs are numbered in the order of their arrival; give a `name`"));
        }
        if let Some(profile) = fields.remove("profile") {
            let name: String = serde_json::from_value(profile).map_err(wrong)?;
            complete(path, fields, &Measured::read(&beside(path, &name))?)?;
        }
        if let Some(speeds) = fields.get_mut("speeds") {
            by_device(speeds, devices)?;
        }
        array = fields.remove("array");
    }
    let job: Job = serde_json::from_value(job).map_err(wrong)?;
    let Some(array) = array else { return Ok(vec![job]) };
    let count = array.as_u64().filter(|count| (1..=100_000).contains(count));
    let count = count.ok_or_else(|| invalid("array", &array, "it is a whole number from 1 to 100000"))?;
    if job.name.is_empty() {
        return Err(invalid("name", &Value::from(""), "the jobs of an array are told apart by its name"));
    }
    Ok((0..count).map(|number| Job { name: format!("{}-{number}", job.name), ..job.clone() }).collect())
}

fn invalid(field: &str, found: &Value, wanted: &'static str) -> Error {
    Error::Invalid { subject: "job".into(), field: field.into(), found: found.to_string(), wanted }
}

/// Speeds by the names of device types, as a list in the order of the cluster's.
fn by_device(speeds: &mut Value, devices: &[String]) -> Result<()> {
    let Some(named) = speeds.as_object() else { return Ok(()) };
    if let Some((name, _)) = named.iter().find(|(name, _)| !devices.contains(name)) {
        let wanted = "speeds by name name the device types of the cluster";
        return Err(invalid("speeds", &Value::from(name.as_str()), wanted));
    }
    let speed = |device: &String| {
        let wanted = "every device type of the cluster has a speed; 0 where the job cannot run";
        named.get(device).cloned().ok_or_else(|| invalid("speeds", &json!(named), wanted))
    };
    *speeds = devices.iter().map(speed).collect::<Result<Value>>()?;
    Ok(())
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
    let known = || REQUIRED.iter().chain(&MEASURED).chain(&OPTIONAL);
    if let Some(unknown) = table.headers().iter().find(|header| !known().any(|known| known == header)) {
        let known: Vec<&str> = known().copied().collect();
        let what = format!("there is no such column; there are {}", known.join(", "));
        return Err(Error::Field { file: path.into(), line: 1, field: unknown.clone(), what });
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
        let [gpu, cpu, memory, storage, network] = ["gpu", "cpu", "memory", "storage", "network"].map(part);
        Ok(Resources::from_array([gpu?, cpu?, memory?, storage?, network?]))
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
    if given("decay") != given("target") {
        return Err(row.fault("decay", "`decay` and `target` go together".into()));
    }
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
        needs: Default::default(),
        restart: or("restart", 0.0)?,
        group: String::new(),
    };
    job.validate().map_err(|error| row.fault("job", error.detail()))?;
    Ok(job)
}
