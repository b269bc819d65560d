//! The Philly trace as tabulated by Sia's artifact: timestamp, duration, num_gpus, gpu_time, cluster.

use std::{collections::BTreeMap, path::Path};

use super::{
    Trace,
    gang::{SHORTEST, gang},
    table::Table,
    time,
};
use crate::{error::Result, model::Job};

/// Reads the trace; time zero is its first submission. Jobs of no length are given one second.
///
/// # Errors
/// A missing column or a field that is not what it should be.
pub fn read(path: &Path) -> Result<Trace> {
    let table = Table::read(path, &["timestamp", "duration", "num_gpus"])?;
    let mut jobs = Vec::new();
    for row in table.rows() {
        let arrival = time::of(&row, "timestamp")?;
        let job = gang(
            &jobs.len().to_string(),
            arrival,
            row.count("num_gpus")?,
            row.amount("duration")?.max(SHORTEST),
            1.0,
        );
        jobs.push(Job { group: row.text("cluster").to_owned(), ..job });
    }
    Trace::from_first(path, jobs, BTreeMap::new())
}
