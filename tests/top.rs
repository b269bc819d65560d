//! Looking into programs that run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use serde_json::Value;
use support::{command, fails, run, signal, start, stderr, wait_for};

const LONG: &str = "train --workers 2 --epochs 100000 --inject all:5ms";

/// A training run that goes on until dropped.
struct Long(Child);

impl Long {
    fn start(more: &str) -> Self {
        Self(start(&format!("{LONG} {more}")))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// What is seen of it, once it can be.
    fn seen(&self) -> Value {
        let arguments = format!("top {} --once --json --interval 0.5", self.pid());
        wait_for("the program to show itself", || {
            let output = run(&arguments);
            output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
        })
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn edge<'a>(seen: &'a Value, caller: &str, callee: &str) -> &'a Value {
    let edges = seen["edges"].as_array().unwrap();
    let found = edges.iter().find(|edge| edge["caller"] == caller && edge["callee"] == callee);
    found.unwrap_or_else(|| panic!("no edge from {caller} to {callee}: {seen:#}"))
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number `{key}`: {value:#}"))
}

#[test]
fn l6_a_training_run_is_seen_with_its_nodes_and_edges_on_threads_and_processes() {
    for on in ["threads", "processes"] {
        let long = Long::start(&format!("--on {on}"));
        let seen = wait_for("calls", || {
            let seen = long.seen();
            let edges = seen["edges"].as_array().unwrap();
            let runs = |edge: &Value| edge["caller"] == "worker/1" && number(edge, "calls_per_s") > 0.0;
            edges.iter().any(runs).then_some(seen)
        });
        assert_eq!((&seen["schema"], &seen["program"]), (&"syncline.top/1".into(), &"train".into()));
        assert_eq!(seen["executor"], on);
        assert_eq!(seen["pid"].to_string(), long.pid());
        let states: Vec<_> = seen["nodes"].as_array().unwrap().iter().map(|node| &node["state"]).collect();
        assert!(states.iter().filter(|state| **state == "running").count() >= 3, "{seen:#}");
        let edge = edge(&seen, "worker/1", "server/0");
        assert!(number(edge, "calls") > 0.0 && number(edge, "running_s") > 0.0, "{edge:#}");
        // Each round takes 5 ms and more, in which there are a few calls.
        assert!((1.0..2000.0).contains(&number(edge, "calls_per_s")), "{edge:#}");
        assert!((0.0..1.5).contains(&number(edge, "waited_share")), "{edge:#}");
        let moved = number(edge, "request_bytes_per_s") > 0.0;
        assert_eq!(moved, on == "processes", "{edge:#}");
    }
}

#[test]
fn programs_are_listed_while_they_run_and_found_by_process_and_directory() {
    let long = Long::start("--on threads");
    let seen = long.seen();
    let directory = seen["directory"].as_str().unwrap();
    let by_directory = run(&format!("top {directory} --once"));
    let text = String::from_utf8_lossy(&by_directory.stdout);
    assert!(text.contains("train on threads") && text.contains("worker/0"), "{text}");
    let listed = support::json("top");
    let pids: Vec<_> =
        listed["programs"].as_array().unwrap().iter().map(|line| line["pid"].to_string()).collect();
    assert!(pids.contains(&long.pid()), "{listed:#}");
    signal(long.0.id(), "TERM");
    wait_for("the run's end", || (!support::is_running(long.0.id())).then_some(()));
    assert!(!Path::new(directory).exists(), "{directory} is left");
    fails(&format!("top {directory} --once"), 1, &["no program can be seen at"]);
    fails(&format!("top {} --once", long.pid()), 1, &["runs on this machine"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    fails("top --once", 2, &["PROGRAM"]);
    fails("top x --interval 0", 2, &["from 0.1 to 60"]);
    fails("top nobody-has-this-name", 1, &["no program `nobody-has-this-name` runs"]);
    fails("top /nowhere --once", 1, &["no program can be seen at /nowhere"]);
    let long = Long::start("--on threads");
    long.seen();
    fails(&format!("top {}", long.pid()), 2, &["needs a terminal"]);
}

/// What tmux answers; `None` where there is no tmux.
fn tmux(socket: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("tmux").arg("-S").arg(socket).args(arguments).output().ok()?;
    assert!(output.status.success(), "tmux {arguments:?}: {}", stderr(&output));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_live_view_is_drawn_follows_the_terminal_and_leaves_with_q() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tmux");
    if Command::new("tmux").arg("-V").output().is_err() {
        eprintln!("skipped: tmux is not installed");
        return;
    }
    let long = Long::start("--on processes");
    long.seen();
    let top = command("").get_program().to_str().unwrap().to_owned();
    let shown = format!("{top} top {} --interval 0.3; echo left with $?; sleep 60", long.pid());
    let start = ["new-session", "-d", "-s", "top", "-x", "80", "-y", "24", "sh", "-c", &shown];
    tmux(&socket, &start).unwrap();
    let screen = || tmux(&socket, &["capture-pane", "-p", "-t", "top"]).unwrap();
    let drawn = wait_for("the first picture", || {
        let screen = screen();
        (screen.contains("worker/1") && screen.contains("calls/s") && screen.contains("q leaves"))
            .then_some(screen)
    });
    assert!(drawn.contains("train on processes"), "{drawn}");
    tmux(&socket, &["resize-window", "-t", "top", "-x", "120", "-y", "30"]).unwrap();
    wait_for("a wider picture", || {
        let screen = screen();
        // What is left out of a narrow table is named below it.
        let is_wide = screen.contains("out/s  errors") && screen.lines().count() >= 28;
        is_wide.then_some(())
    });
    tmux(&socket, &["send-keys", "-t", "top", "q"]).unwrap();
    wait_for("the end", || screen().contains("left with 0").then_some(()));
    tmux(&socket, &["kill-server"]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
}
