//! How nodes and their pods end, and what is said of it.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    LONG, TRAIN, assert_says,
    cluster::Cluster,
    has_checkpoint,
    support::{processes, run, signal, stderr, wait_for, wait_within, write},
};

pub fn what_cannot_start(cluster: &Cluster) {
    let fails = |arguments: &str, options: &str, says: &[&str]| {
        let output = cluster.train(arguments, options).output().unwrap();
        assert_says(&output, 1, says);
        cluster.assert_empty();
    };
    fails(TRAIN, ",cpu=1000,wait=3", &["has waited for 3 s", "Insufficient cpu"]);
    fails(TRAIN, ",binary=/bin/none", &["did not start", "/bin/none"]);
    fails(TRAIN, ",namespace=nowhere", &["namespaces \"nowhere\" not found"]);
    let output = cluster.train_from("absent:1", TRAIN, "").output().unwrap();
    assert_says(&output, 1, &["did not start", "ErrImageNeverPull"]);
}

pub fn a_deleted_pod(cluster: &Cluster) {
    let running = cluster.spawn(LONG);
    let pod = cluster.running(5, "worker-2");
    cluster.kubectl(&format!("delete pod {pod} --wait=false"));
    let output = running.wait_with_output().unwrap();
    assert_says(&output, 1, &["worker/2", "its pod was deleted"]);
}

pub fn a_killed_node(cluster: &Cluster) {
    let running = cluster.spawn(LONG);
    cluster.running(5, "worker-1");
    signal(cluster.process("worker/1"), "KILL");
    let output = running.wait_with_output().unwrap();
    assert_says(&output, 1, &["worker/1", "was killed by signal 9"]);
}

pub fn a_killed_launcher(cluster: &Cluster) {
    let mut running = cluster.spawn(LONG);
    let pod = cluster.running(5, "server-0");
    let is_secret = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let object = cluster.kubectl(&format!("get pod {pod} -o jsonpath={{.spec.containers}}"));
    assert!(object.contains("SYNCLINE_NODE"), "{object}");
    assert!(!object.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_secret), "{object}");
    running.kill().unwrap();
    running.wait().unwrap();
    wait_for("the pods' end", || cluster.pods().is_empty().then_some(()));
    let mark = "SYNCLINE_KUBERNETES_ORDER=";
    let ours = || processes().into_iter().any(|(_, words)| words.iter().any(|word| word.starts_with(mark)));
    wait_for("the end of what served it", || (!ours()).then_some(()));
}

pub fn started_again(cluster: &Cluster) {
    let train = "train --quiet --workers 2 --servers 1 --epochs 8 --inject all:5ms";
    let saved = |name: &str| cluster.at(&format!("again-{name}.safetensors"));
    let whole = run(&format!("{train} --save {}", saved("whole").display()));
    assert!(whole.status.success(), "{}", stderr(&whole));
    let deleted = |pod: &str| drop(cluster.kubectl(&format!("delete pod {pod} --wait=false")));
    let evicted = |pod: &str| {
        let metadata = json!({ "name": pod, "namespace": "default" });
        let wish = json!({ "apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": metadata });
        let wish = write(cluster.folder(), "eviction.json", &wish.to_string());
        let at = format!("/api/v1/namespaces/default/pods/{pod}/eviction");
        cluster.kubectl(&format!("create --raw {at} -f {}", wish.display()));
    };
    for name in ["deleted", "evicted"] {
        let cut = format!("{train} --on-worker-loss restart --save {}", saved(name).display());
        let running = cluster.spawn(&cut);
        let pod = cluster.running(3, "worker-1");
        if name == "evicted" {
            evicted(&pod)
        } else {
            deleted(&pod)
        }
        let output = running.wait_with_output().unwrap();
        assert_says(&output, 0, &["worker/1", "is started again"]);
        assert_eq!(fs::read(saved(name)).unwrap(), fs::read(saved("whole")).unwrap(), "{name}");
    }
}

/// By the kubelet, for what its container has written.
pub fn evicted(cluster: &Cluster) {
    cluster.apply(&json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "scarce" },
        "spec": { "limits": [{ "type": "Container", "default": { "ephemeral-storage": "16Mi" } }] },
    }));
    let running = cluster.spawn(LONG);
    cluster.running(5, "worker-1");
    let root = format!("/proc/{}/root/tmp/written", cluster.process("worker/1"));
    fs::write(root, vec![1; 64 << 20]).unwrap();
    let output = running.wait_with_output().unwrap();
    cluster.kubectl("delete limitrange scarce");
    assert_says(&output, 1, &["worker/1", "its pod was evicted: ", "ephemeral"]);
}

/// The kubelet takes the memory that is left for too little when more than a tenth of it has gone.
pub fn pressed(cluster: &Cluster) {
    let available = cluster.available();
    cluster.restart_kubelet(available / 10 * 9);
    let running = cluster.spawn(LONG);
    cluster.running(5, "worker-1");
    let taken = vec![1u8; usize::try_from(available / 5).unwrap()];
    let output = running.wait_with_output().unwrap();
    drop(taken);
    cluster.restart_kubelet(100 << 20);
    assert_says(&output, 1, &["its pod was evicted: ", "low on resource: memory"]);
}

/// Its kubelet is: the last step, since the cluster has no other machine.
pub fn a_lost_machine(cluster: &Cluster) {
    let checkpoints = cluster.at("lost");
    let running =
        cluster.spawn(&format!("{LONG} --checkpoint {} --checkpoint-every rounds:5", checkpoints.display()));
    // Only a node that is attached to can be lost.
    wait_within(Duration::from_secs(60), "a checkpoint", || has_checkpoint(&checkpoints));
    let kubelet = fs::read_to_string(cluster.at("pid/kubelet")).unwrap();
    let begun = Instant::now();
    signal(kubelet.trim().parse().unwrap(), "KILL");
    let output = running.wait_with_output().unwrap();
    // Its peers miss it seconds before Kubernetes does.
    let lost = "was lost: its host, or the connection to it, is gone";
    assert_says(&output, 1, &[lost, "the run goes on from round"]);
    assert!(!stderr(&output).contains("lost its peer"), "{}", stderr(&output));
    assert!(begun.elapsed() < Duration::from_secs(30), "{}", stderr(&output));
}
