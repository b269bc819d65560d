//! Asks all analyses about a Spark log and puts their answers together.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::advice::AdviceSums;
use crate::analysis::critical::CriticalPath;
use crate::analysis::failures::FailureSums;
use crate::analysis::fit::TaskTimes;
use crate::analysis::iteration::IterationFinder;
use crate::analysis::meeting::{Meetings, SyncKind};
use crate::analysis::overhead::OverheadSums;
use crate::analysis::shares::Shares;
use crate::analysis::slow::SlowWorkers;
use crate::analysis::sparklens::LensSums;
use crate::analysis::split::{Split, split};
use crate::analysis::straggler::stragglers;
use crate::analysis::tables::TableSums;
use crate::analysis::timeline::{Stretch, TimelineBuilder};
use crate::invariants;
use crate::report::{Iterations, Report, SyncPoint, verdict};
use crate::source::Damage;
use crate::spark::{Application, Collector, Sink, Window};

/// All analyses of a Spark log.
#[derive(Debug, Default)]
pub(crate) struct Analyst {
    shares: Shares,
    meetings: Meetings,
    iterations: IterationFinder,
    path: CriticalPath,
    times: TaskTimes,
    overheads: OverheadSums,
    lens: LensSums,
    failures: FailureSums,
    tables: TableSums,
    advice: AdviceSums,
    timeline: TimelineBuilder,
}

impl Sink for Analyst {
    fn window(&mut self, application: &Application, window: Window) {
        self.shares.take(application, &window);
        self.meetings.take(application, &window);
        self.iterations.take(application, &window);
        self.times.take(&window);
        self.overheads.take(&window);
        self.lens.take(application, &window);
        self.failures.take(&window);
        self.tables.take(application, &window);
        self.advice.take(application, &window);
        let critical = self.path.take(application, &window);
        self.draw(application, &window, &critical.into_iter().collect());
    }
}

impl Analyst {
    fn draw(&mut self, application: &Application, window: &Window, critical: &BTreeSet<(usize, usize)>) {
        let origin = application.start();
        let since = |at: i64| (at - origin) as f64;
        for job in &window.jobs {
            self.timeline.job(since(job.started), since(job.ended.unwrap_or(application.end())));
        }
        for (stage_at, stage) in window.stages.iter().enumerate() {
            for (task_at, task) in stage.tasks.iter().enumerate() {
                let executor = &application.executors[task.executor as usize].id;
                let what = if executor == "driver" { "" } else { "executor " };
                let lane = format!("{what}{executor} core {}", task.slot);
                let kind = match () {
                    () if !task.succeeded => "failed",
                    () if task.speculative => "speculative",
                    () if stage.is_barrier => "barrier",
                    () if stage.is_result() => "result",
                    () => "shuffle_map",
                };
                let (from, to) = (since(task.launched), since(task.finished));
                self.timeline.busy(from, to);
                let critical = critical.contains(&(stage_at, task_at));
                self.timeline.bar(Stretch { lane: &lane, label: &stage.name, kind, from, to, critical });
            }
            stage.last_finish().into_iter().for_each(|at| self.timeline.barrier(since(at), &stage.name));
        }
    }
}

