//! The JSON of the events, field by field as Spark names them. Everything that some version or some failure leaves out
//! is optional.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::event::{self, Allocation, Ending, Event, Metrics, Properties, StageInfo, StageKey, TaskKind};
use super::property::Property;
use super::{raw_sql, setting};

/// A size, a count or a time in ns as a log may say it. Beyond this bound it is damage; cut to it, sums of many cannot overflow.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(from = "i64")]
struct Amount(i64);

impl From<i64> for Amount {
    fn from(amount: i64) -> Self {
        Self(amount.clamp(0, 1 << 50))
    }
}

/// A time in ms: since 1970, or a duration. Bounded by the year 2109.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(from = "i64")]
struct Millis(i64);

impl From<i64> for Millis {
    fn from(ms: i64) -> Self {
        Self(ms.clamp(0, 1 << 42))
    }
}

/// How much of a message is kept.
const MESSAGE: usize = 160;

/// The first line of a message, as long as a report bears it: stack traces have thousands.
fn short(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(MESSAGE).collect()
}

/// A text that is borrowed from the line where it has no escapes.
pub(super) type Text<'a> = Cow<'a, str>;

#[derive(Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow, rename = "Event")]
    pub event: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Other {}

impl From<Other> for Event {
    fn from(Other {}: Other) -> Self {
        Self::Other
    }
}

#[derive(Deserialize)]
pub(super) struct LogStart<'a> {
    #[serde(borrow, rename = "Spark Version")]
    version: Text<'a>,
}

impl From<LogStart<'_>> for Event {
    fn from(raw: LogStart<'_>) -> Self {
        Self::LogStart { version: raw.version.into_owned() }
    }
}

#[derive(Deserialize)]
pub(super) struct ApplicationStart<'a> {
    #[serde(borrow, rename = "App Name", default)]
    name: Text<'a>,
    #[serde(borrow, rename = "App ID", default)]
    id: Option<Text<'a>>,
    #[serde(rename = "Timestamp")]
    at: Millis,
}

impl From<ApplicationStart<'_>> for Event {
    fn from(raw: ApplicationStart<'_>) -> Self {
        let id = raw.id.unwrap_or_default().into_owned();
        Self::ApplicationStart { name: raw.name.into_owned(), id, at: raw.at.0 }
    }
}

#[derive(Deserialize)]
pub(super) struct ApplicationEnd {
    #[serde(rename = "Timestamp")]
    at: Millis,
}

impl From<ApplicationEnd> for Event {
    fn from(raw: ApplicationEnd) -> Self {
        Self::ApplicationEnd { at: raw.at.0 }
    }
}

#[derive(Deserialize)]
pub(super) struct Environment<'a> {
    #[serde(borrow, default, rename = "Spark Properties")]
    properties: Settings<'a>,
}

#[derive(Default, Deserialize)]
struct Settings<'a> {
    #[serde(borrow, default, rename = "spark.master")]
    master: Property<'a>,
    #[serde(borrow, default, rename = "spark.task.cpus")]
    task_cpus: Property<'a>,
    #[serde(borrow, default, rename = "spark.speculation")]
    speculation: Property<'a>,
    #[serde(borrow, default, rename = "spark.executor.memory")]
    executor_memory: Property<'a>,
    #[serde(borrow, default, rename = "spark.driver.memory")]
    driver_memory: Property<'a>,
    #[serde(borrow, default, rename = "spark.memory.fraction")]
    memory_fraction: Property<'a>,
    #[serde(borrow, default, rename = "spark.dynamicAllocation.enabled")]
    is_dynamic: Property<'a>,
    #[serde(borrow, default, rename = "spark.dynamicAllocation.minExecutors")]
    fewest: Property<'a>,
    #[serde(borrow, default, rename = "spark.dynamicAllocation.maxExecutors")]
    most: Property<'a>,
    #[serde(borrow, default, rename = "spark.dynamicAllocation.executorIdleTimeout")]
    idle: Property<'a>,
    #[serde(borrow, default, rename = "spark.dynamicAllocation.schedulerBacklogTimeout")]
    backlog: Property<'a>,
    #[serde(flatten)]
    others: BTreeMap<Text<'a>, Property<'a>>,
}

impl From<Environment<'_>> for Event {
    fn from(raw: Environment<'_>) -> Self {
        let settings = raw.properties;
        let allocation = settings.allocation();
        let is_local = settings.master.text().is_some_and(is_local);
        let memory = if is_local { &settings.driver_memory } else { &settings.executor_memory };
        Self::Environment(Properties {
            task_cpus: settings.task_cpus.text().and_then(|cpus| cpus.parse().ok()),
            speculation: settings.speculation.into_text().map(Cow::into_owned),
            memory: memory.text().and_then(setting::bytes),
            memory_fraction: settings.memory_fraction.text().and_then(|text| text.parse().ok()),
            allocation,
            settings: raw_sql::told(settings.others),
            master: settings.master.into_text().map(Cow::into_owned),
        })
    }
}

