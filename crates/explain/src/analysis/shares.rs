//! Where the wall time went, in shares that add up to all of it.
//!
//! Every instant counts once and is divided evenly among the task slots that exist then; a slot's part goes to what it
//! did, or to the reason why it did nothing. An instant without a job, or without slots, goes whole to the driver, but
//! for the slots of tasks that outlive their jobs. So the shares of a run add up to 1 by construction.
//!
//! Attempts that did not count are *failures*, and so is waiting while nothing else runs: nobody would wait then if they had
//! not failed. Where the log lacks events nothing is put down to the scheduler.

use std::collections::{BTreeMap, BTreeSet};

use crate::spark::{Application, Ending, Stage, Task, Window};

/// What time is attributed to; the names are those of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Share {
    Compute,
    Gc,
    ShuffleRead,
    ShuffleWrite,
    Deserialise,
    Serialise,
    Polling,
    Failures,
    Unneeded,
    Unfinished,
    Schedule,
    Wait,
    TooFewTasks,
    Driver,
    Startup,
    Unknown,
}

impl Share {
    pub const ALL: [Share; 16] = [
        Share::Compute,
        Share::Gc,
        Share::ShuffleRead,
        Share::ShuffleWrite,
        Share::Deserialise,
        Share::Serialise,
        Share::Polling,
        Share::Failures,
        Share::Unneeded,
        Share::Unfinished,
        Share::Schedule,
        Share::Wait,
        Share::TooFewTasks,
        Share::Driver,
        Share::Startup,
        Share::Unknown,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Share::Compute => "compute",
            Share::Gc => "gc",
            Share::ShuffleRead => "shuffle_read",
            Share::ShuffleWrite => "shuffle_write",
            Share::Deserialise => "deserialise",
            Share::Serialise => "serialise",
            Share::Polling => "polling",
            Share::Failures => "failures",
            Share::Unneeded => "unneeded",
            Share::Unfinished => "unfinished",
            Share::Schedule => "schedule",
            Share::Wait => "wait",
            Share::TooFewTasks => "too_few_tasks",
            Share::Driver => "driver",
            Share::Startup => "startup",
            Share::Unknown => "unknown",
        }
    }
}

/// How long a `ctx.barrier()` sleeps between two looks (Spark 4.3, `BarrierTaskContext.runBarrier`), in ms.
pub(crate) const POLL_MS: i64 = 1000;

/// What of a barrier task's run time it slept in `ctx.barrier()`: whole polls that its CPU time does not fill.
pub(crate) fn polled_ms(stage: &Stage, task: &Task, most_polls: i64) -> i64 {
    let Some(metrics) = task.metrics.filter(|_| stage.is_barrier) else { return 0 };
    // A damaged log may say that a task ran for longer than it was there.
    let idle = (metrics.run.min(task.duration()) - metrics.cpu_ns / 1_000_000).max(0);
    (idle / POLL_MS).min(most_polls) * POLL_MS
}

/// The most polls that a barrier stage's tasks are believed to have slept: 1 a call, and calls cannot be counted, so the
/// typical stage of a run decides and a first stage that started its workers does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Polls {
    seen: BTreeMap<String, Vec<i64>>,
}

impl Polls {
    /// Learns from `stage` and says how many polls its tasks may have slept at most.
    pub fn of(&mut self, stage: &Stage) -> i64 {
        if !stage.is_barrier {
            return 0;
        }
        let idle = |task: &Task| task.metrics.map_or(0, |metrics| metrics.run - metrics.cpu_ns / 1_000_000);
        let longest = stage.tasks.iter().map(idle).max().unwrap_or(0) / POLL_MS;
        let seen = self.seen.entry(stage.name.clone()).or_default();
        if seen.len() < 64 {
            seen.push(longest);
            seen.sort_unstable();
        }
        // Early stages are the slowest: what was the least so far bounds them.
        if seen.len() < 5 { longest.min(seen[0].max(1)) } else { longest.min(seen[seen.len() / 2].max(1)) }
    }
}

/// Adds up shares window by window.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    ms: BTreeMap<Share, f64>,
    covered: Option<i64>,
    polls: Polls,
    /// When tasks ran although nobody needed them, after the window before.
    outliving: Vec<(i64, i64)>,
    failure_wait_ms: f64,
}

