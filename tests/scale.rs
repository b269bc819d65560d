//! Runs that grow and shrink by command, as a user meets them: whoever was there, the model is the same to the last byte.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use serde_json::Value;
use support::{children, csv, fails, run, samples, start, stderr, wait_for};

/// A run of some seconds, of whose four workers two are there at the start.
fn arguments(folder: &Path, name: &str, more: &str) -> String {
    let data = folder.join("animals.csv");
    let run = format!("--run-dir {}", folder.join(name).display());
    format!("train {} --workers 4 --servers 2 --epochs 60 {run} {more}", data.display())
}

fn succeeded(arguments: &str) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Asks for so many workers, and waits until they are there.
fn scale(run: &str, workers: usize) -> Value {
    let asked = succeeded(&format!("scale {run} --workers {workers} --json"));
    let there: Vec<String> = (0..workers).map(|worker| format!("worker/{worker}")).collect();
    assert_eq!(asked["there"], serde_json::json!(there), "{asked}");
    assert_eq!((&asked["is_settled"], &asked["wanted"]), (&true.into(), &workers.into()), "{asked}");
    asked
}

/// The nodes that run as processes now.
fn workers(run: &Child) -> Vec<String> {
    let mut names: Vec<String> = children(run.id()).into_iter().map(|(_, name)| name).collect();
    names.retain(|name| name.starts_with("worker/"));
    names.sort_unstable();
    names
}

/// How many workers did the work of the run, stretch by stretch.
fn stretches(report: &Value) -> Vec<usize> {
    let all = report["attendance"].as_array().unwrap();
    all.iter().map(|stretch| stretch["workers"].as_array().unwrap().len()).collect()
}

#[test]
fn a_run_grows_and_shrinks_by_command_on_threads_and_processes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    csv(folder.path(), 900);
    succeeded(&arguments(folder.path(), "whole", "--json"));
    let model = |name: &str| fs::read(folder.path().join(name).join("model.safetensors")).unwrap();
    for on in ["threads", "processes"] {
        let more = format!("--elastic 2 --on {on} --inject all:20ms --json");
        let run = start(&arguments(folder.path(), on, &more));
        let at = folder.path().join(on);
        let at = at.to_str().unwrap();
        wait_for("the run to begin", || fs::metadata(format!("{at}/progress.jsonl")).ok().map(drop));
        if on == "processes" {
            assert_eq!(workers(&run), ["worker/0", "worker/1"], "nobody who is not wanted");
        }
        assert_eq!(scale(at, 4)["before"], 2);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(scale(&run.id().to_string(), 1)["before"], 4);
        if on == "processes" {
            assert_eq!(workers(&run), ["worker/0"], "who leaves is gone");
        }
        std::thread::sleep(Duration::from_millis(300));
        scale(at, 3);
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{on}: {}", stderr(&output));
        assert!(model(on) == model("whole"), "{on}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(samples(&report), 60 * 720, "{on}: each row once an epoch");
        let stretches = stretches(&report);
        let told = [2, 4, 1, 3].iter().all(|count| stretches.contains(count));
        assert!(told && stretches[0] == 2, "{on}: {stretches:?}");
        let log = fs::read_to_string(format!("{at}/log")).unwrap();
        assert!(log.contains("4 of 4 workers are to be there; it was 2"), "{log}");
        fails(&format!("scale {at} --workers 2"), 1, &["finished", "goes on"]);
    }
}

#[test]
fn whoever_was_killed_comes_again_when_as_many_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    csv(folder.path(), 900);
    succeeded(&arguments(folder.path(), "whole", "--json"));
    let more = "--elastic 3 --on processes --on-worker-loss redistribute --inject all:20ms --json";
    let run = start(&arguments(folder.path(), "killed", more));
    let at = folder.path().join("killed");
    wait_for("the run to begin", || fs::metadata(at.join("progress.jsonl")).ok().map(drop));
    let victim = children(run.id()).into_iter().find(|(_, name)| name == "worker/1").unwrap();
    Command::new("kill").args(["-KILL", &victim.0.to_string()]).status().unwrap();
    wait_for("its end", || (workers(&run) == ["worker/0", "worker/2"]).then_some(()));
    scale(at.to_str().unwrap(), 3);
    assert_eq!(workers(&run), ["worker/0", "worker/1", "worker/2"]);
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let model = |name: &str| fs::read(folder.path().join(name).join("model.safetensors")).unwrap();
    assert!(model("killed") == model("whole"));
}

#[test]
fn whoever_is_killed_while_workers_come_and_go_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    csv(folder.path(), 900);
    succeeded(&arguments(folder.path(), "whole", "--json"));
    let model = |name: &str| fs::read(folder.path().join(name).join("model.safetensors")).unwrap();
    let count = if std::env::var_os("SYNCLINE_LONG").is_some() { 10 } else { 2 };
    for number in 0..count {
        let moment = Duration::from_millis(number * 389 % 1500);
        let (policy, victim) = [("redistribute", "worker/0"), ("restart", "worker/1")][number as usize % 2];
        // Whoever is sent away may be the one that was killed.
        let (more, fewer) = ([4, 3][number as usize / 2 % 2], [1, 2][number as usize % 2]);
        let about = format!("{victim} after {moment:?}, {policy}, to {more} and {fewer}");
        let name = number.to_string();
        let options =
            format!("--elastic 2 --on processes --on-worker-loss {policy} --inject all:20ms --json");
        let run = start(&arguments(folder.path(), &name, &options));
        let at = folder.path().join(&name);
        let at = at.to_str().unwrap();
        wait_for("the run to begin", || fs::metadata(format!("{at}/progress.jsonl")).ok().map(drop));
        let grown = start(&format!("scale {at} --workers {more}"));
        std::thread::sleep(moment);
        kill(&run, victim);
        grown.wait_with_output().unwrap();
        let shrunk = start(&format!("scale {at} --workers {fewer}"));
        std::thread::sleep(moment / 4);
        kill(&run, "worker/1");
        shrunk.wait_with_output().unwrap();
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{about}: {}", stderr(&output));
        assert!(model(&name) == model("whole"), "{about}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(samples(&report), 60 * 720, "{about}: each row once an epoch");
    }
}

/// Kills a node's process, if it is there.
fn kill(run: &Child, node: &str) {
    if let Some((pid, _)) = children(run.id()).iter().find(|(_, running)| running == node) {
        // It may end in this very moment.
        let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    }
}

#[test]
fn what_cannot_be_scaled_says_why() {
    let folder = tempfile::tempdir().unwrap();
    csv(folder.path(), 900);
    let at = folder.path().join("fixed");
    let mut run = start(&arguments(folder.path(), "fixed", "--inject all:20ms --json"));
    let at = at.to_str().unwrap();
    wait_for("the run to begin", || fs::metadata(format!("{at}/progress.jsonl")).ok().map(drop));
    fails(&format!("scale {at} --workers 3"), 2, &["the nodes that it began with", "--elastic"]);
    run.kill().unwrap();
    run.wait().unwrap();
    fails(&format!("scale {at} --workers 3"), 1, &["is killed"]);
    fails("scale nothing-of-this-name --workers 3", 1, &["no program"]);
    fails("train --workers 2 --elastic 3", 2, &["of the 2 workers"]);
    fails("train --workers 3 --elastic 2 --sync backup:1", 2, &["does not wait for all"]);
    let scaled = ["train", "--on", "sim", "--workers", "3", "--fault", "scale worker 2 1ms"];
    let output = support::command("").args(scaled).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("add --elastic"), "{}", stderr(&output));
}
