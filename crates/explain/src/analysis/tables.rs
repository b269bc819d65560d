//! Stages, executors and SQL queries row by row, with the figures that Spark's own pages give them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::spark::{Application, Job, Stage, Task, Window};

/// Sums over tasks, whatever they belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TaskSums {
    /// Attempts at tasks that ended.
    pub tasks: u64,
    /// Of them, failed or killed.
    pub failed_tasks: u64,
    /// From launch to finish, in ms.
    pub task_ms: i64,
    /// Collecting garbage, in ms.
    pub gc_ms: i64,
    /// Read from storage.
    pub input_bytes: i64,
    /// Written to storage.
    pub output_bytes: i64,
    /// Read of other tasks' output.
    pub shuffle_read_bytes: i64,
    /// Written for other tasks.
    pub shuffle_write_bytes: i64,
    /// Spilled from memory and to disk.
    pub spilled_bytes: i64,
}

/// One attempt at a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageRow {
    /// Its number.
    pub stage: i64,
    /// Which attempt, from 0.
    pub attempt: i64,
    /// The operation and its place in the program.
    pub name: String,
    /// The SQL query that it ran for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<i64>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When it was submitted, in ms of the run.
    pub from_ms: i64,
    /// From its submission to its completion, or to its last task's end.
    pub ms: i64,
    /// What its tasks did.
    #[serde(flatten)]
    pub sums: TaskSums,
}

/// One executor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExecutorRow {
    /// Its id.
    pub executor: String,
    /// Its machine.
    pub host: String,
    /// Its cores.
    pub cores: u32,
    /// When it came, in ms of the run.
    pub from_ms: i64,
    /// When it went, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<i64>,
    /// What its tasks did.
    #[serde(flatten)]
    pub sums: TaskSums,
}

/// One SQL query.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QueryRow {
    /// Its number.
    pub query: i64,
    /// What the program called it, or the line that ran it.
    pub description: String,
    /// When its first job was submitted, in ms of the run.
    pub from_ms: i64,
    /// From then to its last job's end.
    pub ms: i64,
    /// Its jobs.
    pub jobs: u64,
    /// Of them, failed.
    pub failed_jobs: u64,
    /// Stages that ran for it.
    pub stages: u64,
    /// What its tasks did.
    #[serde(flatten)]
    pub sums: TaskSums,
}

/// The tables of a log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tables {
    /// Stages in order of submission; where there are very many, those with most task time.
    pub stages: Vec<StageRow>,
    /// Stages that are in no row.
    pub other_stages: u64,
    /// Executors in order of arrival.
    pub executors: Vec<ExecutorRow>,
    /// SQL queries in order; where there are very many, those with most task time.
    pub queries: Vec<QueryRow>,
    /// SQL queries that are in no row.
    pub other_queries: u64,
}

/// Rows of stages and queries that are kept, so that memory does not follow the log.
const KEPT: usize = 2000;

/// Collects the tables window by window.
#[derive(Debug, Default)]
pub(crate) struct TableSums {
    stages: Vec<StageRow>,
    other_stages: u64,
    executors: BTreeMap<u32, TaskSums>,
    queries: BTreeMap<i64, QueryRow>,
    /// Queries whose rows were given up: a job that one of them still runs does not bring it back.
    given_up: BTreeSet<i64>,
}

impl TableSums {
    /// Takes the next window.
    pub fn take(&mut self, application: &Application, window: &Window) {
        let origin = application.start();
        for job in &window.jobs {
            self.job(job, origin, application);
        }
        for stage in &window.stages {
            let query = stage.job.and_then(|at| window.jobs.get(at)).and_then(|job| job.sql_execution);
            self.stage(stage, query, origin);
        }
        if self.queries.len() >= 2 * KEPT {
            self.thin_queries();
        }
    }

    fn job(&mut self, job: &Job, origin: i64, application: &Application) {
        let Some(query) = job.sql_execution else { return };
        if self.given_up.contains(&query) {
            return;
        }
        let from = job.started - origin;
        let row = self.queries.entry(query).or_insert_with(|| QueryRow {
            query,
            description: application.queries.get(&query).cloned().unwrap_or_default(),
            from_ms: from,
            ..QueryRow::default()
        });
        let to = (row.from_ms + row.ms).max(job.ended.unwrap_or(application.end()) - origin);
        row.from_ms = row.from_ms.min(from);
        row.ms = to - row.from_ms;
        row.jobs += 1;
        row.failed_jobs += u64::from(job.ended.is_some() && !job.succeeded);
    }

