//! One line of a Spark event log, reduced to what the analyses need.
//!
//! Spark 3 and 4 write one JSON object a line. Events and fields that are not named here are skipped while parsing, so a
//! newer Spark's additions cost nothing and break nothing. Times are ms since 1970, except CPU and shuffle write time (ns).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::sql::Metric;
use super::{quick, raw, raw_sql};

/// What a line tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    LogStart {
        version: String,
    },
    ApplicationStart {
        name: String,
        id: String,
        at: i64,
    },
    ApplicationEnd {
        at: i64,
    },
    Environment(Properties),
    ExecutorAdded {
        executor: String,
        host: String,
        cores: u32,
        at: i64,
    },
    ExecutorRemoved {
        executor: String,
        at: i64,
        reason: String,
    },
    JobStart(Box<JobStart>),
    QueryStart {
        query: i64,
        description: String,
        plan: Plan,
    },
    /// A query's plan was changed while it ran.
    PlanUpdate {
        query: i64,
        plan: Plan,
    },
    /// Values that the driver measured, by the numbers of their accumulators.
    DriverValues(Vec<(i64, i64)>),
    QueryEnd {
        query: i64,
    },
    JobEnd {
        job: i64,
        at: i64,
        /// Why it failed, if it did; empty if the log does not say.
        failure: Option<String>,
    },
    StageSubmitted(Box<StageInfo>),
    StageCompleted(Box<StageInfo>),
    TaskStart {
        stage: StageKey,
        task: i64,
        executor: String,
        at: i64,
    },
    TaskEnd(TaskEnd),
    /// An event that is not needed.
    Other,
}

/// A stage and which attempt at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageKey {
    /// The stage's id.
    pub id: i64,
    /// 0 for the first attempt.
    pub attempt: i64,
}

/// Settings that change how a log is to be understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// `spark.master`
    pub master: Option<String>,
    /// `spark.task.cpus`
    pub task_cpus: Option<u32>,
    /// `spark.speculation`
    pub speculation: Option<String>,
    /// Memory of a JVM that runs tasks, in bytes, if it was set: `spark.executor.memory`, or `spark.driver.memory` where
    /// tasks run beside the driver.
    pub memory: Option<u64>,
    /// `spark.memory.fraction`
    pub memory_fraction: Option<f64>,
    /// How executors come and go; `None` where their number is fixed.
    pub allocation: Option<Allocation>,
    /// Those of Spark SQL and of memory that were set, by their names.
    pub settings: BTreeMap<String, String>,
}

/// Dynamic allocation of executors, as `spark.dynamicAllocation` was set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allocation {
    /// `minExecutors`
    pub fewest: usize,
    /// `maxExecutors`; `None` without a bound.
    pub most: Option<usize>,
    /// `executorIdleTimeout`, in seconds.
    pub idle_s: f64,
    /// `schedulerBacklogTimeout`, in seconds.
    pub backlog_s: f64,
}

impl Default for Allocation {
    /// Spark's own defaults.
    fn default() -> Self {
        Self { fewest: 0, most: None, idle_s: 60.0, backlog_s: 1.0 }
    }
}

/// What is needed of a query's plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Its metrics, by the numbers of their accumulators.
    pub metrics: Vec<(i64, Metric)>,
    /// Settings that the query's session has of its own.
    pub settings: BTreeMap<String, String>,
}

/// A job as it was planned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct JobStart {
    pub job: i64,
    pub at: i64,
    pub stage_ids: Vec<i64>,
    pub sql_execution: Option<i64>,
}

/// A stage as it was planned or as it ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StageInfo {
    pub key: StageKey,
    pub name: String,
    pub tasks: u32,
    pub parents: Vec<i64>,
    pub is_barrier: bool,
    pub submitted: Option<i64>,
    pub completed: Option<i64>,
    pub failure: Option<String>,
    /// Time of its tasks in scans of files, in ms, as Spark SQL measures it.
    pub scan_ms: i64,
}

/// Whether a task's output goes to other tasks or to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// To other tasks, through a shuffle.
    ShuffleMap,
    /// To the driver.
    Result,
}

/// How an attempt at a task ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// It did what it should.
    #[default]
    Succeeded,
    /// It failed.
    Failed,
    /// It was killed, because another attempt was faster or its job was over.
    Killed,
    /// It had succeeded, and then its output was lost with its executor.
    Resubmitted,
}

/// A finished attempt at a task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskEnd {
    pub stage: StageKey,
    pub kind: TaskKind,
    pub task: i64,
    pub index: i64,
    pub executor: String,
    pub launched: i64,
    pub finished: i64,
    pub getting_result: i64,
    pub speculative: bool,
    pub ending: Ending,
    /// Why it did not succeed: `FetchFailed`, `java.lang.OutOfMemoryError`.
    pub why: Option<Box<str>>,
    pub metrics: Option<Metrics>,
}

