//! Runs that are interrupted, and processes that are killed and frozen, as a user meets them: what goes on ends with the
//! same bytes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::Duration,
};

use support::{children, command, csv, fails, is_running, run, samples, signal, start, stderr, wait_for};

/// A run of about three seconds on processes: its data are in the folder.
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
        format!(
            "train {} --workers 3 --servers 2 --epochs 100 --save {} {further}",
            self.data.display(),
            self.path(save).display()
        )
    }

    /// With checkpoints under this name.
    fn checkpointed(&self, save: &str, further: &str) -> String {
        let folder = self.path(save).with_extension("checkpoints");
        let often =
            format!("--inject all:5ms --checkpoint {} --checkpoint-every rounds:20", folder.display());
        self.arguments(save, &format!("{often} {further}"))
    }

    /// The model of a run that nothing happens to.
    fn whole(&self) -> Vec<u8> {
        succeeded(&run(&self.arguments("whole.safetensors", "")));
        self.model("whole.safetensors")
    }

    fn model(&self, save: &str) -> Vec<u8> {
        fs::read(self.path(save)).unwrap()
    }

    /// Waits until the run has written a checkpoint, and a little longer.
    fn wait_for_checkpoint(&self, save: &str, further: Duration) {
        let folder = self.path(save).with_extension("checkpoints");
        wait_for("a checkpoint", || (!checkpoints(&folder).is_empty()).then_some(()));
        std::thread::sleep(further);
    }
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "checkpoint")).collect()
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

/// Sends a signal to a node's process, if the run is not over.
fn strike(run: &Child, node: &str, name: &str) {
    if let Some((pid, _)) = children(run.id()).iter().find(|(_, running)| running == node) {
        // It may end in this very moment.
        let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    }
}

/// So many moments between 0 and 1.5 s, the same every time; ten in the long tests (`SYNCLINE_LONG`).
fn moments(usual: u64) -> impl Iterator<Item = (u64, Duration)> {
    let count = if std::env::var_os("SYNCLINE_LONG").is_some() { 10 } else { usual };
    (0..count).map(|number| (number, Duration::from_millis(number * 389 % 1500)))
}

#[test]
fn sigterm_ends_in_a_checkpoint_and_the_command_that_it_tells_goes_on_to_the_same_bytes() {
    let training = Training::new();
    let whole = training.whole();
    for (name, on, code) in [("INT", "threads", 130), ("TERM", "processes", 143)] {
        let save = format!("{on}.safetensors");
        let run = start(&training.checkpointed(&save, &format!("--on {on} --keep 1")));
        training.wait_for_checkpoint(&save, Duration::from_millis(200));
        signal(run.id(), name);
        let output = run.wait_with_output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(training.model(&save) != whole, "{on}: it was not over");
        assert_eq!(checkpoints(&training.path(&save).with_extension("checkpoints")).len(), 1, "--keep 1");
        let told = said.lines().find(|line| line.contains("--resume")).unwrap_or_else(|| panic!("{said}"));
        succeeded(&Command::new("sh").args(["-c", told]).output().unwrap());
        assert!(training.model(&save) == whole, "{on}: {told}");
    }
}

#[test]
fn a_killed_launcher_loses_one_interval_at_most() {
    let training = Training::new();
    let whole = training.whole();
    for (number, moment) in moments(3) {
        let save = format!("{number}.safetensors");
        let arguments = training.checkpointed(&save, "--on processes");
        let mut run = start(&arguments);
        training.wait_for_checkpoint(&save, moment);
        let nodes = children(run.id());
        signal(run.id(), "KILL");
        run.wait().unwrap();
        wait_for("the processes' end", || nodes.iter().all(|&(pid, _)| !is_running(pid)).then_some(()));
        let folder = training.path(&save).with_extension("checkpoints");
        // It goes on with another number of servers, which may be.
        let again = arguments.replace("--servers 2", "--servers 1");
        succeeded(&support::run(&format!("{again} --resume {}", folder.display())));
        assert!(training.model(&save) == whole, "killed {moment:?} after the first checkpoint");
    }
}

