//! What the report says about runs whose troubles are known.
#![allow(clippy::unwrap_used, reason = "tests")]

mod sample;

use std::path::Path;

use syncline_explain::report::{Recurrence, SyncKind};
use syncline_explain::{Report, compare, explain};

fn fixture(name: &str) -> Report {
    explain(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn sampled(name: &str) -> Option<Report> {
    sample::logs().into_iter().find(|(log, _)| log == name).map(|(_, path)| explain(&path).unwrap())
}

fn says(report: &Report, words: &[&str]) -> bool {
    report.verdict.iter().any(|sentence| words.iter().all(|word| sentence.contains(word)))
}

/// The same sleeps with and without a barrier: what differs is the barrier's polling, about a second a call.
#[test]
fn barrier_polling_is_named_and_plain_jobs_have_none() {
    for cluster in ["local2", "lc2"] {
        let (Some(barrier), Some(plain)) =
            (sampled(&format!("{cluster}_barrier")), sampled(&format!("{cluster}_plain")))
        else {
            return;
        };
        assert!(
            says(&barrier, &["ctx.barrier() costs about 1 s a call", "20 barrier stages"]),
            "{:?}",
            barrier.verdict
        );
        let point = barrier.sync_points.iter().find(|point| point.kind == SyncKind::CtxBarrier).unwrap();
        assert_eq!(point.split.polling, point.idle_core_s);
        assert!(plain.sync_points.iter().all(|point| point.kind != SyncKind::CtxBarrier));
        assert_eq!(plain.shares["polling"], 0.0);
        // Apart from polling, the two do the same work.
        let on_path = |report: &Report, phase: &str| -> f64 {
            report.critical_path.iter().filter(|part| part.phase == phase).map(|part| part.ms).sum()
        };
        let per_stage = on_path(&barrier, "polling") / 20.0;
        assert!((900.0..1500.0).contains(&per_stage), "{cluster}: {per_stage} ms of polling a stage");
    }
}

#[test]
fn barrier_fixture_without_the_sample() {
    let report = fixture("lc2_barrier.json.zst");
    assert_eq!((report.jobs, report.barrier_stages), (20, 20));
    assert!(says(&report, &["ctx.barrier()"]));
}

#[test]
fn the_hot_task_is_named() {
    for report in [Some(fixture("local2_skew.json.zst")), sampled("lc2_skew")].into_iter().flatten() {
        let hot = report.stragglers.iter().find(|found| found.cause.contains("data skew")).unwrap();
        assert_eq!((hot.who.as_str(), hot.recurrence), ("partition 0", Recurrence::Recurring));
        assert!(hot.place.starts_with("collect"));
        assert!(says(&report, &["partition 0", "data skew", "3.4 x the mean"]), "{:?}", report.verdict);
    }
}

#[test]
fn iterations_and_tree_levels_are_found() {
    let expected = [
        ("local2_lr", "treeAggregate[4] > treeAggregate[1]", 12, 2),
        ("local2_lrtree", "treeAggregate[8] > treeAggregate[4] > treeAggregate[1]", 10, 3),
        ("lc2_svc", "treeAggregate[4] > treeAggregate[1]", 29, 2),
        ("local2_kmeans", "mapPartitions[4] > collectAsMap[4]", 10, 0),
        ("local2_als", "flatMap[4]", 12, 0),
    ];
    for (log, pattern, count, levels) in expected {
        let Some(report) = sampled(log) else { return };
        let found = report.iterations.iter().find(|found| found.pattern == pattern);
        let found = found.unwrap_or_else(|| panic!("{log}: {:?}", report.iterations));
        assert_eq!(found.count, count, "{log}");
        let deepest = report.sync_points.iter().map(|point| point.level).max().unwrap();
        assert_eq!(deepest, levels, "{log}");
    }
}

#[test]
fn a_run_compared_with_itself_did_not_change() {
    let report = fixture("local2_lr.json.zst");
    let same = compare(&report, &report);
    assert!(!same.stages.is_empty() && !same.iterations.is_empty());
    assert!(
        same.stages
            .iter()
            .chain(&same.iterations)
            .all(|change| !change.is_significant() && change.ratio == 1.0)
    );
}

#[test]
fn a_slower_run_is_slower_significantly() {
    let (Some(fast), Some(slow)) = (sampled("local2_lr"), sampled("lc2_lr")) else { return };
    let comparison = compare(&fast, &slow);
    let step = comparison.iterations.iter().find(|change| change.name.starts_with("treeAggregate")).unwrap();
    assert!(step.is_significant() && step.ratio > 2.0, "{step:?}");
    let back = compare(&slow, &fast);
    assert!(back.iterations[0].ratio < 0.5);
}
