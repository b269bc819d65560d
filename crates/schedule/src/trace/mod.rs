//! Readers of job traces: Philly, Muri, Tiresias and Gavel tables, and hourly arrivals of the Google trace.
//!
//! Each gives [`Job`]s whose gangs are fixed: a trace says how many GPUs a job held and for how long, nothing
//! about how it would have run on others. A line that cannot be understood is an error with file, line and
//! field.

mod gavel;
mod google;
mod muri;
mod philly;
mod table;

use std::{path::Path, str::FromStr};

use crate::{
    error::{Error, Result},
    model::{Cluster, Job, JobId},
};

pub use gavel::{Throughputs, read as read_gavel};
pub use google::hourly_arrivals;
pub use muri::{read as read_muri, restart_seconds};
pub use philly::read as read_philly;
pub(crate) use table::{Row, Table};

/// The known trace formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns job_id, num_gpu, submit_time, iterations, model_name, iteration_time (times in milliseconds).
    Muri,
    /// Columns timestamp, duration, num_gpus.
    Philly,
    /// Tab-separated job type, command, ..., steps, arrival, scale factor; needs a table of throughputs.
    Gavel,
    /// Columns job_id, num_gpu, submit_time, duration (seconds).
    Tiresias,
}

impl Format {
    const NAMES: [(&'static str, Self); 4] = [
        ("muri", Self::Muri),
        ("philly", Self::Philly),
        ("gavel", Self::Gavel),
        ("tiresias", Self::Tiresias),
    ];
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| *format).ok_or_else(|| Error::Unknown {
            kind: "trace format",
            name: name.into(),
            valid: Self::NAMES.map(|(name, _)| name).join(" "),
        })
    }
}

/// Reads a trace whose format needs nothing beside it. Jobs come in order of arrival.
///
/// # Errors
/// An unreadable file or field; [`Format::Gavel`], which needs throughputs ([`read_gavel`]).
pub fn read(path: &Path, format: Format) -> Result<Vec<Job>> {
    match format {
        Format::Muri => muri::read(path),
        Format::Philly => philly::read(path),
        Format::Tiresias => muri::read_tiresias(path),
        Format::Gavel => Err(Error::Invalid {
            subject: path.display().to_string(),
            field: "format".into(),
            found: "gavel without a table of throughputs".into(),
            wanted: "give the throughputs file too (`--throughputs FILE`)",
        }),
    }
}

/// How many slots of `slot` seconds planners should know of: until the last arrival and once more what all the jobs would
/// take on a full cluster, as far as their prices fit into memory.
pub fn planned_slots(jobs: &[Job], cluster: &Cluster, slot: f64) -> usize {
    // Prices and room of all machines in all slots: 80 bytes each.
    const MOST_CELLS: usize = 4_000_000;
    let whole = cluster.total();
    let last = jobs.iter().map(|job| job.arrival).fold(0.0, f64::max);
    let share = |job: &Job| {
        job.workload * job.internal_cost() * job.worker.dominant_share(whole) / cluster.best_speed(job)
    };
    let work: f64 = jobs.iter().map(share).sum();
    let longest = jobs.iter().map(|job| cluster.shortest(job)).fold(0.0, f64::max);
    let wanted = ((last + 2.0 * work + longest) / slot).ceil().max(504.0);
    (wanted as usize).min(MOST_CELLS / cluster.machines().len()).clamp(1, crate::pricing::SlotGrid::MOST)
}

/// Sorts by arrival, stably, and numbers.
fn in_order(mut jobs: Vec<Job>) -> Result<Vec<Job>> {
    if jobs.is_empty() {
        return Err(Error::Empty { what: "job" });
    }
    jobs.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
    for (index, job) in jobs.iter_mut().enumerate() {
        job.id = JobId(index as u32);
    }
    Ok(jobs)
}
