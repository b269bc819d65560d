//! What a Spark log tells, put together. Times are ms since 1970.

use std::collections::BTreeMap;

use super::event::{Metrics, Properties, StageKey, TaskKind};

/// The application and its executors.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its id; empty if the log does not tell.
    pub id: String,
    /// Spark's version.
    pub version: String,
    /// Settings that change how the log is to be understood.
    pub properties: Properties,
    /// When it began, by its own word.
    pub started: Option<i64>,
    /// When it ended, by its own word.
    pub ended: Option<i64>,
    /// The earliest time that any event names.
    pub first: Option<i64>,
    /// The latest time that any event names.
    pub last: Option<i64>,
    /// Its executors, in order of arrival.
    pub executors: Vec<Executor>,
    /// What SQL queries are called, by their numbers; of very many the first.
    pub queries: BTreeMap<i64, String>,
}

/// Queries whose descriptions are kept.
const QUERIES: usize = 2000;

impl Application {
    /// When it began: its own word, or the first event's.
    pub fn start(&self) -> i64 {
        self.started.or(self.first).unwrap_or(0)
    }

    /// When it ended: its own word, or the last event's if it was killed or goes on.
    pub fn end(&self) -> i64 {
        self.ended.or(self.last).unwrap_or(0).max(self.start())
    }

    /// Notes what a query is called.
    pub(super) fn describe(&mut self, query: i64, description: String) {
        if self.queries.len() < QUERIES {
            self.queries.insert(query, description);
        }
    }

    /// Notes that something happened at `at`.
    pub(super) fn saw(&mut self, at: i64) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    /// How many tasks an executor can run at once.
    pub fn slots(&self, executor: &Executor) -> u32 {
        (executor.cores / self.properties.task_cpus.unwrap_or(1).max(1)).max(1)
    }
}

/// A process that runs tasks.
#[derive(Clone, Debug)]
pub struct Executor {
    /// Its id; `driver` where tasks run beside the driver.
    pub id: String,
    /// Its machine; empty if it was never added, as in a log that was cut.
    pub host: String,
    /// How many cores it may use.
    pub cores: u32,
    /// When it came.
    pub added: i64,
    /// When it went.
    pub removed: Option<i64>,
}

/// An action of the program.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: i64,
    /// When it was submitted.
    pub started: i64,
    /// When it ended; `None` if it was open at the end of the log.
    pub ended: Option<i64>,
    /// Whether it did.
    pub succeeded: bool,
    /// The SQL query that it ran for.
    pub sql_execution: Option<i64>,
    /// The stages that it may need, in order of id; what was there already is skipped.
    pub stage_ids: Vec<i64>,
}

/// One attempt at a stage.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Which stage, and which attempt at it.
    pub key: StageKey,
    /// The operation and its place in the program.
    pub name: String,
    /// The job that it ran for, by its position in the window.
    pub job: Option<usize>,
    /// How many tasks it has, without retries.
    pub planned_tasks: u32,
    /// Stages whose output it reads.
    pub parents: Vec<i64>,
    /// Whether its tasks start together or not at all.
    pub is_barrier: bool,
    /// When it could begin.
    pub submitted: i64,
    /// When it was over, as the driver notes it.
    pub completed: Option<i64>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Every attempt at a task that ended.
    pub tasks: Vec<Task>,
}

impl Stage {
    /// When its first task was launched.
    pub fn first_launch(&self) -> Option<i64> {
        self.tasks.iter().map(|task| task.launched).min()
    }

    /// When its last task finished.
    pub fn last_finish(&self) -> Option<i64> {
        self.tasks.iter().map(|task| task.finished).max()
    }

    /// Whether its output goes to the driver.
    pub fn is_result(&self) -> bool {
        self.tasks.first().is_some_and(|task| task.kind == TaskKind::Result)
    }
}

