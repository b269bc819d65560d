//! What Slurm prints has changed from version to version, and is not always whole: it is read right, or refused with what to do.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use serde_json::{Value, json};
use syncline_schedule::snapshot::{Documents, Forecast, Snapshot, why::why};

const NOW: f64 = 1_795_968_000.0;

fn read(documents: &[Value]) -> Result<Snapshot, String> {
    let mut all = Documents::default();
    all.taken = Some(NOW);
    documents.iter().for_each(|document| all.add("test", &document.to_string()).unwrap());
    Snapshot::of(&all).map_err(|error| error.to_string())
}

/// Minutes from now until the first waiting job starts by the limits, and why it waits.
fn first(documents: &[Value]) -> (Option<f64>, String) {
    let snapshot = read(documents).unwrap();
    let forecast = Forecast::of(&snapshot, 1);
    let start = &forecast.starts[0];
    (start.by_limits.map(|time| (time - NOW) / 60.0), why(&snapshot, &forecast, start.job).reason)
}

fn with(mut value: Value, fields: Value) -> Value {
    value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    value
}

fn set(number: f64) -> Value {
    json!({"set": true, "infinite": false, "number": number})
}

fn unset() -> Value {
    json!({"set": false, "infinite": false, "number": 0})
}

/// As Slurm 23.11 and later print it.
fn node(name: &str) -> Value {
    json!({"name": name, "cpus": 4, "real_memory": 4096, "gres": "", "state": ["IDLE"], "partitions": ["all"], "features": [], "active_features": []})
}

fn job(id: u32, cpus: f64) -> Value {
    json!({"job_id": id, "name": "it", "user_name": "anna", "partition": "all", "job_state": ["PENDING"], "state_reason": "Resources",
        "priority": set(5.0), "submit_time": set(NOW), "time_limit": set(10.0), "cpus": set(cpus), "tasks": set(1.0), "node_count": set(1.0),
        "max_nodes": set(0.0), "array_job_id": set(0.0), "array_task_id": unset(), "array_task_string": "", "dependency": ""})
}

fn running(id: u32, cpus: f64, node: &str) -> Value {
    with(
        job(id, cpus),
        json!({"job_state": ["RUNNING"], "nodes": node, "start_time": set(NOW), "time_limit": set(5.0)}),
    )
}

fn jobs(jobs: &[Value]) -> Value {
    json!({"jobs": jobs})
}

fn nodes(nodes: &[Value]) -> Value {
    json!({"nodes": nodes})
}

