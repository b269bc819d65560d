//! What a Spark log tells, put together. Times are ms since 1970.

use std::collections::BTreeMap;

use super::event::{Ending, Metrics, Properties, StageKey, TaskKind};
use super::sql::Sql;

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
    /// Up to when windows were handed on; the run lasts at least as long, whatever a damaged log says of its end.
    pub(super) told: Option<i64>,
    /// Its executors, in order of arrival.
    pub executors: Vec<Executor>,
    /// What SQL queries are called, by their numbers; of very many the last.
    pub queries: BTreeMap<i64, String>,
    /// What the driver measured for SQL queries.
    pub sql: Sql,
}

/// Queries whose descriptions are kept: more than there are in a window.
const QUERIES: usize = 2000;

impl Application {
    /// When it began: its own word, or the first event's.
    pub fn start(&self) -> i64 {
        self.started.or(self.first).unwrap_or(0)
    }

    /// When it ended: its own word, or the last event's if it was killed or goes on.
    pub fn end(&self) -> i64 {
        self.ended.or(self.last).max(self.told).unwrap_or(0).max(self.start())
    }

    /// The most task slots that there were at one time.
    pub fn most_slots(&self) -> u64 {
        self.most(|executor| u64::from(self.slots(executor)))
    }

    /// The most cores that there were at one time.
    pub fn most_cores(&self) -> u64 {
        self.most(|executor| u64::from(executor.cores))
    }

    /// The most executors that there were at one time.
    pub fn most_executors(&self) -> u64 {
        self.most(|_| 1)
    }

    /// The largest sum of `size` over the executors that were there together; one that comes when another goes does not
    /// meet it.
    fn most(&self, size: impl Fn(&Executor) -> u64) -> u64 {
        let mut changes: Vec<(i64, i64)> = Vec::new();
        for executor in &self.executors {
            let size = size(executor).min(1 << 30) as i64;
            changes.push((executor.added, size));
            changes.extend(executor.removed.map(|removed| (removed.max(executor.added), -size)));
        }
        // At one time the negative ones come first.
        changes.sort_unstable();
        let (mut now, mut most) = (0i64, 0);
        for (_, change) in changes {
            now += change;
            most = most.max(now);
        }
        most.unsigned_abs()
    }

    /// Slot time that there was from `from` to `to`, in ms: what tasks could have used.
    pub fn slot_ms(&self, from: i64, to: i64) -> f64 {
        let there = |executor: &Executor| {
            let gone = executor.removed.unwrap_or(i64::MAX).min(to);
            (gone - executor.added.max(from)).max(0) as f64 * f64::from(self.slots(executor))
        };
        self.executors.iter().map(there).sum()
    }

    /// Notes what a query is called.
    pub(super) fn describe(&mut self, query: i64, description: String) {
        self.queries.insert(query, description);
        if self.queries.len() > QUERIES {
            self.queries.pop_first();
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
    /// Whether it was lost: it went, and nobody had asked it to.
    pub is_lost: bool,
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
    /// Why not, as far as the log says.
    pub failure: Option<String>,
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
    /// Attempts that were running when the log ended.
    pub running: Vec<Running>,
    /// Tasks whose ends should be in the log and are not, because Spark's listener lost events.
    pub missing_tasks: u32,
    /// Until when somebody needed it: its completion and the end of its jobs. `None` if that is after the log's end.
    pub needed_until: Option<i64>,
    /// Whether it was to be completed when the log ended.
    pub is_unfinished: bool,
    /// Time of its tasks in scans of files, in ms, as Spark SQL measures it.
    pub scan_ms: i64,
}

/// An attempt at a task that was running when the log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// By its position in [`Application::executors`].
    pub executor: u32,
    /// When the driver sent it out.
    pub launched: i64,
}

impl Stage {
    /// Whether somebody waited for this task's end.
    pub fn needs(&self, task: &Task) -> bool {
        self.needed_until.is_none_or(|until| task.finished <= until)
    }

    /// How long a task went on although nobody needed it any more, in ms.
    pub fn unneeded_ms(&self, task: &Task) -> i64 {
        self.needed_until.map_or(0, |until| (task.finished - until.max(task.launched)).max(0))
    }

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
    /// Whether it did, and its output was used.
    pub succeeded: bool,
    /// How it ended.
    pub ending: Ending,
    /// Why it did not succeed, as far as the log says.
    pub why: Option<Box<str>>,
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

    /// Bytes read of other tasks' output.
    pub fn shuffle_bytes(&self) -> i64 {
        self.metrics.map_or(0, |metrics| metrics.remote_read + metrics.local_read)
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
    /// Cuts all times to those of the run, which are from `from` to `to`: a last job's end may be written after the
    /// application's, and a killed task dies later still.
    pub(super) fn clip(&mut self, from: i64, to: i64) {
        let cut = |at: &mut i64| *at = (*at).clamp(from, to);
        for job in &mut self.jobs {
            cut(&mut job.started);
            job.ended.as_mut().into_iter().for_each(cut);
        }
        for stage in &mut self.stages {
            cut(&mut stage.submitted);
            stage.completed.as_mut().into_iter().for_each(cut);
            stage.needed_until.as_mut().into_iter().for_each(cut);
            stage.running.iter_mut().for_each(|task| cut(&mut task.launched));
            for task in &mut stage.tasks {
                cut(&mut task.launched);
                cut(&mut task.finished);
            }
        }
    }

    /// From the first job's start to the last job's end; an open job lasts until `now`. Tasks of which no job is known, as in
    /// a log whose start was cut, bound themselves.
    pub fn bounds(&self, now: i64) -> (i64, i64) {
        if self.jobs.is_empty() {
            let starts = self.stages.iter().map(|stage| stage.first_launch().unwrap_or(stage.submitted));
            let ends = self.stages.iter().map(|stage| stage.last_finish().unwrap_or(stage.submitted));
            let start = starts.min().unwrap_or(now);
            return (start, ends.max().unwrap_or(now).max(start));
        }
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
