//! One job on every engine that this machine has: threads, processes, virtual time, hosts of SSH, Slurm and Kubernetes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]
#![allow(dead_code, reason = "other tests use the rest of the clusters")]

#[path = "kubernetes/cluster.rs"]
mod kubernetes;
#[path = "support/programs.rs"]
mod programs;
#[path = "slurm/cluster.rs"]
mod slurm;
mod support;

use std::{fs, process::Command};

use support::{command, farm::Farm, job_file, processes, stderr, wait_for};

/// Marks whatever this test starts on this machine.
const MARK: &str = "SYNCLINE_TEST_ENGINES";

#[test]
fn one_job_file_gives_the_same_model_on_every_engine_and_nothing_is_left_there() {
    let folder = tempfile::tempdir().unwrap();
    let (job, saved) = (job_file(folder.path()), folder.path().join("model.safetensors"));
    let train = format!("train {} --quiet --save {}", job.display(), saved.display());
    let mark = folder.path().display().to_string();
    let model = |mut command: Command| {
        let output = command.env(MARK, &mark).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let model = fs::read(&saved).unwrap();
        fs::remove_file(&saved).unwrap();
        model
    };
    let mut models = Vec::new();
    for on in ["threads", "processes", "sim"] {
        models.push((on, model(command(&format!("{train} --on {on}")))));
    }
    if let Some(farm) = Farm::on_loopback() {
        let hosts = farm.hosts("left slots=2\nmiddle slots=2\nright slots=2\n");
        models.push(("ssh", model(farm.command(&format!("{train} --on ssh:{}", hosts.display())))));
        wait_for("the nodes' end", || farm.nodes().is_empty().then_some(()));
        wait_for("the connections' end", || farm.connections().is_empty().then_some(()));
    }
    if let Some(cluster) = slurm::Cluster::start() {
        models.push(("slurm", model(cluster.syncline(&format!("{train} --on slurm")))));
        cluster.assert_empty();
        let left = || ["n1", "n2"].iter().all(|node| cluster.processes_of(node).is_empty());
        wait_for("the nodes' end", || left().then_some(()));
    }
    if let Some(cluster) = kubernetes::Cluster::start() {
        models.push(("kubernetes", model(cluster.train(&train, ""))));
        cluster.assert_empty();
    }
    let mark = format!("{MARK}={mark}");
    let ours = || processes().into_iter().any(|(_, environment)| environment.contains(&mark));
    wait_for("the end of all processes", || (!ours()).then_some(()));
    for (engine, model) in &models {
        assert!(*model == models[0].1, "{engine} made another model than {}", models[0].0);
    }
    let names: Vec<_> = models.iter().map(|(engine, _)| *engine).collect();
    eprintln!("the same {} bytes on {}", models[0].1.len(), names.join(", "));
}
