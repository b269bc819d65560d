//! Runs in virtual time through the command: what the seed decides, nothing else does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use support::command;

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
