//! Runs that the cluster launches itself, or that are left to themselves, and the rights that they need.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    LONG, TRAIN, assert_says,
    cluster::{Cluster, carrier},
    has_checkpoint,
    support::{command, run, stderr, wait_within, write},
};

pub fn the_rights(cluster: &Cluster) {
    let access = Command::new(carrier()).args(["access", "--service-account", "tester"]).output().unwrap();
    let access = write(cluster.folder(), "access.yaml", &String::from_utf8(access.stdout).unwrap());
    cluster.kubectl(&format!("apply -f {}", access.display()));
    let token = cluster.token("tester");
    let admin = fs::read_to_string(cluster.at("kubeconfig")).unwrap();
    let config = write(cluster.folder(), "tester.conf", &admin.replace("tok-admin", &token));
    let train = || cluster.train(TRAIN, "").env("KUBECONFIG", &config).output().unwrap();
    let output = train();
    assert!(output.status.success(), "{}", stderr(&output));
    cluster.kubectl("delete rolebinding syncline-launcher");
    assert_says(
        &train(),
        1,
        &["cannot list resource \"pods\"", "syncline-kubernetes access --namespace default"],
    );
    cluster.kubectl(&format!("delete --ignore-not-found -f {}", access.display()));
}

pub fn launched_there(cluster: &Cluster) {
    cluster.launch(TRAIN, "");
    cluster.kubectl("wait --for=condition=complete job/train --timeout=120s");
    assert_eq!(cluster.pods(), Vec::<String>::new());
    cluster.kubectl("delete job train");
    // With the launcher go its nodes.
    cluster.launch(LONG, "");
    let pod = cluster.running(5, "worker-0");
    let owner = cluster.kubectl(&format!("get pod {pod} -o jsonpath={{.metadata.ownerReferences[0].name}}"));
    assert!(owner.starts_with("train-"), "{owner}");
    cluster.put_away("train");
}

pub fn resumed_there(cluster: &Cluster) {
    let volume = cluster.at("volume");
    fs::create_dir(&volume).unwrap();
    cluster.offer("data", &volume);
    let train = "train --quiet --workers 2 --servers 1 --epochs 12 --inject all:5ms";
    let whole = cluster.at("whole.safetensors");
    assert!(run(&format!("{train} --save {}", whole.display())).status.success());
    let options = ",volume=data:/data,retries=3,grace=20";
    cluster.launch(&format!("{train} --run-dir /data/run --checkpoint-every rounds:20"), options);
    let checkpoints = volume.join("run/checkpoints");
    wait_within(Duration::from_secs(60), "a checkpoint", || has_checkpoint(&checkpoints));
    // Its grace is for a checkpoint of the moment.
    cluster.kubectl("delete pod -l job-name=train");
    let log = || fs::read_to_string(volume.join("run/log")).unwrap();
    assert!(log().contains("interrupted"), "{}", log());
    cluster.kubectl("wait --for=condition=complete job/train --timeout=120s");
    assert!(log().contains("goes on"), "{}", log());
    assert_eq!(fs::read(volume.join("run/model.safetensors")).unwrap(), fs::read(&whole).unwrap());
    // Launched once more, it is found to be finished.
    let begun = log();
    cluster.kubectl("delete job train");
    cluster.kubectl(&format!("apply -f {}", cluster.at("train.yaml").display()));
    cluster.kubectl("wait --for=condition=complete job/train --timeout=60s");
    assert_eq!(log(), begun);
    cluster.put_away("train");
    cluster.kubectl("delete pvc data");
    cluster.kubectl("delete pv data");
}

/// The launcher goes on beside the cluster, in the background of this machine.
pub fn left_to_itself(cluster: &Cluster) {
    let folder = cluster.at("left");
    let mut left = cluster
        .train(&format!("{LONG} --run-dir {} --checkpoint-every rounds:20 --detach", folder.display()), "");
    let left = left.stdin(Stdio::null()).output().unwrap();
    assert_says(&left, 0, &["syncline attach"]);
    // Its folder, in which the job is, no pod sees.
    wait_within(Duration::from_secs(90), "a checkpoint", || has_checkpoint(&folder.join("checkpoints")));
    let stopped = run(&format!("stop {}", folder.display()));
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    let logs = run(&format!("logs {}", folder.display()));
    let said = String::from_utf8_lossy(&logs.stdout).into_owned();
    assert!(said.contains("its pods are in namespace default"), "{said}");
    wait_within(Duration::from_secs(60), "the pods' end", || cluster.pods().is_empty().then_some(()));
}

pub fn left_to_the_cluster(cluster: &Cluster) {
    let volume = cluster.at("shared");
    fs::create_dir(&volume).unwrap();
    cluster.offer("shared", &volume);
    let options = ",volume=shared:/data,grace=20";
    let syncline = |arguments: &str| {
        let mut command = command(arguments);
        command.env("KUBECONFIG", cluster.at("kubeconfig")).output().unwrap()
    };
    let detach = |arguments: &str| {
        let left = cluster.train_there(&format!("{arguments} --detach"), options).output().unwrap();
        assert_says(&left, 0, &[]);
        String::from_utf8(left.stdout).unwrap().trim().to_owned()
    };
    let train = "train --quiet --workers 2 --servers 1 --epochs 2";
    assert_eq!(detach(&format!("{train} --run-dir /data/first")), "kubernetes:default/train-first");
    let followed = syncline("attach kubernetes:default/train-first");
    let said = String::from_utf8_lossy(&followed.stdout).into_owned();
    assert!(followed.status.success() && said.contains("where the time went"), "{said}{}", stderr(&followed));
    let here = cluster.at("first.safetensors");
    assert!(run(&format!("{train} --save {}", here.display())).status.success());
    assert_eq!(fs::read(volume.join("first/model.safetensors")).unwrap(), fs::read(&here).unwrap());
    // There is one of that name still, which says what it has said.
    let again = cluster.train_there(&format!("{train} --run-dir /data/first --detach"), options);
    assert_says(&{ again }.output().unwrap(), 1, &["there is kubernetes:default/train-first already"]);
    let logs = syncline("logs kubernetes:default/train-first");
    assert_eq!(String::from_utf8_lossy(&logs.stdout), said);
    assert_says(&syncline("stop kubernetes:default/train-first"), 0, &[]);
    assert_says(
        &syncline("logs kubernetes:default/train-first"),
        1,
        &["there is no kubernetes:default/train-first"],
    );
    // One that is stopped writes a checkpoint, and goes on from there when it is left to the cluster again.
    detach(&format!("{LONG} --run-dir /data/long --checkpoint-every rounds:20"));
    wait_within(Duration::from_secs(90), "a checkpoint", || has_checkpoint(&volume.join("long/checkpoints")));
    assert_says(&syncline("stop kubernetes:default/train-long"), 0, &[]);
    let log = || fs::read_to_string(volume.join("long/log")).unwrap();
    assert!(log().contains("interrupted"), "{}", log());
    detach(&format!("{LONG} --run-dir /data/long --checkpoint-every rounds:20"));
    wait_within(Duration::from_secs(60), "the run to go on", || log().contains("goes on").then_some(()));
    assert_says(&syncline("stop kubernetes:default/train-long"), 0, &[]);
    wait_within(Duration::from_secs(60), "the pods' end", || cluster.pods().is_empty().then_some(()));
    cluster.kubectl("delete pvc shared");
    cluster.kubectl("delete pv shared");
    // What was made beside the Job.
    cluster.kubectl("delete serviceaccount syncline");
    cluster.kubectl("delete role,rolebinding syncline-launcher");
}
