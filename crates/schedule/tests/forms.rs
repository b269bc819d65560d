//! The files that people write: one form in JSON, TOML and CSV, described by schemas and examples that stay true.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod written;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syncline_schedule::{
    Cluster, Job,
    jobs_file::{self, Form},
    model::Values,
};
use tempfile::TempPath;
use written::file;

fn example(form: Form, name: &str) -> TempPath {
    file(name, form.example())
}

fn the_example() -> (Cluster, Vec<Job>) {
    let cluster = jobs_file::read_cluster(&example(Form::Cluster, "cluster.toml")).unwrap();
    let jobs = jobs_file::read_jobs_for(&example(Form::Jobs, "jobs.toml"), &cluster).unwrap();
    (cluster, jobs)
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_examples_jobs_run_on_its_machines() {
    let (cluster, jobs) = the_example();
    assert_eq!((cluster.machines().len(), cluster.devices()), (5, &["k80".into(), "a100".into()][..]));
    assert_eq!(jobs.len(), 12);
    assert_eq!(jobs[11].name, "bert");
    assert_eq!(jobs[11].speeds, [0.1, 1.0]);
}

/// A field that the library learns must be described, and none may be described that it does not know.
#[test]
fn the_schema_has_the_fields_that_a_job_has() {
    let schema: Value = serde_json::from_str(Form::Jobs.schema()).unwrap();
    let described = keys(&schema["$defs"]["job"]["properties"]);
    let (_, mut jobs) = the_example();
    let job = jobs.pop().unwrap();
    let needs = BTreeMap::from([("disk".to_owned(), Values::One("fast".into()))]);
    let rules = Job {
        queue: "q".into(),
        priority: Some(1),
        limit: Some(1.0),
        after: vec!["a".into()],
        after_any: vec!["b".into()],
        requeue: true,
        ..job
    };
    let whole = serde_json::to_value(Job { estimate: Some(1.0), needs, ..rules }).unwrap();
    // The number is ours; four stand for fields or for several jobs, and the rest is what is started.
    let mut known = keys(&whole);
    known.remove("id");
    known.extend(["array", "epochs", "profile", "seconds"]);
    known.extend([
        "command",
        "directory",
        "environment",
        "grace",
        "retries",
        "files",
        "pin",
        "scale",
        "train",
    ]);
    assert_eq!(described, known);

    let toml = Form::Jobs.example();
    let named = |field: &&str| {
        toml.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{field} =")))
    };
    assert!(described.iter().all(named), "the example leaves out a field");
}

#[test]
fn the_schema_has_the_fields_that_a_cluster_has() {
    let schema: Value = serde_json::from_str(Form::Cluster.schema()).unwrap();
    let all = schema["properties"].as_object().unwrap().keys();
    let machine = schema["$defs"]["machine"]["properties"].as_object().unwrap().keys();
    let resources = schema["$defs"]["resources"]["properties"].as_object().unwrap().keys();
    let queue = schema["$defs"]["queue"]["properties"].as_object().unwrap().keys();
    let reservation = schema["$defs"]["reservation"]["properties"].as_object().unwrap().keys();
    let full = r#"{"queues": [{"name": "q", "quota": {"gpu": 1}, "needs": {"disk": "fast"}, "priority": 1, "limit": 9}],
        "reservations": [{"name": "r", "machines": ["m"], "from": 0, "until": 1, "queues": ["q"]}],
        "devices": ["a"], "oversubscription": 2, "machines": [{"name": "m", "count": 1, "device": "a", "rack": "r",
        "labels": {"disk": "fast"}, "capacity": {"gpu": 1, "cpu": 1, "memory": 1, "storage": 1, "network": 1}}]}"#;
    jobs_file::read_cluster(&file("full.json", full)).unwrap();
    for field in all.chain(machine).chain(resources).chain(queue).chain(reservation) {
        assert!(full.contains(&format!("\"{field}\":")), "{field} is described but not known");
    }
}

