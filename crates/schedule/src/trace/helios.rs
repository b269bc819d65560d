//! The Helios trace of SenseTime (SC 2021): `cluster_log.csv` of one of its clusters.
//!
//! Its columns are job_id, user, vc, gpu_num, cpu_num, node_num, state, submit_time, start_time, end_time, duration and queue;
//! durations are in seconds. A job is a gang of one worker a GPU, which share its cores; without GPUs it is one worker. How it
//! ended does not matter: what it held, it held.

use std::{collections::BTreeMap, path::Path};

use super::{
    Trace,
    gang::{SHORTEST, gang},
    table::Table,
    time,
};
use crate::{
    error::Result,
    model::{Job, Resources},
};

/// Reads the trace; time zero is its first submission. Jobs of no length are given one second.
///
/// # Errors
/// A missing column or a field that is not what it should be; no job that ran.
pub fn read(path: &Path) -> Result<Trace> {
    let table = Table::read(path, &["job_id", "gpu_num", "cpu_num", "submit_time", "duration"])?;
    let (mut jobs, mut left_out) = (Vec::new(), BTreeMap::new());
    for row in table.rows() {
        if row.text("duration").is_empty() {
            *left_out.entry("never began").or_default() += 1;
            continue;
        }
        let (gpus, cpus) = (row.whole("gpu_num")?, row.amount("cpu_num")?);
        let workers = gpus.max(1);
        let share = if gpus > 0 { 1.0 } else { 0.0 };
        let duration = row.amount("duration")?.max(SHORTEST);
        let job = gang(row.text("job_id"), time::of(&row, "submit_time")?, workers, duration, 1.0);
        jobs.push(Job {
            worker: Resources::new(share, cpus / f64::from(workers), 0.0, 0.0),
            group: row.text("vc").to_owned(),
            ..job
        });
    }
    Trace::from_first(path, jobs, left_out)
}
