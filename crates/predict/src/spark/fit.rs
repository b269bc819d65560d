//! From a log's windows to work and overheads.
//!
//! The driver stamps a task's finish when it has looked at the result, which is often after the slot already has its
//! next task: taken at face value the gap between two tasks of a slot is negative, and a model that clips it at zero and
//! counts launch to finish as the slot's time counts those milliseconds twice. So a slot's time is split at the end that
//! the executor saw (launch + deserialise + run + serialise): what follows until the slot's next launch is its *turn*,
//! what follows until the driver's stamp is the task's *notice*. Which launch follows which end need not be known: the
//! mean over a stage is the same for every assignment, so launches and ends are matched in order.

use std::collections::HashMap;

use syncline_explain::spark::{Application, Job, Metrics, Stage, Task, Window};

use super::contention::Contention;
use super::log::SparkLog;
use super::pool::{Elastic, Rule};
use super::replay::deviation;
use super::threads::{Threads, candidates};
use super::timeline::{Timeline, end_ms, slot_ms};
use super::work::{After, ExecutorKind, Group, JobWork, Retry, SparkProfile, StageWork, TaskWork};
use crate::Error;
use crate::sample::median;

/// One task of so many may be missing from a log that predicts.
const LOST: usize = 20;

/// Tasks whose deserialisation must have been measured before it says anything.
const PROBES: usize = 20;

const MS: f64 = 1e-3;

/// What Spark takes where memory is not set: `spark.executor.memory`, `spark.memory.fraction`.
const USUAL_MEMORY: u64 = 1 << 30;
const USUAL_FRACTION: f64 = 0.6;

impl SparkProfile {
    pub(super) fn fit(log: &SparkLog) -> Result<Self, Error> {
        let windows: Vec<&Window> = log.windows.iter().filter(|window| is_whole(window)).collect();
        let tasks = || windows.iter().flat_map(|window| &window.stages).flat_map(|stage| &stage.tasks);
        check(log, &windows)?;
        let application = &log.application;
        let slots = most_slots(application, &windows);
        let measured = pressure(&windows);
        let (pressure, drift) = measured.unwrap_or((1.0, 0.0));
        let threads = Threads::of(&windows);
        let mut groups = Vec::new();
        let mut before = application.start();
        for window in &windows {
            let (start, end) = window.bounds(end_of(window));
            let (origin, gap_s) = (application.start(), (start - before).max(0) as f64 * MS);
            groups.push(Group { gap_s, ..group(window, slots, pressure, origin, threads) });
            before = before.max(end);
        }
        share_overheads(&mut groups);
        let wall_s = (application.end() - application.start()) as f64 * MS;
        let job_s: f64 = groups.iter().map(|group| group.measured_s).sum();
        let busy_s: f64 = tasks().map(|task| slot_ms(task) as f64 * MS).sum();
        let busy_share = (busy_s / (job_s * slots as f64)).min(1.0);
        let cores = one_machine(application).map(|cores| cores as f64);
        let computing = busy_share * computing(&groups);
        let contention = Contention { pressure, is_measured: measured.is_some(), drift, computing, cores };
        let profile = Self {
            name: application.name.clone(),
            slots,
            executors: application.most_executors().max(1) as usize,
            jobs: windows.iter().map(|window| window.jobs.len()).sum(),
            tasks: tasks().count(),
            failed_attempts: tasks().filter(|task| !task.succeeded).count(),
            missing_tasks: missing_tasks(&windows),
            busy_share,
            wall_s,
            driver_s: (wall_s - job_s).max(0.0),
            contention,
            groups,
            own_error: 0.0,
            threads,
            executor: executor_kind(application, &windows),
            elastic: recorded(application),
        };
        Ok(Self { own_error: profile.check().error().abs(), ..profile })
    }
}

fn missing_tasks(windows: &[&Window]) -> usize {
    windows.iter().flat_map(|window| &window.stages).map(|stage| stage.missing_tasks as usize).sum()
}