#[test]
fn toml_json_and_tables_mean_the_same() {
    let toml = jobs_file::read_cluster(&file(
        "same.toml",
        "[[machines]]\nname = 'a'\ncount = 2\ndevice = 'k80'\nrack = 'l'\ncapacity = { gpu = 4, cpu = 8.5 }\n\
         [[machines]]\nname = 'b'\ndevice = 'a100'\nrack = 'r'\ncapacity = { gpu = 8 }\n",
    ));
    let json = jobs_file::read_cluster(&file(
        "same.json",
        r#"{"machines": [{"name": "a", "count": 2, "device": "k80", "rack": "l", "capacity": {"gpu": 4, "cpu": 8.5}},
                         {"name": "b", "device": "a100", "rack": "r", "capacity": {"gpu": 8}}]}"#,
    ));
    let table = "name,count,device,rack,gpu,cpu\na,2,k80,l,4,8.5\nb,,a100,r,8,\n";
    let table = jobs_file::read_cluster(&file("same.CSV", table)).unwrap();
    assert_eq!(toml.unwrap(), table);
    assert_eq!(json.unwrap(), table);

    let entry = r#"{"name": "x", "workload": 10, "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1}, "workers": {"min": 1, "max": 2}}"#;
    let list = jobs_file::read_jobs(&file("list.json", &format!("[{entry}]"))).unwrap();
    let named = jobs_file::read_jobs(&file("named.json", &format!("{{\"jobs\": [{entry}]}}"))).unwrap();
    let toml = "[[jobs]]\nname = 'x'\nworkload = 10\nbatch = 4\nseconds_per_sample = 1\nworker.gpu = 1\nworkers = { min = 1, max = 2 }\n";
    assert_eq!(jobs_file::read_jobs(&file("list.toml", toml)).unwrap(), list);
    assert_eq!(named, list);
}

