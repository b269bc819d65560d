//! Jobs as a table, a row each.

use std::path::Path;

use super::{BOTH, NO_EPOCH, SLOW_LINK, beside};
use crate::{
    error::{Error, Result},
    model::{Job, JobId, Resources, Utility, WorkerRange},
    profile::Measured,
    trace::{Row, Table},
};

/// The columns that a CSV table of jobs must have.
const REQUIRED: [&str; 2] = ["worker_gpu", "worker_cpu"];
/// What it may have besides.
const OPTIONAL: [&str; 27] = [
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
    "queue",
    "priority",
    "limit",
    "after",
    "after_any",
];
/// What else it must have, unless a profile says it.
const MEASURED: [&str; 3] = ["workload", "batch", "seconds_per_sample"];

/// The jobs of a table.
pub(super) fn read(path: &Path) -> Result<Vec<Job>> {
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

fn job(path: &Path, row: &Row) -> Result<Job> {
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
    let whole = |column: &str| -> Result<Option<i32>> {
        let text = row.text(column);
        let number =
            || text.parse().map_err(|_| row.fault(column, format!("`{text}` is not a whole number")));
        if text.is_empty() { Ok(None) } else { number().map(Some) }
    };
    let names = |column: &str| -> Vec<String> {
        let names = row.text(column).split(';').map(str::trim).filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
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
        resume: true,
        group: String::new(),
        queue: row.text("queue").to_owned(),
        priority: whole("priority")?,
        limit: if given("limit") { Some(row.amount("limit")?) } else { None },
        after: names("after"),
        after_any: names("after_any"),
        requeue: false,
    };
    job.validate().map_err(|error| row.fault("job", error.detail()))?;
    Ok(job)
}
