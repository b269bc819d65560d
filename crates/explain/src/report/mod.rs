//! The report: what a trace tells a person, as data, as text and as a page.

mod calls;
mod decoded;
mod devices;
mod html;
pub(crate) mod outvoted;
mod tables;
mod text;
mod timeline;
mod verdict;

use std::collections::BTreeMap;

use serde::Serialize;

pub use crate::analysis::advice::{Advice, AdviceKind};
pub use crate::analysis::critical::{PathPart, Slack};
pub use crate::analysis::failures::{FailedJob, Failures, LostWork};
pub use crate::analysis::family::Family;
pub use crate::analysis::fit::{Distribution, Fit, Tail};
pub use crate::analysis::iteration::Iterations;
pub use crate::analysis::meeting::SyncKind;
pub use crate::analysis::overhead::{Cost, Overheads};
pub use crate::analysis::sparklens::{LensStage, Sparklens, WhatIf};
pub use crate::analysis::split::Split;
pub use crate::analysis::straggler::{Recurrence, Straggler};
pub use crate::analysis::tables::{ExecutorRow, QueryRow, StageRow, Tables, TaskSums};
pub use crate::analysis::timeline::{Bar, Mark, Timeline};
pub use crate::chrome::{DeviceRow, Devices, GroupRow, KernelRow, LongestLaunch};
pub use crate::flight::Hang;
use syncline_trace::Outvoted;

use crate::source::Damage;
pub use calls::{Calls, EdgeRow};
pub use decoded::DecodedProducts;
pub use html::html;
pub use text::{sync_text, text};
pub(crate) use verdict::verdict;

/// Everything that a trace tells. The fields without a comment on their unit are counts; `_ms` are whole or fractional ms.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The log's path, as given.
    pub source: String,
    /// Which system wrote it: `spark`, `syncline`, `kineto`.
    pub system: String,
    /// The system's version, empty if unknown.
    pub version: String,
    /// The application's name and id.
    pub name: String,
    /// See `name`.
    pub id: String,
    /// Whether the run came to its end; otherwise it goes on, or was killed.
    pub complete: bool,
    /// What of the log could not be used.
    pub damage: Damage,
    /// What the trace leaves open and how it was read nevertheless, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to know first, in words, most important first.
    pub verdict: Vec<String>,

    /// Jobs.
    pub jobs: u64,
    /// Stages that were completed.
    pub stages: u64,
    /// Attempts at tasks that ended.
    pub tasks: u64,
    /// From the application's start to its end.
    #[serde(serialize_with = "whole_where_it_is")]
    pub wall_ms: f64,
    /// Of it, with a job open.
    #[serde(serialize_with = "whole_where_it_is")]
    pub in_jobs_ms: f64,
    /// Sum of the tasks' run times.
    #[serde(serialize_with = "whole_where_it_is")]
    pub run_ms: f64,
    /// Median from a job's end to the next one's start, cut to whole ms; negative where jobs overlap, which is no gap and
    /// not told to machines.
    #[serde(serialize_with = "unless_negative")]
    pub median_job_gap_ms: i64,
    /// Median from a stage's submission to its first launch, cut to whole ms.
    pub median_stage_launch_ms: i64,
    /// Median of what of a task's duration its own measures do not explain, cut to whole ms.
    pub median_scheduler_delay_ms: i64,
    /// Stages of a treeAggregate.
    pub tree_aggregate_stages: u64,
    /// Stages in barrier mode.
    pub barrier_stages: u64,
    /// Bytes written for shuffles.
    pub shuffle_written_bytes: i64,
    /// Bytes read from other executors.
    pub remote_read_bytes: i64,
    /// Bytes spilled, in memory and on disk.
    pub spilled_bytes: i64,
    /// Stages that were planned and not run, because their output was there.
    pub skipped_stages: u64,
    /// Further attempts at stages.
    pub retried_stages: u64,
    /// Stages that failed.
    pub failed_stages: u64,
    /// Jobs that failed.
    pub failed_jobs: u64,
    /// Attempts at tasks that failed or were killed.
    pub failed_tasks: u64,
    /// Of them, killed.
    pub killed_tasks: u64,
    /// Executors that went although nobody had asked them to.
    pub lost_executors: u64,
    /// Slot time of attempts that did not count.
    pub lost_task_ms: i64,
    /// What they cost, and why they did not count.
    pub failures: Failures,
    /// Jobs, stages and attempts at tasks that were open when a log without an end ended.
    pub unfinished_jobs: u64,
    /// See `unfinished_jobs`.
    pub unfinished_stages: u64,
    /// See `unfinished_jobs`.
    pub unfinished_tasks: u64,
    /// Tasks of completed stages whose ends are not in the log: Spark's listener lost events.
    pub missing_task_ends: u64,
    /// Speculative attempts.
    pub speculative_tasks: u64,
    /// Executors over the whole run, or workers.
    pub executors: u64,
    /// The most task slots that there were at one time.
    pub cores: u64,

    /// Where the wall time went; adds up to 1. Every instant is divided among the slots that exist then.
    pub shares: BTreeMap<String, f64>,
    /// Patterns that repeat.
    pub iterations: Vec<Iterations>,
    /// Synchronisation points, most expensive first.
    pub sync_points: Vec<SyncPoint>,
    /// What would help, with the evidence and the settings that govern it, what costs most first; only for Spark.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<Advice>,
    /// Who is late.
    pub stragglers: Vec<Straggler>,
    /// The critical path by stage and phase, longest first.
    pub critical_path: Vec<PathPart>,
    /// How late each stage could be.
    pub slack: Vec<Slack>,
    /// Task times by stage, most time first.
    pub distributions: Vec<Distribution>,
    /// What running costs beyond the work.
    pub overheads: Overheads,
    /// Sparklens' figures; only for Spark, and only where they mean something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparklens: Option<Sparklens>,
    /// Why Sparklens' figures mean nothing for this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparklens_nonsense: Option<String>,
    /// What else used the machine, if the run recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// What was decoded, where workers held coded blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded: Option<DecodedProducts>,
    /// Who gave other gradients than most of its group, where groups vote on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outvoted: Vec<Outvoted>,
    /// Nodes' clock offsets, if the trace states them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ClockNote>,
    /// What ranks' devices did and why they idled; only for traces of profilers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Devices>,
    /// What passed between nodes, if the run counted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// Stages, executors and SQL queries row by row; only for Spark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<Tables>,
    /// Groups of ranks that hang, by flight recorder dumps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hangs: Vec<Hang>,
    /// For the page only.
    #[serde(skip)]
    pub timeline: Timeline,
}