impl Shares {
    /// Takes the next window.
    pub fn take(&mut self, application: &Application, window: &Window) {
        let bounds = window.bounds(application.end());
        let (before, gap) = match self.covered {
            None => (application.start(), Share::Startup),
            Some(covered) => (covered, Share::Driver),
        };
        let start = bounds.0.max(before);
        let of_earlier = self.outliving.clone();
        self.outliving.extend(outliving(window));
        self.gap(application, gap, before, start);
        let end = bounds.1.max(start);
        self.covered = Some(end);
        let known = self.ms.clone();
        let busy = self.idle(application, window, start, end);
        self.occupy(&known, slots_of(application, start, end), overlap(&of_earlier, start, end));
        self.busy(window, busy, end);
        self.outliving.retain(|&(_, until)| until > end);
    }

    /// The shares of the whole run, each of `Share::ALL` once.
    pub fn finish(&mut self, application: &Application) -> BTreeMap<String, f64> {
        let covered = self.covered.unwrap_or(application.start());
        self.gap(application, Share::Driver, covered, application.end().max(covered));
        let total: f64 = self.ms.values().sum();
        let share = |share: &Share| match total {
            0.0 => f64::from(u8::from(*share == Share::Unknown)),
            _ => self.ms.get(share).copied().unwrap_or(0.0) / total,
        };
        Share::ALL.iter().map(|kind| (kind.name().to_owned(), share(kind))).collect()
    }

    /// Slot time in which others waited for attempts that did not count, in ms.
    pub fn failure_wait_ms(&self) -> f64 {
        self.failure_wait_ms
    }

    fn add(&mut self, share: Share, ms: f64) {
        *self.ms.entry(share).or_default() += ms;
    }

    /// A stretch without a job is the driver's, but for the slots of tasks that outlive their jobs.
    fn gap(&mut self, application: &Application, share: Share, from: i64, to: i64) {
        let whole = (to - from) as f64;
        let outliving = overlap(&self.outliving, from, to);
        let unneeded = (outliving / slots_of(application, from, to)).min(whole);
        self.add(Share::Unneeded, unneeded);
        self.add(share, whole - unneeded);
    }

    /// Tasks of earlier windows that go on hold slots that otherwise seem to be idle: since what was `known`, as many as they
    /// take of them.
    fn occupy(&mut self, known: &BTreeMap<Share, f64>, slots: f64, outliving: f64) {
        if outliving <= 0.0 {
            return;
        }
        let of = |share: Share| known.get(&share).copied().unwrap_or(0.0);
        let idle: f64 = self.ms.iter().map(|(share, ms)| ms - of(*share)).sum();
        let taken = (outliving / slots).min(idle);
        for (share, ms) in &mut self.ms {
            *ms -= (*ms - of(*share)) * taken / idle.max(1e-9);
        }
        self.add(Share::Unneeded, taken);
    }

    /// Attributes idle slots and returns the part of the window in which slots were busy, in ms of wall time.
    fn idle(&mut self, application: &Application, window: &Window, start: i64, end: i64) -> f64 {
        let mut sweep = Sweep::default();
        let mut busy = 0.0;
        let mut now = start;
        for (at, change) in changes(application, window) {
            let until = at.clamp(start, end);
            if until > now {
                busy += self.instant(&sweep, (until - now) as f64);
                now = until;
            }
            sweep.apply(change);
        }
        busy + self.instant(&sweep, (end - now) as f64)
    }

    /// Attributes a stretch in which nothing changes; returns its busy part.
    fn instant(&mut self, sweep: &Sweep, ms: f64) -> f64 {
        let running = sweep.running() as f64;
        let slots = (sweep.slots.max(0) as f64).max(running);
        if slots == 0.0 {
            self.add(if sweep.had_slots { Share::Schedule } else { Share::Startup }, ms);
            return 0.0;
        }
        let idle = slots - running;
        let per_slot = ms / slots;
        if let Some(hidden) = sweep.hidden() {
            self.add(hidden, idle * per_slot);
        } else if sweep.pending() || running == 0.0 {
            self.add(Share::Schedule, idle * per_slot);
        } else {
            // The slots that have done their part of the running stages wait for the rest of it.
            let waiting = (sweep.used() as f64 - running).clamp(0.0, idle);
            if sweep.is_failing() {
                self.failure_wait_ms += waiting * ms;
                self.add(Share::Failures, waiting * per_slot);
            } else {
                self.add(Share::Wait, waiting * per_slot);
            }
            self.add(Share::TooFewTasks, (idle - waiting) * per_slot);
        }
        running * per_slot
    }

