//! Runs that are left to themselves, on this machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{fs, path::Path, process::Output};

use support::{command, csv, run, signal, stderr, wait_for};

const TRAIN: &str = "train --workers 2 --epochs 2";
const LONG: &str = "train --workers 2 --epochs 1000 --inject all:5ms --on processes";

fn ended(output: &Output, code: i32) -> String {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(output));
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn launcher(folder: &Path) -> u32 {
    let text = fs::read_to_string(folder.join("launcher.json")).unwrap();
    let launcher: serde_json::Value = serde_json::from_str(&text).unwrap();
    u32::try_from(launcher["process"]["pid"].as_u64().unwrap()).unwrap()
}

#[test]
fn a_run_that_is_left_comes_to_the_same_end_and_attach_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("first");
    let here = folder.path().join("here.safetensors");
    ended(&run(&format!("{TRAIN} --save {}", here.display())), 0);
    let left = run(&format!("{TRAIN} --run-dir {} --detach", at.display()));
    assert!(ended(&left, 0).contains("syncline attach"));
    assert_eq!(String::from_utf8_lossy(&left.stdout).trim(), at.display().to_string());
    let said = ended(&run(&format!("attach {}", at.display())), 0);
    assert!(said.contains("where the time went"), "{said}");
    assert_eq!(fs::read(at.join("model.safetensors")).unwrap(), fs::read(here).unwrap());
    let again = ended(&run(&format!("logs {}", at.display())), 0);
    assert!(again.contains("where the time went"), "{again}");
    let listed = ended(&run(&format!("runs {}", folder.path().display())), 0);
    assert!(listed.contains("finished"), "{listed}");
}

#[test]
fn a_run_that_is_left_can_be_stopped_and_left_again_and_its_death_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("long");
    ended(&run(&format!("{LONG} --run-dir {} --checkpoint-every rounds:10 --detach", at.display())), 0);
    let is_checkpoint = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("round-");
    let checkpoints =
        || fs::read_dir(at.join("checkpoints")).ok()?.flatten().any(is_checkpoint).then_some(());
    wait_for("a checkpoint", checkpoints);
    let stopped = ended(&run(&format!("stop {}", at.display())), 0);
    assert!(stopped.contains("interrupted"), "{stopped}");
    ended(&run(&format!("attach {}", at.display())), 143);

    ended(&run(&format!("runs resume {} --detach", at.display())), 0);
    signal(launcher(&at), "KILL");
    let said = ended(&run(&format!("attach {}", at.display())), 1);
    assert!(said.contains("ended without a word"), "{said}");
}

#[test]
fn a_run_finds_its_data_wherever_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    csv(folder.path(), 200);
    let mut left = command("train animals.csv --workers 2 --epochs 2 --run-dir first --detach");
    ended(&left.current_dir(folder.path()).output().unwrap(), 0);
    let at = folder.path().join("first");
    ended(&run(&format!("attach {}", at.display())), 0);
    // Once more it is found to be finished; with its data gone a run that is to go on says why it does not.
    let again = |more: &str| {
        let mut again =
            command(&format!("train animals.csv --workers 2 --epochs 2 --run-dir first --go-on {more}"));
        again.current_dir(folder.path()).output().unwrap()
    };
    assert!(ended(&again(""), 0).contains("has come to its end already"));
    fs::remove_file(at.join("outcome.json")).unwrap();
    assert!(ended(&again("--json"), 0).contains("syncline.train"));
    fs::remove_file(at.join("outcome.json")).unwrap();
    fs::remove_file(folder.path().join("animals.csv")).unwrap();
    assert!(ended(&again(""), 1).contains("animals.csv"));
    let listed = ended(&run(&format!("runs {}", folder.path().display())), 0);
    assert!(listed.contains("failed"), "{listed}");
    assert!(ended(&run("train --go-on"), 2).contains("add --run-dir DIR"));
}

#[test]
fn what_cannot_be_left_or_followed_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display().to_string();
    let fails = |arguments: &str, code: i32, says: &str| {
        let said = ended(&run(arguments), code);
        assert!(said.contains(says), "`{says}` is missing in: {said}");
    };
    fails(&format!("{TRAIN} --detach"), 2, "add --run-dir DIR");
    let mut stream = command(&format!("train - --run-dir {at}/stream --detach"));
    let said = ended(&stream.output().unwrap(), 2);
    assert!(said.contains("save the rows to a file"), "{said}");
    fails(&format!("{TRAIN} --run-dir {at}/sim --on sim --detach"), 2, "simulation");
    fails(&format!("attach {at}"), 1, "there is no detached run");
    fails(&format!("logs {at}/nowhere"), 1, "there is no detached run");
}
