//! The figures of Sparklens, by its definitions, so that its users feel at home.
//!
//! Run times only: neither deserialisation nor the scheduler nor gaps count, which is why its model is too fast by 5 to
//! 24 % on the sample logs. `model_error` says by how much on the run at hand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde::Serialize;

use crate::spark::{Application, Stage, Window};

/// Sparklens' figures for an application. Times in ms, hours in core-hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sparklens {
    /// Most executors at once, times the cores of the first.
    pub total_cores: u64,
    /// Wall time in job groups: jobs of one SQL execution that overlap count as one.
    pub job_ms: i64,
    /// Wall time outside of job groups.
    pub driver_ms: i64,
    /// With infinitely many executors: the driver, and the longest chain of each job's slowest tasks.
    pub critical_path_ms: i64,
    /// With the same executors, perfect parallelism and no skew.
    pub ideal_ms: f64,
    /// With a single core.
    pub one_core_ms: i64,
    /// Core-hours that were there over the whole run.
    pub available_core_hours: f64,
    /// Share of them that the driver wasted.
    pub wasted_by_driver: f64,
    /// Share of them that executors wasted while jobs ran.
    pub wasted_by_executors: f64,
    /// Share of the executors' core-hours while jobs ran that tasks used.
    pub executor_used: f64,
    /// The time that its scheduling model gives for the same executors.
    pub model_ms: i64,
    /// |real - model| / real.
    pub model_error: f64,
    /// The model's time at other numbers of executors.
    pub what_if: Vec<WhatIf>,
    /// Per stage, in order of id; the longest 500.
    pub stages: Vec<LensStage>,
}

/// The scheduling model at another size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WhatIf {
    /// In percent of the executors that there were.
    pub percent: u32,
    /// How many executors.
    pub executors: u64,
    /// The time of the whole run.
    pub ms: i64,
    /// Share of the core-time that tasks would use.
    pub utilisation: f64,
}

/// Sparklens' figures for a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LensStage {
    /// The stage's id.
    pub stage: i64,
    /// Its name.
    pub name: String,
    /// Share of all stages' wall time, in percent.
    pub wall_percent: f64,
    /// From the first launch to the last finish, in ms.
    pub ms: i64,
    /// Sum of run times over the cores, in ms.
    pub ideal_ms: f64,
    /// Number of tasks.
    pub tasks: u64,
    /// Tasks per core.
    pub p_ratio: f64,
    /// Longest run time over the median.
    pub task_skew: f64,
    /// Longest run time over the stage's duration.
    pub task_stage_skew: f64,
    /// Output and shuffle write over input and shuffle read.
    pub oi_ratio: f64,
    /// Share of run time in shuffle writes, percent.
    pub shuffle_write_percent: f64,
    /// Share of run time in shuffle reads, percent.
    pub read_fetch_percent: f64,
    /// Share of run time in garbage collection, percent.
    pub gc_percent: f64,
}

/// The sizes that Sparklens tries, in percent.
const SIZES: [u32; 11] = [10, 20, 50, 80, 100, 110, 120, 150, 200, 300, 400];

/// A stage reduced to what the scheduling model needs.
#[derive(Debug)]
struct Planned {
    parents: Vec<usize>,
    run_ms: Vec<u32>,
}

/// Run times kept for the scheduling model; beyond, the model is left out.
const KEPT: usize = 1 << 22;

/// Stages whose figures are kept.
const STAGES: usize = 500;

/// Collects the figures window by window.
#[derive(Debug, Default)]
pub(crate) struct LensSums {
    job_ms: i64,
    critical_ms: i64,
    run_ms: i64,
    groups: Vec<Vec<Planned>>,
    kept: usize,
    stages: Vec<LensStage>,
    stage_ms: i64,
}

impl LensSums {
    /// Takes the next window.
    pub fn take(&mut self, application: &Application, window: &Window) {
        let now = application.end();
        let cores = total_cores(application);
        for group in job_groups(window, now) {
            self.job_ms = self.job_ms.saturating_add(group.ended - group.started);
            let stages: Vec<&Stage> = window
                .stages
                .iter()
                .filter(|stage| {
                    stage.job.is_some_and(|job| group.jobs.contains(&job)) && !stage.tasks.is_empty()
                })
                .collect();
            self.critical_ms = self.critical_ms.saturating_add(longest_chain(&stages));
            let planned = plan(&stages);
            self.kept += planned.iter().map(|stage| stage.run_ms.len()).sum::<usize>();
            if self.kept <= KEPT {
                self.groups.push(planned);
            }
        }
        for stage in &window.stages {
            let run_ms = stage.tasks.iter().map(|task| task.run()).sum();
            self.run_ms = self.run_ms.saturating_add(run_ms);
            self.stages.extend(lens_stage(stage, cores));
        }
        self.stage_ms = self.stage_ms.saturating_add(window.stages.iter().map(stage_ms).sum());
        if self.stages.len() > 2 * STAGES {
            self.keep_longest();
        }
    }