#[test]
fn killed_workers_and_servers_change_nothing_of_the_result() {
    let training = Training::new();
    let whole = training.whole();
    for (number, moment) in moments(10) {
        let policy = if number % 2 == 0 { "restart" } else { "redistribute" };
        let victim = ["worker/1", "worker/0", "server/1", "worker/2", "server/0"][number as usize % 5];
        let save = format!("{number}.safetensors");
        let further = format!("--on processes --on-worker-loss {policy} --json");
        let run = start(&training.checkpointed(&save, &further));
        training.wait_for_checkpoint(&save, moment);
        strike(&run, victim, "KILL");
        let output = run.wait_with_output().unwrap();
        let about = format!("{victim}, {policy}, {moment:?}: {}", stderr(&output));
        assert!(output.status.success(), "{about}");
        assert!(training.model(&save) == whole, "{about}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(samples(&report), 100 * 720, "each row once an epoch: {about}");
    }
}

#[test]
fn killed_servers_with_standbys_take_nothing_with_them() {
    let training = Training::new();
    let whole = training.whole();
    for (number, moment) in moments(3) {
        let policy = if number % 2 == 0 { "restart" } else { "redistribute" };
        let victims: &[&str] =
            [&["server/1"][..], &["server/0"], &["standby/0", "server/1"], &["server/0", "worker/2"]]
                [number as usize % 4];
        let save = format!("{number}.safetensors");
        let further = format!("--on processes --replicas 1 --on-worker-loss {policy} --json");
        let run = start(&training.checkpointed(&save, &further));
        training.wait_for_checkpoint(&save, moment);
        victims.iter().for_each(|victim| strike(&run, victim, "KILL"));
        let output = run.wait_with_output().unwrap();
        let about = format!("{victims:?}, {policy}, {moment:?}: {}", stderr(&output));
        assert!(output.status.success(), "{about}");
        assert!(training.model(&save) == whole, "{about}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(samples(&report), 100 * 720, "each row once an epoch: {about}");
        let losses: Vec<&str> =
            report["losses"].as_array().unwrap().iter().map(|loss| loss.as_str().unwrap()).collect();
        let told = |part: &str| losses.iter().any(|loss| loss.contains(part));
        assert!(told("nothing is done again") && !told("went back"), "{about}");
    }
}

#[test]
fn a_server_that_is_lost_with_its_standby_is_taken_back_to_the_last_checkpoint() {
    let training = Training::new();
    let whole = training.whole();
    let save = "both.safetensors";
    let run = start(&training.checkpointed(save, "--on processes --replicas 1 --on-worker-loss restart"));
    training.wait_for_checkpoint(save, Duration::from_millis(300));
    ["standby/1", "server/1"].iter().for_each(|victim| strike(&run, victim, "KILL"));
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("went back to round"), "{}", stderr(&output));
    assert!(training.model(save) == whole);
}

#[test]
fn a_frozen_worker_is_replaced() {
    let training = Training::new();
    let whole = training.whole();
    for (number, moment) in moments(2) {
        let (policy, victim) = [("restart", "worker/1"), ("redistribute", "worker/0")][number as usize % 2];
        let save = format!("{number}.safetensors");
        let further = format!("--on processes --silence 1500ms --on-worker-loss {policy}");
        let run = start(&training.checkpointed(&save, &further));
        training.wait_for_checkpoint(&save, moment);
        strike(&run, victim, "STOP");
        let output = run.wait_with_output().unwrap();
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains(&format!("{victim} was not heard of for")), "{victim}, {moment:?}: {said}");
        assert!(training.model(&save) == whole, "{policy}, {moment:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let training = Training::new();
    let folder = training.path("cp");
    fails("train --checkpoint-every rounds:5", 2, &["--checkpoint"]);
    fails("train --keep 2", 2, &["--checkpoint"]);
    fails("train --checkpoint x --keep 0", 2, &["--keep"]);
    fails("train --checkpoint x --checkpoint-every 60", 2, &["seconds:S"]);
    fails("train --on-worker-loss pray", 2, &["redistribute"]);
    fails("train --replicas 1 --on processes", 2, &["--on-worker-loss restart"]);
    fails("train --replicas 1 --on-worker-loss restart", 2, &["those on threads cannot"]);
    fails("train --replicas 2 --on processes --on-worker-loss restart", 2, &["one standby at most"]);
    let first = training.arguments(
        "a.safetensors",
        &format!("--checkpoint {} --checkpoint-every epochs:30", folder.display()),
    );
    succeeded(&run(&first));
    fails(&first, 2, &["checkpoints of an earlier run", "--resume"]);
    let again = format!("{first} --resume {}", folder.display());
    fails(&format!("{again} --lr 0.5"), 2, &["lr was 0.002 and is 0.5"]);
    fails(
        &format!("{again} --model softmax"),
        2,
        &["model was mlp:64,32 dropout 0 and is softmax dropout 0"],
    );
    fails(&again.replace("animals.csv", "other.csv"), 1, &["other.csv"]);
    fs::write(&training.data, fs::read_to_string(&training.data).unwrap().replacen("cat", "dog", 1)).unwrap();
    fails(&again, 2, &["data are not the same"]);
    let run = command(&format!("train --resume {}", training.path("nowhere").display())).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
}
