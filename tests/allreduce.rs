//! Training without servers on processes, as a user meets it: the same bits as on threads, whatever is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use support::{children, csv, fails, json, libsvm, run, samples, signal, start, stderr, wait_for};

/// A folder with data, and the command that trains on them.
struct Training {
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Training {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = csv(folder.path(), 900);
        Self { folder, data }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command, saving its model under a name.
    fn arguments(&self, save: &str, further: &str) -> String {
        let (data, save) = (self.data.display(), self.path(save));
        format!("train {data} --workers 3 --epochs 60 --save {} --sync allreduce {further}", save.display())
    }

    /// With checkpoints under this name, in a run of some seconds.
    fn checkpointed(&self, save: &str, further: &str) -> String {
        let folder = self.path(save).with_extension("checkpoints");
        let often =
            format!("--inject all:5ms --checkpoint {} --checkpoint-every rounds:20", folder.display());
        self.arguments(save, &format!("{often} {further}"))
    }

    fn model(&self, save: &str) -> Vec<u8> {
        fs::read(self.path(save)).unwrap()
    }

    fn wait_for_checkpoint(&self, save: &str) {
        let folder = self.path(save).with_extension("checkpoints");
        wait_for("a checkpoint", || (!checkpoints(&folder).is_empty()).then_some(()));
    }
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "checkpoint")).collect()
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

#[test]
fn processes_have_the_bits_of_threads_and_straight_ways_those_of_bsp() {
    let training = Training::new();
    let sparse = libsvm(training.folder.path(), 400, 500);
    for (kind, data) in [("allreduce", &training.data), ("allreduce:tree", &sparse), ("allreduce", &sparse)] {
        let saved = ["threads", "processes"].map(|on| {
            let save = training.path(on);
            let arguments = format!(
                "train {} --workers 3 --epochs 3 --sync {kind} --on {on} --save {}",
                data.display(),
                save.display()
            );
            let report = json(&arguments);
            assert_eq!(report["servers"].as_array().unwrap().len(), 0);
            assert_eq!(report["settings"]["servers"], 0);
            fs::read(save).unwrap()
        });
        assert!(saved[0] == saved[1], "{kind} on {}", data.display());
    }
    let of = |sync: &str| {
        let save = training.path("one");
        let (data, save_as) = (training.data.display(), save.display());
        succeeded(&run(&format!(
            "train {data} --workers 4 --epochs 3 --model mlp:8 --sync {sync} --on processes --save {save_as}"
        )));
        // What is written beside the parameters names the policy.
        let bytes = fs::read(save).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    };
    assert!(of("allreduce:direct") == of("bsp"));
}

#[test]
fn sigterm_ends_in_a_checkpoint_from_which_it_goes_on_to_the_same_bytes() {
    let training = Training::new();
    succeeded(&run(&training.arguments("whole", "")));
    for (on, name, code) in [("processes", "TERM", 143), ("threads", "INT", 130)] {
        let started = start(&training.checkpointed(on, &format!("--on {on} --keep 1")));
        training.wait_for_checkpoint(on);
        signal(started.id(), name);
        let output = started.wait_with_output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(training.model(on) != training.model("whole"), "{on}: it was not over");
        let told = said.lines().find(|line| line.contains("--resume")).unwrap_or_else(|| panic!("{said}"));
        succeeded(&Command::new("sh").args(["-c", told]).output().unwrap());
        assert!(training.model(on) == training.model("whole"), "{on}: {told}");
    }
    // Without checkpoints: all end after the same round.
    let started = start(&training.arguments("cut", "--on processes --inject all:5ms"));
    wait_for("workers", || (children(started.id()).len() == 3).then_some(()));
    std::thread::sleep(Duration::from_millis(700));
    signal(started.id(), "INT");
    let output = started.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
}

#[test]
fn a_killed_worker_ends_the_run_by_name_or_is_started_again_without_changing_a_byte() {
    let training = Training::new();
    succeeded(&run(&training.arguments("whole", "")));
    for (number, victim) in ["worker/0", "worker/1", "worker/2"].into_iter().enumerate() {
        let save = format!("{number}");
        let further = "--on processes --on-worker-loss restart --json";
        let started = start(&training.checkpointed(&save, further));
        training.wait_for_checkpoint(&save);
        std::thread::sleep(Duration::from_millis(137 * number as u64));
        let nodes = children(started.id());
        let (pid, _) = nodes.iter().find(|(_, name)| name == victim).unwrap();
        signal(*pid, "KILL");
        let output = started.wait_with_output().unwrap();
        succeeded(&output);
        assert!(training.model(&save) == training.model("whole"), "{victim}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(samples(&report), 60 * 720, "{victim}: each row once an epoch");
        let losses = report["losses"].to_string();
        assert!(losses.contains(&format!("worker {number} was lost: all went back to round")), "{losses}");
    }
    let started = start(&training.checkpointed("stopped", "--on processes"));
    training.wait_for_checkpoint("stopped");
    let (pid, _) = children(started.id()).into_iter().find(|(_, name)| name == "worker/1").unwrap();
    signal(pid, "KILL");
    let output = started.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("worker/1"), "{said}");
}

#[test]
fn a_trace_is_explained_and_predicts_itself_and_other_sizes_but_no_servers() {
    let training = Training::new();
    let trace = training.path("run.parquet");
    let about = "--on sim --network 1Gbit/100us --compute exp:1ms";
    let traced = training.arguments("m", &format!("--trace {} {about}", trace.display()));
    succeeded(&run(&traced));
    let report = json(&format!("trace report {}", trace.display()));
    let text = report.to_string();
    assert!(text.contains("3 workers, allreduce"), "{text}");
    let meetings = report["sync_points"].as_array().unwrap();
    assert!(meetings.iter().any(|point| point["kind"] == "all_reduce"), "{meetings:?}");
    let trace = trace.display();
    let predicted = json(&format!("predict {trace} --workers 2,3,6"));
    let answers = predicted["predictions"].as_array().unwrap();
    assert_eq!(answers.len(), 3, "{predicted}");
    assert!(answers.iter().all(|answer| answer["sync"] == "allreduce" && answer["round_s"].is_array()));
    let refused = run(&format!("predict {trace} --sync bsp"));
    // Lines are broken at the terminal's width.
    let said = String::from_utf8_lossy(&refused.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("says nothing of what workers exchange under bsp"), "{said}");
}

#[test]
fn what_there_is_not_is_refused_with_the_remedy() {
    let training = Training::new();
    let refused = |further: &str, parts: &[&str]| fails(&training.arguments("m", further), 2, parts);
    refused("--servers 1", &["--sync allreduce has none", "leave --servers out"]);
    refused("--compress bf16", &["leave --compress out"]);
    refused("--on-worker-loss redistribute", &["use restart"]);
    fails(&format!("train {} --sync allreduce:star", training.data.display()), 2, &["allreduce:direct"]);
}