    fn keep_longest(&mut self) {
        self.stages.sort_by_key(|stage| Reverse(stage.ms));
        self.stages.truncate(STAGES);
    }

    /// The figures of the run.
    pub fn finish(mut self, application: &Application) -> Sparklens {
        self.keep_longest();
        self.stages.sort_by_key(|stage| stage.stage);
        for stage in &mut self.stages {
            stage.wall_percent = 100.0 * stage.ms as f64 / self.stage_ms.max(1) as f64;
        }
        let total_cores = total_cores(application);
        let (executors, per_executor) = (application.most_executors(), first_cores(application));
        let wall = application.end() - application.start();
        let driver_ms = wall.saturating_sub(self.job_ms);
        let estimate =
            |slots: u64| driver_ms + self.groups.iter().map(|group| schedule(group, slots)).sum::<i64>();
        let has_model = self.kept <= KEPT && !self.groups.is_empty();
        let model_ms = if has_model { estimate(total_cores) } else { 0 };
        let what_if = SIZES.iter().filter(|_| has_model).filter_map(|&percent| {
            let count = executors * u64::from(percent) / 100;
            (count > 0).then(|| {
                let ms = if count == executors { model_ms } else { estimate(count * per_executor) };
                let available = (ms.max(1) as f64) * (count * per_executor) as f64;
                WhatIf { percent, executors: count, ms, utilisation: self.run_ms as f64 / available }
            })
        });
        let cores = total_cores.max(1) as f64;
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        Sparklens {
            total_cores,
            job_ms: self.job_ms,
            driver_ms,
            critical_path_ms: driver_ms.saturating_add(self.critical_ms),
            ideal_ms: driver_ms as f64 + self.run_ms as f64 / cores,
            one_core_ms: driver_ms.saturating_add(self.run_ms),
            available_core_hours: wall as f64 * cores / 3.6e6,
            wasted_by_driver: ratio(driver_ms as f64, wall as f64),
            wasted_by_executors: ratio(self.job_ms as f64 * cores - self.run_ms as f64, wall as f64 * cores),
            executor_used: ratio(self.run_ms as f64, self.job_ms as f64 * cores),
            model_ms,
            model_error: ratio((wall - model_ms).abs() as f64, wall as f64),
            what_if: what_if.collect(),
            stages: self.stages,
        }
    }
}

impl Sparklens {
    /// What of the figures means nothing, in words: where the definitions meet a run for which they were not made, they
    /// yield negative times, and shares beyond all there was.
    pub fn nonsense(&self) -> Option<String> {
        let seconds = |ms: i64| format!("{:.1} s", ms as f64 / 1000.0);
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let is_share = |share: f64| (0.0..=1.0 + 1e-9).contains(&share);
        if self.driver_ms < 0 {
            return Some(format!(
                "its definition adds up jobs that ran side by side, and so yields {} of driver time",
                seconds(self.driver_ms)
            ));
        }
        if !is_share(self.wasted_by_executors) || !is_share(self.executor_used) {
            return Some(format!(
                "its definitions yield {} of the core time wasted by executors, and {} of theirs used",
                percent(self.wasted_by_executors),
                percent(self.executor_used)
            ));
        }
        let above = self.what_if.iter().find(|size| !is_share(size.utilisation));
        above.map(|size| format!("its model yields a utilisation of {}", percent(size.utilisation)))
    }
}

/// Jobs that Sparklens counts as one: of the same SQL execution, overlapping in time.
struct JobGroup {
    sql: Option<i64>,
    jobs: Vec<usize>,
    started: i64,
    ended: i64,
}

fn job_groups(window: &Window, now: i64) -> Vec<JobGroup> {
    let mut groups: Vec<JobGroup> = Vec::new();
    for (number, job) in window.jobs.iter().enumerate() {
        let ended = job.ended.unwrap_or(now).max(job.started);
        let joins = |group: &&mut JobGroup| {
            group.sql.is_some()
                && group.sql == job.sql_execution
                && job.started <= group.ended
                && ended >= group.started
        };
        match groups.iter_mut().find(joins) {
            Some(group) => {
                group.jobs.push(number);
                group.started = group.started.min(job.started);
                group.ended = group.ended.max(ended);
            }
            None => groups.push(JobGroup {
                sql: job.sql_execution,
                jobs: vec![number],
                started: job.started,
                ended,
            }),
        }
    }
    groups
}

fn first_cores(application: &Application) -> u64 {
    application.executors.first().map_or(1, |executor| u64::from(executor.cores))
}

