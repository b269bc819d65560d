//! Puts events together into windows.

use std::collections::{BTreeSet, HashMap, VecDeque};

use syncline_terminal::unit::plural;

use super::building::Draft;
use super::event::{Ending, Event, JobStart, Plan, StageInfo, StageKey, TaskEnd};
use super::model::{Application, Executor, Job, Running, Stage, Task, Window};
use super::totals::{FailureCounts, Totals};

/// What looks at a log's windows as they come.
pub trait Sink {
    /// Takes the jobs that overlapped, complete and with cores assigned. Windows come in order of time.
    fn window(&mut self, application: &Application, window: Window);
}

/// Follows the events of one log.
#[derive(Debug)]
pub(crate) struct Collector<S> {
    pub application: Application,
    pub totals: Totals,
    pub sink: S,
    executors: HashMap<String, u32>,
    open_jobs: BTreeSet<i64>,
    draft: Draft,
    /// Closed drafts, in order, the first of which waits for ends of tasks.
    held: VecDeque<Draft>,
    /// Whether the log was read to its end.
    is_read: bool,
    /// Whether the application's start is in the log.
    has_beginning: bool,
}

/// A window with more tasks than this is handed on although a job is open, so that a program whose jobs always overlap
/// stays in bounded memory.
const WINDOW_TASKS: usize = 1 << 20;

/// So many windows are held back for ends of tasks that may still come. What was lost never comes.
const HELD: usize = 16;

impl<S: Sink> Collector<S> {
    /// Follows a log from its start.
    pub fn new(sink: S) -> Self {
        Self {
            application: Application::default(),
            totals: Totals::default(),
            sink,
            executors: HashMap::new(),
            open_jobs: BTreeSet::new(),
            draft: Draft::default(),
            held: VecDeque::new(),
            is_read: false,
            has_beginning: false,
        }
    }