    /// Divides the busy part by what the tasks measured of themselves.
    fn busy(&mut self, window: &Window, busy: f64, end: i64) {
        let mut parts: BTreeMap<Share, f64> = BTreeMap::new();
        for stage in &window.stages {
            let most_polls = self.polls.of(stage);
            for task in &stage.tasks {
                for (share, ms) in parts_until(stage, task, polled_ms(stage, task, most_polls), end) {
                    *parts.entry(share).or_default() += ms;
                }
            }
            let running = stage.running.iter().map(|task| (end - task.launched).max(0) as f64);
            *parts.entry(Share::Unfinished).or_default() += running.sum::<f64>();
        }
        let total: f64 = parts.values().sum();
        if total > 0.0 {
            parts.into_iter().for_each(|(share, ms)| self.add(share, ms / total * busy));
        } else {
            self.add(Share::Unknown, busy);
        }
    }
}

/// How much of the time from `from` to `to` these stretches take together, in ms.
fn overlap(stretches: &[(i64, i64)], from: i64, to: i64) -> f64 {
    stretches.iter().map(|&(start, end)| (end.min(to) - start.max(from)).max(0) as f64).sum()
}

/// How many slots there were on average, at least one.
fn slots_of(application: &Application, from: i64, to: i64) -> f64 {
    (application.slot_ms(from, to) / (to - from).max(1) as f64).max(1.0)
}

/// When the tasks ran that went on although nobody needed them any more.
fn outliving(window: &Window) -> impl Iterator<Item = (i64, i64)> {
    window.stages.iter().flat_map(|stage| {
        let until = stage.needed_until.unwrap_or(i64::MAX);
        let late = stage.tasks.iter().filter(move |task| task.finished > until);
        late.map(move |task| (task.launched.max(until), task.finished))
    })
}

/// The parts of what a task took up to `end`: an attempt that did not count is lost, and what went on after its job unneeded.
fn parts_until(stage: &Stage, task: &Task, polled: i64, end: i64) -> Vec<(Share, f64)> {
    let unneeded = stage.unneeded_ms(task);
    let after = (task.finished - end.max(task.launched)).max(0);
    let needed = (task.duration() - unneeded.max(after)) as f64;
    let mut parts = vec![(Share::Unneeded, (unneeded - after).max(0) as f64)];
    if task.succeeded {
        let whole = task.duration().max(1) as f64;
        parts.extend(task_parts(task, polled).into_iter().map(|(share, ms)| (share, ms * needed / whole)));
    } else {
        parts.push((Share::Failures, needed));
    }
    parts
}

/// A task's duration in parts that add up to it.
pub(crate) fn task_parts(task: &Task, polled: i64) -> Vec<(Share, f64)> {
    let mut left = task.duration();
    let Some(metrics) = &task.metrics else { return vec![(Share::Unknown, left as f64)] };
    let mut take = |ms: i64| {
        let taken = ms.clamp(0, left);
        left -= taken;
        taken as f64
    };
    let mut parts = vec![
        (Share::Deserialise, take(metrics.deserialise)),
        (Share::Serialise, take(metrics.serialise + task.getting_result_time())),
    ];
    let mut run = take(metrics.run);
    let mut take_of_run = |ms: f64| {
        let taken = ms.clamp(0.0, run);
        run -= taken;
        taken
    };
    parts.extend([
        (Share::Polling, take_of_run(polled as f64)),
        (Share::ShuffleRead, take_of_run(metrics.fetch_wait as f64)),
        (Share::ShuffleWrite, take_of_run(metrics.shuffle_write_ns as f64 / 1e6)),
        (Share::Gc, take_of_run(metrics.gc as f64)),
    ]);
    parts.push((Share::Compute, run));
    // What nothing measured lies between the scheduler's launch and its hearing of the finish.
    parts.push((Share::Schedule, left as f64));
    parts
}

/// Something that changes what slots do.
#[derive(Clone, Copy, Debug)]
enum Change {
    Slots(i64),
    Submitted { stage: usize, tasks: i64, hidden: Option<Share> },
    Completed { stage: usize },
    Launched { stage: usize, slot: (u32, u32), is_failing: bool },
    Finished { stage: usize, is_failing: bool },
}

