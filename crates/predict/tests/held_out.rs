//! How good are the predictions? Runs predict other runs that they have not seen.
//!
//! `held_out/pairs.psv` lists the pairs. Each pair's error is printed and held to its goal; over all pairs the mean
//! absolute error, the share of intervals that cover and their width are held to bounds. To see the table:
//!
//!     cargo test -p syncline-predict --test held_out -- --nocapture

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../examples/held_out/outcome.rs"]
#[expect(dead_code, reason = "the example prints more")]
mod outcome;
#[path = "../examples/held_out/pair.rs"]
#[expect(dead_code, reason = "the example groups by kind")]
mod pair;

use std::path::{Path, PathBuf};

use outcome::{Outcome, Summary};
use pair::{is_run_file, short};
use syncline_predict::Interval;

/// What a family of pairs must reach together.
struct Bounds {
    /// Of the mean absolute error.
    error: f64,
    /// The least share of intervals that cover.
    coverage: f64,
    /// Of the mean width of the intervals, over the measured value.
    width: f64,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/held_out")
}

fn is_spark_log(name: &str) -> bool {
    name.ends_with(".json.zst")
}

/// Every number of tasks that a log has its work in, predicted from its other jobs.
fn cuts(log: &Path) -> Vec<(usize, Outcome)> {
    let profile = pair::spark_log(log).unwrap();
    let all = profile.cut(None).unwrap();
    let outcome = |&(tasks, measured): &(usize, f64)| {
        let predicted = profile.cut(Some(tasks)).unwrap().job_s(tasks).unwrap();
        (tasks, Outcome { predicted, measured, peer: None })
    };
    all.measured.iter().map(outcome).collect()
}

/// Prints and judges one family of pairs.
fn judge(of_family: impl Fn(&str) -> bool, predict: impl Fn(&Path, &Path) -> Outcome, bounds: &Bounds) {
    let mut outcomes = Vec::new();
    let mut missed = Vec::new();
    println!(
        "{:>22} {:>22} {:>11} {:>23} {:>11} {:>8} {:>6}",
        "from", "to", "predicted", "interval", "measured", "error", "goal"
    );
    let list = pair::read(&std::fs::read_to_string(folder().join("pairs.psv")).unwrap()).unwrap();
    for pair in list.iter().filter(|pair| of_family(&pair.from)) {
        let path = |name: &str| pair::path(&folder(), name);
        let (Some(from), Some(to)) = (path(&pair.from), path(&pair.to)) else { continue };
        let outcome = predict(&from, &to);
        let Interval { value, low, high } = outcome.predicted;
        let line = format!(
            "{:>22} {:>22} {value:>11.6} {low:>11.6}..{high:<10.6} {:>11.6} {:>+7.2}% {:>5.0}%{}",
            short(&pair.from),
            short(&pair.to),
            outcome.measured,
            100.0 * outcome.error(),
            100.0 * pair.goal,
            if outcome.covers() { "" } else { "  not covered" },
        );
        println!("{line}");
        if outcome.error().abs() > pair.goal {
            missed.push(line);
        }
        outcomes.push(outcome);
    }
    if outcomes.is_empty() {
        return;
    }
    let Summary { pairs, error, coverage, width, score, .. } = Summary::of(&outcomes);
    println!(
        "{pairs} pairs: mean absolute error {:.2} %, coverage {:.0} %, mean width of the intervals {:.1} %, interval score {score:.3}",
        100.0 * error,
        100.0 * coverage,
        100.0 * width,
    );
    assert!(missed.is_empty(), "beyond their goals:\n{}", missed.join("\n"));
    assert!(error <= bounds.error, "mean absolute error {error}");
    assert!(coverage >= bounds.coverage, "coverage {coverage}");
    assert!(width <= bounds.width, "mean width {width}");
}

/// The recorded pairs of one kind of run.
fn judge_training(kinds: &[&str], bounds: &Bounds) {
    let of_kind = |name: &str| is_run_file(name) && kinds.iter().any(|kind| name.starts_with(kind));
    let round = |from: &Path, to: &Path| {
        let [round, _] = pair::training(from, to).unwrap();
        round
    };
    judge(of_kind, round, bounds);
}

#[test]
fn sleeping_workers_predict_each_other() {
    judge_training(&["exp-", "uni-", "slow-"], &Bounds { error: 0.025, coverage: 0.9, width: 0.15 });
}

#[test]
fn rounds_that_are_not_independent_predict_each_other() {
    judge_training(&["common-", "drift-"], &Bounds { error: 0.04, coverage: 0.9, width: 0.3 });
}

#[test]
fn computing_workers_predict_each_other() {
    judge_training(&["live-", "times-"], &Bounds { error: 0.05, coverage: 0.85, width: 0.25 });
}

fn spark(from: &Path, to: &Path) -> Outcome {
    pair::spark(from, to).unwrap()
}

/// Logs that nobody had seen while the model was made.
fn is_later(name: &str) -> bool {
    ["sleep-", "shuffle-", "cpu-"].iter().any(|kind| name.starts_with(kind))
}

#[test]
fn spark_logs_predict_each_other() {
    let of_old = |name: &str| is_spark_log(name) && !is_later(name);
    judge(of_old, spark, &Bounds { error: 0.12, coverage: 0.8, width: 0.5 });
}

#[test]
fn spark_logs_that_were_recorded_later_predict_each_other() {
    judge(is_later, spark, &Bounds { error: 0.15, coverage: 0.5, width: 0.5 });
}

#[test]
fn a_number_of_partitions_is_predicted_from_the_others() {
    // The machine of the second was so busy, and so unevenly, that its times double and halve on the way.
    for (name, error, coverage) in [
        ("local2_tiny", 0.1, 0.85),
        ("shared:data/spark-eventlogs/lc2_tiny.app-20261121094455-0000", 0.5, 0.5),
    ] {
        let Some(log) = pair::path(&folder(), &format!("{name}.json.zst")) else { return };
        let outcomes = cuts(&log);
        for (tasks, outcome) in &outcomes {
            let Interval { value, low, high } = outcome.predicted;
            println!(
                "{name:>32} {tasks:>4} tasks {value:>8.3} {low:>8.3}..{high:<8.3} {:>8.3} {:>+7.2}%{}",
                outcome.measured,
                100.0 * outcome.error(),
                if outcome.covers() { "" } else { "  not covered" },
            );
        }
        let count = outcomes.len() as f64;
        let mean = outcomes.iter().map(|(_, outcome)| outcome.error().abs()).sum::<f64>() / count;
        let covered = outcomes.iter().filter(|(_, outcome)| outcome.covers()).count() as f64 / count;
        println!(
            "{} numbers of tasks: mean absolute error {:.1} %, coverage {:.0} %",
            count,
            100.0 * mean,
            100.0 * covered
        );
        assert!(outcomes.len() >= 7 && mean <= error && covered >= coverage, "{name}: {mean} {covered}");
    }
}
