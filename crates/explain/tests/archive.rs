//! Archives of logs, as Spark history servers give them out and as strangers make them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod packed;

use std::fs;
use std::path::PathBuf;

use packed::{fixture, placed, zip};
use syncline_explain::report::Report;
use syncline_explain::{Error, explain, explain_all, survey};

/// The figures that must not depend on the packing.
fn figures(report: &Report) -> (u64, u64, u64, f64, f64, bool) {
    (report.jobs, report.stages, report.tasks, report.wall_ms, report.run_ms, report.complete)
}

#[test]
fn an_archive_tells_what_its_log_tells() {
    let text = fixture();
    let (_folder, plain) = placed("plain", &text);
    let expected = figures(&explain(&plain).unwrap());
    let frames = zstd::encode_all(&text[..], 1).unwrap();
    for (name, bytes, deflated) in
        [("local-1", &text, true), ("local-1.zstd", &frames, true), ("local-1.zstd", &frames, false)]
    {
        // The name does not help, here neither.
        let (_folder, path) = placed("eventLogs", &zip(&[(name, bytes)], deflated));
        let report = explain(&path).unwrap();
        assert!(report.damage.is_none(), "{:?}", report.damage);
        assert_eq!(figures(&report), expected);
        assert!(report.source.ends_with(&format!("({name})")), "{}", report.source);
    }
}

#[test]
fn every_attempt_has_its_report_and_a_single_one_is_the_last() {
    let text = String::from_utf8(fixture()).unwrap();
    let cut: String = text.lines().take(60).map(|line| format!("{line}\n")).collect();
    let names = ["app-20261121-0000_10.zstd", "app-20261121-0000_2.zstd"];
    let whole = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let first = zstd::encode_all(cut.as_bytes(), 1).unwrap();
    let (_folder, path) = placed("logs.zip", &zip(&[(names[0], &whole), (names[1], &first)], true));
    let reports = explain_all(std::slice::from_ref(&path)).unwrap();
    let complete: Vec<bool> = reports.iter().map(|report| report.complete).collect();
    assert_eq!(complete, [false, true], "the second attempt before the tenth");
    let last = explain(&path).unwrap();
    assert!(last.complete);
    let notes = last.damage.notes.concat();
    assert!(notes.contains("of 2 logs in the archive only the last") && notes.contains("0000_10"), "{notes}");
}

#[test]
fn rolling_logs_lie_in_folders_of_the_archive() {
    let text = fixture();
    let (_folder, plain) = placed("plain", &text);
    let expected = figures(&explain(&plain).unwrap());
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let parts: Vec<(String, Vec<u8>)> = lines
        .chunks(lines.len() / 11 + 1)
        .enumerate()
        .map(|(at, part)| {
            let name = format!("eventlog_v2_app_1/events_{}_app_1.zstd", at + 1);
            (name, zstd::encode_all(&part.concat()[..], 1).unwrap())
        })
        .collect();
    let mut files: Vec<(&str, &[u8])> =
        parts.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    // A server walks its folder as it pleases; the numbers decide.
    files.reverse();
    files.push(("eventlog_v2_app_1/", b""));
    files.push(("eventlog_v2_app_1/appstatus_app_1", b""));
    let (_folder, path) = placed("logs.zip", &zip(&files, true));
    let reports = explain_all(&[path]).unwrap();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].damage.is_none(), "{:?}", reports[0].damage);
    assert_eq!(figures(&reports[0]), expected);
}

#[test]
fn names_in_an_archive_are_no_paths_and_other_files_are_told_of() {
    let text = fixture();
    let names: [&str; 3] = ["../../../escaped_1", "/tmp/\u{1b}[2J_2", "notes/README.md"];
    let archive =
        zip(&[(names[0], &text), (names[1], &text), (names[2], b"hello\n"), ("__MACOSX/._x", b"\0")], true);
    let (folder, path) = placed("inside/logs.zip", &archive);
    let reports = explain_all(&[path]).unwrap();
    assert_eq!(reports.len(), 2);
    assert!(
        reports[0].damage.notes.concat().contains("1 files of the archive are no logs"),
        "{:?}",
        reports[0].damage
    );
    let beside: Vec<PathBuf> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(beside, [folder.path().join("inside")], "nothing was written");
}

#[test]
fn archives_that_are_cut_damaged_or_empty_say_so() {
    let text = fixture();
    let whole = zip(&[("app", &text)], true);
    let (_folder, path) = placed("logs.zip", &whole[..whole.len() - 30]);
    let error = explain(&path).unwrap_err().to_string();
    assert!(error.contains("zip directory cannot be read"), "{error}");

    let (_folder, path) = placed("logs.zip", &zip(&[("empty", b"")], true));
    assert!(matches!(explain(&path).unwrap_err(), Error::Empty { .. }));
    let (_folder, path) = placed("logs.zip", &zip(&[("a.txt", b"no log"), ("b.txt", b"none")], true));
    assert!(matches!(explain_all(&[path]).unwrap_err(), Error::Unrecognised { .. }));

    // A byte in the middle of the packed data: what is before it is read, and the report says that there was more.
    let mut damaged = whole;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    let (_folder, path) = placed("logs.zip", &damaged);
    let report = explain(&path).unwrap();
    assert!(!report.damage.is_none() && report.jobs > 0, "{:?}", report.damage);
}

#[test]
fn what_unpacks_to_two_hundred_times_its_size_is_a_stream() {
    // 256 MB of one line; a line beyond 64 MiB is not kept.
    let mut text = b"{\"Event\":\"SparkListenerLogStart\",\"Spark Version\":\"4.0\"}\n".to_vec();
    text.resize(256 << 20, b' ');
    let (_folder, path) = placed("bomb.zip", &zip(&[("app", &text)], true));
    drop(text);
    let found = fs::metadata(&path).unwrap().len();
    assert!(found < 2 << 20, "{found} bytes");
    assert!(explain(&path).is_err(), "it has no event with a time");
}

#[test]
fn a_survey_has_a_row_for_every_attempt() {
    let text = fixture();
    let (folder, _) = placed("logs.zip", &zip(&[("app_1", &text), ("app_2", &text)], true));
    let rows: Vec<String> = survey(folder.path()).unwrap().rows.into_iter().map(|row| row.log).collect();
    assert_eq!(rows, ["logs (app_1)", "logs (app_2)"]);
}
