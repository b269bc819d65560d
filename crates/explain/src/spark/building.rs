//! Windows in the making: stages with the starts and ends of their tasks, until all that is to come has come.
//!
//! A killed task ends after its job, often when the next job has begun, so a window whose tasks have not all ended is held
//! back for a while. What never comes was lost by Spark's listener (a full queue drops events): then a stage that was
//! completed has fewer ends of tasks than it had tasks.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Ending, StageInfo, StageKey};
use super::model::{Job, Running, Stage, Task, Window};

/// A stage and what is known of its tasks.
#[derive(Debug)]
pub(super) struct Building {
    pub stage: Stage,
    starts: Vec<Start>,
    /// Whether its submission is in the log: then all of its tasks should be.
    is_whole: bool,
    /// Tasks whose outputs were lost after they had succeeded.
    resubmitted: BTreeSet<i64>,
    /// Tasks whose ends were handed on with an earlier window.
    handed_on: u32,
}

/// An attempt at a task that began.
#[derive(Clone, Copy, Debug)]
struct Start {
    task: i64,
    running: Running,
}

impl Building {
    /// A stage of which nothing is known yet.
    pub fn new(key: StageKey) -> Self {
        let stage = Stage {
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
            running: Vec::new(),
            missing_tasks: 0,
            needed_until: None,
            is_unfinished: false,
            scan_ms: 0,
        };
        Self { stage, starts: Vec::new(), is_whole: false, resubmitted: BTreeSet::new(), handed_on: 0 }
    }

    /// The rest of a stage whose first part is handed on.
    fn rest(&self) -> Self {
        let stage = Stage { tasks: Vec::new(), running: Vec::new(), ..self.stage.clone() };
        let handed_on = self.handed_on + self.stage.tasks.len() as u32;
        Self { handed_on, stage, is_whole: self.is_whole, ..Self::new(self.stage.key) }
    }

    /// Learns what an event says of the stage.
    fn learn(&mut self, info: &StageInfo) {
        let stage = &mut self.stage;
        stage.name.clone_from(&info.name);
        stage.planned_tasks = info.tasks;
        stage.parents.clone_from(&info.parents);
        stage.is_barrier = info.is_barrier;
        if let Some(at) = info.submitted {
            stage.submitted = at;
        }
    }

    /// Learns that the stage was submitted.
    pub fn submit(&mut self, info: &StageInfo) {
        self.learn(info);
        self.is_whole = true;
    }

    /// Learns how the stage ended.
    pub fn complete(&mut self, info: &StageInfo) {
        self.learn(info);
        self.stage.completed = info.completed;
        self.stage.scan_ms = info.scan_ms;
        self.stage.failure.clone_from(&info.failure);
    }

    /// Notes that an attempt began.
    pub fn start(&mut self, task: i64, running: Running) {
        self.starts.push(Start { task, running });
    }

    /// Notes that an attempt ended. A task that is resubmitted ended before: its output was lost.
    fn end(&mut self, task: Task) {
        if task.ending == Ending::Resubmitted {
            self.resubmitted.insert(task.id);
        } else {
            self.stage.tasks.push(task);
        }
    }

    /// How many attempts began and have not ended.
    fn open(&self) -> usize {
        self.starts.len().saturating_sub(self.stage.tasks.len())
    }

    /// How many of the stage's tasks have neither begun nor ended as far as is known; only a stage that was completed
    /// must know of all.
    fn unknown(&self, others: u32) -> u32 {
        let stage = &self.stage;
        if !self.is_whole || stage.completed.is_none() || stage.failure.is_some() {
            return 0;
        }
        stage
            .planned_tasks
            .saturating_sub(self.distinct())
            .saturating_sub(self.handed_on)
            .saturating_sub(others)
    }

    /// How many different tasks of the stage have ended.
    fn distinct(&self) -> u32 {
        let mut seen = vec![false; self.stage.tasks.len().min(self.stage.planned_tasks as usize)];
        let mut beyond = BTreeSet::new();
        let mut count = 0;
        for task in &self.stage.tasks {
            let is_new = match usize::try_from(task.index).ok().and_then(|index| seen.get_mut(index)) {
                Some(seen) => !std::mem::replace(seen, true),
                None => beyond.insert(task.index),
            };
            count += u32::from(is_new);
        }
        count
    }

