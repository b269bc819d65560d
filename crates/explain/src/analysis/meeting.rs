//! Synchronisation points: where several must have arrived before anyone goes on.
//!
//! A meeting is one such point at one time: who took part, when each began and was done, and how much each had to do.
//! Meetings of one kind and place form a group over the iterations. What a meeting costs is `sum(last - own finish)`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::iteration::Iterations;
use super::numbers::median;
use super::shares::{Polls, hidden, polled_ms, repeated};
use crate::spark::{Application, Stage, Window};

/// The kinds of synchronisation points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncKind {
    /// A shuffle: the next stage starts when the last task of this one is done.
    StageBoundary,
    /// One level of a treeAggregate or treeReduce.
    TreeAggregate,
    /// The driver waits for all results.
    Collect,
    /// The driver works between two jobs of an iteration, typically to update and broadcast the model.
    BroadcastGap,
    /// The driver works between two other jobs.
    DriverGap,
    /// A barrier stage: all of its tasks start and end together.
    BarrierStage,
    /// The time that tasks sleep inside `ctx.barrier()`.
    CtxBarrier,
    /// A parameter server's gate.
    Gate,
    /// The end of training: nobody is done before the last one.
    EndOfTraining,
    /// An all-reduce or another collective among workers.
    AllReduce,
}

impl SyncKind {
    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::StageBoundary => "stage boundary (shuffle)",
            Self::TreeAggregate => "treeAggregate",
            Self::Collect => "result at the driver",
            Self::BroadcastGap => "driver between iterations (update, broadcast)",
            Self::DriverGap => "driver between jobs",
            Self::BarrierStage => "barrier stage",
            Self::CtxBarrier => "ctx.barrier()",
            Self::Gate => "gate of the parameter server",
            Self::EndOfTraining => "end of training",
            Self::AllReduce => "collective",
        }
    }
}

/// One who took part in a meeting. Times are ms since the meeting's first start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Arrival {
    /// The worker or executor.
    pub who: u32,
    /// Which part of the data took it longest: a partition; `who` where data do not move.
    pub part: u32,
    pub started: f32,
    pub finished: f32,
    /// Time spent working, without the scheduler's.
    pub busy: f32,
    /// Time that the scheduler took of it.
    pub delay: f32,
    /// Time spent moving data, where it is told apart from work.
    pub transfer: f32,
    /// Of the time until the last one came, what it spent on other things.
    pub elsewhere: f32,
    /// Of its time, what an attempt took that did not count, or that repeated such a one.
    pub failed: f32,
    /// How many tasks it did; 0 where work does not come in tasks.
    pub done: f32,
    /// Time slept between polls of a barrier.
    pub polled: f32,
    /// How much it had to do, in bytes or records.
    pub work: f32,
}

impl Arrival {
    /// How long it waited for the last one, in ms.
    pub fn idle(&self, last: f32) -> f64 {
        f64::from(last - self.finished - self.elsewhere).max(0.0)
    }

    /// What it took itself, without sleeping between polls, in ms.
    pub fn own_ms(&self) -> f64 {
        f64::from(self.busy - self.polled)
    }

    /// How many pieces its work had.
    pub fn tasks(&self) -> f64 {
        f64::from(self.done).max(1.0)
    }
}

/// All who took part at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meeting {
    /// When it was over, in ms of the run.
    pub at: f64,
    /// Whether the log lacks some that took part: then it does not tell why the others waited.
    pub is_partial: bool,
    pub arrivals: Vec<Arrival>,
}

impl Meeting {
    /// Who was last.
    pub fn last(&self) -> Option<&Arrival> {
        self.arrivals.iter().max_by(|a, b| a.finished.total_cmp(&b.finished))
    }

    /// `sum(last - own finish)` without what was spent on other things, in ms.
    pub fn idle(&self) -> f64 {
        let last = self.last().map_or(0.0, |last| last.finished);
        self.arrivals.iter().map(|arrival| arrival.idle(last)).sum()
    }
}

