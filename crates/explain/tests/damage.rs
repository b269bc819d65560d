//! Damaged logs: whatever happens to a log, the outcome is a report that says so or an error that does, in bounded time and
//! memory, and never a panic.
#![allow(clippy::unwrap_used, reason = "tests")]

mod sample;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use syncline_explain::{Error, Report, explain};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    (folder, path)
}

/// Small real logs that travel with the crate, and the sample's where it is.
fn originals() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.extend(sample::logs().into_iter().map(|log| log.1).step_by(5));
    paths.iter().map(|path| plain(&fs::read(path).unwrap())).collect()
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        zstd::decode_all(bytes).unwrap()
    } else {
        bytes.to_vec()
    }
}

/// An outcome is clear if shares and causes still add up, or if the error says why there is no report.
fn assert_clear(outcome: &Result<Report, Error>) {
    match outcome {
        Ok(report) => {
            let total: f64 = report.shares.values().sum();
            assert!((total - 1.0).abs() < 1e-6, "shares add up to {total}");
            assert!(report.sync_points.iter().all(|point| point.idle_core_s.is_finite()));
            assert!(!report.verdict.is_empty());
        }
        Err(error) => assert!(error.to_string().len() > 20),
    }
}

/// One of many ways to damage a text.
fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    let at = rng.random_range(0..bytes.len().max(1));
    let digits =
        |bytes: &[u8]| -> Vec<usize> { (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect() };
    match rng.random_range(0..8) {
        0 => bytes.truncate(at),
        1 => (0..20).for_each(|_| {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }),
        2 => drop(bytes.drain(at..(at + rng.random_range(1..5000)).min(bytes.len()))),
        3 => {
            let copy = bytes[at..(at + 3000).min(bytes.len())].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => {
            // Numbers become huge, negative, fractions or texts.
            let odd = [
                "-9223372036854775808",
                "18446744073709551616",
                "1.5",
                "\"7\"",
                "null",
                "[]",
                "9007199254740993",
            ];
            for at in digits(bytes).into_iter().step_by(rng.random_range(50..2000)).rev().take(200) {
                bytes.splice(at..=at, odd[rng.random_range(0..odd.len())].bytes());
            }
        }
        5 => {
            for at in digits(bytes).into_iter().step_by(rng.random_range(3..200)) {
                bytes[at] = b'0' + rng.random_range(0..10u8);
            }
        }
        6 => {
            let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            let n = lines.len();
            (0..n).for_each(|at| lines.swap(at, rng.random_range(0..n)));
            *bytes = lines.join(&b'\n');
        }
        _ => bytes.splice(at..at, vec![b"{[\"\0\xff"[rng.random_range(0..5)]; 300_000]).for_each(drop),
    }
}

#[test]
fn thousands_of_mutated_logs_have_a_clear_outcome() {
    let (_folder, path) = place();
    let mut rng = StdRng::seed_from_u64(20261121);
    // Only the jobs of a log are worth mutating: most of a log's start is settings.
    let originals: Vec<Vec<u8>> = originals().into_iter().map(|log| short(&log)).collect();
    let (mut damaged, mut errors) = (0, 0);
    for round in 0..2000 {
        let mut bytes = originals[round % originals.len()].clone();
        for _ in 0..rng.random_range(1..4) {
            if !bytes.is_empty() {
                mutate(&mut bytes, &mut rng);
            }
        }
        fs::write(&path, &bytes).unwrap();
        let outcome = explain(&path);
        assert_clear(&outcome);
        damaged += u32::from(outcome.as_ref().is_ok_and(|report| report.damage.lines > 0));
        errors += u32::from(outcome.is_err());
    }
    assert!(damaged > 200 && errors < 1000, "{damaged} damaged, {errors} errors");
}

/// The lines of a log that are no longer than usual, up to a hundred tasks.
fn short(log: &[u8]) -> Vec<u8> {
    let lines = log.split(|&byte| byte == b'\n').filter(|line| line.len() < 20_000).take(400);
    lines.collect::<Vec<_>>().join(&b'\n')
}

#[test]
fn packed_logs_may_be_cut_or_flipped_anywhere() {
    let (_folder, path) = place();
    let log = short(&originals()[0]);
    let frames: Vec<u8> = log.chunks(20_000).flat_map(|chunk| zstd::encode_all(chunk, 1).unwrap()).collect();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&log).unwrap();
    for packed in [frames, gz.finish().unwrap()] {
        fs::write(&path, &packed).unwrap();
        let whole = explain(&path).unwrap();
        assert!(whole.damage.is_none());
        for step in 0..60 {
            let at = packed.len() * step / 60;
            fs::write(&path, &packed[..at]).unwrap();
            let outcome = explain(&path);
            assert_clear(&outcome);
            if let Ok(report) = outcome {
                assert!(report.tasks <= whole.tasks);
                assert!(at == packed.len() || report.tasks == whole.tasks || !report.complete);
            }
            let mut flipped = packed.clone();
            flipped[at] ^= 0x10;
            fs::write(&path, &flipped).unwrap();
            assert_clear(&explain(&path));
        }
    }
}