/// What a task measured of itself: ms, bytes and records.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Until its code and closure were there, in ms.
    pub deserialise: i64,
    /// Processor time of that, in ns.
    pub deserialise_cpu_ns: i64,
    /// In its own code, in ms.
    pub run: i64,
    /// Processor time of the executor's thread in that, in ns; that of a Python worker is not in it.
    pub cpu_ns: i64,
    /// Packing the result, in ms.
    pub serialise: i64,
    /// Collecting garbage, in ms.
    pub gc: i64,
    /// Waiting for shuffled data, in ms.
    pub fetch_wait: i64,
    /// Writing shuffled data, in ns.
    pub shuffle_write_ns: i64,
    /// Shuffled bytes from other machines.
    pub remote_read: i64,
    /// Shuffled bytes from the own machine.
    pub local_read: i64,
    /// Shuffled records.
    pub records_read: i64,
    /// Bytes written for other tasks.
    pub shuffle_written: i64,
    /// Records written for other tasks.
    pub shuffle_records_written: i64,
    /// Bytes from storage.
    pub input_bytes: i64,
    /// Records from storage.
    pub input_records: i64,
    /// Bytes to storage.
    pub output_bytes: i64,
    /// Records to storage.
    pub output_records: i64,
    /// Bytes spilled from memory and to disk.
    pub spilled: i64,
    /// Of them, as large as they were in memory.
    pub memory_spilled: i64,
    /// The most memory that its sorts, joins and aggregations took, in bytes.
    pub peak_memory: i64,
}

/// Reads one line. The error says what of it is wrong.
pub(crate) fn parse(line: &[u8]) -> Result<Event, serde_json::Error> {
    let is_task_end = line.starts_with(b"{\"Event\":\"SparkListenerTaskEnd\"");
    match if is_task_end { quick::task_end(line) } else { None } {
        Some(end) => Ok(Event::TaskEnd(end)),
        None => parse_fully(line),
    }
}

/// Reads one line, looking at all of it.
pub(super) fn parse_fully(line: &[u8]) -> Result<Event, serde_json::Error> {
    match name(line)?.as_ref() {
        "SparkListenerTaskEnd" => from::<raw::TaskEnd>(line),
        "SparkListenerTaskStart" => from::<raw::TaskStart>(line),
        "SparkListenerStageSubmitted" => Ok(Event::StageSubmitted(Box::new(stage(line)?))),
        "SparkListenerStageCompleted" => Ok(Event::StageCompleted(Box::new(stage(line)?))),
        "SparkListenerJobStart" => from::<raw::JobStart>(line),
        "SparkListenerJobEnd" => from::<raw::JobEnd>(line),
        "SparkListenerExecutorAdded" => from::<raw::ExecutorAdded>(line),
        "SparkListenerExecutorRemoved" => from::<raw::ExecutorRemoved>(line),
        "SparkListenerApplicationStart" => from::<raw::ApplicationStart>(line),
        "SparkListenerApplicationEnd" => from::<raw::ApplicationEnd>(line),
        "SparkListenerEnvironmentUpdate" => from::<raw::Environment>(line),
        "SparkListenerLogStart" => from::<raw::LogStart>(line),
        name => match name.strip_prefix("org.apache.spark.sql.execution.ui.SparkListener") {
            Some(name) => query(name, line),
            None => other(line),
        },
    }
}

/// An event of Spark SQL.
fn query(name: &str, line: &[u8]) -> Result<Event, serde_json::Error> {
    match name {
        "SQLExecutionStart" => from::<raw_sql::QueryStart>(line),
        "SQLAdaptiveExecutionUpdate" => from::<raw_sql::PlanUpdate>(line),
        "DriverAccumUpdates" => from::<raw_sql::DriverValues>(line),
        "SQLExecutionEnd" => from::<raw_sql::QueryEnd>(line),
        _ => other(line),
    }
}

/// An event that is not worth parsing; but a line that was cut should be counted.
fn other(line: &[u8]) -> Result<Event, serde_json::Error> {
    if line.trim_ascii_end().ends_with(b"}") { Ok(Event::Other) } else { from::<raw::Other>(line) }
}

/// The event's name. Spark writes it first; another writer's order costs a second pass over the line.
fn name(line: &[u8]) -> Result<Cow<'_, str>, serde_json::Error> {
    let quick = line.strip_prefix(b"{\"Event\":\"").and_then(|rest| {
        let end = memchr::memchr(b'"', rest)?;
        std::str::from_utf8(&rest[..end]).ok()
    });
    match quick {
        Some(name) => Ok(Cow::Borrowed(name)),
        None => serde_json::from_slice::<raw::Named<'_>>(line).map(|named| named.event),
    }
}

fn from<'a, T: Deserialize<'a> + Into<Event>>(line: &'a [u8]) -> Result<Event, serde_json::Error> {
    serde_json::from_slice::<T>(line).map(Into::into)
}

/// A stage's event. What it tells of its data sets is long and only one word of it matters, which is looked for.
fn stage(line: &[u8]) -> Result<StageInfo, serde_json::Error> {
    let info: StageInfo = serde_json::from_slice::<raw::StageEvent<'_>>(line)?.info.into();
    let says = |words: &[u8]| memchr::memmem::find(line, words).is_some();
    let is_barrier = says(b"\"Barrier\":true") || says(b"\"Barrier\": true");
    // The list of accumulators is long, and few stages scan.
    let scan_ms =
        if says(b"\"scan time\"") { serde_json::from_slice::<raw_sql::Scans<'_>>(line)?.ms() } else { 0 };
    Ok(StageInfo { is_barrier, scan_ms, ..info })
}
