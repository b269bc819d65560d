//! What would help, on logs whose right answer is arithmetic: said where the log has the evidence, with what it cost and the setting, and
//! not where it has none.
#![allow(clippy::unwrap_used, reason = "tests")]

mod made;

use made::{Log, Task, verdict};
use serde_json::json;
use syncline_explain::Report;
use syncline_explain::report::{Advice, AdviceKind};

fn advice(report: &Report, kind: AdviceKind) -> Option<&Advice> {
    report.advice.iter().find(|advice| advice.kind == kind)
}

/// A query of one stage on eight cores, from 2 s on; the run lasts 12 s.
fn query(log: &mut Log, tasks: &[Task]) {
    let end = tasks.iter().map(|task| task.to).max().unwrap();
    log.query_job(0, 2000, &[0], 7).stage(0, 0, "collect at Q.scala:9", tasks.len() as i64, 2000);
    tasks.iter().for_each(|task| _ = log.task(*task));
    log.stage_end(0, 0, "collect at Q.scala:9", tasks.len() as i64, (2000, end), None).job_end(0, end, true);
    log.end(12_000);
}

fn tasks(count: i64, ms: i64, bytes: i64) -> Vec<Task> {
    (0..count).map(|at| Task { shuffle_read: bytes, ..Task::new(0, at, 1, 2000, 2000 + ms) }).collect()
}

#[test]
fn a_skewed_partition_costs_what_its_task_goes_on_alone() {
    let mut tasks = tasks(6, 1000, 1000);
    tasks[3] = Task { shuffle_read: 40_000, to: 8000, ..tasks[3] };
    let mut log = Log::new(&[8]);
    query(&mut log, &tasks);
    let report = log.report();
    let found = advice(&report, AdviceKind::SkewedPartition).unwrap();
    assert!((found.share - 5.0 / 12.0).abs() < 1e-9, "{found:?}");
    assert!(found.evidence.contains("40 x the median"), "{found:?}");
    assert!(found.settings[0].ends_with("skewedPartitionThresholdInBytes"), "{found:?}");
    assert!(
        verdict(&report).contains("A skewed partition at `collect at Q.scala:9`"),
        "{}",
        verdict(&report)
    );

    let mut log = Log::new(&[8]);
    log.settings(json!({"spark.sql.adaptive.enabled": "false"}));
    query(&mut log, &tasks);
    let report = log.report();
    let found = advice(&report, AdviceKind::SkewedPartition).unwrap();
    assert_eq!(found.settings, ["spark.sql.adaptive.enabled (now false)"]);
}

#[test]
fn a_slow_task_with_as_much_data_is_no_skewed_partition() {
    let mut tasks = tasks(6, 1000, 1000);
    tasks[3].to = 8000;
    let mut log = Log::new(&[8]);
    query(&mut log, &tasks);
    assert!(log.report().advice.is_empty(), "{:?}", log.report().advice);
}

#[test]
fn what_spills_is_told_with_the_core_time_of_its_tasks() {
    let mut tasks = tasks(4, 2000, 1000);
    tasks[1].spilled = 1 << 20;
    let mut log = Log::new(&[8]);
    query(&mut log, &tasks);
    let report = log.report();
    let found = advice(&report, AdviceKind::Spill).unwrap();
    // 2 of 88 core-seconds.
    assert!((found.share - 2.0 / 88.0).abs() < 1e-9, "{found:?}");
    assert!(found.evidence.starts_with("1 tasks spilled 2.10 MB"), "{found:?}");
    assert_eq!(found.settings[0], "spark.sql.shuffle.partitions");
}

#[test]
fn broadcasts_are_told_with_the_time_that_the_driver_measured() {
    let mut log = Log::new(&[8]);
    let metrics = [
        (1, "data size"),
        (2, "time to collect"),
        (3, "time to build"),
        (4, "time to broadcast"),
        (5, "other"),
    ];
    log.query(7, "join orders with customers", "BroadcastExchange", &metrics);
    log.driver_values(7, &[(1, 142_000_000), (2, 2000), (3, 300), (4, 700), (5, 9999), (77, 5)]);
    query(&mut log, &tasks(2, 1000, 0));
    let report = log.report();
    let found = advice(&report, AdviceKind::Broadcast).unwrap();
    assert!((found.share - 3.0 / 12.0).abs() < 1e-9, "{found:?}");
    assert_eq!(found.place, "query 7, join orders with customers");
    assert!(found.settings[0].starts_with("spark.sql.autoBroadcastJoinThreshold"));
    assert!(found.evidence.contains("142 MB") || found.evidence.contains("135 MiB"), "{found:?}");
}

#[test]
fn partitions_that_were_joined_too_far_are_told() {
    let mut log = Log::new(&[8]);
    log.query(7, "q", "AQEShuffleRead", &[(1, "number of coalesced partitions")]).driver_values(7, &[(1, 2)]);
    query(&mut log, &tasks(2, 4000, 1000));
    let report = log.report();
    let found = advice(&report, AdviceKind::CoalescedTooFar).unwrap();
    // Six cores were idle for 4 s.
    assert!((found.share - 24.0 / 88.0).abs() < 1e-9, "{found:?}");
    assert!(found.evidence.contains("until 2 were left for 8 cores"), "{found:?}");

    let mut log = Log::new(&[8]);
    query(&mut log, &tasks(2, 4000, 1000));
    assert!(log.report().advice.is_empty(), "nobody joined these");
}

/// The name of a query and of a setting are strings of a stranger; numbers of accumulators may be anything.
#[test]
fn damaged_values_make_no_figures() {
    let mut log = Log::new(&[8]);
    log.query(7, "q", "BroadcastExchange", &[(-1, "data size"), (i64::MAX, "time to build")]);
    log.driver_values(7, &[(-1, -5), (i64::MAX, i64::MAX)]);
    query(&mut log, &tasks(2, 1000, 0));
    let report = log.report();
    assert!((0.0..=1.0).contains(&advice(&report, AdviceKind::Broadcast).unwrap().share));
}
