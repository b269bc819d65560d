//! `syncline trace` as a user runs it, on our own runs and on logs of Spark.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{fails, json, run, stderr};

/// Trains with a delay for worker 2 and returns the report of its trace and the seconds that were injected.
fn delayed(folder: &Path, arguments: &str) -> (Value, f64) {
    let path = folder.join("run.parquet");
    let trained = json(&format!("train {arguments} --trace {}", path.display()));
    let injected = trained["workers"][2]["injected_s"].as_f64().unwrap();
    (json(&format!("trace report {}", path.display())), injected)
}

fn slowest(report: &Value) -> (&str, f64) {
    let found = &report["stragglers"][0];
    (found["who"].as_str().unwrap(), found["excess_s"].as_f64().unwrap())
}

#[test]
fn an_injected_delay_is_found_named_and_priced() {
    let folder = tempfile::tempdir().unwrap();
    let (report, injected) =
        delayed(folder.path(), "--workers 4 --epochs 1 --batch 1024 --inject worker=2:100ms");
    let (who, excess) = slowest(&report);
    assert_eq!(who, "worker/2");
    // A busy machine wakes everybody late, not only the one who was told to sleep.
    assert!((excess - injected).abs() < 0.5 * injected, "{excess} s found of {injected} s injected");
    let verdict = report["verdict"].to_string();
    assert!(verdict.contains("due to a slow worker") && verdict.contains("worker/2"), "{verdict}");
    let shares: f64 =
        report["shares"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    let gate = &report["sync_points"][0];
    assert_eq!(gate["kind"], "gate");
    // Three others waited through every delay.
    let slow = gate["split"]["slow_worker"].as_f64().unwrap();
    assert!((slow - 3.0 * injected).abs() < 1.5 * injected, "{slow} core-seconds for {injected} s");
}

/// Nobody waits for anybody under asp but at the end, where three workers wait for the slowest one's share.
#[test]
fn the_end_of_training_is_a_meeting_that_has_its_price() {
    let folder = tempfile::tempdir().unwrap();
    let (report, injected) =
        delayed(folder.path(), "--workers 4 --epochs 1 --batch 512 --sync asp --inject worker=2:50ms");
    let (who, excess) = slowest(&report);
    assert_eq!(who, "worker/2");
    assert!((excess - injected).abs() < 0.5 * injected, "{excess} s found of {injected} s injected");
    let end = &report["sync_points"][0];
    assert_eq!(end["kind"], "end_of_training");
    let idle = end["idle_core_s"].as_f64().unwrap();
    assert!((idle - 3.0 * injected).abs() < 1.5 * injected, "{idle} core-seconds for {injected} s");
    assert!(end["split"]["slow_worker"].as_f64().unwrap() > 0.7 * idle, "{end}");
    assert!(report["shares"]["wait"].as_f64().unwrap() > 0.3, "{}", report["shares"]);
}

/// What a run spends on its path is what its spans say, also where there are fewer cores than workers.
#[test]
fn no_phase_gets_more_of_the_critical_path_than_its_spans_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.parquet");
    let trained = json(&format!(
        "train --workers 4 --epochs 1 --batch 512 --inject worker=2:20ms --trace {}",
        path.display()
    ));
    let report = json(&format!("trace report {}", path.display()));
    let parts = report["critical_path"].as_array().unwrap();
    let ms = |part: &Value| part["ms"].as_f64().unwrap();
    let applied = parts.iter().find(|part| part["stage"] == "servers").map_or(0.0, ms);
    let folded: f64 = trained["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["fold_apply_s"].as_f64().unwrap())
        .sum();
    assert!(applied <= 1000.0 * folded + 1.0, "{applied} ms of {folded} s");
    let slow =
        parts.iter().find(|part| part["stage"] == "worker/2" && part["phase"] == "compute").map_or(0.0, ms);
    let wall = report["wall_ms"].as_f64().unwrap();
    assert!(slow > 0.5 * wall, "worker/2 computes {slow} of {wall} ms: {parts:?}");
    let sum: f64 = parts.iter().map(ms).sum();
    assert!((sum - wall).abs() <= 1.5, "{sum} of {wall} ms");
}

#[test]
fn a_worker_three_times_slower_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "--workers 3 --epochs 2 --batch 1024 --model mlp:256 --inject worker=2:3x";
    let (report, injected) = delayed(folder.path(), arguments);
    let (who, excess) = slowest(&report);
    assert_eq!(who, "worker/2");
    // The machine may be busy with other tests, whose share of the delay is not injected.
    assert!((excess - injected).abs() < 0.5 * injected, "{excess} s found of {injected} s injected");
}

