//! Spark's event logs: the replay of a log must agree with it, and one log must predict another.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;

use syncline_predict::{Error, Size, SparkLog, SparkProfile};

/// The folder of real event logs, if it is there.
fn logs() -> Option<PathBuf> {
    let shared = std::env::var_os("SYNCLINE_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")));
    let folder = shared.join("data/spark-eventlogs");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

/// The log whose name starts so.
fn profile(name: &str) -> Option<SparkProfile> {
    let folder = logs()?;
    let starts =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{name}."));
    let path = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(starts);
    Some(SparkLog::read(&path.unwrap_or_else(|| panic!("no log {name}"))).unwrap().profile().unwrap())
}

/// Relative error of the total time in jobs at the other log's size: ours and Sparklens'.
fn error(from: &SparkProfile, to: &SparkProfile) -> (f64, f64) {
    let (from, to) = from.common(to);
    let forecast = from.at(Size::of(to.slots)).unwrap();
    (forecast.job_s.value / to.job_s() - 1.0, forecast.sparklens_s / to.job_s() - 1.0)
}

#[test]
fn two_cores_predict_four_and_four_predict_two() {
    let (Some(two), Some(four)) = (profile("scaling_n2"), profile("scaling_n4")) else { return };
    assert_eq!((two.slots, four.slots), (2, 4));
    let (up, sparklens_up) = error(&two, &four);
    assert!(up.abs() < 0.05, "{up}");
    assert!((sparklens_up + 0.155).abs() < 0.005, "the baseline is Sparklens' method: {sparklens_up}");
    let (down, sparklens_down) = error(&four, &two);
    assert!(down.abs() < 0.08, "{down}");
    assert!((sparklens_down + 0.055).abs() < 0.005, "the baseline is Sparklens' method: {sparklens_down}");
}

#[test]
fn every_log_is_replayed_within_one_percent() {
    let Some(folder) = logs() else { return };
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // In `arrivals_barrier` jobs wait for each other at times that no log tells; it has a test of its own.
        if !path.is_file()
            || !name.contains(".json") && !name.ends_with(".gz")
            || name.starts_with("arrivals")
        {
            continue;
        }
        let check = SparkLog::read(&path).unwrap().profile().unwrap().check();
        assert!(check.error().abs() < 0.01, "{name}: {check:?}");
        assert!(check.error().abs() < check.sparklens_error().abs(), "{name}: {check:?}");
        checked += 1;
    }
    assert!(checked >= 25, "{checked}");
}

#[test]
fn what_cannot_be_told_is_said() {
    let Some(log) = profile("local2_barrier") else { return };
    let told = |slots| log.at(Size::of(slots)).map(|_| ()).unwrap_err().to_string();
    assert!(matches!(log.at(Size::of(17)), Err(Error::CannotTell { .. })));
    assert!(told(17).contains("more than 8 times"), "{}", told(17));
    assert!(told(1).contains("never starts on 1 slots"), "{}", told(1));
}