fn total_cores(application: &Application) -> u64 {
    application.most_executors() * first_cores(application)
}

/// The positions of each stage's parents among `stages`; only parents that come earlier, so that a damaged log cannot
/// make a circle.
fn parents(stages: &[&Stage]) -> Vec<Vec<usize>> {
    let position: BTreeMap<i64, usize> =
        stages.iter().enumerate().map(|(at, stage)| (stage.key.id, at)).collect();
    let of = |(at, stage): (usize, &&Stage)| {
        let found = stage.parents.iter().filter_map(|parent| position.get(parent).copied());
        found.filter(|&parent| parent < at).collect()
    };
    stages.iter().enumerate().map(of).collect()
}

/// The longest chain of slowest tasks over the stages' dependencies.
fn longest_chain(stages: &[&Stage]) -> i64 {
    let parents = parents(stages);
    let mut chain = vec![0; stages.len()];
    for (at, stage) in stages.iter().enumerate() {
        let before = parents[at].iter().map(|&parent| chain[parent]).max().unwrap_or(0);
        chain[at] = before + stage.tasks.iter().map(|task| task.run()).max().unwrap_or(0);
    }
    chain.into_iter().max().unwrap_or(0)
}

fn plan(stages: &[&Stage]) -> Vec<Planned> {
    let run_ms = |stage: &Stage| {
        let mut tasks: Vec<(i64, i64)> = stage.tasks.iter().map(|task| (task.id, task.run())).collect();
        tasks.sort_unstable();
        tasks.into_iter().map(|(_, run)| run.clamp(1, i64::from(u32::MAX)) as u32).collect()
    };
    let parents = parents(stages).into_iter();
    parents.zip(stages).map(|(parents, stage)| Planned { parents, run_ms: run_ms(stage) }).collect()
}

/// List scheduling of a group's tasks on `slots`, a stage after its parents, tasks in the order of their
/// launch.
fn schedule(stages: &[Planned], slots: u64) -> i64 {
    let mut free: BinaryHeap<Reverse<i64>> = (0..slots.clamp(1, 1 << 16)).map(|_| Reverse(0)).collect();
    let mut done = vec![0i64; stages.len()];
    for (at, stage) in stages.iter().enumerate() {
        let ready = stage.parents.iter().map(|&parent| done[parent]).max().unwrap_or(0);
        done[at] = ready;
        for &ms in &stage.run_ms {
            let Some(Reverse(slot)) = free.pop() else { break };
            let finished = slot.max(ready) + i64::from(ms);
            done[at] = done[at].max(finished);
            free.push(Reverse(finished));
        }
    }
    done.into_iter().max().unwrap_or(0)
}

/// From the first launch to the last finish, which is what Sparklens calls a stage's time.
fn stage_ms(stage: &Stage) -> i64 {
    stage.first_launch().zip(stage.last_finish()).map_or(0, |(first, last)| last - first)
}

fn lens_stage(stage: &Stage, cores: u64) -> Option<LensStage> {
    let mut runs: Vec<f64> = stage.tasks.iter().map(|task| task.run() as f64).collect();
    let longest = runs.iter().copied().fold(0.0, f64::max);
    let run = runs.iter().sum::<f64>();
    runs.sort_by(f64::total_cmp);
    // Of an even number Sparklens takes the upper of the two in the middle.
    let typical = runs.get(runs.len() / 2).copied().unwrap_or(0.0);
    let metrics = || stage.tasks.iter().filter_map(|task| task.metrics);
    let sum =
        |of: fn(&crate::spark::Metrics) -> i64| metrics().map(|metrics| of(&metrics) as f64).sum::<f64>();
    let output = sum(|m| m.output_bytes + m.shuffle_written);
    let input = sum(|m| m.input_bytes + m.remote_read + m.local_read);
    let percent = |ms: f64| if run > 0.0 { (100.0 * ms / run).min(100.0) } else { 0.0 };
    let ms = stage_ms(stage);
    (!stage.tasks.is_empty()).then(|| LensStage {
        stage: stage.key.id,
        name: stage.name.clone(),
        wall_percent: 0.0,
        ms,
        ideal_ms: run / cores.max(1) as f64,
        tasks: stage.tasks.len() as u64,
        p_ratio: stage.tasks.len() as f64 / cores.max(1) as f64,
        task_skew: if typical > 0.0 { longest / typical } else { 1.0 },
        task_stage_skew: if ms > 0 { (longest / ms as f64).min(1.0) } else { 0.0 },
        oi_ratio: if input > 0.0 { output / input } else { 0.0 },
        shuffle_write_percent: percent(sum(|m| m.shuffle_write_ns) / 1e6),
        read_fetch_percent: percent(sum(|m| m.fetch_wait)),
        gc_percent: percent(sum(|m| m.gc)),
    })
}