    fn stage(&mut self, stage: &Stage, query: Option<i64>, origin: i64) {
        let mut sums = TaskSums::default();
        for task in &stage.tasks {
            sums.add(task);
            self.executors.entry(task.executor).or_default().add(task);
        }
        if let Some(row) = query.and_then(|query| self.queries.get_mut(&query)) {
            row.stages += 1;
            row.sums.join(&sums);
        }
        let end = stage.completed.or(stage.last_finish()).unwrap_or(stage.submitted);
        self.stages.push(StageRow {
            stage: stage.key.id,
            attempt: stage.key.attempt,
            name: stage.name.clone(),
            query,
            failure: stage.failure.as_deref().map(first_line),
            from_ms: stage.submitted - origin,
            ms: (end - stage.submitted).max(0),
            sums,
        });
        if self.stages.len() >= 2 * KEPT {
            self.thin();
        }
    }

    /// Keeps the stages with most task time.
    fn thin(&mut self) {
        self.stages.sort_by_key(|row| std::cmp::Reverse(row.sums.task_ms));
        self.other_stages += self.stages.len().saturating_sub(KEPT) as u64;
        self.stages.truncate(KEPT);
    }

    /// Keeps the queries with most task time.
    fn thin_queries(&mut self) {
        let mut order: Vec<(i64, i64)> =
            self.queries.values().map(|row| (row.sums.task_ms, row.query)).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        for (_, query) in order.into_iter().skip(KEPT) {
            self.queries.remove(&query);
            self.given_up.insert(query);
        }
    }

    /// The tables of the whole log.
    pub fn finish(mut self, application: &Application) -> Tables {
        if self.queries.len() > KEPT {
            self.thin_queries();
        }
        if self.stages.len() > KEPT {
            self.thin();
        }
        self.stages.sort_by_key(|row| (row.from_ms, row.stage, row.attempt));
        let origin = application.start();
        let executors = (0..).zip(&application.executors).map(|(at, executor)| ExecutorRow {
            executor: executor.id.clone(),
            host: executor.host.clone(),
            cores: executor.cores,
            from_ms: executor.added - origin,
            to_ms: executor.removed.map(|removed| removed - origin),
            sums: self.executors.get(&at).copied().unwrap_or_default(),
        });
        Tables {
            stages: self.stages,
            other_stages: self.other_stages,
            executors: executors.collect(),
            queries: self.queries.into_values().collect(),
            other_queries: self.given_up.len() as u64,
        }
    }
}

impl TaskSums {
    fn add(&mut self, task: &Task) {
        let metrics = task.metrics.unwrap_or_default();
        self.tasks += 1;
        self.failed_tasks += u64::from(!task.succeeded);
        self.task_ms += task.duration();
        self.gc_ms += metrics.gc;
        self.input_bytes = self.input_bytes.saturating_add(metrics.input_bytes);
        self.output_bytes = self.output_bytes.saturating_add(metrics.output_bytes);
        self.shuffle_read_bytes =
            self.shuffle_read_bytes.saturating_add(metrics.remote_read.saturating_add(metrics.local_read));
        self.shuffle_write_bytes = self.shuffle_write_bytes.saturating_add(metrics.shuffle_written);
        self.spilled_bytes = self.spilled_bytes.saturating_add(metrics.spilled);
    }

    fn join(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.failed_tasks += other.failed_tasks;
        self.task_ms += other.task_ms;
        self.gc_ms += other.gc_ms;
        self.input_bytes = self.input_bytes.saturating_add(other.input_bytes);
        self.output_bytes = self.output_bytes.saturating_add(other.output_bytes);
        self.shuffle_read_bytes = self.shuffle_read_bytes.saturating_add(other.shuffle_read_bytes);
        self.shuffle_write_bytes = self.shuffle_write_bytes.saturating_add(other.shuffle_write_bytes);
        self.spilled_bytes = self.spilled_bytes.saturating_add(other.spilled_bytes);
    }
}

/// A reason without its stack trace.
fn first_line(reason: &str) -> String {
    reason.lines().next().unwrap_or("").chars().take(300).collect()
}
