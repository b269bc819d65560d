//! The programs in `examples/`: each runs on threads, on processes and in virtual time, and says the same at its end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What the launcher of each says at its end: all of it that does not depend on who was quicker.
const EXAMPLES: [(&str, &[&str]); 9] = [
    ("hello", &["hello from 1 of 3", "hello from 2 of 3", "hello from 3 of 3"]),
    (
        "consumer_producers",
        &["consumer-producers", "producer  3 services", "consumer  1 node -> producer", "sum 6105"],
    ),
    ("batching_server", &["sums [55.0, 55.0, 55.0, 55.0, 55.0, 55.0, 55.0, 55.0]"]),
    ("parameter_server", &["weights [0, 1, 2, 3, 4, 5, 6, 7]"]),
    ("word_count", &["words in 1 files", "     4 the"]),
    ("evolution", &["reward -0.0"]),
    ("actor_learner", &["arm 2 is best"]),
    ("stops_itself", &["the end"]),
    ("restarts", &["worker/0: [1, 2, 3, 4, 1, 2, 3, 4]"]),
];

/// The example's binary, which cargo builds beside the tests.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples").join(name)
}

fn play(name: &str, on: &str, more: &[PathBuf]) -> (bool, String) {
    let mut command = Command::new(binary(name));
    command.args(["--on", on]).args(more).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), text.concat())
}

#[test]
fn e6_h1_k1_k2_k3_k4_k5_every_example_says_the_same_on_threads_on_processes_and_in_virtual_time() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "The gate, the round, the fold: what the others wait for.\n").unwrap();
    for (name, said) in EXAMPLES {
        let more = if name == "word_count" { vec![text.clone()] } else { Vec::new() };
        for on in ["threads", "processes", "sim"] {
            let (succeeded, text) = play(name, on, &more);
            assert!(succeeded, "{name} on {on}: {text}");
            for line in said {
                assert!(text.contains(line), "{name} on {on}: no `{line}` in {text}");
            }
        }
    }
}

#[test]
fn what_is_told_of_a_crash_is_the_same_everywhere() {
    for on in ["threads", "processes", "sim"] {
        let (_, text) = play("restarts", on, &[]);
        let crash =
            "counter/0 failed: the fifth call was too much; it is started again in 20ms (restart 1 of 3)";
        assert!(text.contains(crash), "{on}: {text}");
        let lost = "worker/1 failed: worker/1 never gets anything done; the program goes on without it";
        assert!(text.contains(lost), "{on}: {text}");
    }
}

#[test]
fn l5_a_deadlock_ends_with_its_report_in_virtual_time_and_in_real_time_after_a_silence() {
    for on in ["sim", "threads", "processes"] {
        let (succeeded, text) = play("deadlock", on, &[]);
        assert!(!succeeded && text.contains("is in a deadlock"), "{on}: {text}");
        for line in
            ["philosopher/0 waits for lock/1 to answer", "lock/0 holds a caller at `a lock that is taken`"]
        {
            assert!(text.contains(line), "{on}: no `{line}` in {text}");
        }
    }
}