    /// Takes the next event.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::LogStart { version } => self.application.version = version,
            Event::ApplicationStart { name, id, at } => {
                self.application.saw(at);
                self.has_beginning = true;
                // Once windows were handed on, their times are counted from the start as it was known then.
                if self.application.told.is_none() && self.application.started.is_none() {
                    self.application.started = Some(at);
                }
                (self.application.name, self.application.id) = (name, id);
            }
            Event::ApplicationEnd { at } => {
                self.application.saw(at);
                self.application.ended = self.application.ended.max(Some(at));
            }
            Event::Environment(properties) => self.application.properties = properties,
            Event::ExecutorAdded { executor, host, cores, at } => {
                self.add_executor(executor, host, cores, at)
            }
            Event::ExecutorRemoved { executor, at, reason } => {
                self.remove_executor(&executor, at, &reason);
            }
            Event::JobStart(start) => self.start_job(*start),
            Event::JobEnd { job, at, failure } => self.end_job(job, at, failure),
            Event::QueryStart { query, description, plan } => {
                self.application.describe(query, description);
                self.plan(query, plan);
            }
            Event::PlanUpdate { query, plan } => self.plan(query, plan),
            Event::DriverValues(values) => self.application.sql.values(&values),
            Event::QueryEnd { query } => self.application.sql.end(query),
            Event::StageSubmitted(info) => {
                info.submitted.into_iter().for_each(|at| self.application.saw(at));
                self.draft_of(info.key).stage(info.key).submit(&info);
            }
            Event::StageCompleted(info) => self.complete_stage(&info),
            Event::TaskStart { stage, task, executor, at } => {
                self.application.saw(at);
                let executor = self.executor(&executor, at);
                self.draft_of(stage).stage(stage).start(task, Running { executor, launched: at });
            }
            Event::TaskEnd(end) => self.end_task(end),
            Event::Other => {}
        }
    }

    /// Hands on what is open at the end of the log.
    pub fn finish(&mut self) {
        self.is_read = true;
        self.close_window();
        self.hand_on(0);
        self.totals.unfinished_jobs =
            if self.application.ended.is_none() { self.open_jobs.len() as u64 } else { 0 };
        self.totals.jobs_without_end = self.open_jobs.len() as u64 - self.totals.unfinished_jobs;
    }

    /// What of the run did not end well.
    pub fn failures(&self) -> FailureCounts {
        let lost = self.application.executors.iter().filter(|executor| executor.is_lost).count();
        self.totals.failures(lost as u64)
    }

    /// What should be in the log and is not: Spark's listener drops events when its queue is full.
    pub fn lost_events(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.has_beginning {
            notes.push(
                "the application's start is not in the log: it was cut, or earlier files of it are missing, and what ran before \
                 its first event is not known"
                    .to_owned(),
            );
        }
        let Totals { missing_task_ends, missing, jobs_without_end, .. } = &self.totals;
        if *missing_task_ends > 0 {
            notes.push(format!(
                "events were lost: {} of completed stages without an end in the log ({})",
                plural(*missing_task_ends, "task"),
                missing.join("; ")
            ));
        }
        if *jobs_without_end > 0 {
            notes.push(format!(
                "events were lost: {} without an end in the log although the application ended",
                plural(*jobs_without_end, "job")
            ));
        }
        notes
    }

    /// Learns of a query's plan. What a session sets for itself counts as the application's: sessions with settings of their own are
    /// rare, and what one of them sets says what the program meant.
    fn plan(&mut self, query: i64, plan: Plan) {
        self.application.sql.plan(query, plan.metrics);
        self.application.properties.settings.extend(plan.settings);
    }

    fn add_executor(&mut self, id: String, host: String, cores: u32, at: i64) {
        self.application.saw(at);
        let number = self.executor(&id, at);
        // A damaged log may name any number of cores; no machine has more than this.
        let cores = cores.clamp(1, 1 << 14);
        let known = &mut self.application.executors[number as usize];
        *known = Executor { id, host, cores, added: at, removed: None, is_lost: false };
    }

    fn remove_executor(&mut self, id: &str, at: i64, reason: &str) {
        self.application.saw(at);
        let is_lost = is_loss(reason) && self.application.ended.is_none();
        if let Some(&number) = self.executors.get(id) {
            let executor = &mut self.application.executors[number as usize];
            executor.removed = Some(at);
            executor.is_lost |= is_lost;
        }
    }

    /// The number of an executor. One that was never added (a compacted or cut log) has one core until it is seen to
    /// run more.
    fn executor(&mut self, id: &str, at: i64) -> u32 {
        if let Some(&number) = self.executors.get(id) {
            return number;
        }
        let number = self.application.executors.len() as u32;
        let executor = Executor {
            id: id.to_owned(),
            host: String::new(),
            cores: 1,
            added: at,
            removed: None,
            is_lost: false,
        };
        self.application.executors.push(executor);
        self.executors.insert(id.to_owned(), number);
        number
    }

    fn start_job(&mut self, start: JobStart) {
        if self.open_jobs.is_empty() {
            self.close_window();
        }
        self.application.saw(start.at);
        self.totals.jobs += 1;
        let mut stage_ids = start.stage_ids;
        stage_ids.sort_unstable();
        stage_ids.dedup();
        let job = Job {
            id: start.job,
            started: start.at,
            ended: None,
            succeeded: true,
            failure: None,
            sql_execution: start.sql_execution,
            stage_ids,
        };
        self.open_jobs.insert(job.id);
        self.draft.jobs.insert(job.id, job);
    }

    fn end_job(&mut self, id: i64, at: i64, failure: Option<String>) {
        self.application.saw(at);
        self.open_jobs.remove(&id);
        let Some(job) = self.draft.jobs.get_mut(&id) else { return };
        job.ended = Some(at.max(job.started));
        job.succeeded = failure.is_none();
        job.failure = failure;
        self.totals.failed_jobs += u64::from(!job.succeeded);
    }

    /// Where a stage is put together: mostly the window that is open; what comes late belongs to a held one.
    fn draft_of(&mut self, key: StageKey) -> &mut Draft {
        if self.held.is_empty() || self.draft.has(key) {
            return &mut self.draft;
        }
        match self.held.iter().position(|draft| draft.has(key)) {
            Some(at) => &mut self.held[at],
            None => &mut self.draft,
        }
    }

    fn complete_stage(&mut self, info: &StageInfo) {
        info.completed.into_iter().for_each(|at| self.application.saw(at));
        self.totals.stages += 1;
        self.totals.retried_stages += u64::from(info.key.attempt > 0);
        self.totals.failed_stages += u64::from(info.failure.is_some());
        self.totals.tree_aggregate_stages += u64::from(info.name.contains("treeAggregate"));
        self.totals.barrier_stages += u64::from(info.is_barrier);
        self.draft_of(info.key).stage(info.key).complete(info);
    }

    fn end_task(&mut self, end: TaskEnd) {
        self.application.saw(end.launched);
        self.application.saw(end.finished);
        let executor = self.executor(&end.executor, end.launched);
        if end.why.as_deref() == Some("ExecutorLostFailure") {
            self.application.executors[executor as usize].is_lost = true;
        }
        let task = Task {
            id: end.task,
            index: end.index,
            kind: end.kind,
            executor,
            slot: 0,
            launched: end.launched,
            finished: end.finished.max(end.launched),
            getting_result: end.getting_result,
            speculative: end.speculative,
            succeeded: end.ending == Ending::Succeeded,
            ending: end.ending,
            why: end.why,
            metrics: end.metrics,
        };
        self.count_task(&task);
        self.draft_of(end.stage).end(end.stage, task);
        self.hand_on(HELD);
        if self.draft.tasks >= WINDOW_TASKS {
            let rest = self.draft.rest(self.application.last.unwrap_or(0));
            self.close_window();
            self.hand_on(0);
            self.draft = rest;
        }
    }

    fn count_task(&mut self, task: &Task) {
        let totals = &mut self.totals;
        totals.tasks += 1;
        totals.failed_tasks += u64::from(!task.succeeded);
        totals.killed_tasks += u64::from(task.ending == Ending::Killed);
        totals.speculative_tasks += u64::from(task.speculative);
        match (task.metrics, task.scheduler_delay()) {
            (Some(metrics), Some(delay)) => {
                totals.run_ms = totals.run_ms.saturating_add(metrics.run);
                totals.shuffle_written_bytes =
                    totals.shuffle_written_bytes.saturating_add(metrics.shuffle_written);
                totals.remote_read_bytes = totals.remote_read_bytes.saturating_add(metrics.remote_read);
                totals.spilled_bytes = totals.spilled_bytes.saturating_add(metrics.spilled);
                totals.scheduler_delay.add(delay);
            }
            _ => totals.tasks_without_metrics += 1,
        }
    }

    /// Closes the window that is being put together; it is handed on when all that is to come has come.
    fn close_window(&mut self) {
        let mut draft = std::mem::take(&mut self.draft);
        if draft.is_empty() {
            return;
        }
        draft.close();
        self.held.push_back(draft);
        self.hand_on(HELD);
    }

    /// Hands on the closed windows that wait for nothing, and the oldest ones beyond `most`.
    fn hand_on(&mut self, most: usize) {
        while let Some(first) = self.held.front()
            && (first.is_settled() || self.held.len() > most || self.is_heavy())
        {
            let Some(draft) = self.held.pop_front() else { return };
            let is_last = self.is_read && self.held.is_empty();
            self.tell(draft.finish(is_last, self.application.ended.is_some()));
        }
    }

    /// Whether the held windows have more tasks than memory should bear.
    fn is_heavy(&self) -> bool {
        self.held.iter().map(|draft| draft.tasks).sum::<usize>() > WINDOW_TASKS
    }

    /// Completes a window and hands it on. From then on the times before it stand.
    fn tell(&mut self, mut window: Window) {
        let now = self.application.end();
        for stage in &mut window.stages {
            let first = stage.first_launch();
            if let (Some(first), true) = (first, stage.completed.is_some() && stage.submitted != 0) {
                self.totals.stage_launch.add(first - stage.submitted);
            }
            if stage.submitted == 0 {
                stage.submitted = first.unwrap_or(now);
            }
            self.totals.take(stage);
        }
        self.count_skipped(&window.jobs, &window.stages);
        window.stages.sort_by_key(|stage| (stage.submitted, stage.key));
        window.assign_slots(&self.application);
        self.widen_executors(&window);
        let start = self.application.start();
        let end = if self.application.ended.is_some() { self.application.end() } else { i64::MAX };
        window.clip(start, end);
        for job in &window.jobs {
            self.totals.job(job.id, job.started, job.ended.unwrap_or(now.max(job.started)));
        }
        self.application.started = Some(start);
        self.application.told = self.application.told.max(Some(window.bounds(now).1));
        self.sink.window(&self.application, window);
    }

    fn count_skipped(&mut self, jobs: &[Job], stages: &[Stage]) {
        let ran: BTreeSet<i64> = stages.iter().map(|stage| stage.key.id).collect();
        let ended = jobs.iter().filter(|job| job.ended.is_some());
        let skipped = ended.flat_map(|job| &job.stage_ids).filter(|id| !ran.contains(id)).count();
        self.totals.skipped_stages += skipped as u64;
    }

    /// An executor that ran more tasks at once than it is known to have cores has that many.
    fn widen_executors(&mut self, window: &Window) {
        for task in window.stages.iter().flat_map(|stage| &stage.tasks) {
            let task_cpus = self.application.properties.task_cpus.unwrap_or(1).max(1);
            let executor = &mut self.application.executors[task.executor as usize];
            if executor.host.is_empty() {
                executor.cores = executor.cores.max((task.slot + 1).saturating_mul(task_cpus));
            }
        }
    }
}

/// Whether an executor went although nobody had asked it to, by the reason that Spark notes. Dynamic allocation, decommissioning
/// and the end of the application are asked for.
fn is_loss(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    let asked = ["killed by driver", "decommission", "idle", "code 0", "shutdown", "shut down", "finished"];
    !reason.is_empty() && !asked.iter().any(|words| reason.contains(words))
}
