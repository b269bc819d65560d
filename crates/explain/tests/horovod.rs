//! Timelines of Horovod: tensors are its processes, ranks are instants within a negotiation.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;
use std::fs;

use syncline_explain::{Report, explain, violations};

const STEPS: u64 = 40;
const RANKS: u64 = 4;

/// Steps of 50 ms and a few random ms, in which two tensors are handed in 1 ms apart, rank 2 `late_us` after the others; each
/// exchange takes 5 ms. From step `cached` on no negotiation names its ranks.
fn timeline(late_us: u64, cached: u64) -> String {
    let mut text = "[\n".to_owned();
    for tensor in 1..=2 {
        writeln!(
            text,
            r#"{{"name": "process_name", "ph": "M", "pid": {tensor}, "args": {{"name": "grad/{tensor}"}}}},"#
        )
        .unwrap();
    }
    let mut now = 1_412_526_000_000;
    for step in 0..STEPS {
        let ready = |rank: u64| {
            let chance = (step * 7919 + rank * 104_729) % 3001;
            now + 50_000 + chance + if rank == 2 { late_us } else { 0 }
        };
        let mut ranks: Vec<(u64, u64)> = (0..RANKS).map(|rank| (ready(rank), rank)).collect();
        ranks.sort_unstable();
        for tensor in 1..=2 {
            let shift = (tensor - 1) * 1000;
            // Without names the timeline has the recorder's own beginning.
            let begun = if step < cached { ranks[0].0 } else { ready(0) } + shift;
            writeln!(
                text,
                r#"{{"ph": "B", "name": "NEGOTIATE_ALLREDUCE", "ts": {begun}, "pid": {tensor}}},"#
            )
            .unwrap();
            if step < cached {
                for (at, rank) in &ranks {
                    writeln!(
                        text,
                        r#"{{"ph": "X", "name": "{rank}", "ts": {}, "pid": {tensor}, "dur": 0}},"#,
                        at + shift
                    )
                    .unwrap();
                }
            }
            let agreed = ranks[RANKS as usize - 1].0 + shift;
            for (name, from, to) in
                [("", 0, agreed), ("ALLREDUCE", agreed + 10, 0), ("MPI_ALLREDUCE", agreed + 20, 0)]
            {
                if name.is_empty() {
                    writeln!(text, r#"{{"ph": "E", "ts": {to}, "pid": {tensor}}},"#).unwrap();
                } else {
                    writeln!(text, r#"{{"ph": "B", "name": "{name}", "ts": {from}, "pid": {tensor}}},"#)
                        .unwrap();
                }
            }
            for end in [agreed + 4990, agreed + 5000] {
                writeln!(text, r#"{{"ph": "E", "ts": {end}, "pid": {tensor}}},"#).unwrap();
            }
        }
        now = ranks[RANKS as usize - 1].0 + 6000;
    }
    text
}

fn report(text: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("timeline.json");
    fs::write(&path, text).unwrap();
    let report = explain(&path).unwrap();
    assert!(violations(&report).is_empty(), "{:?}", violations(&report));
    report
}

#[test]
fn ranks_wait_for_the_one_that_hands_in_last() {
    let report = report(&timeline(30_000, STEPS));
    assert!(report.damage.is_none(), "{:?}", report.damage);
    assert_eq!((report.system.as_str(), report.executors), ("horovod", RANKS));
    // Three of four ranks wait for 30 of 88 ms, and nobody's negotiation is work.
    let wait = report.shares["wait"];
    assert!((wait - 0.75 * 30.0 / 88.0).abs() < 0.03, "{:?}", report.shares);
    assert!((report.shares["collective"] - 5.0 / 88.0).abs() < 0.01, "{:?}", report.shares);
    assert!(
        !report.verdict[0].contains(" 0.0 % moving data"),
        "an exchange is no work: {}",
        report.verdict[0]
    );
    assert!(
        report.verdict.iter().any(|sentence| sentence.starts_with("Work is at most")),
        "{:?}",
        report.verdict
    );
    assert_eq!(report.sync_points[0].count, STEPS);
    assert_eq!(report.stragglers[0].who, "rank/2");
}

#[test]
fn nobody_is_named_where_all_take_as_long() {
    let report = report(&timeline(0, STEPS));
    assert!(report.stragglers.is_empty(), "{:?}", report.stragglers);
    assert!(report.shares["wait"] < 0.04, "{:?}", report.shares);
}

#[test]
fn a_timeline_without_time_is_sound() {
    let text = "[\n{\"ph\": \"B\", \"name\": \"NEGOTIATE_ALLREDUCE\", \"ts\": 7, \"pid\": 1},\n{\"ph\": \"X\", \"name\": \"0\", \"ts\": 7, \
                \"pid\": 1, \"dur\": 0},\n{\"ph\": \"E\", \"ts\": 7, \"pid\": 1},\n";
    assert_eq!(report(text).shares["unknown"], 1.0);
}

#[test]
fn cached_negotiations_tell_of_the_recorder_alone_and_that_is_said() {
    let report = report(&timeline(30_000, 2));
    assert_eq!(report.executors, 1);
    let wait = report.shares["wait"];
    assert!((wait - 30.0 / 88.0).abs() < 0.04, "{:?}", report.shares);
    assert!(report.damage.is_none(), "what was cached is no damage: {:?}", report.damage);
    let note = report.verdict.join("\n");
    assert!(note.contains("76 of 80 negotiations") && note.contains("HOROVOD_CACHE_CAPACITY=0"), "{note}");
}
