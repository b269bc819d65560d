//! Sparklens' figures by its definitions, against what Sparklens itself prints on the same logs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod sample;

use std::fs;

use syncline_explain::explain;
use syncline_explain::report::Sparklens;

/// The last word of the first line that contains `label`.
fn word<'a>(report: &'a str, label: &str) -> &'a str {
    report.lines().find(|line| line.contains(label)).unwrap().split_whitespace().last().unwrap()
}

fn percent(report: &str, label: &str) -> f64 {
    word(report, label).trim_end_matches('%').parse().unwrap()
}

/// `00m 51s`, as Sparklens cuts it to whole seconds.
fn clock(ms: f64) -> String {
    let seconds = (ms / 1000.0) as u64;
    format!("{:02}m {:02}s", seconds / 60, seconds % 60)
}

fn assert_same(name: &str, theirs: &str, ours: &Sparklens) {
    let near = |label: &str, share: f64| {
        let expected = percent(theirs, label);
        assert!(
            (expected - 100.0 * share).abs() < 0.011,
            "{name}: {label}: {expected} %, not {} %",
            100.0 * share
        );
    };
    near("Driver WallClock Time", ours.wasted_by_driver);
    near("OneCoreComputeHours used", ours.executor_used);
    near("OneCoreComputeHours wasted Driver", ours.wasted_by_driver);
    near("OneCoreComputeHours wasted Executor", ours.wasted_by_executors);
    let line = |label: &str| theirs.lines().find(|line| line.contains(label)).unwrap().to_owned();
    let critical = line("based on the critical path");
    assert!(
        critical.ends_with(&clock(ours.critical_path_ms as f64)),
        "{name}: {critical}: {}",
        ours.critical_path_ms
    );
    let ideal = line("perfect parallelism and zero skew");
    assert!(ideal.ends_with(&clock(ours.ideal_ms)), "{name}: {ideal}: {}", ours.ideal_ms);
    assert_eq!(word(theirs, "Total cores available"), ours.total_cores.to_string(), "{name}");
    // Its scheduler starts stages in another order; the model's own error is larger than that by far.
    let model = percent(theirs, "Model Error") - 100.0 * ours.model_error;
    assert!(model.abs() < 2.5, "{name}: model error differs by {model} points");
}

#[test]
fn figures_agree_where_definitions_do() {
    let Some(folder) = sample::folder() else { return };
    let mut compared = 0;
    for (name, path) in sample::logs() {
        let Ok(theirs) = fs::read_to_string(folder.join(format!("sparklens/{name}.txt"))) else { continue };
        assert_same(&name, &theirs, &explain(&path).unwrap().sparklens.unwrap());
        compared += 1;
    }
    assert_eq!(compared, 21);
}

#[test]
fn skews_of_stages_agree() {
    let Some(folder) = sample::folder() else { return };
    let theirs = fs::read_to_string(folder.join("sparklens/local2_lr.txt")).unwrap();
    let path = sample::logs().into_iter().find(|(name, _)| name == "local2_lr").unwrap().1;
    let ours = explain(&path).unwrap().sparklens.unwrap();
    let table = theirs.split("Skew   StageSkew").nth(1).unwrap();
    let mut compared = 0;
    for line in table.lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let Some(stage) = cells.first().and_then(|id| id.parse::<i64>().ok()) else { continue };
        if cells.len() < 11 {
            continue;
        }
        let found = ours.stages.iter().find(|found| found.stage == stage).unwrap();
        let same = |at: usize, value: f64| {
            let expected: f64 = cells[at].parse().unwrap();
            assert!((expected - value).abs() < 0.011, "stage {stage}, column {at}: {expected}, not {value}");
        };
        same(5, found.p_ratio);
        same(6, found.task_skew);
        same(7, found.task_stage_skew);
        compared += 1;
    }
    assert_eq!(compared, 28);
}
