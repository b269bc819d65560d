//! Readers of job traces: Philly, Helios, Alibaba's PAI, Muri, Tiresias and Gavel tables, the Standard Workload Format, and
//! hourly arrivals of the Google trace.
//!
//! Each gives [`Job`]s whose gangs are fixed: a trace says how many GPUs a job held and for how long, nothing
//! about how it would have run on others. A line that cannot be understood is an error with file, line and
//! field; a job that can be understood but not run, because it never began, is left out and counted ([`Trace::left_out`]).

mod file;
mod gang;
mod gavel;
mod google;
mod helios;
mod muri;
mod pai;
mod philly;
mod swf;
mod table;
mod time;

use std::{collections::BTreeMap, path::Path, str::FromStr};

use crate::{
    error::{Error, Result},
    model::{Cluster, DEVICE_LABEL, Job, JobId, Resource, Resources},
};

pub(crate) use file::bytes;
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
    /// SenseTime's Helios: columns gpu_num, cpu_num, submit_time, duration, ...
    Helios,
    /// Alibaba's PAI of 2020: its table of tasks, without a header.
    Pai2020,
    /// Alibaba's GPU trace of 2023: its list of pods.
    Pai2023,
    /// The Standard Workload Format of the Parallel Workloads Archive.
    Swf,
}

impl Format {
    const NAMES: [(&'static str, Self); 8] = [
        ("muri", Self::Muri),
        ("philly", Self::Philly),
        ("gavel", Self::Gavel),
        ("tiresias", Self::Tiresias),
        ("helios", Self::Helios),
        ("pai-2020", Self::Pai2020),
        ("pai-2023", Self::Pai2023),
        ("swf", Self::Swf),
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

/// What a trace holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The jobs, in order of arrival.
    pub jobs: Vec<Job>,
    /// Jobs that could not be taken, by the reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

impl Trace {
    /// Sorts by arrival, stably, and numbers.
    fn of(path: &Path, jobs: Vec<Job>, left_out: BTreeMap<&'static str, usize>) -> Result<Self> {
        let mut trace = Self { jobs, left_out };
        trace.number().map_err(|_| Error::NoJobs { file: path.into(), why: trace.reasons() })?;
        Ok(trace)
    }

    /// The same with time beginning at the first arrival.
    fn from_first(path: &Path, jobs: Vec<Job>, left_out: BTreeMap<&'static str, usize>) -> Result<Self> {
        let mut trace = Self::of(path, jobs, left_out)?;
        let first = trace.jobs.first().map_or(0.0, |job| job.arrival);
        trace.jobs.iter_mut().for_each(|job| job.arrival -= first);
        Ok(trace)
    }

    /// How many could not be taken, and why.
    fn reasons(&self) -> String {
        let reasons = self.left_out.iter().map(|(why, count)| format!("{count} {why}"));
        reasons.collect::<Vec<_>>().join(", ")
    }

    /// Takes from the jobs what the cluster does not count: a trace may ask for cores and memory where a cluster is a number
    /// of GPUs, and for device types where the cluster names none. Jobs that then ask for nothing are left out.
    ///
    /// # Errors
    /// No job remains.
    pub fn counted_by(mut self, cluster: &Cluster) -> Result<Self> {
        let counted = Resource::ALL.map(|kind| cluster.total()[kind] > 0.0);
        let names_devices = cluster.devices() != ["gpu"];
        for job in &mut self.jobs {
            let asked = job.worker.as_array();
            job.worker =
                Resources::from_array(std::array::from_fn(
                    |kind| if counted[kind] { asked[kind] } else { 0.0 },
                ));
            if !names_devices {
                job.needs.remove(DEVICE_LABEL);
            }
        }
        let all = self.jobs.len();
        self.jobs.retain(|job| !job.worker.is_zero());
        if self.jobs.len() < all {
            self.left_out.insert("ask for nothing that the machines have", all - self.jobs.len());
        }
        let nothing = || Error::Invalid {
            subject: "cluster".into(),
            field: "capacity".into(),
            found: "of nothing that the jobs of the trace ask for".into(),
            wanted: "give machines that have it, by a file",
        };
        self.number().map_err(|_| nothing())?;
        Ok(self)
    }

    /// Without the jobs that the cluster could never run: a trace comes from other machines, and one job in thousands
    /// should not stop its simulation.
    ///
    /// # Errors
    /// A job that is not valid; why the first cannot run, if none can.
    pub fn that_fits(mut self, cluster: &Cluster) -> Result<Self> {
        let (mut fitting, mut first, mut others) = (Vec::new(), None, 0);
        for job in self.jobs {
            match cluster.admits(&job) {
                Ok(()) => fitting.push(job),
                Err(error) if error.is_misfit() => {
                    first.get_or_insert(error);
                    others += 1;
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = first.filter(|_| fitting.is_empty()) {
            return Err(error);
        }
        if others > 0 {
            self.left_out.insert("fit no machines that there are", others);
        }
        self.jobs = fitting;
        self.number()?;
        Ok(self)
    }

    fn number(&mut self) -> Result<()> {
        if self.jobs.is_empty() {
            return Err(Error::Empty { what: "job" });
        }
        self.jobs.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
        for (index, job) in self.jobs.iter_mut().enumerate() {
            job.id = JobId(index as u32);
        }
        Ok(())
    }
}

/// Reads a trace whose format needs nothing beside it. Jobs come in order of arrival.
///
/// # Errors
/// An unreadable file or field; [`Format::Gavel`], which needs throughputs ([`read_gavel`]).
pub fn read(path: &Path, format: Format) -> Result<Trace> {
    match format {
        Format::Muri => muri::read(path),
        Format::Philly => philly::read(path),
        Format::Tiresias => muri::read_tiresias(path),
        Format::Helios => helios::read(path),
        Format::Pai2020 => pai::read_tasks(path),
        Format::Pai2023 => pai::read_pods(path),
        Format::Swf => swf::read(path),
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
