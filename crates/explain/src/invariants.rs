//! What must hold of every report, whatever the log: its books close.
//!
//! - BOOKS-1: shares are between 0 and 1 and add up to 1.
//! - BOOKS-2: no part of the critical path is negative, and they add up to the wall time.
//! - BOOKS-3: the causes of a synchronisation point are not negative and add up to its price, and all waiting together is
//!   no more than there was time.
//! - BOOKS-4: a part is no more than what it is a part of: failed tasks, time in jobs, lost slot time.
//! - BOOKS-5: no time is negative: iterations, slack, overheads, stragglers.
//! - BOOKS-6: Sparklens' figures are shares and times, or are not told.
//! - BOOKS-8: what an advice costs is a share, and it says what was measured.
//! - BOOKS-7: no phase of a node gets more of the critical path than its spans last (checked where the spans are: `workers`).
//!
//! Tests ask [`violations`] of every report, and debug builds do so by themselves.

use std::collections::BTreeMap;

use syncline_trace::Span;

use crate::Report;
use crate::report::{PathPart, Sparklens, SyncKind, SyncPoint};

/// What rounding may do to sums, relative to what is summed.
const ROUNDING: f64 = 1e-6;

/// The invariants that a report breaks, each in words; none if its books close.
pub fn violations(report: &Report) -> Vec<String> {
    let mut broken = Vec::new();
    shares(report, &mut broken);
    path(report, &mut broken);
    waiting(report, &mut broken);
    parts(report, &mut broken);
    times(report, &mut broken);
    advice(report, &mut broken);
    report.sparklens.iter().for_each(|lens| sparklens(lens, &mut broken));
    broken
}

/// Ends a debug build whose report does not close its books.
pub(crate) fn assert(report: &Report) {
    if cfg!(debug_assertions) {
        let broken = violations(report);
        assert!(broken.is_empty(), "the report of {} breaks its invariants: {broken:?}", report.source);
    }
}

/// Ends a debug build if a phase of a node gets more of the path than its spans last.
pub(crate) fn assert_phases(path: &[PathPart], spans: &[Span], name: &impl Fn(u32) -> String) {
    if !cfg!(debug_assertions) {
        return;
    }
    let mut lasted: BTreeMap<(String, &str), f64> = BTreeMap::new();
    for span in spans {
        *lasted.entry((name(span.node), span.phase.name())).or_default() += span.duration_ns() as f64 / 1e6;
    }
    for part in path {
        // What no span says is not bounded by one; servers are taken together.
        if let Some(&lasted) = lasted.get(&(part.stage.clone(), part.phase)) {
            let (stage, phase, ms) = (&part.stage, part.phase, part.ms);
            assert!(
                phase == "unknown" || ms <= lasted * (1.0 + ROUNDING) + ROUNDING,
                "BOOKS-7: {stage} {phase} has {ms} ms of the path, and its spans last {lasted}"
            );
        }
    }
}

fn is_share(share: f64) -> bool {
    (-1e-9..=1.0 + 1e-9).contains(&share)
}

fn is_time(time: f64) -> bool {
    time.is_finite() && time >= -1e-9
}

fn shares(report: &Report, broken: &mut Vec<String>) {
    let wrong = report.shares.iter().filter(|(_, share)| !is_share(**share));
    broken.extend(wrong.map(|(name, share)| format!("BOOKS-1: the share of {name} is {share}")));
    let sum: f64 = report.shares.values().sum();
    if (sum - 1.0).abs() > ROUNDING {
        broken.push(format!("BOOKS-1: shares add up to {sum}"));
    }
}

fn path(report: &Report, broken: &mut Vec<String>) {
    // Of a program of which only the calls are known there is no path.
    if report.is_of_calls() {
        return;
    }
    let wrong = report.critical_path.iter().filter(|part| !is_time(part.ms) || !is_share(part.share));
    broken.extend(wrong.map(|part| format!("BOOKS-2: {part:?}")));
    let sum: f64 = report.critical_path.iter().map(|part| part.ms).sum();
    let wall = report.wall_ms;
    if (sum - wall).abs() > 1e-3 + ROUNDING * wall {
        broken.push(format!("BOOKS-2: the critical path has {sum} of {wall} ms"));
    }
}

/// Whether workers wait at a point for each other. What is counted at the others is counted here, too: a driver that works
/// keeps everybody idle, and polls are part of a barrier stage.
fn is_waiting(point: &&SyncPoint) -> bool {
    !matches!(point.kind, SyncKind::CtxBarrier)
}

