//! Processes that are killed and users who lose patience.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::time::{Duration, Instant};

use support::{children, is_running, signal, start, stderr, wait_for, wait_for_thread};

/// A run that would take minutes: every round sleeps.
const LONG: &str = "train --workers 3 --servers 2 --epochs 1000 --inject all:5ms --on processes";

/// So much, or ten times what the start took on a machine that is busy with other things.
fn patience(seconds: u64, start: Duration) -> Duration {
    Duration::from_secs(seconds).max(10 * start)
}

/// What it took since `begun`, without the moment in which the run was left alone.
fn start_took(begun: Instant) -> Duration {
    begun.elapsed().saturating_sub(Duration::from_millis(1500))
}

/// Waits until the processes of all 5 nodes have joined the run and have had time to train a little.
fn nodes(launcher: u32) -> Vec<(u32, String)> {
    let nodes =
        wait_for("the nodes' processes", || Some(children(launcher)).filter(|nodes| nodes.len() == 5));
    // A process shows signs of life from when it has joined.
    nodes.iter().for_each(|&(pid, _)| wait_for_thread(pid, "pulse"));
    std::thread::sleep(Duration::from_millis(1500));
    nodes
}

fn assert_gone(nodes: &[(u32, String)]) {
    wait_for("the processes' end", || nodes.iter().all(|&(pid, _)| !is_running(pid)).then_some(()));
}

#[test]
fn a_killed_node_ends_the_run_within_a_second_and_is_named() {
    for victim in ["worker/1", "server/0"] {
        let begun = Instant::now();
        let run = start(LONG);
        let nodes = nodes(run.id());
        let limit = patience(1, start_took(begun));
        let (pid, _) = nodes.iter().find(|(_, name)| name == victim).unwrap();
        let killed = Instant::now();
        signal(*pid, "KILL");
        let output = run.wait_with_output().unwrap();
        let took = killed.elapsed();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(victim) && message.contains("signal 9"), "{message}");
        assert!(took < limit, "{victim}: it took {took:?}");
        assert_gone(&nodes);
    }
}

#[test]
fn a_frozen_worker_is_named_and_ends_the_run() {
    let run = start(&format!("{LONG} --silence 2s"));
    let nodes = nodes(run.id());
    let (pid, _) = nodes.iter().find(|(_, name)| name == "worker/1").unwrap();
    signal(*pid, "STOP");
    let output = run.wait_with_output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("error: worker/1 was not heard of for "), "{message}");
    assert_gone(&nodes);
    support::fails("train --silence 2s", 2, &["add --on processes"]);
    support::fails("train --on processes --silence 2", 2, &["such as 30s"]);
}

/// A run that was told to end says what it reached, keeps its model and leaves nothing behind.
#[test]
fn an_interrupted_run_ends_at_its_next_round_with_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    for (on, name, code) in [("threads", "INT", 130), ("processes", "TERM", 143)] {
        let begun = Instant::now();
        let model = folder.path().join(format!("{on}.safetensors"));
        let run = start(&format!("{} --save {}", LONG.replace("processes", on), model.display()));
        let nodes = if on == "processes" { nodes(run.id()) } else { Vec::new() };
        if on == "threads" {
            wait_for_thread(run.id(), "worker/0");
        }
        let limit = patience(3, start_took(begun));
        signal(run.id(), name);
        let stopped = Instant::now();
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{on}: {}", stderr(&output));
        assert!(stopped.elapsed() < limit, "{on}");
        assert_gone(&nodes);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("the model is unfinished") && text.contains("train loss"), "{on}: {text}");
        let saved = std::fs::read(&model).unwrap();
        let saved = String::from_utf8_lossy(&saved);
        assert!(
            saved.contains("unfinished") && saved.contains("of 1000 epochs"),
            "{on}: its metadata say so"
        );
        assert!(!saved.contains("finished\\\":null"), "{on}");
    }
}

#[test]
fn a_second_interrupt_ends_a_run_at_once() {
    // One round is an epoch, which no worker comes to the end of.
    let begun = Instant::now();
    let run = start("train --workers 2 --every epoch --epochs 1000 --inject all:600s --on processes");
    let nodes = wait_for("the nodes", || Some(children(run.id())).filter(|nodes| nodes.len() == 3));
    nodes.iter().for_each(|&(pid, _)| wait_for_thread(pid, "pulse"));
    std::thread::sleep(Duration::from_millis(1500));
    let limit = patience(4, start_took(begun));
    signal(run.id(), "INT");
    std::thread::sleep(Duration::from_millis(300));
    signal(run.id(), "INT");
    let stopped = Instant::now();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("once more ends everything at once"), "{}", stderr(&output));
    assert!(stopped.elapsed() < limit, "{:?}", stopped.elapsed());
}

#[test]
fn a_worker_that_never_waits_is_interrupted_too() {
    let begun = Instant::now();
    let run = start("train --workers 1 --epochs 1000000 --json");
    wait_for_thread(run.id(), "worker/0");
    let limit = patience(2, start_took(begun));
    signal(run.id(), "INT");
    let stopped = Instant::now();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stopped.elapsed() < limit, "{:?}", stopped.elapsed());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["interrupted"], "Ctrl-C");
}

/// Before a run of a small table two models are tried, when there is nothing yet that an interrupt could save.
#[test]
fn however_long_a_run_is_to_be_the_trial_of_models_before_it_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("small.csv");
    let rows: String = (0..60).map(|row| format!("{row},{}\n", row * row % 7)).collect();
    std::fs::write(&table, format!("x,y\n{rows}")).unwrap();
    let model = folder.path().join("m.safetensors");
    let run = start(&format!("train {} --epochs 1000000 --save {}", table.display(), model.display()));
    wait_for_thread(run.id(), "worker/0");
    signal(run.id(), "TERM");
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(model.exists(), "{}", stderr(&output));
}

#[test]
fn a_killed_launcher_leaves_no_process_behind() {
    let mut run = start(LONG);
    let nodes = nodes(run.id());
    signal(run.id(), "KILL");
    run.wait().unwrap();
    assert_gone(&nodes);
}
