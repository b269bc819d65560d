//! Flight recorder dumps: who is missing at which collective.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use syncline_explain::{Report, explain_all};

fn entry(group: &str, sequence: u64, operation: &str, size: u64, state: &str) -> Value {
    json!({"process_group":[group,"undefined"],"collective_seq_id":sequence,"p2p_seq_id":0,"op_id":sequence,
        "profiling_name":format!("nccl:{operation}"),"input_sizes":[[size]],"state":state,"is_p2p":false,
        "time_created_ns":1_700_000_000_000_000_000u64 + sequence * 1_000_000,
        "time_discovered_completed_ns": if state == "completed" { json!(1_700_000_000_000_500_000u64 + sequence * 1_000_000) } else { Value::Null },
        "frames":[{"name":"all_reduce","filename":"/x/torch/distributed/distributed_c10d.py","line":9},
            {"name":"step","filename":"/home/me/train.py","line":34}]})
}

fn dump(folder: &Path, rank: u64, entries: Vec<Value>) -> PathBuf {
    let path = folder.join(format!("nccl_trace_rank_{rank}"));
    let groups = json!({"0":{"name":"0","desc":"default_pg","ranks":"[0, 1, 2, 3]"},"1":{"name":"1","desc":"undefined","ranks":"[0, 1]"}});
    fs::write(&path, json!({"version":"2.10","pg_config":groups,"entries":entries}).to_string()).unwrap();
    path
}

fn report(paths: &[PathBuf]) -> Report {
    let report = explain_all(paths).unwrap().remove(0);
    assert!((report.shares.values().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(report.damage.is_none());
    report
}

#[test]
fn the_rank_that_never_called_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..4)
        .map(|rank| {
            let mut entries: Vec<Value> =
                (1..=41).map(|sequence| entry("0", sequence, "all_reduce", 64, "completed")).collect();
            if rank != 2 {
                entries.push(entry("0", 42, "all_reduce", 128, "started"));
            }
            dump(folder.path(), rank, entries)
        })
        .collect();
    let report = report(&paths);
    let [hang] = &report.hangs[..] else { panic!("{:?}", report.hangs) };
    assert_eq!(
        (hang.sequence, hang.operation.as_str(), hang.called_from.as_str()),
        (42, "all_reduce", "train.py:34")
    );
    assert_eq!((&hang.waiting[..], &hang.missing[..]), (&[0, 1, 3][..], &[2][..]));
    assert!(report.verdict[0].contains("rank 2 never called it"), "{}", report.verdict[0]);
    assert!(report.verdict[0].contains("all_reduce #41"), "{}", report.verdict[0]);
}

#[test]
fn who_is_out_of_step_dead_or_held_up_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let of = |rank: u64, last: Value| {
        dump(folder.path(), rank, vec![entry("0", 1, "all_reduce", 64, "completed"), last])
    };
    let started = || entry("0", 2, "all_reduce", 64, "started");
    let wrong = [
        of(0, started()),
        of(1, entry("0", 2, "broadcast", 64, "started")),
        of(2, started()),
        of(3, started()),
    ];
    let found = report(&wrong);
    assert_eq!(found.hangs[0].out_of_step, [(1, "broadcast of [[64]]".to_owned())]);
    let held_up = [
        of(0, started()),
        of(1, entry("0", 2, "all_reduce", 64, "scheduled")),
        of(2, started()),
        of(3, started()),
    ];
    assert_eq!(report(&held_up).hangs[0].not_begun, [1]);
    let dead = [of(0, started()), of(1, started()), of(2, started())];
    assert_eq!(report(&dead).hangs[0].without_dump, [3]);
    let stuck = report(&[of(0, started()), of(1, started()), of(2, started()), of(3, started())]);
    assert!(stuck.verdict[0].contains("the library or the network"), "{}", stuck.verdict[0]);
}

#[test]
fn groups_that_wait_for_each_other_are_told() {
    let folder = tempfile::tempdir().unwrap();
    // Rank 1 waits in the pair's collective for rank 0, which never called it; so it is missing in that of all.
    let all = |rank: u64| match rank {
        1 => vec![entry("1", 7, "all_gather", 8, "started")],
        0 => vec![entry("0", 5, "all_reduce", 64, "started"), entry("1", 6, "all_gather", 8, "completed")],
        _ => vec![entry("0", 5, "all_reduce", 64, "started")],
    };
    let paths: Vec<PathBuf> = (0..4).map(|rank| dump(folder.path(), rank, all(rank))).collect();
    let report = report(&paths);
    assert_eq!(report.hangs.len(), 2);
    let circle = report.verdict.iter().all(|sentence| sentence.contains("wait for each other"));
    assert!(circle, "{:?}", report.verdict);
}

#[test]
fn a_victim_of_another_group_comes_after_its_culprit() {
    let folder = tempfile::tempdir().unwrap();
    // Rank 1 waits in the pair's collective for rank 0, which is busy elsewhere; so both are missing in that of all.
    let all = |rank: u64| match rank {
        1 => vec![entry("1", 7, "all_gather", 8, "started")],
        0 => vec![entry("1", 6, "all_gather", 8, "completed")],
        _ => vec![entry("0", 5, "all_reduce", 64, "started")],
    };
    let paths: Vec<PathBuf> = (0..4).map(|rank| dump(folder.path(), rank, all(rank))).collect();
    let report = report(&paths);
    assert_eq!(report.hangs.iter().map(|hang| &hang.missing[..]).collect::<Vec<_>>(), [&[0, 1][..], &[0]]);
}

#[test]
fn nothing_hangs_where_all_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let done = |rank: u64| dump(folder.path(), rank, vec![entry("0", 1, "all_reduce", 64, "completed")]);
    assert!(report(&[done(0), done(1), done(2), done(3)]).verdict[0].contains("nothing hangs"));
}

#[test]
fn a_pickle_that_calls_something_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace_rank_0");
    fs::write(&path, b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00lsq\x00\x85R.").unwrap();
    assert!(explain_all(&[path]).unwrap_err().to_string().contains("more than plain data"));
}
