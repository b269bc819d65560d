//! The critical path: the longest chain of things that had to follow each other, from the start of the run to its end.
//!
//! It is walked backwards from the end of each window. Before a task came whatever ended last of what it waited for: the
//! task before it on its core, or the last task of a parent stage. Between them lies the scheduler; between windows the
//! driver. The chain has no holes, so its parts add up to the wall time. Everything else has slack.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::shares::{Polls, Share, hidden, polled_ms, task_parts};
use crate::spark::{Application, Stage, Task, Window};

/// A part of the critical path: one kind of time in one stage, over the whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathPart {
    /// The stage's name; empty for the driver.
    pub stage: String,
    /// What the time was spent on, by the names of the shares.
    pub phase: &'static str,
    /// Time on the path.
    pub ms: f64,
    /// Its share of the path.
    pub share: f64,
}

/// How much a stage could be late without delaying the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slack {
    /// The stage's name.
    pub stage: String,
    /// How often it ran.
    pub count: u64,
    /// How often some of it lay on the path.
    pub on_path: u64,
    /// Mean time from its last task's finish to the start of what waited for it.
    pub mean_slack_ms: f64,
    /// Mean slack of its tasks within the stage: from own finish to the last one's.
    pub mean_task_slack_ms: f64,
}

/// Adds up the path window by window.
#[derive(Debug, Default)]
pub(crate) struct CriticalPath {
    parts: BTreeMap<(String, Share), f64>,
    slack: BTreeMap<String, SlackSum>,
    covered: Option<i64>,
    polls: Polls,
}

#[derive(Debug, Default)]
struct SlackSum {
    count: u64,
    on_path: u64,
    slack: f64,
    tasks: u64,
    task_slack: f64,
}

/// A task by the positions of its stage and of itself.
type TaskAt = (usize, usize);

impl CriticalPath {
    /// Takes the next window and returns its tasks on the path.
    pub fn take(&mut self, application: &Application, window: &Window) -> Vec<TaskAt> {
        let (start, end) = window.bounds(application.end());
        let before = self.covered.unwrap_or(application.start());
        let gap = if self.covered.is_none() { Share::Startup } else { Share::Driver };
        self.add("", gap, (start - before).max(0) as f64);
        let start = start.max(before);
        let end = end.max(start);
        self.covered = Some(end);
        let path = self.walk(window, start, end);
        self.note_slack(window, end, &path);
        path
    }

    /// The parts, longest first, and the slack of all stages.
    pub fn finish(mut self, application: &Application) -> (Vec<PathPart>, Vec<Slack>) {
        let rest = application.end() - self.covered.unwrap_or(application.start());
        self.add("", Share::Driver, rest.max(0) as f64);
        let total: f64 = self.parts.values().sum();
        let part = |((stage, phase), ms): ((String, Share), f64)| PathPart {
            stage,
            phase: phase.name(),
            ms,
            share: if total > 0.0 { ms / total } else { 0.0 },
        };
        let mut parts: Vec<PathPart> = self.parts.into_iter().map(part).collect();
        parts.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        let slack = self.slack.into_iter().map(|(stage, sum)| Slack {
            stage,
            count: sum.count,
            on_path: sum.on_path,
            mean_slack_ms: sum.slack / sum.count.max(1) as f64,
            mean_task_slack_ms: sum.task_slack / sum.tasks.max(1) as f64,
        });
        (parts, slack.collect())
    }

    fn add(&mut self, stage: &str, share: Share, ms: f64) {
        if ms > 0.0 {
            *self.parts.entry((stage.to_owned(), share)).or_default() += ms;
        }
    }

    /// Walks back from `end` to `start`.
    fn walk(&mut self, window: &Window, start: i64, end: i64) -> Vec<TaskAt> {
        let order = FinishOrder::of(window);
        let polls: Vec<i64> = window.stages.iter().map(|stage| self.polls.of(stage)).collect();
        let dark: Vec<&Stage> = window.stages.iter().filter(|stage| hidden(stage).is_some()).collect();
        let mut path = Vec::new();
        let mut now = end;
        let mut next = order.last_before(end);
        while let Some(at) = next {
            let (stage, task) = (&window.stages[at.0], &window.stages[at.0].tasks[at.1]);
            let finished = task.finished.min(now);
            if finished <= start {
                break;
            }
            self.add_gap(stage, &dark, finished, now);
            let launched = task.launched.max(start).min(finished);
            self.add_task(stage, task, (finished - launched) as f64, polls[at.0]);
            path.push(at);
            now = launched;
            next = order.before(window, at).filter(|_| launched > start);
        }
        match path.last().map(|at| &window.stages[at.0]).or(window.stages.first()) {
            Some(first) => self.add_gap(first, &dark, start, now),
            None => self.add("", Share::Driver, (now - start).max(0) as f64),
        }
        path
    }