/// Whether every job of it ended; the last one of a log that was cut did not.
fn is_whole(window: &Window) -> bool {
    !window.jobs.is_empty() && window.jobs.iter().all(|job| job.ended.is_some())
}

fn end_of(window: &Window) -> i64 {
    window.jobs.iter().filter_map(|job| job.ended).max().unwrap_or(0)
}

fn check(log: &SparkLog, windows: &[&Window]) -> Result<(), Error> {
    let tasks = || windows.iter().flat_map(|window| &window.stages).flat_map(|stage| &stage.tasks);
    let (all, measured) = (tasks().count(), tasks().filter(|task| task.metrics.is_some()).count());
    let ended = log.windows.iter().flat_map(|window| &window.jobs).filter(|job| job.ended.is_some()).count();
    let missing = missing_tasks(windows);
    let of = if log.name().is_empty() { String::new() } else { format!(" of '{}'", log.name()) };
    let why = if windows.is_empty() && ended > 0 {
        format!(
            "the {ended} jobs{of} that ended overlapped one that had not ended; take the log of a run that ended"
        )
    } else if windows.is_empty() {
        format!("no job{of} ended, so nothing of it was measured; take the log of a run that ended")
    } else if all == 0 {
        format!(
            "the log{of} holds no finished tasks (a compacted log has lost them); take the log before compaction"
        )
    } else if LOST * missing > all + missing {
        format!(
            "{missing} of {} tasks{of} have no end in the log because Spark's listener lost events, so what they took is not \
             known; take a log without lost events (spark.scheduler.listenerbus.eventqueue.capacity makes its queue longer)",
            all + missing
        )
    } else if windows.iter().all(|window| window.bounds(end_of(window)).0 >= window.bounds(end_of(window)).1)
    {
        format!("the jobs{of} take no time by the log's clock, so there is nothing to compare with")
    } else if 2 * measured < all {
        format!(
            "{} of {all} tasks{of} carry no metrics, so that work and overheads cannot be told apart",
            all - measured
        )
    } else {
        return Ok(());
    };
    Err(Error::CannotTell { why })
}

/// Slots of the executors that were there together; at least what a barrier stage took at once, whatever a damaged log
/// says of its executors.
fn most_slots(application: &Application, windows: &[&Window]) -> usize {
    let slots = |at: i64| -> usize {
        let there = application
            .executors
            .iter()
            .filter(|executor| executor.added <= at && executor.removed.is_none_or(|removed| removed > at));
        there.map(|executor| application.slots(executor) as usize).sum()
    };
    // Executors may register while the first job already runs: its end counts, not its start.
    let there = windows.iter().map(|window| slots(end_of(window))).max().unwrap_or(0);
    let barriers = windows.iter().flat_map(|window| &window.stages).filter(|stage| stage.is_barrier);
    there.max(barriers.map(|stage| stage.tasks.len()).max().unwrap_or(0)).max(1)
}

/// What the executors are, by the settings and by what tasks measured.
fn executor_kind(application: &Application, windows: &[&Window]) -> ExecutorKind {
    let properties = &application.properties;
    let measured = || {
        let tasks = windows.iter().flat_map(|window| &window.stages).flat_map(|stage| &stage.tasks);
        tasks.filter_map(|task| task.metrics)
    };
    let sum = |figure: fn(&Metrics) -> i64| measured().map(|metrics| figure(&metrics) as f64).sum::<f64>();
    let (run, remote) = (sum(|metrics| metrics.run), sum(|metrics| metrics.remote_read));
    let shuffled = remote + sum(|metrics| metrics.local_read);
    let is_local = application.executors.iter().all(|executor| executor.id == "driver");
    let first = application.executors.iter().map(|executor| executor.added - application.start()).min();
    ExecutorKind {
        memory: properties.memory.unwrap_or(USUAL_MEMORY),
        fraction: properties.memory_fraction.unwrap_or(USUAL_FRACTION),
        is_local,
        start_s: first.filter(|_| !is_local).map(|ms| ms.max(0) as f64 * MS),
        gc_share: if run > 0.0 { (sum(|metrics| metrics.gc) / run).min(1.0) } else { 0.0 },
        remote_share: (shuffled > 0.0).then(|| remote / shuffled),
        allocation: properties.allocation,
    }
}