/// Every field of a job has a column, and the table says what a list says.
#[test]
fn tables_of_jobs_have_all_that_lists_have() {
    let cluster = jobs_file::read_cluster(&file(
        "columns-cluster.toml",
        "[[machines]]\nname = 'a'\ndevice = 'k80'\nlabels = { disk = 'fast' }\ncapacity = { gpu = 4, cpu = 8 }\n\
         [[machines]]\nname = 'b'\ndevice = 'a100'\ncapacity = { gpu = 8, cpu = 8 }\n[[queues]]\nname = 'q'\n",
    ))
    .unwrap();
    let table = "name,queue,arrival,workload,estimate,batch,noise_scale,most_batch,seconds_per_sample,gradient_mb,workers_per_server,\
         worker_gpu,server_cpu,min_workers,max_workers,speed_k80,speed_a100,needs_disk,restart,resume,requeue,group,priority,limit,\
         deadline,value,zero_at,array,after\n\
         x, q, 5, 10, 9, 4, 30, 64, 1, 20, 2, 1, 1, 1, 2, 0.5, 1, fast, 3, false, true, g, -2, 60, 3, 7, , ,\n\
         y, q, 6, 10, , 4, , , 1, , , 1, , , , , , fast;slow, , true, , , , , , 7, 4, 2, x\n";
    let list = r#"[{"name": "x", "queue": "q", "arrival": 5, "workload": 10, "estimate": 9, "batch": 4, "noise_scale": 30,
           "most_batch": 64, "seconds_per_sample": 1, "gradient_mb": 20, "workers_per_server": 2, "worker": {"gpu": 1},
           "server": {"cpu": 1}, "workers": {"min": 1, "max": 2}, "speeds": {"k80": 0.5, "a100": 1}, "needs": {"disk": "fast"},
           "restart": 3, "resume": false, "requeue": true, "group": "g", "priority": -2, "limit": 60,
           "utility": {"shape": "deadline", "value": 7, "deadline": 3}},
          {"name": "y", "queue": "q", "arrival": 6, "workload": 10, "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1},
           "workers": {"min": 1, "max": 4}, "needs": {"disk": ["fast", "slow"]}, "array": 2, "after": ["x"],
           "utility": {"shape": "linear", "value": 7, "zero_at": 4}}]"#;
    let read = |name: &str, text: &str| jobs_file::read_jobs_for(&file(name, text), &cluster);
    let table = read("columns.csv", table).unwrap();
    assert_eq!(table, read("columns.json", list).unwrap());
    assert_eq!(table.len(), 3);
    let short = "name,queue,seconds,worker_gpu,max_workers\na,q,60,1,2\n";
    let job = read("seconds.csv", short).unwrap().remove(0);
    assert_eq!((job.workload, job.batch, job.workers.max), (60.0, 2, 2));
    for (text, message) in [
        ("name,queue,seconds,worker_gpu\na,q,60,1,9\n", ":2: row: 5 cells for 4 columns: name, queue"),
        ("name;queue;seconds\na;q;60\n", ":1: name;queue;seconds: there is no such column"),
        ("name,queue,seconds,resume\na,q,60,yes\n", ":2: resume: `yes` is not true or false"),
        (
            "name,queue,seconds,worker_gpu,speed_v100\na,q,60,1,1\n",
            ":2: speeds: speeds is of `v100`, and the cluster has k80, a100",
        ),
        ("name,queue,seconds,worker_gpu,shape,target\na,q,60,1,sigmoid,\n", ":2: job: "),
        ("name,queue,seconds,worker_gpu,speed_\na,q,60,1,1\n", ":1: speed_: there is no such column"),
        ("name,queue,seconds\na,q,60\n", "worker demand is zero"),
        ("name,queue,worker_gpu\na,q,1\n", ":1: workload: column is missing"),
        ("name,queue\n", ":1: workload: column is missing"),
        ("name,queue,seconds\n", "it has no job that can be taken"),
    ] {
        let error = read("wrong-columns.csv", text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

/// What concerns a file as a whole blames no line, and everything else the line where it stands.
#[test]
fn faults_of_a_whole_cluster_blame_no_line() {
    let machines = "[[machines]]\nname = 'm'\ncapacity = { gpu = 1 }\n";
    for (more, message) in [
        ("[[queues]]\nname = 'a'\nlimit = 0\n", "whole.toml: queue `a`: limit is 0"),
        (
            "[[reservations]]\nname = 'r'\nmachines = ['z']\nfrom = 0\nuntil = 1\n",
            "whole.toml: reservation `r`: machines is `z`",
        ),
        ("[[queues]]\nname = 'a'\nlimits = 5\n", "whole.toml:6: unknown field `limits`"),
    ] {
        let error = jobs_file::read_cluster(&file("whole.toml", &format!("{machines}{more}")))
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{more}: {error}");
    }
    let json = r#"{"machines": [{"capacity": {"gpu": 1}, "count": 0}]}"#;
    let error = jobs_file::read_cluster(&file("whole.json", json)).unwrap_err().to_string();
    assert!(error.ends_with("leave the entry out if there is no such machine"), "{error}");
}

#[test]
fn faults_of_toml_name_the_line() {
    for (text, message) in [
        ("[[machines]]\ncapacity = { gpu = 1 \n", ":2: "),
        ("[[machines]]\n\ncapacity = { gpus = 1 }\n", ":3: unknown field `gpus`"),
        ("[[machines]]\ncapacity = { gpu = 'many' }\n", ":2: invalid type"),
        ("machines = 4\n", ":1: invalid type"),
    ] {
        let error = jobs_file::read_cluster(&file("wrong.toml", text)).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    let jobs = "[[jobs]]\nworkload = 10\nprioritty = 3\n";
    let error = jobs_file::read_jobs(&file("wrong-jobs.toml", jobs)).unwrap_err().to_string();
    assert!(error.contains("entry 1 of the list") && error.contains("prioritty"), "{error}");
    let table = "name,gpus\na,4\n";
    let error = jobs_file::read_cluster(&file("wrong.csv", table)).unwrap_err().to_string();
    assert!(error.contains(":1: gpus: there is no such column"), "{error}");
}
