//! Runs in virtual time through the command: what the seed decides, nothing else does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use support::{command, csv, json};

/// Policies whose order of events differs most, with what strikes some of them.
const RUNS: [&str; 5] = [
    "--sync bsp --workers 6 --servers 2",
    "--sync asp --workers 6",
    "--sync ssp:2 --workers 6 --servers 2",
    "--sync backup:1 --workers 6",
    "--sync ssp:1 --workers 5 --fault duplicate&worker/1>server&#2 --inject worker=2:3x",
];

/// How many processes do each run, all at the same time.
const TIMES: usize = 6;

/// SIM-1, seen from outside: in different processes, while as many others compete for the cores, and also where the process
/// has one core only, the same seed gives the same trace to the last byte.
#[test]
fn l5_the_same_seed_gives_the_same_bytes_in_every_process_under_load_and_on_any_cores() {
    let folder = tempfile::tempdir().unwrap();
    for (number, run) in RUNS.iter().enumerate() {
        let path = |time| folder.path().join(format!("{number}-{time}.parquet"));
        let children: Vec<Child> = (0..TIMES).map(|time| start(run, &path(time), time % 2 == 1)).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success(), "{run}");
        }
        let first = fs::read(path(0)).unwrap();
        for time in 1..TIMES {
            assert!(first == fs::read(path(time)).unwrap(), "{run}: process {time} wrote another trace");
        }
    }
}

/// Starts a training in virtual time that writes its trace to `path`, on one core if wanted and `taskset` is there.
fn start(run: &str, path: &Path, on_one_core: bool) -> Child {
    let arguments = "train --on sim --seed 7 --epochs 1 --batch 512 --model softmax --network 1Gbit/50us/10us \
                     --compute exp:3ms";
    let plain = command(arguments);
    let mut child = if on_one_core && has_taskset() { pinned(&plain) } else { plain };
    child.args(run.split(' ').map(|word| word.replace('&', " "))).arg("--trace").arg(path);
    child.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

fn has_taskset() -> bool {
    Command::new("taskset").args(["-c", "0", "true"]).status().is_ok_and(|status| status.success())
}

fn pinned(command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", "0"]).arg(command.get_program()).args(command.get_args());
    pinned
}

/// Runs in virtual time, whose fourth worker takes three times as long: with equal shares it would decide.
#[test]
fn rows_that_follow_the_speeds_are_predicted_as_they_are_dealt_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 900);
    let traced = |partition: &str, more: &str| {
        let trace = folder.path().join("run.parquet");
        json(&format!(
            "train {} --on sim --compute uniform:3ms..5ms --inject worker=3:3x --batch 8 --epochs 8 --partition {partition} {more} \
             --trace {}",
            data.display(),
            trace.display()
        ));
        trace.display().to_string()
    };
    let near = |told: &Value, measured: &Value, about: &str| {
        let ratio = told["run_s"][1].as_f64().unwrap() / measured["run"]["measured_run_s"].as_f64().unwrap();
        assert!((ratio - 1.0).abs() < 0.1, "{about}: {ratio}, {told}, {}", measured["run"]);
    };
    let eight = json(&format!("predict {} --workers 8", traced("weight:measured", "--workers 8")));
    let even = json(&format!("predict {} --workers 4", traced("random", "--workers 4")));
    let trace = traced("weight:measured", "--workers 4");
    let answer = json(&format!("predict {trace} --workers 4,8"));
    assert!(answer["run"]["error"].as_f64().unwrap().abs() < 0.15, "{}", answer["run"]);
    near(&answer["predictions"][0], &answer, "the run itself");
    near(&answer["predictions"][1], &eight, "eight workers, of whom one is slow");
    let time_s = |answer: &Value| answer["run"]["measured_run_s"].as_f64().unwrap();
    assert!(time_s(&answer) < 0.75 * time_s(&even), "or there would be nothing to predict: {answer}");
    let asked = json(&format!("predict {trace} --workers 4 --sync asp"));
    let why = asked["predictions"][0]["cannot_tell"].as_str().unwrap();
    assert!(why.contains("dealt out by speed") && why.contains("even shares"), "{why}");

    let weighed = traced("weight:3,3,3,1", "--workers 4");
    let answer = json(&format!("predict {weighed} --workers 4,8 --sync bsp"));
    assert!(answer["run"]["error"].as_f64().unwrap().abs() < 0.15, "{}", answer["run"]);
    near(&answer["predictions"][0], &answer, "by weights");
    let why = answer["predictions"][1]["cannot_tell"].as_str().unwrap();
    assert!(why.contains("weights of its 4 workers") && why.contains("weight:measured"), "{why}");

    let overlapping = traced("overlap-reshuffle", "--workers 4");
    let answer = json(&format!("predict {overlapping} --workers 4 --sync bsp"));
    near(&answer["predictions"][0], &answer, "all rows at each worker");
}