/// One finished attempt at a task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its id.
    pub id: i64,
    /// Its place in the stage.
    pub index: i64,
    /// Where its output goes.
    pub kind: TaskKind,
    /// By its position in [`Application::executors`].
    pub executor: u32,
    /// Which of the executor's cores, as far as the times tell.
    pub slot: u32,
    /// When the driver sent it out.
    pub launched: i64,
    /// When the driver noted its end.
    pub finished: i64,
    /// When the driver began to fetch a large result; 0 if it came along.
    pub getting_result: i64,
    /// Whether it is a copy.
    pub speculative: bool,
    /// Whether it did.
    pub succeeded: bool,
    /// What it measured of itself.
    pub metrics: Option<Metrics>,
}

impl Task {
    /// From launch to finish, in ms.
    pub fn duration(&self) -> i64 {
        (self.finished - self.launched).max(0)
    }

    /// What of the duration the scheduler took: what deserialising, running, serialising and fetching the result do
    /// not explain. The definition of Spark's own pages. `None` without metrics.
    pub fn scheduler_delay(&self) -> Option<i64> {
        let metrics = self.metrics.as_ref()?;
        let explained = metrics.deserialise + metrics.run + metrics.serialise + self.getting_result_time();
        Some((self.finished - self.launched - explained).max(0))
    }

    /// How long the driver fetched a result that was too large to be sent along.
    pub fn getting_result_time(&self) -> i64 {
        if self.getting_result == 0 { 0 } else { (self.finished - self.getting_result).max(0) }
    }

    /// Time in the task's own code, in ms.
    pub fn run(&self) -> i64 {
        self.metrics.map_or(0, |metrics| metrics.run)
    }

    /// Records read from wherever they came.
    pub fn records(&self) -> i64 {
        self.metrics.map_or(0, |metrics| metrics.records_read + metrics.input_records)
    }

    /// Bytes read from wherever they came.
    pub fn bytes(&self) -> i64 {
        self.metrics.map_or(0, |metrics| metrics.remote_read + metrics.local_read + metrics.input_bytes)
    }
}

/// Jobs that overlapped in time, with all that ran for them.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// In order of id.
    pub jobs: Vec<Job>,
    /// In order of submission.
    pub stages: Vec<Stage>,
}

impl Window {
    /// From the first job's start to the last job's end; an open job lasts until `now`.
    pub fn bounds(&self, now: i64) -> (i64, i64) {
        let start = self.jobs.iter().map(|job| job.started).min().unwrap_or(now);
        let end = self.jobs.iter().map(|job| job.ended.unwrap_or(now)).max().unwrap_or(now);
        (start, end.max(start))
    }

    /// Puts every task on a core of its executor: the one that became free last before its launch, which is the core
    /// whose finish made the scheduler launch it. Clocks of driver and executor differ by some ms, so a task may seem
    /// to start before any core is free; then it takes the one that is free first, and only an executor of unknown
    /// size grows.
    pub(super) fn assign_slots(&mut self, application: &Application) {
        let mut order: Vec<(usize, usize)> = Vec::new();
        for (stage, tasks) in self.stages.iter().map(|stage| stage.tasks.len()).enumerate() {
            order.extend((0..tasks).map(|task| (stage, task)));
        }
        order.sort_by_key(|&(stage, task)| {
            let task = &self.stages[stage].tasks[task];
            (task.launched, task.finished, task.id)
        });
        let mut free: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for (stage, task) in order {
            let task = &mut self.stages[stage].tasks[task];
            let executor = &application.executors[task.executor as usize];
            let most =
                if executor.host.is_empty() { usize::MAX } else { application.slots(executor) as usize };
            let slots = free.entry(task.executor).or_default();
            let slot = pick(slots, task.launched, most);
            slots[slot] = task.finished.max(task.launched);
            task.slot = slot as u32;
        }
    }
}

/// The slot for a task that is launched at `at`; `free` says when each slot becomes free, and may grow to `most`.
fn pick(free: &mut Vec<i64>, at: i64, most: usize) -> usize {
    let latest = (0..free.len()).filter(|&slot| free[slot] <= at).max_by_key(|&slot| free[slot]);
    latest.unwrap_or_else(|| {
        if free.len() < most {
            free.push(i64::MIN);
            return free.len() - 1;
        }
        (0..free.len()).min_by_key(|&slot| free[slot]).unwrap_or(0)
    })
}