impl Report {
    /// Whether only the calls of the run are known, and nothing of what its nodes did between them.
    pub(crate) fn is_of_calls(&self) -> bool {
        self.calls.is_some() && self.critical_path.is_empty()
    }
}

/// A time as a whole number where it is one: Spark counts whole ms, and profilers ns. For serde's `serialize_with`.
///
/// # Errors
/// The serialiser's.
pub fn whole_where_it_is<S: serde::Serializer>(ms: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match *ms {
        ms if ms.fract() == 0.0 && ms.abs() < 1e15 => serializer.serialize_i64(ms as i64),
        ms => serializer.serialize_f64(ms),
    }
}

/// A time that is only one if it is not negative; else `null`.
fn unless_negative<S: serde::Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    Some(*ms).filter(|&ms| ms >= 0).serialize(serializer)
}

/// The synchronisation points at one place, over all iterations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SyncPoint {
    /// What it is.
    pub kind: SyncKind,
    /// The stage's name, or what else names the place.
    pub place: String,
    /// The level of an aggregation tree, from 1 at the leaves; 0 elsewhere.
    pub level: u32,
    /// How often.
    pub count: u64,
    /// How often in one iteration; 0 if it is in none.
    pub per_iteration: f64,
    /// Most that took part.
    pub participants: u64,
    /// `sum(last - own finish)` over all.
    pub idle_core_s: f64,
    /// Its share of all core time of the run.
    pub share: f64,
    /// Idle core-seconds by cause; adds up to `idle_core_s`.
    pub split: Split,
}

/// What else used the machine while the run went on, as shares of all its cores' time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Other processes.
    pub others_share: f64,
    /// Other virtual machines.
    pub stolen_share: f64,
}

/// How far a node's clock was from the run's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClockNote {
    /// The node.
    pub node: String,
    /// Its clock minus the run's, already corrected in the spans.
    pub offset_ms: f64,
    /// At most this far from the truth.
    pub error_ms: f64,
}