/// All changes of a window in order of time; at one time slots come before what uses them.
fn changes(application: &Application, window: &Window) -> Vec<(i64, Change)> {
    let mut changes = Vec::new();
    let mut at = |time: i64, change: Change| changes.push((time, change));
    for executor in &application.executors {
        let slots = i64::from(application.slots(executor));
        at(executor.added, Change::Slots(slots));
        let removed = executor.removed.map(|removed| removed.max(executor.added));
        removed.into_iter().for_each(|removed| at(removed, Change::Slots(-slots)));
    }
    for (number, stage) in window.stages.iter().enumerate() {
        let tasks = i64::from(stage.planned_tasks);
        at(stage.submitted, Change::Submitted { stage: number, tasks, hidden: hidden(stage) });
        let repeated = repeated(stage);
        for task in &stage.tasks {
            let is_failing = !task.succeeded || stage.key.attempt > 0 || repeated.contains(&task.index);
            let slot = (task.executor, task.slot);
            at(task.launched, Change::Launched { stage: number, slot, is_failing });
            at(task.finished, Change::Finished { stage: number, is_failing });
        }
        for (nth, task) in stage.running.iter().enumerate() {
            // Which core it is on is not known; that it is another one is.
            let slot = (task.executor, u32::MAX - nth as u32);
            at(task.launched, Change::Launched { stage: number, slot, is_failing: false });
        }
        stage.completed.into_iter().for_each(|completed| at(completed, Change::Completed { stage: number }));
    }
    // Stable: at one time the order above holds.
    changes.sort_by_key(|change| change.0);
    changes
}

/// Why the log does not tell what the stage's slots did, if it does not: its end is still to come, or events were lost.
pub(crate) fn hidden(stage: &Stage) -> Option<Share> {
    match stage {
        _ if stage.is_unfinished => Some(Share::Unfinished),
        _ if stage.missing_tasks > 0 => Some(Share::Unknown),
        _ => None,
    }
}

/// The tasks of which an attempt failed, by index: all their attempts are due to failures.
pub(crate) fn repeated(stage: &Stage) -> BTreeSet<i64> {
    let failed =
        stage.tasks.iter().filter(|task| task.ending == Ending::Failed || task.ending == Ending::Resubmitted);
    failed.map(|task| task.index).collect()
}

/// The state between two changes.
#[derive(Debug, Default)]
struct Sweep {
    slots: i64,
    had_slots: bool,
    stages: BTreeMap<usize, Active>,
    pending: i64,
    running: i64,
    /// Running attempts that failures caused.
    failing: i64,
    used: i64,
    /// Stages of which the log does not tell everything, with what that is.
    hidden: BTreeMap<usize, Share>,
}

/// A stage with tasks that run or are still to be launched.
#[derive(Debug, Default)]
struct Active {
    unlaunched: i64,
    running: i64,
    used: BTreeSet<(u32, u32)>,
}

impl Sweep {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Slots(difference) => {
                self.slots += difference;
                self.had_slots |= difference > 0;
            }
            Change::Submitted { stage, tasks, hidden } => {
                self.stages.entry(stage).or_default().unlaunched += tasks;
                self.pending += tasks;
                self.hidden.extend(hidden.map(|share| (stage, share)));
            }
            Change::Launched { stage, slot, is_failing } => {
                let active = self.stages.entry(stage).or_default();
                // A repeated attempt is launched although all tasks were.
                let first = active.unlaunched.clamp(0, 1);
                active.unlaunched -= first;
                self.pending -= first;
                active.running += 1;
                self.running += 1;
                self.failing += i64::from(is_failing);
                if active.used.insert(slot) && active.running > 1 {
                    self.used += 1;
                } else if active.running == 1 {
                    self.used += active.used.len() as i64;
                }
            }
            Change::Finished { stage, is_failing } => {
                let Some(active) = self.stages.get_mut(&stage) else { return };
                active.running -= 1;
                self.running -= 1;
                self.failing -= i64::from(is_failing);
                if active.running == 0 {
                    self.used -= active.used.len() as i64;
                }
            }
            Change::Completed { stage } => {
                self.hidden.remove(&stage);
                if let Some(active) = self.stages.get_mut(&stage) {
                    self.pending -= active.unlaunched;
                    active.unlaunched = 0;
                }
            }
        }
    }

    fn pending(&self) -> bool {
        self.pending > 0
    }

    fn running(&self) -> i64 {
        self.running.max(0)
    }

    /// Slots that worked for a stage which still runs.
    fn used(&self) -> i64 {
        self.used
    }

    /// Whether all that runs is due to failures: then so is the waiting for it.
    fn is_failing(&self) -> bool {
        self.running > 0 && self.failing == self.running
    }

    /// What idle slots do as long as a stage is open of which the log does not tell everything.
    fn hidden(&self) -> Option<Share> {
        self.hidden.values().next().copied()
    }
}