/// What makes meetings comparable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub kind: SyncKind,
    /// The stage's name, or what else names the place.
    pub label: String,
    /// The level of an aggregation tree, from 1 at the leaves; 0 elsewhere.
    pub level: u32,
}

/// The meetings at one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub count: u64,
    pub idle_ms: f64,
    /// The largest number that ever took part.
    pub participants: usize,
    /// Meetings that are kept for the analysis of causes; the first ones, when there are too many.
    pub meetings: Vec<Meeting>,
    /// Time against work over tasks, where a stage has enough of them to tell.
    pub tasks: Vec<TaskPoint>,
    /// Idle time without meetings: a driver gap, or polls.
    pub polling_ms: f64,
}

/// A task as a point of work and time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskPoint {
    pub part: u32,
    pub work: f64,
    pub ms: f64,
}

/// Arrivals and task points kept over all groups; beyond, only sums are kept.
const KEPT: usize = 1 << 20;

/// Collects the meetings of a run.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    pub groups: BTreeMap<Place, Group>,
    kept: usize,
    polls: Polls,
    previous: Option<Previous>,
}

/// The window before.
#[derive(Debug)]
struct Previous {
    pattern: Vec<String>,
    ended: i64,
}

impl Meetings {
    /// Adds a meeting at `place`.
    pub fn add(&mut self, place: Place, meeting: Meeting) {
        let group = self.groups.entry(place).or_default();
        group.count += 1;
        group.idle_ms += meeting.idle();
        group.participants = group.participants.max(meeting.arrivals.len());
        if self.kept < KEPT {
            self.kept += meeting.arrivals.len();
            group.meetings.push(meeting);
        }
    }

    /// Idle time at all places together, in ms. Polls are part of their barrier stage's.
    pub fn idle_ms(&self) -> f64 {
        let places = self.groups.iter().filter(|(place, _)| place.kind != SyncKind::CtxBarrier);
        places.map(|(_, group)| group.idle_ms).sum()
    }

    /// Takes the next window of a Spark log.
    pub fn take(&mut self, application: &Application, window: &Window) {
        let depth = tree_levels(window);
        let cores = Cores::of(window);
        for (number, stage) in window.stages.iter().enumerate() {
            if stage.tasks.iter().any(|task| task.succeeded) {
                self.stage(application, (number, stage), &cores, depth[number]);
            }
        }
        self.gap(application, window);
    }

    fn stage(
        &mut self,
        application: &Application,
        (number, stage): (usize, &Stage),
        cores: &Cores,
        level: u32,
    ) {
        let most_polls = self.polls.of(stage);
        let kind = match stage {
            _ if stage.is_barrier => SyncKind::BarrierStage,
            _ if level > 0 => SyncKind::TreeAggregate,
            _ if stage.is_result() => SyncKind::Collect,
            _ => SyncKind::StageBoundary,
        };
        let place = Place { kind, label: stage.name.clone(), level };
        let arrivals = arrivals(stage, most_polls, |core, finished| cores.leaves(core, number, finished));
        let at = stage.needed_until.or(stage.last_finish()).unwrap_or(stage.submitted) - application.start();
        let meeting = Meeting { at: at as f64, is_partial: hidden(stage).is_some(), arrivals };
        self.add(place.clone(), meeting);
        self.points(&place, stage);
        let polled: i64 = stage.tasks.iter().map(|task| polled_ms(stage, task, most_polls)).sum();
        if polled > 0 {
            let place = Place { kind: SyncKind::CtxBarrier, label: stage.name.clone(), level: 0 };
            let group = self.groups.entry(place).or_default();
            group.count += 1;
            group.participants = group.participants.max(stage.tasks.len());
            group.idle_ms += polled as f64;
            group.polling_ms += polled as f64;
        }
    }