/// Whether tasks run beside the driver, in its JVM.
fn is_local(master: &str) -> bool {
    master == "local" || master.starts_with("local[")
}

impl Settings<'_> {
    /// Dynamic allocation, where it is on.
    fn allocation(&self) -> Option<Allocation> {
        self.is_dynamic.text().filter(|text| *text == "true")?;
        let usual = Allocation::default();
        let seconds = |value: &Property<'_>| value.text().and_then(setting::seconds);
        Some(Allocation {
            fewest: self.fewest.text().and_then(|text| text.parse().ok()).unwrap_or(usual.fewest),
            most: self.most.text().and_then(|text| text.parse().ok()),
            idle_s: seconds(&self.idle).unwrap_or(usual.idle_s),
            backlog_s: seconds(&self.backlog).unwrap_or(usual.backlog_s),
        })
    }
}

#[derive(Deserialize)]
pub(super) struct ExecutorAdded<'a> {
    #[serde(rename = "Timestamp")]
    at: Millis,
    #[serde(borrow, rename = "Executor ID")]
    executor: Text<'a>,
    #[serde(borrow, rename = "Executor Info")]
    info: ExecutorInfo<'a>,
}

#[derive(Deserialize)]
struct ExecutorInfo<'a> {
    #[serde(borrow, rename = "Host", default)]
    host: Text<'a>,
    #[serde(rename = "Total Cores")]
    cores: u32,
}

impl From<ExecutorAdded<'_>> for Event {
    fn from(raw: ExecutorAdded<'_>) -> Self {
        let (executor, host) = (raw.executor.into_owned(), raw.info.host.into_owned());
        Self::ExecutorAdded { executor, host, cores: raw.info.cores, at: raw.at.0 }
    }
}

#[derive(Deserialize)]
pub(super) struct ExecutorRemoved<'a> {
    #[serde(rename = "Timestamp")]
    at: Millis,
    #[serde(borrow, rename = "Executor ID")]
    executor: Text<'a>,
    #[serde(borrow, rename = "Removed Reason", default)]
    reason: Option<Text<'a>>,
}

impl From<ExecutorRemoved<'_>> for Event {
    fn from(raw: ExecutorRemoved<'_>) -> Self {
        let reason = short(&raw.reason.unwrap_or_default());
        Self::ExecutorRemoved { executor: raw.executor.into_owned(), at: raw.at.0, reason }
    }
}

#[derive(Deserialize)]
pub(super) struct JobStart<'a> {
    #[serde(rename = "Job ID")]
    job: i64,
    #[serde(rename = "Submission Time")]
    at: Millis,
    #[serde(rename = "Stage IDs", default)]
    stage_ids: Vec<i64>,
    #[serde(borrow, rename = "Properties", default)]
    properties: Option<JobProperties<'a>>,
}

#[derive(Default, Deserialize)]
struct JobProperties<'a> {
    #[serde(borrow, default, rename = "spark.sql.execution.id")]
    sql_execution: Property<'a>,
}

impl From<JobStart<'_>> for Event {
    fn from(raw: JobStart<'_>) -> Self {
        let properties = raw.properties.unwrap_or_default();
        Self::JobStart(Box::new(event::JobStart {
            job: raw.job,
            at: raw.at.0,
            stage_ids: raw.stage_ids,
            sql_execution: properties.sql_execution.text().and_then(|id| id.parse().ok()),
        }))
    }
}

#[derive(Deserialize)]
pub(super) struct JobEnd<'a> {
    #[serde(rename = "Job ID")]
    job: i64,
    #[serde(rename = "Completion Time")]
    at: Millis,
    #[serde(borrow, rename = "Job Result")]
    result: JobResult<'a>,
}

#[derive(Deserialize)]
struct JobResult<'a> {
    #[serde(borrow, rename = "Result")]
    result: Text<'a>,
    #[serde(borrow, rename = "Exception", default)]
    exception: Option<JobException<'a>>,
}

#[derive(Deserialize)]
struct JobException<'a> {
    #[serde(borrow, rename = "Message", default)]
    message: Option<Text<'a>>,
}

impl From<JobEnd<'_>> for Event {
    fn from(raw: JobEnd<'_>) -> Self {
        let JobResult { result, exception } = raw.result;
        let message = exception.and_then(|exception| exception.message).unwrap_or_default();
        let failure = (result != "JobSucceeded").then(|| short(&message));
        Self::JobEnd { job: raw.job, at: raw.at.0, failure }
    }
}