#[test]
fn a_cut_frame_gives_what_came_before_and_says_so() {
    let (_folder, path) = place();
    let log = short(&originals()[0]);
    let frames: Vec<Vec<u8>> = log.chunks(20_000).map(|chunk| zstd::encode_all(chunk, 1).unwrap()).collect();
    let mut cut = frames.concat();
    cut.truncate(cut.len() - frames.last().unwrap().len() / 2);
    fs::write(&path, cut).unwrap();
    let report = explain(&path).unwrap();
    assert!(report.tasks > 0);
    assert!(
        report.damage.notes.iter().any(|note| note.contains("inside a compressed frame")),
        "{:?}",
        report.damage
    );
}

#[test]
fn damaged_lines_are_counted_with_their_numbers() {
    let (_folder, path) = place();
    let log = originals().remove(0);
    let mut lines: Vec<&[u8]> = log.split(|&byte| byte == b'\n').collect();
    let broken = br#"{"Event":"SparkListenerTaskEnd","Stage ID":"no number"}"#;
    lines.insert(3, broken);
    lines.insert(9, b"not JSON at all");
    fs::write(&path, lines.join(&b'\n')).unwrap();
    let report = explain(&path).unwrap();
    let numbers: Vec<u64> = report.damage.first.iter().map(|bad| bad.line).collect();
    assert_eq!((report.damage.lines, numbers), (2, vec![4, 10]));
    assert!(
        report
            .verdict
            .iter()
            .any(|sentence| sentence.contains("2 lines could not be read, the first is line 4"))
    );
}

#[test]
fn what_is_no_log_is_refused_with_a_reason() {
    let (folder, path) = place();
    for (content, word) in [
        (&b""[..], "empty"),
        (b"a,b\n1,2\n", "a,b"),
        (b"{\"Event\":\"SomethingElse\"}\n", "tells nothing"),
        (b"[{\"ph\":\"M\"}]", "no event"),
        (b"\x28\xb5\x2f\xfd garbage", "empty"),
    ] {
        fs::write(&path, content).unwrap();
        let error = explain(&path).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(explain(folder.path()).unwrap_err().to_string().contains("survey"));
    assert!(explain(&folder.path().join("absent")).unwrap_err().to_string().contains("absent"));
}

#[test]
fn unknown_events_and_fields_are_ignored() {
    let (_folder, path) = place();
    let log = String::from_utf8(originals().remove(0)).unwrap();
    let before = {
        fs::write(&path, &log).unwrap();
        explain(&path).unwrap()
    };
    let newer = log
        .replace(
            "\"Task Info\":{",
            "\"Novelty\":{\"deep\":[1,{\"x\":null}]},\"Task Info\":{\"New\":\"field\",",
        )
        .replace("\"Executor Run Time\":", "\"Tomorrow's Time\":1.5,\"Executor Run Time\":");
    fs::write(&path, format!("{newer}\n{{\"Event\":\"org.apache.spark.Future\",\"x\":1}}\n")).unwrap();
    let after = explain(&path).unwrap();
    assert!(after.damage.is_none());
    assert_eq!((before.tasks, before.run_ms, before.wall_ms), (after.tasks, after.run_ms, after.wall_ms));
}

#[test]
fn properties_that_are_no_texts_damage_no_line() {
    let (_folder, path) = place();
    let log = String::from_utf8(originals().remove(0)).unwrap();
    let environment = r#"{"Event":"SparkListenerEnvironmentUpdate","Spark Properties":{"spark.master":"local[2]","spark.task.cpus":1,
        "spark.speculation":true,"spark.sql.shuffle.partitions":200,"spark.memory.fraction":0.5,"spark.x":null,"spark.y":[1,{"z":2}]}}"#;
    let (first, rest) = log.split_once('\n').unwrap();
    fs::write(&path, format!("{first}\n{}\n{rest}", environment.replace('\n', ""))).unwrap();
    let report = explain(&path).unwrap();
    assert!(report.damage.is_none(), "{:?}", report.damage);
}