    /// What lies between two tasks: the scheduler of the later one's stage, unless a stage was open of which the log does
    /// not tell everything.
    fn add_gap(&mut self, stage: &Stage, dark: &[&Stage], from: i64, to: i64) {
        let is_open = |stage: &&&Stage| {
            stage.submitted < to && stage.completed.is_none_or(|completed| completed > from)
        };
        let (stage, share) = match dark.iter().find(is_open) {
            Some(dark) => (*dark, hidden(dark).unwrap_or(Share::Unknown)),
            None => (stage, Share::Schedule),
        };
        self.add(&stage.name, share, (to - from).max(0) as f64);
    }

    fn add_task(&mut self, stage: &Stage, task: &Task, ms: f64, most_polls: i64) {
        let whole = task.duration().max(1) as f64;
        if !task.succeeded {
            self.add(&stage.name, Share::Failures, ms);
            return;
        }
        for (share, part) in task_parts(task, polled_ms(stage, task, most_polls)) {
            self.add(&stage.name, share, part / whole * ms);
        }
    }

    fn note_slack(&mut self, window: &Window, end: i64, path: &[TaskAt]) {
        let on_path: BTreeSet<usize> = path.iter().map(|at| at.0).collect();
        for (number, stage) in window.stages.iter().enumerate() {
            let Some(finished) = stage.last_finish() else { continue };
            let children = window.stages.iter().filter(|child| child.parents.contains(&stage.key.id));
            let needed =
                children.map(|child| child.submitted).filter(|&at| at >= finished).min().unwrap_or(end);
            let sum = self.slack.entry(stage.name.clone()).or_default();
            sum.count += 1;
            let is_on_path = on_path.contains(&number);
            sum.on_path += u64::from(is_on_path);
            sum.slack += if is_on_path { 0.0 } else { (needed - finished).max(0) as f64 };
            sum.tasks += stage.tasks.len() as u64;
            sum.task_slack += stage.tasks.iter().map(|task| (finished - task.finished) as f64).sum::<f64>();
        }
    }
}

/// The tasks of a window, ordered to find what came before what.
struct FinishOrder {
    finishes: Vec<(i64, TaskAt)>,
    before_on_slot: BTreeMap<TaskAt, TaskAt>,
    last_of_stage: BTreeMap<i64, (i64, TaskAt)>,
}

impl FinishOrder {
    fn of(window: &Window) -> Self {
        let mut finishes = Vec::new();
        let mut of_slot: BTreeMap<(u32, u32), Vec<(i64, TaskAt)>> = BTreeMap::new();
        let mut last_of_stage = BTreeMap::new();
        for (stage_at, stage) in window.stages.iter().enumerate() {
            for (task_at, task) in stage.tasks.iter().enumerate() {
                let at = (stage_at, task_at);
                of_slot.entry((task.executor, task.slot)).or_default().push((task.launched, at));
                // Nothing waits for a task that nobody needed any more, but for the core that it held.
                if !stage.needs(task) {
                    continue;
                }
                finishes.push((task.finished, at));
                let last = last_of_stage.entry(stage.key.id).or_insert((task.finished, at));
                *last = (*last).max((task.finished, at));
            }
        }
        finishes.sort_unstable();
        let mut before_on_slot = BTreeMap::new();
        for mut tasks in of_slot.into_values() {
            tasks.sort_unstable();
            before_on_slot.extend(tasks.windows(2).map(|pair| (pair[1].1, pair[0].1)));
        }
        Self { finishes, before_on_slot, last_of_stage }
    }

    /// The last task to finish not after `time`.
    fn last_before(&self, time: i64) -> Option<TaskAt> {
        let end = self.finishes.partition_point(|entry| entry.0 <= time);
        self.finishes[..end].last().map(|entry| entry.1)
    }

    /// What a task waited for: the last to end of its parents' tasks and of the task before it on its core, or failing
    /// both, whatever ended last before its launch. What comes before was always launched before, so that the walk
    /// ends; it may seem to end a little after the launch, where clocks differ.
    fn before(&self, window: &Window, at: TaskAt) -> Option<TaskAt> {
        let task = |at: TaskAt| &window.stages[at.0].tasks[at.1];
        let launched = task(at).launched;
        let parents = window.stages[at.0].parents.iter().filter_map(|parent| self.last_of_stage.get(parent));
        let on_slot = self.before_on_slot.get(&at).copied();
        let waited_for =
            parents.map(|entry| entry.1).chain(on_slot).filter(|&before| task(before).launched < launched);
        waited_for
            .max_by_key(|&before| task(before).finished)
            .or_else(|| self.last_before(launched).filter(|&before| task(before).launched < launched))
    }
}