/// When executors came and went, where they did so on demand.
fn recorded(application: &Application) -> Option<Elastic> {
    application.properties.allocation?;
    let each = application.executors.iter().map(|executor| application.slots(executor) as usize).max()?;
    let s = |at: i64| (at - application.start()).max(0) as f64 * MS;
    let mut times: Vec<(f64, Option<f64>)> =
        application.executors.iter().map(|executor| (s(executor.added), executor.removed.map(s))).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(Elastic { rule: Rule::Recorded(times), each })
}

/// Cores of the machine, if all executors share one and run on it as far as the log tells.
fn one_machine(application: &Application) -> Option<u64> {
    let mut hosts: Vec<&str> = application.executors.iter().map(|executor| executor.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    (hosts.len() == 1).then(|| application.most_cores())
}

/// Wall over processor time of deserialisation, and its relative deviation between quarters of the log; nothing where too
/// few tasks tell. The first window loads code from disk and does not count; of a log that is one window, the later half
/// of its tasks does. Spark cuts the wall time to whole ms, which takes half of one away on average.
fn pressure(windows: &[&Window]) -> Option<(f64, f64)> {
    let of_window = |window: &&Window| -> Vec<Task> {
        let mut tasks: Vec<Task> =
            window.stages.iter().flat_map(|stage| stage.tasks.iter().cloned()).collect();
        tasks.sort_by_key(|task| (task.launched, task.id));
        tasks
    };
    let tasks: Vec<Task> = match windows {
        [only] => {
            let mut tasks = of_window(only);
            tasks.split_off(tasks.len() / 2)
        }
        windows => windows.iter().skip(1).flat_map(of_window).collect(),
    };
    let probes: Vec<(f64, f64)> = tasks
        .iter()
        .filter_map(|task| task.metrics)
        .filter(|metrics| metrics.deserialise_cpu_ns > 0)
        .map(|metrics| (metrics.deserialise as f64 + 0.5, metrics.deserialise_cpu_ns as f64 * 1e-6))
        .collect();
    if probes.len() < PROBES {
        return None;
    }
    let ratio = |probes: &[(f64, f64)]| {
        let (wall, processor) =
            probes.iter().fold((0.0, 0.0), |sum, probe| (sum.0 + probe.0, sum.1 + probe.1));
        f64::max(wall / processor, 1.0)
    };
    let all = ratio(&probes);
    let quarters: Vec<f64> = probes.chunks(probes.len().div_ceil(4)).map(ratio).collect();
    Some((all, deviation(&quarters) / all))
}

/// The share of a slot's time in which it computes.
fn computing(groups: &[Group]) -> f64 {
    let (mut computes, mut holds) = (0.0, 0.0);
    for stage in groups.iter().flat_map(|group| &group.stages) {
        for task in &stage.tasks {
            computes += task.processor_s + stage.turn_s;
            holds += task.work_s + stage.turn_s;
        }
    }
    if holds > 0.0 { computes / holds } else { 0.0 }
}

fn group(window: &Window, slots: usize, pressure: f64, origin: i64, threads: Threads) -> Group {
    let (start, end) = window.bounds(end_of(window));
    let stages: Vec<&Stage> = window.stages.iter().filter(|stage| stage.job.is_some()).collect();
    let mut last: Vec<i64> = window.jobs.iter().map(|job| job.started).collect();
    for stage in &stages {
        if let (Some(job), Some(finish)) = (stage.job, stage.last_finish()) {
            last[job] = last[job].max(finish);
        }
    }
    let timeline = Timeline::of(&stages);
    let mut known = HashMap::<i64, Vec<usize>>::new();
    let work = |(at, stage): (usize, &&Stage)| {
        // A retry waits for whatever its first attempt waited for; only earlier ones, so that no log can make a circle.
        let parents: Vec<usize> =
            stage.parents.iter().filter_map(|id| known.get(id)).flatten().copied().collect();
        known.entry(stage.key.id).or_default().push(at);
        let ends = parents.iter().filter_map(|&parent| stages[parent].last_finish());
        let ready = ends.fold(window.jobs[stage.job.unwrap_or(0)].started, i64::max);
        let submitted_s = (stage.submitted - origin) as f64 * MS;
        let delay_s = (stage.submitted - ready).max(0) as f64 * MS;
        StageWork { parents, submitted_s, delay_s, ..stage_work(stage, &timeline, slots, pressure) }
    };
    let stages_work = stages.iter().enumerate().map(work).collect();
    let job = |((job, last), candidate): ((&Job, i64), Option<After>)| {
        let consequence = candidate.filter(|_| threads.believed);
        let otherwise = candidate.filter(|_| threads.doubtful && consequence.is_none());
        JobWork { after: consequence, otherwise, ..job_work(job, last, start) }
    };
    Group {
        jobs: window.jobs.iter().zip(last).zip(candidates(&window.jobs, threads)).map(job).collect(),
        stages: stages_work,
        measured_s: (end - start) as f64 * MS,
        gap_s: 0.0,
    }
}

fn job_work(job: &Job, last: i64, start: i64) -> JobWork {
    let ended = job.ended.unwrap_or(last);
    JobWork {
        id: job.id,
        start_s: (job.started - start) as f64 * MS,
        after: None,
        otherwise: None,
        tail_s: (ended - last).max(0) as f64 * MS,
        measured_s: (ended - job.started) as f64 * MS,
    }
}

/// A stage by itself; when it is submitted is left to its group. Attempts that went on when nobody needed them any more are
/// no part of it: whoever waits for the stage does not wait for them.
fn stage_work(stage: &Stage, timeline: &Timeline, slots: usize, pressure: f64) -> StageWork {
    let is_part = |task: &&Task| task.succeeded || stage.needs(task);
    let mut order: Vec<&Task> = stage.tasks.iter().filter(is_part).collect();
    order.sort_by_key(|task| (task.launched, task.id));
    let shortest = fixed_ms(&order);
    let need = if stage.is_barrier { order.len() } else { 1 };
    let waited = timeline.running(stage.submitted) + need > slots || timeline.waiting(stage.submitted) > 0;
    let first = stage.first_launch().unwrap_or(stage.submitted);
    let blocked = || {
        let enough = timeline.at_most(slots.saturating_sub(need), first).unwrap_or(stage.submitted);
        (first - enough.max(stage.submitted)).max(0) as f64 * MS
    };
    let (tasks, retries) = chained(&order, |task| task_work(task, shortest, pressure));
    // What repeats a failed attempt is launched when that has failed, which says nothing of free slots.
    let turn = if retries.is_empty() { turn(&order, timeline, slots) } else { None };
    StageWork {
        name: stage.name.clone(),
        job: stage.job.unwrap_or(0),
        parents: Vec::new(),
        barrier: stage.is_barrier,
        delay_s: 0.0,
        lead_s: if waited { f64::NAN } else { (first - stage.submitted).max(0) as f64 * MS },
        submitted_s: 0.0,
        waited_s: (first - stage.submitted).max(0) as f64 * MS,
        blocked_s: waited.then(blocked),
        turn_s: turn.unwrap_or(f64::NAN),
        tasks,
        retries,
    }
}

/// Attempts in the order of their launch, each followed at once by those that repeat it because it failed: they come one
/// after the other on any number of slots. What the repetitions run is told apart, too.
fn chained(order: &[&Task], work: impl Fn(&Task) -> TaskWork) -> (Vec<TaskWork>, Vec<Retry>) {
    let (mut chains, mut retries) = (Vec::<TaskWork>::with_capacity(order.len()), Vec::new());
    // Of each task the chain that a next attempt goes on, and when its last one failed.
    let mut failed = HashMap::<i64, (usize, i64)>::new();
    for task in order {
        let attempt = work(task);
        let before = failed.remove(&task.index).filter(|(_, at)| *at <= task.launched);
        let chain = match before {
            Some((chain, _)) => {
                chains[chain].go_on(&attempt);
                retries.push(Retry { task: chain, run_s: attempt.run_s });
                chain
            }
            None => {
                chains.push(attempt);
                chains.len() - 1
            }
        };
        if !task.succeeded {
            failed.insert(task.index, (chain, task.finished));
        }
    }
    (chains, retries)
}

/// What every task of a stage takes at least, whatever its data, if the stage shows it: its shortest run time, where
/// run times differ so much that the shortest is a floor and not a typical one. 0 otherwise. A task's own processor time
/// does not hold what a Python worker computes; this does.
fn fixed_ms(tasks: &[&Task]) -> i64 {
    let shortest = tasks.iter().map(|task| task.run()).min().unwrap_or(0);
    let mean = tasks.iter().map(|task| task.run()).sum::<i64>() / tasks.len().max(1) as i64;
    if tasks.len() >= 8 && 2 * shortest < mean { shortest } else { 0 }
}

fn task_work(task: &Task, fixed_ms: i64, pressure: f64) -> TaskWork {
    let work = slot_ms(task);
    let run = task.run().min(work);
    let computes = task.metrics.map_or(0.0, |metrics| metrics.cpu_ns as f64 * 1e-6 * pressure);
    let other = (work - run) as f64;
    TaskWork {
        work_s: work as f64 * MS,
        run_s: run as f64 * MS,
        processor_s: (other + computes.max(fixed_ms as f64).min(run as f64)) * MS,
        notice_s: (task.finished - end_ms(task)).max(0) as f64 * MS,
        fetch_s: task.metrics.map_or(0.0, |metrics| metrics.fetch_wait.min(run) as f32 * MS as f32),
        peak_b: task.metrics.map_or(0.0, |metrics| metrics.peak_memory as f32),
        spilled_b: task.metrics.map_or(0.0, |metrics| metrics.memory_spilled as f32),
    }
}

/// The mean time from a task's end on a slot to the next launch there: only where the stage had all slots to itself and
/// more tasks than slots.
fn turn(order: &[&Task], timeline: &Timeline, slots: usize) -> Option<f64> {
    let mut ends: Vec<i64> = order.iter().map(|task| end_ms(task)).collect();
    ends.sort_unstable();
    let shared = timeline.stages_between(order.first()?.launched, *ends.last()?) > 1;
    let together = order.iter().take_while(|task| task.launched <= ends[0]).count().min(slots);
    if shared || order.len() <= together {
        return None;
    }
    let again = order[together..].iter().zip(&ends).map(|(task, end)| (task.launched - end) as f64);
    let count = (order.len() - together) as f64;
    Some((again.sum::<f64>() / count).max(0.0) * MS)
}

/// Stages that did not show their turn or lead have the median of those that did. Without any, a slot has its next task
/// once the driver has noted the end of the last one.
fn share_overheads(groups: &mut [Group]) {
    let stages = || groups.iter().flat_map(|group| &group.stages);
    let notice = median(stages().flat_map(|stage| &stage.tasks).map(|task| task.notice_s)).unwrap_or(0.0);
    let turn = median(stages().map(|stage| stage.turn_s)).unwrap_or(notice);
    let lead = median(stages().map(|stage| stage.lead_s)).unwrap_or(0.0);
    for stage in groups.iter_mut().flat_map(|group| &mut group.stages) {
        if stage.turn_s.is_nan() {
            stage.turn_s = turn;
        }
        if stage.lead_s.is_nan() {
            stage.lead_s = lead;
        }
    }
}