    fn points(&mut self, place: &Place, stage: &Stage) {
        let Some(group) = self.groups.get_mut(place) else { return };
        if self.kept >= KEPT {
            return;
        }
        self.kept += stage.tasks.len();
        group.tasks.extend(stage.tasks.iter().filter(|task| task.succeeded).map(|task| TaskPoint {
            part: task.index.clamp(0, i64::from(u32::MAX)) as u32,
            work: work(task),
            ms: task.run() as f64,
        }));
    }

    /// Gaps between two like jobs are those of an iteration only where there are iterations of such jobs.
    pub fn keep_gaps_of(&mut self, iterations: &[Iterations]) {
        let of_jobs = iterations.iter().filter(|found| found.of == "jobs");
        let iterated: BTreeSet<Vec<&str>> =
            of_jobs.flat_map(|found| found.pattern.split(" | ")).map(operations).collect();
        let others: Vec<Place> = self
            .groups
            .keys()
            .filter(|place| {
                place.kind == SyncKind::BroadcastGap && !iterated.contains(&operations(&place.label))
            })
            .cloned()
            .collect();
        for place in others {
            let Some(gaps) = self.groups.remove(&place) else { continue };
            let place = Place { kind: SyncKind::DriverGap, label: String::new(), level: 0 };
            let all = self.groups.entry(place).or_default();
            all.count += gaps.count;
            all.idle_ms += gaps.idle_ms;
            all.participants = all.participants.max(gaps.participants);
        }
    }

    /// The driver's time since the window before is a meeting of all cores with the driver.
    fn gap(&mut self, application: &Application, window: &Window) {
        let pattern: Vec<String> = window.stages.iter().map(|stage| stage.name.clone()).collect();
        let (start, end) = window.bounds(application.end());
        if let Some(previous) = &self.previous {
            let same = previous.pattern == pattern;
            let kind = if same { SyncKind::BroadcastGap } else { SyncKind::DriverGap };
            let label = if same { pattern.join(" > ") } else { String::new() };
            let group = self.groups.entry(Place { kind, label, level: 0 }).or_default();
            group.count += 1;
            let slot_ms = application.slot_ms(previous.ended, start);
            let slots = slot_ms / (start - previous.ended).max(1) as f64;
            group.participants = group.participants.max(slots.round() as usize);
            group.idle_ms += slot_ms;
        }
        let ended = self.previous.as_ref().map_or(end, |previous| previous.ended.max(end));
        self.previous = Some(Previous { pattern, ended });
    }
}

/// The operations of a job, of its stages' names (`count at A.scala:1 > ...`) or of a pattern (`count[4] > ...`).
fn operations(job: &str) -> Vec<&str> {
    let operation = |stage| {
        let name: &str = str::split(stage, " at ").next().unwrap_or_default();
        match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
            Some((operation, tasks)) if tasks.bytes().all(|digit| digit.is_ascii_digit()) => operation,
            _ => name,
        }
    };
    job.split(" > ").map(operation).collect()
}

/// How much a task had to do. Records count elements where they are counted, but a grouped record may hold any number,
/// so bytes decide unless there are none.
fn work(task: &crate::spark::Task) -> f64 {
    let bytes = task.bytes();
    if bytes > 0 { bytes as f64 } else { task.records() as f64 }
}

/// For each stage its level in an aggregation tree: 1 at the leaves, 0 if it belongs to none.
fn tree_levels(window: &Window) -> Vec<u32> {
    let is_tree =
        |stage: &Stage| ["treeAggregate", "treeReduce"].iter().any(|name| stage.name.contains(name));
    let mut levels = vec![0; window.stages.len()];
    let position: BTreeMap<i64, usize> =
        window.stages.iter().enumerate().map(|(at, stage)| (stage.key.id, at)).collect();
    // Stages are in order of submission, so parents come first.
    for (at, stage) in window.stages.iter().enumerate() {
        if is_tree(stage) {
            let parents = stage.parents.iter().filter_map(|parent| position.get(parent));
            let below = parents
                .filter(|&&parent| window.stages[parent].name == stage.name)
                .map(|&parent| levels[parent]);
            levels[at] = below.max().unwrap_or(0) + 1;
        }
    }
    levels
}