#[test]
fn rows_of_sinfo_are_nodes_where_they_tell_each() {
    let row = |partition: &str, names: Value, state: &str, most: u32| {
        json!({"partition": {"name": partition}, "nodes": {"nodes": names}, "node": {"state": [state]}, "reason": {"description": "disk"},
            "cpus": {"minimum": 4, "maximum": most, "total": 8}, "memory": {"minimum": 4096, "maximum": 4096},
            "gres": {"total": "gpu:2"}, "features": {"total": "fast", "active": "fast"}})
    };
    let rows = json!({"sinfo": [row("all", json!(["n[1-2]"]), "IDLE", 4), row("own", json!(["n2"]), "IDLE", 4), row("all", json!(["n3"]), "DRAIN", 4)]});
    let snapshot = read(&[jobs(&[job(1, 4.0)]), rows]).unwrap();
    let names: Vec<&str> = snapshot.places.iter().map(|place| place.name.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    assert_eq!(snapshot.places[1].queues.len(), 2);
    assert_eq!(snapshot.places[2].closed.as_deref(), Some("drain: disk"));
    assert_eq!(snapshot.places[0].capacity, [4.0, 4.0, 2.0]);
    let uneven = json!({"sinfo": [row("all", json!(["n[1-2]"]), "IDLE", 8)]});
    let told = read(&[jobs(&[]), uneven]).unwrap_err();
    assert!(told.contains("the `cpus` of each; give what `scontrol show nodes --json` prints"), "{told}");
}

#[test]
fn what_slurm_prints_in_place_of_an_answer_is_refused() {
    let told = |document: Value| read(&[document, nodes(&[node("n1")])]).unwrap_err();
    let error = json!({"jobs": [], "errors": [{"description": "Unable to contact slurm controller", "error_number": 1}]});
    assert!(told(error).contains("Slurm did not answer in full: Unable to contact"));
    assert!(told(json!({"jobs": {"1": job(1, 1.0)}})).contains("`jobs` is no list of objects"));
    assert!(told(json!({"jobs": [1, 2]})).contains("`jobs` is no list of objects"));
    let stateless = with(job(1, 1.0), json!({"job_state": null}));
    assert!(told(jobs(&[stateless])).contains("job 1: its `job_state` is missing"));
    assert!(told(jobs(&[with(job(1, 1.0), json!({"job_state": "PD"}))])).contains("(`PD`)"));
    let elsewhere = running(1, 1.0, "n9");
    assert!(told(jobs(&[elsewhere])).contains("job 1: its node n9 is not among the nodes"));
}

#[test]
fn of_several_states_the_one_that_is_no_flag_counts() {
    let state = |states: Value| with(running(1, 4.0, "n1"), json!({"job_state": states}));
    let starts = |states: Value| first(&[jobs(&[state(states), job(2, 4.0)]), nodes(&[node("n1")])]).0;
    assert_eq!(starts(json!(["RUNNING", "CONFIGURING"])), Some(5.0));
    assert_eq!(starts(json!("SUSPENDED")), Some(5.0));
    assert_eq!(starts(json!(["COMPLETING", "CANCELLED"])), Some(0.0));
}

#[test]
fn a_core_with_two_threads_counts_as_two_cpus() {
    // Two of the node's two cores with two threads each, as versions before 24.05 print them.
    let given = json!({"job_resources": {"nodes": "n1", "allocated_nodes": [{"nodename": "n1", "memory_allocated": 1024,
        "sockets": {"0": {"cores": {"0": "allocated", "1": "allocated"}}}}]}});
    let all = jobs(&[with(running(1, 4.0, "n1"), given), job(2, 1.0)]);
    assert_eq!(first(&[all, nodes(&[node("n1")])]).0, Some(5.0));
    // And as 21.08 did.
    let given = json!({"job_resources": {"nodes": "n1", "allocated_nodes": {"0": {"sockets": {"0": "unassigned"}, "memory": 1024, "cpus": 4}}}});
    let all = jobs(&[with(running(1, 1.0, "n1"), given), job(2, 1.0)]);
    assert_eq!(first(&[all, nodes(&[node("n1")])]).0, Some(5.0));
}

#[test]
fn a_job_without_a_limit_has_that_of_its_partition() {
    let partition = |usual: Value| {
        json!({"partitions": [{"name": "all", "maximums": {"time": set(60.0), "nodes": unset()}, "defaults": {"time": usual},
            "partition": {"state": ["UP"]}, "priority": {"tier": 1}}]})
    };
    let endless = with(running(1, 4.0, "n1"), json!({"time_limit": unset()}));
    let starts = |usual: Value| {
        first(&[jobs(&[endless.clone(), job(2, 4.0)]), nodes(&[node("n1")]), partition(usual)]).0
    };
    assert_eq!(starts(set(20.0)), Some(20.0));
    assert_eq!(starts(unset()), Some(60.0));
}

#[test]
fn types_of_devices_matter_where_there_are_several() {
    let of = |name: &str, gres: &str| with(node(name), json!({"gres": gres}));
    let asks = |gres: &str| with(job(1, 1.0), json!({"tres_per_node": gres}));
    let both = nodes(&[of("n1", "gpu:t4:4"), of("n2", "gpu:a100:2(S:0-1)")]);
    assert_eq!(first(&[jobs(&[asks("gres/gpu:t4:4")]), both.clone()]).0, Some(0.0));
    assert_eq!(first(&[jobs(&[asks("gres:gpu:4")]), both.clone()]).0, Some(0.0));
    let (start, reason) = first(&[jobs(&[asks("gres/gpu:a100:4")]), both.clone()]);
    assert_eq!(start, None);
    assert!(reason.starts_with("even if nobody else ran"), "{reason}");
    // Of a type, and of a kind, that nobody has.
    assert_eq!(first(&[jobs(&[asks("gres/gpu:h100:1")]), both.clone()]).0, None);
    assert_eq!(first(&[jobs(&[asks("gres/fpga:1")]), both]).0, None);
}

#[test]
fn cores_that_are_said_twice_count_once() {
    let twice = with(job(1, 4.0), json!({"tres_per_task": "cpu=4,gres/gpu=0"}));
    assert_eq!(first(&[jobs(&[twice]), nodes(&[node("n1")])]).0, Some(0.0));
}

#[test]
fn arrays_are_told_where_they_are_cut() {
    let array =
        |tasks: &str| with(job(10, 4.0), json!({"array_job_id": set(10.0), "array_task_string": tasks}));
    let told = read(&[jobs(&[array("1,3,5,...")]), nodes(&[node("n1")])]).unwrap_err();
    assert!(told.contains("job 10: `...`") && told.contains("SLURM_BITSTR_LEN=0"), "{told}");
    let snapshot = read(&[jobs(&[array("412-9999%3")]), nodes(&[node("n1")])]).unwrap();
    assert_eq!(snapshot.jobs.len(), 1000);
    assert_eq!(snapshot.jobs[0].id, "10_412");
    assert!(snapshot.notes[0].contains("only the first 1000 of 9588 tasks"), "{:?}", snapshot.notes);
}

#[test]
fn a_node_offers_what_it_does_not_keep_for_itself() {
    let kept = with(node("n1"), json!({"effective_cpus": 3, "specialized_memory": 1024}));
    assert_eq!(read(&[jobs(&[]), nodes(&[kept])]).unwrap().places[0].capacity[..2], [3.0, 3.0]);
    let state = |states: Value| {
        read(&[jobs(&[]), nodes(&[with(node("n1"), json!({"state": states}))])]).unwrap().places[0]
            .closed
            .is_some()
    };
    // A node that is switched off is switched on for a job.
    assert!(!state(json!(["IDLE", "CLOUD", "POWERED_DOWN"])));
    assert!(state(json!(["IDLE", "POWERING_DOWN"])));
    assert!(state(json!("IDLE+DRAIN")) && state(json!("down*")) && state(json!(["DOWN", "DYNAMIC_NORM"])));
    assert!(!state(json!(["MIXED", "PLANNED"])));
}

#[test]
fn features_partitions_and_memory_are_what_slurm_means_by_them() {
    let fast = nodes(&[with(node("n1"), json!({"features": ["fast"]}))]);
    let wants = |features: &str| with(job(1, 1.0), json!({"features": features}));
    assert_eq!(first(&[jobs(&[wants("slow|fast")]), fast.clone()]).0, Some(0.0));
    assert_eq!(first(&[jobs(&[wants("slow&fast")]), fast]).0, None);
    // In a partition whose nodes are not shared one core of a node is the node.
    let alone = json!({"partitions": [{"name": "all", "maximums": {"oversubscribe": {"jobs": 0, "flags": []}}, "partition": {"state": ["UP"]}}]});
    assert_eq!(
        first(&[jobs(&[running(1, 1.0, "n1"), job(2, 1.0)]), nodes(&[node("n1")]), alone]).0,
        Some(5.0)
    );
    // `--mem=0` is all of a node's memory.
    let held = with(
        running(1, 1.0, "n1"),
        json!({"tres_alloc_str": "cpu=1,mem=1G", "memory_per_node": set(1024.0)}),
    );
    let all = with(job(2, 1.0), json!({"memory_per_node": set(0.0), "memory_per_cpu": unset()}));
    assert_eq!(first(&[jobs(&[held, all]), nodes(&[node("n1")])]).0, Some(5.0));
}

#[test]
fn outputs_of_different_times_are_said_to_be_such() {
    let notes = |state: Value, job: Value| {
        let node = with(node("n1"), json!({"state": state}));
        read(&[jobs(&[job]), nodes(&[node])]).unwrap().notes
    };
    let runs = || running(1, 4.0, "n1");
    let said = notes(json!(["IDLE"]), runs());
    assert!(
        said[0].starts_with("the outputs are not of the same time: 1 (it) runs, by one of them"),
        "{said:?}"
    );
    assert!(!notes(json!("IDLE+DRAIN"), runs()).is_empty());
    for (state, job) in [
        (json!(["ALLOCATED"]), runs()),
        (json!(["MIXED", "DRAIN"]), runs()),
        (json!(["IDLE", "COMPLETING"]), runs()),
        (json!(["IDLE"]), job(1, 1.0)),
    ] {
        assert!(notes(state.clone(), job).is_empty(), "{state}");
    }
    let elsewhere = with(job(1, 1.0), json!({"partition": "own"}));
    assert_eq!(
        first(&[jobs(&[elsewhere]), nodes(&[node("n1")])]),
        (None, "no node is of its partition".into())
    );
}

#[test]
fn times_of_other_days_have_their_day() {
    let held = with(running(1, 4.0, "n1"), json!({"time_limit": set(3.0 * 24.0 * 60.0)}));
    let (_, reason) = first(&[jobs(&[held, job(2, 4.0)]), nodes(&[node("n1")])]);
    assert!(reason.contains("until 2026-12-02 16:00:00 at the latest"), "{reason}");
    let (_, reason) = first(&[jobs(&[running(1, 4.0, "n1"), job(2, 4.0)]), nodes(&[node("n1")])]);
    assert!(reason.contains("until 16:05:00 at the latest"), "{reason}");
}