#[derive(Deserialize)]
pub(super) struct StageEvent<'a> {
    #[serde(borrow, rename = "Stage Info")]
    pub info: Stage<'a>,
}

#[derive(Deserialize)]
pub(super) struct Stage<'a> {
    #[serde(rename = "Stage ID")]
    id: i64,
    #[serde(rename = "Stage Attempt ID", default)]
    attempt: i64,
    #[serde(borrow, rename = "Stage Name", default)]
    name: Text<'a>,
    #[serde(rename = "Number of Tasks", default)]
    tasks: u32,
    #[serde(rename = "Parent IDs", default)]
    parents: Vec<i64>,
    #[serde(rename = "Submission Time")]
    submitted: Option<Millis>,
    #[serde(rename = "Completion Time")]
    completed: Option<Millis>,
    #[serde(borrow, rename = "Failure Reason")]
    failure: Option<Text<'a>>,
}

impl From<Stage<'_>> for StageInfo {
    fn from(raw: Stage<'_>) -> Self {
        Self {
            key: StageKey { id: raw.id, attempt: raw.attempt },
            name: raw.name.into_owned(),
            tasks: raw.tasks,
            parents: raw.parents,
            is_barrier: false,
            scan_ms: 0,
            submitted: raw.submitted.map(|at| at.0),
            completed: raw.completed.map(|at| at.0),
            failure: raw.failure.map(|why| short(&why)),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct TaskStart<'a> {
    #[serde(rename = "Stage ID")]
    stage: i64,
    #[serde(rename = "Stage Attempt ID", default)]
    attempt: i64,
    #[serde(borrow, rename = "Task Info")]
    info: Launch<'a>,
}

#[derive(Deserialize)]
struct Launch<'a> {
    #[serde(rename = "Task ID", default = "nobody")]
    task: i64,
    #[serde(borrow, rename = "Executor ID", default)]
    executor: Text<'a>,
    #[serde(rename = "Launch Time")]
    at: Millis,
}

/// The id of a task that was not given one.
fn nobody() -> i64 {
    -1
}

impl From<TaskStart<'_>> for Event {
    fn from(raw: TaskStart<'_>) -> Self {
        Self::TaskStart {
            stage: StageKey { id: raw.stage, attempt: raw.attempt },
            task: raw.info.task,
            executor: raw.info.executor.into_owned(),
            at: raw.info.at.0,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct TaskEnd<'a> {
    #[serde(rename = "Stage ID")]
    stage: i64,
    #[serde(rename = "Stage Attempt ID", default)]
    attempt: i64,
    #[serde(borrow, rename = "Task Type", default)]
    kind: Text<'a>,
    #[serde(borrow, rename = "Task End Reason")]
    reason: Option<Reason<'a>>,
    #[serde(borrow, rename = "Task Info")]
    info: TaskInfo<'a>,
    #[serde(rename = "Task Metrics")]
    metrics: Option<TaskMetrics>,
}

#[derive(Deserialize)]
struct Reason<'a> {
    #[serde(borrow, rename = "Reason", default)]
    reason: Text<'a>,
    /// Of an exception.
    #[serde(borrow, rename = "Class Name", default)]
    class: Option<Text<'a>>,
    /// Of a kill.
    #[serde(borrow, rename = "Kill Reason", default)]
    kill: Option<Text<'a>>,
}

impl Reason<'_> {
    fn ending(&self) -> Ending {
        match self.reason.as_ref() {
            "Success" => Ending::Succeeded,
            "Resubmitted" => Ending::Resubmitted,
            "TaskKilled" | "TaskCommitDenied" => Ending::Killed,
            _ => Ending::Failed,
        }
    }

    /// The exception's class, or what was given as reason.
    fn describe(&self) -> Box<str> {
        let exception = self.class.as_deref().filter(|class| !class.is_empty());
        let kill = self.kill.as_deref().filter(|kill| !kill.is_empty());
        short(exception.or(kill).unwrap_or(&self.reason)).into()
    }
}

#[derive(Deserialize)]
struct TaskInfo<'a> {
    #[serde(rename = "Task ID")]
    task: i64,
    #[serde(rename = "Index", default)]
    index: i64,
    #[serde(rename = "Launch Time")]
    launched: Millis,
    #[serde(rename = "Finish Time")]
    finished: Millis,
    #[serde(rename = "Getting Result Time", default)]
    getting_result: Millis,
    #[serde(borrow, rename = "Executor ID", default)]
    executor: Text<'a>,
    #[serde(rename = "Speculative", default)]
    speculative: bool,
    #[serde(rename = "Failed", default)]
    failed: bool,
    #[serde(rename = "Killed", default)]
    killed: bool,
}