/// The report of a log that was read to its end.
pub(crate) fn report(collector: Collector<Analyst>, source: String, damage: Damage) -> Report {
    let counts = collector.failures();
    let Collector { application, totals, sink: mut analyst, .. } = collector;
    let iterations = analyst.iterations.finish();
    analyst.meetings.keep_gaps_of(&iterations);
    let shares = analyst.shares.finish(&application);
    let failures = analyst.failures.finish(analyst.shares.failure_wait_ms());
    let lens = analyst.lens.finish(&application);
    let sparklens_nonsense = lens.nonsense();
    // A damaged log may tell of more tasks than there were cores; then these are the cores.
    let slot_ms = application.slot_ms(application.start(), application.end());
    let core_seconds = slot_ms.max(failures.task_ms as f64 + analyst.meetings.idle_ms()) / 1000.0;
    let name = |who: u32| {
        let executor = application.executors.get(who as usize);
        executor.map_or_else(|| who.to_string(), |executor| format!("executor {}", executor.id))
    };
    let wall_ms = (application.end() - application.start()) as f64;
    let slow = SlowWorkers::of(&analyst.meetings, wall_ms, core_seconds * 1000.0);
    let stragglers = stragglers(&analyst.meetings, &slow, wall_ms, name);
    let sync_points = sync_points(&analyst.meetings, &slow, core_seconds, &iterations);
    let (critical_path, slack) = analyst.path.finish(&application);
    let mut report = Report {
        source,
        system: "spark".to_owned(),
        version: application.version.clone(),
        name: application.name.clone(),
        id: application.id.clone(),
        complete: application.ended.is_some(),
        damage,
        jobs: totals.jobs,
        stages: totals.stages,
        tasks: totals.tasks,
        wall_ms,
        in_jobs_ms: totals.in_jobs_ms() as f64,
        run_ms: totals.run_ms as f64,
        median_job_gap_ms: totals.median_job_gap_ms(),
        median_stage_launch_ms: totals.stage_launch.median(),
        median_scheduler_delay_ms: totals.scheduler_delay.median(),
        tree_aggregate_stages: totals.tree_aggregate_stages,
        barrier_stages: totals.barrier_stages,
        shuffle_written_bytes: totals.shuffle_written_bytes,
        remote_read_bytes: totals.remote_read_bytes,
        spilled_bytes: totals.spilled_bytes,
        skipped_stages: totals.skipped_stages,
        retried_stages: totals.retried_stages,
        failed_stages: totals.failed_stages,
        failed_jobs: totals.failed_jobs,
        failed_tasks: totals.failed_tasks,
        killed_tasks: totals.killed_tasks,
        lost_executors: counts.lost_executors,
        lost_task_ms: failures.lost_task_ms,
        failures,
        unfinished_jobs: totals.unfinished_jobs,
        unfinished_stages: totals.unfinished_stages,
        unfinished_tasks: totals.unfinished_tasks,
        missing_task_ends: totals.missing_task_ends,
        speculative_tasks: totals.speculative_tasks,
        executors: application.executors.len() as u64,
        cores: application.most_slots(),
        shares,
        iterations,
        sync_points,
        advice: analyst.advice.finish(&application, core_seconds * 1000.0),
        stragglers,
        critical_path,
        slack,
        distributions: analyst.times.finish(),
        overheads: analyst.overheads.finish(),
        sparklens: Some(lens).filter(|_| sparklens_nonsense.is_none()),
        sparklens_nonsense,
        tables: Some(analyst.tables.finish(&application)),
        timeline: analyst.timeline.finish(wall_ms),
        ..Report::default()
    };
    report.verdict = verdict(&report);
    invariants::assert(&report);
    report
}

/// The priced synchronisation points, most expensive first.
pub(crate) fn sync_points(
    meetings: &Meetings,
    slow: &SlowWorkers,
    core_seconds: f64,
    iterations: &[Iterations],
) -> Vec<SyncPoint> {
    let rounds: BTreeMap<&str, u64> =
        iterations.iter().map(|found| (found.pattern.as_str(), found.count)).collect();
    let most = rounds.values().copied().max().unwrap_or(0);
    let price = |(place, group): (&crate::analysis::meeting::Place, &crate::analysis::meeting::Group)| {
        let idle_core_s = group.idle_ms / 1000.0;
        let split = match place.kind {
            SyncKind::BroadcastGap | SyncKind::DriverGap => Split { driver: idle_core_s, ..Split::default() },
            _ => split(group, slow.at(place)),
        };
        // A place that is met less than half as often as there are iterations is not part of them.
        let is_inside = most > 0 && 2 * group.count >= most;
        SyncPoint {
            kind: place.kind,
            place: place.label.clone(),
            level: place.level,
            count: group.count,
            per_iteration: if is_inside { group.count as f64 / most as f64 } else { 0.0 },
            participants: group.participants as u64,
            idle_core_s,
            share: if core_seconds > 0.0 { idle_core_s / core_seconds } else { 0.0 },
            split,
        }
    };
    let mut points: Vec<SyncPoint> = meetings.groups.iter().map(price).collect();
    points.sort_by(|a, b| b.idle_core_s.total_cmp(&a.idle_core_s));
    points
}
