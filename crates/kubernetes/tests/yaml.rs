//! How objects look, word for word: what is in `tests/yaml`, and what users read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use syncline_kubernetes::cluster::{Error, launcher, pod, yaml};
use syncline_kubernetes::order::{Order, Owner, Plan};
use syncline_kubernetes::wishes::Wishes;

fn wishes(options: &str) -> Wishes {
    let mut wishes = Wishes::default();
    for option in options.split(',') {
        let (name, value) = option.split_once('=').unwrap();
        wishes.add(name, Some(value)).unwrap();
    }
    wishes
}

fn order(options: &str) -> Order {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Order {
        run: "3f9a01bc".to_owned(),
        program: "Train it".to_owned(),
        node: "worker/1".to_owned(),
        incarnation: 0,
        namespace: "ml".to_owned(),
        owner: None,
        cpus: None,
        memory: None,
        gpus: None,
        binary: "/bin/syncline".to_owned(),
        arguments: words(&["train", "/data/rows.csv", "--workers", "2"]),
        environment: vec![("SYNCLINE_NODE".to_owned(), "worker/1".to_owned())],
        wishes: wishes(options),
    }
}

/// Compares with the file, or writes it where SYNCLINE_SNAPSHOTS is set.
fn assert_snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/yaml").join(name);
    if std::env::var_os("SYNCLINE_SNAPSHOTS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name} differs; SYNCLINE_SNAPSHOTS=1 writes it anew, to be read before it is kept"
    );
}

#[test]
fn a_plain_pod() {
    assert_snapshot("plain.yaml", &yaml::of(&pod::of(&order("image=train:1")).unwrap()));
}

#[test]
fn a_pod_with_all_that_can_be_wished_for() {
    let mut order = order(
        "image=reg:5000/train:1,pull=never,directory=/work,service-account=trainer,priority-class=low,\
         runtime-class=gvisor,cpu=500m,memory=2Gi,gpu-resource=amd.com/gpu,queue=team,grace=5,\
         node-selector=disk=ssd,toleration=gpu=true:NoSchedule,toleration=spot,volume=data:/data:ro,volume=work:/work,\
         volume=work:/more:ro,pull-secret=reg,label=team=yes,annotation=example.com/why=1e3",
    );
    order.owner = Some(Owner { name: "launcher-x".to_owned(), uid: "0-1".to_owned() });
    order.incarnation = 2;
    // What the node's group asks for goes before what is said of all nodes.
    order.cpus = Some(3);
    order.gpus = Some(2);
    // What Kubernetes, or a reader of YAML, could take for something else.
    order
        .environment
        .extend([("HOME".to_owned(), "$(PATH)".to_owned()), ("MODE".to_owned(), "on".to_owned())]);
    order.arguments.push("$$".to_owned());
    assert_snapshot("all.yaml", &yaml::of(&pod::of(&order).unwrap()));
}

#[test]
fn what_kubectl_applies() {
    let plan = Plan {
        program: "train".to_owned(),
        arguments: vec!["train".to_owned(), "/data/rows.csv".to_owned()],
        binary: "/bin/syncline".to_owned(),
        wishes: wishes("image=train:1,volume=data:/data,namespace=ml"),
    };
    assert_snapshot("manifest.yaml", &launcher::manifest(&plan).unwrap());
    // A launcher that did not succeed is left to its user, unless it is wished for.
    let retries = |plan: &Plan| launcher::job(plan).unwrap().spec.unwrap().backoff_limit;
    let wished = Plan { wishes: wishes("image=train:1,retries=4"), ..plan.clone() };
    assert_eq!((retries(&plan), retries(&wished)), (Some(0), Some(4)));
    let without = Plan { wishes: Wishes::default(), ..plan };
    assert!(matches!(launcher::manifest(&without), Err(Error::NoImage)));
}

#[test]
fn names_are_such_as_kubernetes_takes() {
    let mut order = order("image=i");
    assert_eq!(pod::name(&order), "train-it-3f9a01bc-worker-1");
    order.program = format!("{}é", "Long_".repeat(20));
    order.incarnation = 17;
    let name = pod::name(&order);
    assert!(name.len() <= 63 && name.ends_with("-3f9a01bc-worker-1-17"), "{name}");
    order.program = "--".to_owned();
    assert_eq!(pod::name(&order), "3f9a01bc-worker-1-17");
}