#[derive(Deserialize)]
struct TaskMetrics {
    #[serde(rename = "Executor Deserialize Time", default)]
    deserialise: Millis,
    #[serde(rename = "Executor Deserialize CPU Time", default)]
    deserialise_cpu_ns: Amount,
    #[serde(rename = "Executor Run Time", default)]
    run: Millis,
    #[serde(rename = "Executor CPU Time", default)]
    cpu_ns: Amount,
    #[serde(rename = "Result Serialization Time", default)]
    serialise: Millis,
    #[serde(rename = "JVM GC Time", default)]
    gc: Millis,
    #[serde(rename = "Peak Execution Memory", default)]
    peak_memory: Amount,
    #[serde(rename = "Memory Bytes Spilled", default)]
    memory_spilled: Amount,
    #[serde(rename = "Disk Bytes Spilled", default)]
    disk_spilled: Amount,
    #[serde(rename = "Shuffle Read Metrics", default)]
    read: Option<ShuffleRead>,
    #[serde(rename = "Shuffle Write Metrics", default)]
    write: Option<ShuffleWrite>,
    #[serde(rename = "Input Metrics", default)]
    input: Option<Input>,
    #[serde(rename = "Output Metrics", default)]
    output: Option<Output>,
}

#[derive(Default, Deserialize)]
struct ShuffleRead {
    #[serde(rename = "Fetch Wait Time", default)]
    wait: Millis,
    #[serde(rename = "Remote Bytes Read", default)]
    remote: Amount,
    #[serde(rename = "Local Bytes Read", default)]
    local: Amount,
    #[serde(rename = "Total Records Read", default)]
    records: Amount,
}

#[derive(Default, Deserialize)]
struct ShuffleWrite {
    #[serde(rename = "Shuffle Bytes Written", default)]
    bytes: Amount,
    #[serde(rename = "Shuffle Write Time", default)]
    time_ns: Amount,
    #[serde(rename = "Shuffle Records Written", default)]
    records: Amount,
}

#[derive(Default, Deserialize)]
struct Input {
    #[serde(rename = "Bytes Read", default)]
    bytes: Amount,
    #[serde(rename = "Records Read", default)]
    records: Amount,
}

#[derive(Default, Deserialize)]
struct Output {
    #[serde(rename = "Bytes Written", default)]
    bytes: Amount,
    #[serde(rename = "Records Written", default)]
    records: Amount,
}

impl From<TaskMetrics> for Metrics {
    fn from(raw: TaskMetrics) -> Self {
        let read = raw.read.unwrap_or_default();
        let write = raw.write.unwrap_or_default();
        let input = raw.input.unwrap_or_default();
        let output = raw.output.unwrap_or_default();
        Self {
            deserialise: raw.deserialise.0,
            deserialise_cpu_ns: raw.deserialise_cpu_ns.0,
            run: raw.run.0,
            cpu_ns: raw.cpu_ns.0,
            serialise: raw.serialise.0,
            gc: raw.gc.0,
            fetch_wait: read.wait.0,
            shuffle_write_ns: write.time_ns.0,
            remote_read: read.remote.0,
            local_read: read.local.0,
            records_read: read.records.0,
            shuffle_written: write.bytes.0,
            shuffle_records_written: write.records.0,
            input_bytes: input.bytes.0,
            input_records: input.records.0,
            output_bytes: output.bytes.0,
            output_records: output.records.0,
            spilled: raw.memory_spilled.0.saturating_add(raw.disk_spilled.0),
            memory_spilled: raw.memory_spilled.0,
            peak_memory: raw.peak_memory.0,
        }
    }
}

impl From<TaskEnd<'_>> for Event {
    fn from(raw: TaskEnd<'_>) -> Self {
        let by_reason = raw.reason.as_ref().map_or(Ending::Succeeded, Reason::ending);
        let ending = match by_reason {
            Ending::Succeeded if raw.info.killed => Ending::Killed,
            Ending::Succeeded if raw.info.failed => Ending::Failed,
            ending => ending,
        };
        let why = (ending != Ending::Succeeded).then(|| raw.reason.map(|reason| reason.describe()));
        Self::TaskEnd(event::TaskEnd {
            stage: StageKey { id: raw.stage, attempt: raw.attempt },
            kind: if raw.kind == "ResultTask" { TaskKind::Result } else { TaskKind::ShuffleMap },
            task: raw.info.task,
            index: raw.info.index,
            executor: raw.info.executor.into_owned(),
            launched: raw.info.launched.0,
            finished: raw.info.finished.0,
            getting_result: raw.info.getting_result.0,
            speculative: raw.info.speculative,
            ending,
            why: why.map(Option::unwrap_or_default),
            metrics: raw.metrics.map(Into::into),
        })
    }
}
