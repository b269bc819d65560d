//! The books of every report close: of every log at hand, and of thousands that something happened to.
#![allow(clippy::unwrap_used, reason = "tests")]

mod made;
mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use made::{Log, Task};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use syncline_explain::{explain, violations};

#[test]
fn the_books_of_every_log_at_hand_close() {
    let Some(folder) = sample::folder() else { return };
    let mut seen = 0;
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            if let Ok(report) = explain(&path) {
                assert_eq!(violations(&report), Vec::<String>::new(), "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 28, "{seen} logs");
}

/// A log in which much happens: threads, failures, a lost executor, repeated and killed attempts.
fn eventful() -> Vec<String> {
    let mut log = Log::new(&[2, 2]);
    let mut at = 2000;
    for turn in 0..4 {
        at = log.simple_job(turn, "count at E.scala:1", at, &[(1, 300), (1, 500), (2, 400), (2, 900)]) + 20;
    }
    log.query(3, "select", "BroadcastExchange", &[(1, "data size"), (2, "time to build")]);
    log.query(4, "insert", "AQEShuffleRead", &[(3, "number of coalesced partitions")]);
    log.driver_values(3, &[(1, 5000), (2, 400)]).driver_values(4, &[(3, 1)]);
    log.query_job(4, at, &[4, 5], 4).job(5, at + 10, &[6]);
    log.stage(4, 0, "map at E.scala:2", 3, at).stage(6, 0, "collect at E.scala:3", 2, at + 10);
    log.task_start(4, 16, 1, at).task_start(4, 17, 2, at);
    log.task(Task::new(4, 0, 1, at, at + 700))
        .task(Task { spilled: 1 << 20, ..Task::new(4, 1, 2, at, at + 300).failed("java.io.IOException") });
    log.task(Task::new(6, 0, 2, at + 300, at + 800)).task(Task::new(4, 1, 1, at + 700, at + 1500));
    log.task(Task { speculative: true, ..Task::new(4, 2, 2, at + 800, at + 1600) });
    log.stage_end(4, 0, "map at E.scala:2", 3, (at, at + 1600), None);
    log.task(Task::new(4, 2, 1, at, at + 1700).killed());
    log.removed(2, at + 1700, "Remote RPC client disassociated").executor(3, 2, at + 1900);
    log.stage(5, 0, "reduce at E.scala:2", 2, at + 1600).task(Task::new(5, 0, 1, at + 1600, at + 2100));
    log.stage_end(5, 0, "reduce at E.scala:2", 2, (at + 1600, at + 2100), Some("FetchFailed"));
    log.stage(5, 1, "reduce at E.scala:2", 1, at + 2100);
    log.task(Task { attempt: 1, ..Task::new(5, 0, 3, at + 2100, at + 3000) });
    log.stage_end(5, 1, "reduce at E.scala:2", 1, (at + 2100, at + 3000), None);
    log.job_end(4, at + 3010, true).task(Task::new(6, 1, 3, at + 2000, at + 4000));
    log.stage_end(6, 0, "collect at E.scala:3", 2, (at + 10, at + 4000), None).job_end(5, at + 4010, false);
    log.end(at + 4100);
    log.text().lines().map(str::to_owned).collect()
}

fn fixture(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let text = zstd::decode_all(&fs::read(path).unwrap()[..]).unwrap();
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

/// Something that happens to a log's events, each of which stays well-formed.
fn mutate(lines: &mut Vec<String>, random: &mut StdRng) {
    let at = random.random_range(0..lines.len());
    let other = random.random_range(0..lines.len());
    match random.random_range(0..6) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(other, lines[at].clone()),
        2 => lines.swap(at, other),
        3 => lines.truncate(at.max(3)),
        4 => {
            let times = [
                "Launch Time\":",
                "Finish Time\":",
                "Completion Time\":",
                "Submission Time\":",
                "Timestamp\":",
            ];
            let key = times[random.random_range(0..times.len())];
            if let Some(found) = lines[at].find(key) {
                let digits = found + key.len() + 5;
                if lines[at].is_char_boundary(digits)
                    && lines[at].as_bytes().get(digits).is_some_and(u8::is_ascii_digit)
                {
                    let digit = random.random_range(0..10u8).to_string();
                    lines[at].replace_range(digits..=digits, &digit);
                }
            }
        }
        _ => {
            lines[at] = lines[at]
                .replace("\"Success\"", "\"Resubmitted\"")
                .replace("\"Executor ID\":\"1\"", "\"Executor ID\":\"9\"")
        }
    }
}

/// How many damaged copies of each log of the sample the long test looks at.
const COPIES: usize = 300;

#[test]
#[ignore = "thousands of whole logs; .ci/nightly runs it"]
fn the_books_of_every_log_at_hand_close_however_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("log");
    let mut random = StdRng::seed_from_u64(42);
    let mut explained = 0;
    for (name, original) in sample::logs() {
        let text = String::from_utf8(zstd::decode_all(&fs::read(original).unwrap()[..]).unwrap()).unwrap();
        let whole: Vec<String> = text.lines().map(str::to_owned).collect();
        for copy in 0..COPIES {
            let mut lines = whole.clone();
            for _ in 0..random.random_range(1..40) {
                mutate(&mut lines, &mut random);
            }
            fs::write(&path, lines.join("\n")).unwrap();
            let Ok(report) = explain(&path) else { continue };
            assert_eq!(violations(&report), Vec::<String>::new(), "{name}, copy {copy}");
            explained += 1;
        }
    }
    println!("{explained} damaged logs, and the books of all close");
}

#[test]
fn the_books_of_thousands_of_mutated_logs_close() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("log");
    let originals = [eventful(), eventful(), fixture("local2_skew.json.zst"), fixture("local2_lr.json.zst")];
    let mut random = StdRng::seed_from_u64(20261129);
    let (mut explained, mut with_failures, mut with_losses) = (0, 0, 0);
    for round in 0..2000 {
        // Most of a fixture is settings, which take long to read and tell nothing of time.
        let mut lines: Vec<String> = originals[round % originals.len()]
            .iter()
            .filter(|line| line.len() < 6000)
            .take(300)
            .cloned()
            .collect();
        for _ in 0..random.random_range(1..8) {
            mutate(&mut lines, &mut random);
        }
        fs::write(&path, lines.join("\n")).unwrap();
        let Ok(report) = explain(&path) else { continue };
        assert_eq!(violations(&report), Vec::<String>::new(), "round {round}");
        explained += 1;
        with_failures += u32::from(report.failed_tasks > 0);
        with_losses += u32::from(report.missing_task_ends > 0);
    }
    assert!(
        explained > 1900 && with_failures > 500 && with_losses > 300,
        "{explained} {with_failures} {with_losses}"
    );
}