fn waiting(report: &Report, broken: &mut Vec<String>) {
    for point in &report.sync_points {
        let sum = point.split.total();
        let negative = point.split.causes().iter().any(|(_, seconds)| !is_time(*seconds));
        if negative || (sum - point.idle_core_s).abs() > 1e-3 + ROUNDING * sum {
            broken.push(format!("BOOKS-3: causes of {sum} core-seconds: {point:?}"));
        }
        if !is_share(point.share) || !is_time(point.idle_core_s) {
            broken.push(format!("BOOKS-3: {point:?}"));
        }
    }
    let all: f64 = report.sync_points.iter().filter(is_waiting).map(|point| point.share).sum();
    if all > 1.0 + ROUNDING {
        broken.push(format!("BOOKS-3: {all} of the core time was waiting"));
    }
}

fn parts(report: &Report, broken: &mut Vec<String>) {
    let wholes = [
        ("failed tasks", report.failed_tasks as f64, report.tasks as f64),
        ("killed tasks", report.killed_tasks as f64, report.failed_tasks as f64),
        ("failed jobs", report.failed_jobs as f64, report.jobs as f64),
        ("lost executors", report.lost_executors as f64, report.executors as f64),
        ("failed stages", report.failed_stages as f64, report.stages as f64),
        ("time in jobs", report.in_jobs_ms, report.wall_ms),
        ("lost task time", report.lost_task_ms as f64, report.failures.task_ms as f64),
        ("unneeded task time", report.failures.unneeded_task_ms as f64, report.failures.task_ms as f64),
    ];
    let wrong = wholes.iter().filter(|(_, part, whole)| *part < 0.0 || part > whole);
    broken.extend(wrong.map(|(what, part, whole)| format!("BOOKS-4: {what}: {part} of {whole}")));
}

fn times(report: &Report, broken: &mut Vec<String>) {
    for found in &report.iterations {
        if !is_time(found.median_ms) || !is_time(found.to_ms - found.from_ms) || !is_time(found.from_ms) {
            broken.push(format!("BOOKS-5: {found:?}"));
        }
    }
    let slack = report
        .slack
        .iter()
        .filter(|slack| !is_time(slack.mean_slack_ms) || !is_time(slack.mean_task_slack_ms));
    broken.extend(slack.map(|slack| format!("BOOKS-5: {slack:?}")));
    let stragglers = report
        .stragglers
        .iter()
        .filter(|found| !is_time(found.idle_core_s) || !is_time(found.factor) || found.late > found.meetings);
    broken.extend(stragglers.map(|found| format!("BOOKS-5: {found:?}")));
    let overheads = &report.overheads;
    let costs = [overheads.per_task, overheads.slot_gap, overheads.stage_launch, overheads.per_job];
    let wrong = costs.iter().filter(|cost| !is_time(cost.median_ms) || !is_time(cost.mean_ms));
    broken.extend(wrong.map(|cost| format!("BOOKS-5: {cost:?}")));
    if ![report.wall_ms, report.in_jobs_ms, report.run_ms].into_iter().all(is_time) {
        broken.push(format!(
            "BOOKS-5: {} ms, {} in jobs, {} run",
            report.wall_ms, report.in_jobs_ms, report.run_ms
        ));
    }
    let busy = report.timeline.utilisation.iter().filter(|busy| !is_time(**busy));
    broken.extend(busy.map(|busy| format!("BOOKS-5: {busy} lanes busy")));
}

/// What an advice costs is a share.
fn advice(report: &Report, broken: &mut Vec<String>) {
    let wrong = report.advice.iter().filter(|advice| !is_share(advice.share) || advice.evidence.is_empty());
    broken.extend(wrong.map(|advice| format!("BOOKS-8: {advice:?}")));
}

fn sparklens(lens: &Sparklens, broken: &mut Vec<String>) {
    let shares = [lens.wasted_by_driver, lens.wasted_by_executors, lens.executor_used];
    if !shares.iter().all(|&share| is_share(share)) || lens.driver_ms < 0 || lens.job_ms < 0 {
        broken.push(format!(
            "BOOKS-6: shares {shares:?}, driver {} ms, jobs {} ms",
            lens.driver_ms, lens.job_ms
        ));
    }
    let sizes = lens.what_if.iter().filter(|size| !is_share(size.utilisation) || size.ms < 0);
    broken.extend(sizes.map(|size| format!("BOOKS-6: {size:?}")));
    let stages = lens.stages.iter().filter(|stage| {
        let percents =
            [stage.wall_percent, stage.shuffle_write_percent, stage.read_fetch_percent, stage.gc_percent];
        !percents.iter().all(|percent| is_share(percent / 100.0)) || !is_share(stage.task_stage_skew)
    });
    broken.extend(stages.map(|stage| format!("BOOKS-6: {stage:?}")));
}