    /// The stage as it is handed on.
    fn finish(mut self, others: u32, is_last: bool) -> Stage {
        self.stage.missing_tasks = self.unknown(others);
        if is_last && self.open() > 0 && self.stage.completed.is_none() {
            let ended: BTreeSet<i64> = self.stage.tasks.iter().map(|task| task.id).collect();
            let open = self.starts.iter().filter(|start| !ended.contains(&start.task));
            self.stage.running = open.map(|start| start.running).collect();
        }
        if !self.resubmitted.is_empty() {
            for task in self.stage.tasks.iter_mut().filter(|task| self.resubmitted.contains(&task.id)) {
                task.succeeded = false;
                task.ending = Ending::Resubmitted;
                task.why = Some("its output was lost with its executor".into());
            }
        }
        self.stage
    }
}

/// The jobs that overlap and their stages, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub jobs: BTreeMap<i64, Job>,
    stages: BTreeMap<StageKey, Building>,
    /// How many ends of tasks it holds.
    pub tasks: usize,
    /// Ends of tasks that are still to come, once it is closed.
    awaited: usize,
}

impl Draft {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.stages.is_empty()
    }

    /// Whether it knows of a stage.
    pub fn has(&self, key: StageKey) -> bool {
        self.stages.contains_key(&key)
    }

    /// A stage that is being put together. A log that was cut or compacted tells of stages before their jobs.
    pub fn stage(&mut self, key: StageKey) -> &mut Building {
        self.stages.entry(key).or_insert_with(|| Building::new(key))
    }

    /// Takes the end of an attempt.
    pub fn end(&mut self, key: StageKey, task: Task) {
        self.stage(key).end(task);
        self.tasks += 1;
        self.awaited = self.awaited.saturating_sub(1);
    }

    /// Closes it: counts what is still to come.
    pub fn close(&mut self) {
        let due = |building: &Building| building.open().max(building.unknown(self.others(building)) as usize);
        self.awaited = self.stages.values().map(due).sum();
    }

    /// Whether all ends have come.
    pub fn is_settled(&self) -> bool {
        self.awaited == 0
    }

    /// The part that goes on after this one is handed on in the middle: open jobs from `now` on, and their stages.
    pub fn rest(&self, now: i64) -> Self {
        let is_open = |job: &&Job| job.ended.is_none();
        let jobs: BTreeMap<i64, Job> = self
            .jobs
            .values()
            .filter(is_open)
            .map(|job| (job.id, Job { started: now.max(job.started), ..job.clone() }))
            .collect();
        let wanted: BTreeSet<i64> = jobs.values().flat_map(|job| job.stage_ids.iter().copied()).collect();
        let goes_on = |building: &&Building| {
            building.stage.completed.is_none() && wanted.contains(&building.stage.key.id)
        };
        let stages =
            self.stages.values().filter(goes_on).map(|stage| (stage.stage.key, stage.rest())).collect();
        Self { jobs, stages, tasks: 0, awaited: 0 }
    }

    /// Tasks of a repeated stage that an earlier attempt did meanwhile: those need no further end.
    fn others(&self, building: &Building) -> u32 {
        let StageKey { id, attempt } = building.stage.key;
        if attempt <= 0 {
            return 0;
        }
        let earlier = self.stages.range(StageKey { id, attempt: 0 }..building.stage.key);
        let late = earlier.flat_map(|(_, earlier)| &earlier.stage.tasks);
        late.filter(|task| task.succeeded && task.finished >= building.stage.submitted).count() as u32
    }

    /// The window, each stage with its job and until when it was needed.
    pub fn finish(self, is_last: bool, is_complete: bool) -> Window {
        let others: Vec<u32> = self.stages.values().map(|building| self.others(building)).collect();
        let jobs: Vec<Job> = self.jobs.into_values().collect();
        let mut of_stage: BTreeMap<i64, (usize, Option<i64>)> = BTreeMap::new();
        for (at, job) in jobs.iter().enumerate() {
            for &stage in &job.stage_ids {
                let (_, until) = of_stage.entry(stage).or_insert((at, job.ended));
                *until = until.zip(job.ended).map(|(one, other)| one.max(other));
            }
        }
        let finish = |(building, others): (Building, u32)| {
            let mut stage = building.finish(others, is_last);
            let (job, ended) = of_stage.get(&stage.key.id).map_or((None, None), |of| (Some(of.0), of.1));
            stage.job = job;
            // A stage that failed may still have tasks whose output will count in the next attempt.
            let completed = stage.completed.filter(|_| stage.failure.is_none());
            stage.needed_until = [completed, ended].into_iter().flatten().min();
            let is_open = job.is_none_or(|job| jobs[job].ended.is_none());
            stage.is_unfinished = is_last && !is_complete && is_open && stage.completed.is_none();
            stage
        };
        let stages = self.stages.into_values().zip(others).map(finish).collect();
        Window { jobs, stages }
    }
}