/// When each core of a window launches tasks, in order, and of which stage.
struct Cores {
    launches: BTreeMap<(u32, u32), Vec<(i64, usize)>>,
}

impl Cores {
    fn of(window: &Window) -> Self {
        let mut launches: BTreeMap<(u32, u32), Vec<(i64, usize)>> = BTreeMap::new();
        // Where there is one stage no core can be elsewhere, and most windows have but a few.
        let stages = if window.stages.len() > 1 { &window.stages[..] } else { &[] };
        for (number, stage) in stages.iter().enumerate() {
            for task in &stage.tasks {
                launches.entry((task.executor, task.slot)).or_default().push((task.launched, number));
            }
        }
        launches.values_mut().for_each(|launches| launches.sort_unstable());
        Self { launches }
    }

    /// When a core that was done with a stage at `time` launches a task of another one.
    fn leaves(&self, core: (u32, u32), stage: usize, time: i64) -> Option<i64> {
        let launches = self.launches.get(&core)?;
        let later = &launches[launches.partition_point(|launch| launch.0 < time)..];
        later.iter().find(|launch| launch.1 != stage).map(|launch| launch.0)
    }
}

/// The cores that worked for a stage as they arrive at its end. Attempts that ended when nobody needed them any more are not
/// waited for. `leaves` says when a core that was done at a time began something else.
fn arrivals(stage: &Stage, most_polls: i64, leaves: impl Fn((u32, u32), i64) -> Option<i64>) -> Vec<Arrival> {
    let origin = stage.first_launch().unwrap_or(stage.submitted);
    let since = |at: i64| (at - origin) as f32;
    let repeated = repeated(stage);
    let mut cores: BTreeMap<(u32, u32), (Arrival, i64, i64)> = BTreeMap::new();
    for task in stage.tasks.iter().filter(|task| stage.needs(task)) {
        let (arrival, longest, finished) = cores.entry((task.executor, task.slot)).or_insert_with(|| {
            let started = since(task.launched);
            (Arrival { who: task.executor, started, ..Arrival::default() }, -1, i64::MIN)
        });
        let delay = task.scheduler_delay().unwrap_or(0);
        arrival.started = arrival.started.min(since(task.launched));
        arrival.finished = arrival.finished.max(since(task.finished));
        *finished = (*finished).max(task.finished);
        arrival.done += 1.0;
        arrival.delay += delay as f32;
        arrival.busy += (task.duration() - delay) as f32;
        arrival.polled += polled_ms(stage, task, most_polls) as f32;
        arrival.work += work(task) as f32;
        if !task.succeeded || stage.key.attempt > 0 || repeated.contains(&task.index) {
            arrival.failed += task.duration() as f32;
        }
        if task.duration() > *longest {
            *longest = task.duration();
            arrival.part = task.index.clamp(0, i64::from(u32::MAX)) as u32;
        }
    }
    let last = cores.values().map(|core| core.2).max().unwrap_or(origin);
    let arrivals = cores.into_iter().map(|(core, (arrival, _, finished))| {
        let left = leaves(core, finished).map_or(last, |launch| launch.min(last));
        Arrival { elsewhere: (last - left) as f32, ..arrival }
    });
    arrivals.collect()
}

impl Group {
    /// The share of all work that the largest part has, against an even share, and which part that is: over the
    /// median of the meetings. `None` if parts have no work, or all the same.
    pub fn hottest_part(&self) -> Option<(u32, f64)> {
        let mut by_part: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for point in &self.tasks {
            by_part.entry(point.part).or_default().push(point.work);
        }
        let typical: Vec<(u32, f64)> =
            by_part.into_iter().map(|(part, work)| (part, median(&work))).collect();
        let mean = typical.iter().map(|(_, work)| work).sum::<f64>() / typical.len().max(1) as f64;
        let (part, most) = typical.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        (mean > 0.0).then(|| (part, most / mean))
    }
}
