//! Puts events together into windows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::event::{Event, JobStart, StageInfo, StageKey, TaskEnd};
use super::model::{Application, Executor, Job, Stage, Task, Window};
use super::totals::Totals;

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
    jobs: BTreeMap<i64, Job>,
    open_jobs: BTreeSet<i64>,
    stages: BTreeMap<StageKey, Stage>,
}

/// A window with more tasks than this is handed on although a job is open, so that a program whose jobs always overlap
/// stays in bounded memory.
const WINDOW_TASKS: usize = 1 << 20;

impl<S: Sink> Collector<S> {
    /// Follows a log from its start.
    pub fn new(sink: S) -> Self {
        Self {
            application: Application::default(),
            totals: Totals::default(),
            sink,
            executors: HashMap::new(),
            jobs: BTreeMap::new(),
            open_jobs: BTreeSet::new(),
            stages: BTreeMap::new(),
        }
    }

    /// Takes the next event.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::LogStart { version } => self.application.version = version,
            Event::ApplicationStart { name, id, at } => {
                self.application.saw(at);
                self.application.started = Some(at);
                (self.application.name, self.application.id) = (name, id);
            }
            Event::ApplicationEnd { at } => {
                self.application.saw(at);
                self.application.ended = Some(at);
            }
            Event::Environment(properties) => self.application.properties = properties,
            Event::ExecutorAdded { executor, host, cores, at } => {
                self.add_executor(executor, host, cores, at)
            }
            Event::ExecutorRemoved { executor, at } => self.remove_executor(&executor, at),
            Event::JobStart(start) => self.start_job(*start),
            Event::QueryStart { query, description } => self.application.describe(query, description),
            Event::JobEnd { job, at, succeeded } => self.end_job(job, at, succeeded),
            Event::StageSubmitted(info) => {
                info.submitted.into_iter().for_each(|at| self.application.saw(at));
                self.stage(&info);
            }
            Event::StageCompleted(info) => self.complete_stage(&info),
            Event::TaskStart { at, .. } => self.application.saw(at),
            Event::TaskEnd(end) => self.end_task(end),
            Event::Other => {}
        }
    }

    /// Hands on what is open at the end of the log.
    pub fn finish(&mut self) {
        self.close_window();
    }

    fn add_executor(&mut self, id: String, host: String, cores: u32, at: i64) {
        self.application.saw(at);
        let number = self.executor(&id, at);
        // A damaged log may name any number of cores; no machine has more than this.
        let cores = cores.clamp(1, 1 << 14);
        let known = &mut self.application.executors[number as usize];
        *known = Executor { id, host, cores, added: at, removed: None };
    }

    fn remove_executor(&mut self, id: &str, at: i64) {
        self.application.saw(at);
        if let Some(&number) = self.executors.get(id) {
            self.application.executors[number as usize].removed = Some(at);
        }
    }

    /// The number of an executor. One that was never added (a compacted or cut log) has one core until it is seen to
    /// run more.
    fn executor(&mut self, id: &str, at: i64) -> u32 {
        if let Some(&number) = self.executors.get(id) {
            return number;
        }
        let number = self.application.executors.len() as u32;
        let executor =
            Executor { id: id.to_owned(), host: String::new(), cores: 1, added: at, removed: None };
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
            sql_execution: start.sql_execution,
            stage_ids,
        };
        self.open_jobs.insert(job.id);
        self.jobs.insert(job.id, job);
    }

    fn end_job(&mut self, id: i64, at: i64, succeeded: bool) {
        self.application.saw(at);
        self.open_jobs.remove(&id);
        let Some(job) = self.jobs.get_mut(&id) else {
            // Its window was handed on while it was open.
            self.totals.job_times.entry(id).and_modify(|times| times.1 = at.max(times.0));
            return;
        };
        job.ended = Some(at.max(job.started));
        job.succeeded = succeeded;
        self.totals.failed_jobs += u64::from(!succeeded);
    }

    /// The stage that `info` is about, known from now on. `None` if it cannot be placed: a log that was cut or
    /// compacted tells of stages before their jobs.
    fn stage(&mut self, info: &StageInfo) -> &mut Stage {
        let stage = self.stages.entry(info.key).or_insert_with(|| blank(info.key));
        stage.name.clone_from(&info.name);
        stage.planned_tasks = info.tasks;
        stage.parents.clone_from(&info.parents);
        stage.is_barrier = info.is_barrier;
        if let Some(at) = info.submitted {
            stage.submitted = at;
        }
        stage
    }

    fn complete_stage(&mut self, info: &StageInfo) {
        info.completed.into_iter().for_each(|at| self.application.saw(at));
        self.totals.stages += 1;
        self.totals.retried_stages += u64::from(info.key.attempt > 0);
        self.totals.failed_stages += u64::from(info.failure.is_some());
        self.totals.tree_aggregate_stages += u64::from(info.name.contains("treeAggregate"));
        self.totals.barrier_stages += u64::from(info.is_barrier);
        let stage = self.stage(info);
        stage.completed = info.completed;
        stage.failure.clone_from(&info.failure);
    }

    fn end_task(&mut self, end: TaskEnd) {
        self.application.saw(end.launched);
        self.application.saw(end.finished);
        let executor = self.executor(&end.executor, end.launched);
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
            succeeded: end.succeeded,
            metrics: end.metrics,
        };
        self.count_task(&task);
        let stage = self.stages.entry(end.stage).or_insert_with(|| blank(end.stage));
        stage.tasks.push(task);
        if stage.tasks.len() >= WINDOW_TASKS {
            self.close_window();
        }
    }

    fn count_task(&mut self, task: &Task) {
        let totals = &mut self.totals;
        totals.tasks += 1;
        totals.failed_tasks += u64::from(!task.succeeded);
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

    fn close_window(&mut self) {
        let now = self.application.last.unwrap_or(0);
        let jobs: Vec<Job> = std::mem::take(&mut self.jobs).into_values().collect();
        let mut stages: Vec<Stage> = std::mem::take(&mut self.stages).into_values().collect();
        let mut of_stage = HashMap::new();
        for (at, job) in jobs.iter().enumerate() {
            self.totals.job_times.insert(job.id, (job.started, job.ended.unwrap_or(now.max(job.started))));
            for &stage in &job.stage_ids {
                of_stage.entry(stage).or_insert(at);
            }
        }
        for stage in &mut stages {
            stage.job = of_stage.get(&stage.key.id).copied();
            let first = stage.first_launch();
            if let (Some(first), true) = (first, stage.completed.is_some() && stage.submitted != 0) {
                self.totals.stage_launch.add(first - stage.submitted);
            }
            if stage.submitted == 0 {
                stage.submitted = first.unwrap_or(now);
            }
        }
        self.count_skipped(&jobs, &stages);
        stages.sort_by_key(|stage| (stage.submitted, stage.key));
        let mut window = Window { jobs, stages };
        if window.jobs.is_empty() && window.stages.is_empty() {
            return;
        }
        window.assign_slots(&self.application);
        self.widen_executors(&window);
        self.sink.window(&self.application, window);
        // Jobs that were open go on in the next window.
        self.open_jobs.clear();
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

fn blank(key: StageKey) -> Stage {
    Stage {
        key,
        name: String::new(),
        job: None,
        planned_tasks: 0,
        parents: Vec::new(),
        is_barrier: false,
        submitted: 0,
        completed: None,
        failure: None,
        tasks: Vec::new(),
    }
}
