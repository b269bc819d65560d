//! Every log of the sample gives the figures of the sample's README, exactly.
#![allow(clippy::unwrap_used, reason = "tests")]

mod sample;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syncline_explain::{Report, explain};

/// The README's rows by log: 15 cells each.
fn table(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in readme
        .lines()
        .filter(|line| line.starts_with("| l") || line.starts_with("| arr") || line.starts_with("| sc"))
    {
        let mut cells: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let name = cells.remove(0);
        if name != "log" {
            rows.insert(name, cells);
        }
    }
    rows
}

/// The same cells from a report, but for the last, the file's size.
fn cells(report: &Report) -> Vec<String> {
    let outside = (100.0 * (report.wall_ms - report.in_jobs_ms) / report.wall_ms).floor();
    let numbers = |values: &[i64]| values.iter().map(i64::to_string).collect::<Vec<_>>();
    [
        numbers(&[
            report.jobs as i64,
            report.stages as i64,
            report.tasks as i64,
            report.wall_ms as i64,
            report.in_jobs_ms as i64,
        ]),
        vec![format!("{outside} %")],
        numbers(&[
            report.run_ms as i64,
            report.median_job_gap_ms,
            report.median_stage_launch_ms,
            report.median_scheduler_delay_ms,
            report.tree_aggregate_stages as i64,
            report.barrier_stages as i64,
            report.shuffle_written_bytes,
            report.remote_read_bytes,
        ]),
    ]
    .concat()
}

#[test]
fn every_log_of_the_sample_agrees() {
    let Some(folder) = sample::folder() else { return };
    let table = table(&folder);
    let logs = sample::logs();
    assert_eq!(table.len(), 26);
    assert_eq!(logs.len(), table.len());
    for (name, path) in logs {
        let report = explain(&path).unwrap();
        let expected = &table[&name];
        assert_eq!(cells(&report), expected[..14], "{name}");
        assert!(report.damage.is_none() && report.complete, "{name}: {:?}", report.damage);
    }
}

#[test]
fn shares_and_splits_add_up() {
    for (name, path) in sample::logs() {
        let report = explain(&path).unwrap();
        let total: f64 = report.shares.values().sum();
        assert!((total - 1.0).abs() < 1e-9, "{name}: shares add up to {total}");
        assert!(
            report.shares.values().all(|share| (0.0..=1.0).contains(share)),
            "{name}: {:?}",
            report.shares
        );
        let path_share: f64 = report.critical_path.iter().map(|part| part.share).sum();
        assert!((path_share - 1.0).abs() < 1e-9, "{name}: path {path_share}");
        let path_ms: f64 = report.critical_path.iter().map(|part| part.ms).sum();
        assert!(
            (path_ms - report.wall_ms).abs() <= 1e-3,
            "{name}: the path has {path_ms} of {} ms",
            report.wall_ms
        );
        for point in &report.sync_points {
            assert!((point.split.total() - point.idle_core_s).abs() < 1e-6, "{name}: {point:?}");
        }
    }
}

#[test]
fn packings_of_one_log_agree() {
    let Some(folder) = sample::folder() else { return };
    let gz = explain(&folder.join("local2_pca.gz")).unwrap();
    let pca = sample::logs().into_iter().find(|(name, _)| name == "local2_pca").unwrap();
    let zst = explain(&pca.1).unwrap();
    assert_eq!(cells(&gz), cells(&zst));
    let rolling = explain(&folder.join("rolling_zstd/kmeans")).unwrap();
    assert_eq!((rolling.jobs > 0, rolling.complete, rolling.damage.is_none()), (true, true, true));
}