#[test]
fn every_command_reads_a_run_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let log = at("run.parquet");
    assert!(run(&format!("train --workers 2 --epochs 1 --trace {log}")).status.success());
    for (arguments, part) in [
        (format!("trace report {log}"), "Where the wall time went"),
        (format!("trace report {log} --html {}", at("page.html")), "Critical path"),
        (format!("trace sync-points --wide {log}"), "gate of the parameter server"),
        (format!("trace compare {log} {log}"), "no significant change"),
        (format!("trace validate {log}"), "sound"),
        (format!("trace export {log} --chrome {}", at("run.json")), ""),
        (format!("trace export {log} --perfetto {}", at("run.pftrace")), ""),
        (format!("trace export {log} --csv {}", at("run.csv")), ""),
        (format!("trace import {} {}", at("run.json"), at("again.parquet")), ""),
        (format!("trace survey {}", folder.path().display()), "run "),
        (format!("trace survey --markdown {}", folder.path().display()), "| run |"),
    ] {
        let output = run(&arguments);
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains(part), "{arguments}: no `{part}`");
    }
    assert!(fs::read_to_string(at("page.html")).unwrap().contains("aria-label=\"timeline of the run\""));
    let (before, after) =
        (json(&format!("trace report {log}")), json(&format!("trace report {}", at("again.parquet"))));
    assert_eq!(before["tasks"], after["tasks"]);
}

#[test]
fn wrong_input_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    fs::write(&path, "a,b\n1,2\n").unwrap();
    let path = path.display();
    fails(&format!("trace report {path}"), 1, &["cannot tell what", "data.csv", "a,b"]);
    fails("trace report absent.json", 1, &["absent.json", "No such file"]);
    fails("trace report", 2, &["LOG"]);
    fails(&format!("trace export {path}"), 2, &["--chrome"]);
    fails(&format!("trace validate {path}"), 1, &["1 of 1 logs are not sound"]);
    fails(&format!("trace survey {}", folder.path().display()), 1, &["there is no log in it"]);
}

/// A pipe in a folder of logs would wait for its writer for ever.
#[test]
fn a_survey_passes_over_what_is_no_file_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    if !made.is_ok_and(|made| made.success()) {
        eprintln!("skipped: there is no mkfifo here");
        return;
    }
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../explain/tests/fixtures/local2_skew.json.zst");
    fs::copy(log, folder.path().join("skew.zst")).unwrap();
    let output = run(&format!("trace survey --markdown {}", folder.path().display()));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("| skew |") && told.contains("pipe: passed over"), "{told}");
}

/// Between threads the derivatives of the rows are handed over, between processes their products with the rows travel.
#[test]
fn a_push_counts_the_bytes_that_it_hands_over() {
    let folder = tempfile::tempdir().unwrap();
    let data = support::libsvm(folder.path(), 600, 50_000);
    let pushed = |on: &str| {
        let path = |ending: &str| folder.path().join(format!("{on}.{ending}")).display().to_string();
        let (trace, table) = (path("parquet"), path("csv"));
        let train = "--model logistic --optimizer sgd --workers 2 --batch 64 --epochs 1";
        for command in [
            format!("train {} {train} --on {on} --trace {trace}", data.display()),
            format!("trace export {trace} --csv {table}"),
        ] {
            let output = run(&command);
            assert!(output.status.success(), "{command}: {}", stderr(&output));
        }
        let text = fs::read_to_string(table).unwrap();
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let bytes = header.iter().position(|name| *name == "bytes").unwrap();
        let push = text.lines().find(|line| line.contains(",push,")).unwrap();
        push.split(',').nth(bytes).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(pushed("threads"), 64 * 4, "a number for each row");
    let products = pushed("processes");
    // At most eight entries a row and the bias, each with its coordinate.
    assert!((64 * 8..=(8 * 64 + 1) * 8).contains(&products), "{products}");
}
