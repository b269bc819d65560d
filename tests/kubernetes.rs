//! Programs in the pods of a real Kubernetes: its API server, scheduler, controllers and kubelet on this machine.
//!
//! Its binaries are in the folder that SYNCLINE_KUBERNETES names, the scripts that start it beside the checkout, and
//! `syncline-kubernetes` is beside `syncline`; without one of them there is nothing to test. `SYNCLINE_STEPS` chooses the steps whose
//! names contain it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

#[path = "kubernetes/cluster.rs"]
mod cluster;
#[path = "kubernetes/ends.rs"]
mod ends;
#[path = "kubernetes/launched.rs"]
mod launched;
#[path = "support/programs.rs"]
mod programs;
mod support;

use std::{env, fs, path::Path, process::Output, time::Instant};

use serde_json::Value;

use self::{
    cluster::Cluster,
    ends::{
        a_deleted_pod, a_killed_launcher, a_killed_node, a_lost_machine, evicted, pressed, started_again,
        what_cannot_start,
    },
    launched::{launched_there, left_to_itself, left_to_the_cluster, resumed_there, the_rights},
};
use support::{csv, job_file, run, samples, stderr};

const TRAIN: &str = "train --quiet --workers 3 --servers 2 --epochs 2";

/// More than the test waits for.
const LONG: &str = "train --workers 3 --servers 2 --epochs 1000 --inject all:5ms";

/// What is tried on a cluster, under its name.
type Step = (&'static str, fn(&Cluster));

/// One test, since the cluster takes longest.
#[test]
fn programs_in_pods() {
    let Some(cluster) = Cluster::start() else { return };
    let steps: [Step; 17] = [
        ("a model is the same in pods as on threads", the_same_model),
        ("a job file gives the same model, and rows are lent to pods without it", the_same_job),
        ("a program of thirty-two pods", many_pods),
        ("a pod that is deleted is named, and nothing is left", a_deleted_pod),
        ("a node that is killed is named, and nothing is left", a_killed_node),
        ("nothing outlives its launcher, and no secret is in the open", a_killed_launcher),
        ("a node is started again in a new pod", started_again),
        ("a pod that is evicted is told from one that fails", evicted),
        ("groups share a process in a pod", colocated),
        ("what cannot start says why", what_cannot_start),
        ("the rights that are printed are enough, and needed", the_rights),
        ("the cluster launches a run itself", launched_there),
        ("a run whose launcher is taken away goes on by itself from a volume", resumed_there),
        ("a run that is left to itself is followed and stopped", left_to_itself),
        ("a run that is left to the cluster is followed and stopped", left_to_the_cluster),
        ("pods that the machine has no memory left for are told from those that fail", pressed),
        ("a machine that is lost is blamed, and nothing is left", a_lost_machine),
    ];
    let wanted = env::var("SYNCLINE_STEPS").unwrap_or_default();
    let chosen: Vec<_> = steps.into_iter().filter(|(name, _)| name.contains(&wanted)).collect();
    assert!(!chosen.is_empty(), "no step has `{wanted}` in its name");
    for (name, step) in chosen {
        let begun = Instant::now();
        step(&cluster);
        cluster.assert_empty();
        eprintln!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
    }
}

fn the_same_model(cluster: &Cluster) {
    let saved = |name: &str| cluster.at(&format!("{name}.safetensors"));
    let here = run(&format!("{TRAIN} --save {}", saved("threads").display()));
    assert!(here.status.success(), "{}", stderr(&here));
    for (name, more) in [("tls", ""), ("open", "--insecure-network")] {
        let there =
            cluster.train(&format!("{TRAIN} --save {} {more}", saved(name).display()), "").output().unwrap();
        assert!(there.status.success(), "{}", stderr(&there));
        assert_eq!(fs::read(saved(name)).unwrap(), fs::read(saved("threads")).unwrap(), "{name}");
    }
}

/// Neither the file of the job nor its data are in the image.
fn the_same_job(cluster: &Cluster) {
    let job = job_file(cluster.folder());
    let saved = |name: &str| cluster.at(&format!("job-{name}.safetensors"));
    let here = run(&format!("train {} --quiet --save {}", job.display(), saved("here").display()));
    assert!(here.status.success(), "{}", stderr(&here));
    let train = format!("train {} --quiet --save {}", job.display(), saved("there").display());
    let there = cluster.train(&train, "").output().unwrap();
    assert!(there.status.success(), "{}", stderr(&there));
    assert_eq!(fs::read(saved("there")).unwrap(), fs::read(saved("here")).unwrap());
}

fn many_pods(cluster: &Cluster) {
    let data = csv(cluster.folder(), 3000);
    let train =
        format!("train {} --workers 30 --servers 2 --epochs 1 --model softmax --json", data.display());
    let output = cluster.train(&train, "").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["workers"].as_array().unwrap().len(), 30);
    assert_eq!(samples(&report), 2400);
}

#[test]
#[ignore = "another test launches it on its cluster"]
fn colocated_program() {
    programs::colocated();
}

fn colocated(cluster: &Cluster) {
    let outcome = cluster.outcome("colocated_program");
    let bytes = |node: &str| outcome[node][1].as_u64().unwrap();
    assert_eq!((&outcome["sum"], &outcome["near_calls"][0], bytes("near_calls")), (&12.into(), &4.into(), 0));
    let pod = |node: &str| outcome[node][0][0].as_str().unwrap().to_owned();
    assert!(pod("near").ends_with("-player") && pod("far").ends_with("-far-0"), "{outcome}");
    assert!(bytes("far_calls") > 0, "{outcome}");
}

fn has_checkpoint(folder: &Path) -> Option<()> {
    let is_checkpoint = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("round-");
    fs::read_dir(folder).ok()?.flatten().any(is_checkpoint).then_some(())
}

fn assert_says(output: &Output, code: i32, parts: &[&str]) {
    let message = stderr(output);
    let folded = message.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(code), "{message}");
    for part in parts {
        assert!(folded.contains(part), "`{part}` is missing in: {message}");
    }
}
