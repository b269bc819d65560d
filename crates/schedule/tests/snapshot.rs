//! Queues of Slurm and Kueue, small enough to know the answers, in the forms in which their programs print them.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use serde_json::{Value, json};
use syncline_schedule::{
    PolicyName,
    snapshot::{Documents, Forecast, Snapshot, rivals::Rivals, what_if::alternatives, why::why},
};

/// The time of these snapshots: a round number of hours.
const NOW: f64 = 1_795_968_000.0;

fn snapshot(documents: &[Value], lines: &str) -> Snapshot {
    let mut all = Documents::default();
    all.taken = Some(NOW);
    for document in documents {
        all.add("test", &document.to_string()).unwrap();
    }
    all.add("lines", lines).unwrap();
    Snapshot::of(&all).unwrap()
}

/// Nodes of four cores and two GPUs, as Slurm 22.05 prints them.
fn nodes(count: usize) -> Value {
    let node = |number: usize| {
        json!({"name": format!("n{number}"), "cpus": 4, "real_memory": 1000, "gres": "gpu:2", "state": "idle",
               "state_flags": [], "partitions": ["all"], "features": "", "active_features": ""})
    };
    json!({"nodes": (1..=count).map(node).collect::<Vec<_>>()})
}

/// A job of `cores` tasks on one node, in minutes.
fn waits(id: u32, cores: u32, minutes: u32) -> Value {
    json!({"job_id": id, "name": format!("job-{id}"), "user_name": "anna", "partition": "all", "job_state": "PENDING",
           "state_reason": "Priority", "state_description": "", "priority": 1000 - id, "submit_time": NOW - 60.0, "time_limit": minutes,
           "cpus": cores, "tasks": cores, "node_count": 1, "max_nodes": 1, "dependency": "", "eligible_time": NOW - 60.0})
}

fn runs(id: u32, cores: u32, node: &str, minutes: u32, since: f64) -> Value {
    with(waits(id, cores, minutes), json!({"job_state": "RUNNING", "nodes": node, "start_time": NOW - since}))
}

fn with(mut job: Value, fields: Value) -> Value {
    job.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    job
}

fn reasons(snapshot: &Snapshot) -> Vec<String> {
    let forecast = Forecast::of(snapshot, 1);
    forecast.starts.iter().map(|start| why(snapshot, &forecast, start.job).reason).collect()
}

/// Minutes from now until each job starts by the limits, in the order of the queue.
fn minutes(snapshot: &Snapshot) -> Vec<Option<f64>> {
    let starts = Forecast::of(snapshot, 1).starts;
    starts.iter().map(|start| start.by_limits.map(|time| (time - NOW) / 60.0)).collect()
}

#[test]
fn jobs_start_where_they_fit_first_beside_those_before_them() {
    // Node 1 is full for ten minutes more, node 2 for four. The first that waits needs all of both; the second is
    // over before that and starts at once on a core that is left; the third would not be, and comes behind.
    let jobs = json!({"jobs": [
        runs(1, 4, "n1", 12, 120.0), runs(2, 3, "n2", 5, 60.0),
        with(waits(3, 8, 3), json!({"node_count": 2, "max_nodes": 2})), waits(4, 1, 10), waits(5, 1, 11),
    ]});
    let snapshot = snapshot(&[jobs, nodes(2)], "");
    assert_eq!(minutes(&snapshot), [Some(10.0), Some(0.0), Some(13.0)]);
    let reasons = reasons(&snapshot);
    let first = "it needs 8 of cpu on 2 nodes, and 1 of cpu is free on the 2 nodes of partition all, room for it on 1 node; held by 1 (job-1) of anna (4 until";
    assert!(reasons[0].starts_with(first), "{}", reasons[0]);
    assert!(
        reasons[2].starts_with(
            "there is room for it now, but it is kept for those before it; 3 (job-3) and 1 more"
        ),
        "{}",
        reasons[2]
    );
}

#[test]
fn jobs_that_end_early_make_the_likely_start_earlier() {
    let ended = |id: u32| {
        with(
            waits(id, 1, 10),
            json!({"job_state": "COMPLETED", "start_time": NOW - 400.0, "end_time": NOW - 400.0 + 120.0 + f64::from(id)}),
        )
    };
    let mut jobs = vec![runs(1, 4, "n1", 10, 60.0), waits(2, 4, 10), waits(3, 4, 10)];
    let by_limits = |jobs: &[Value]| snapshot(&[json!({"jobs": jobs}), nodes(1)], "");
    let unknown = Forecast::of(&by_limits(&jobs), 1);
    assert!(unknown.basis.starts_with("no ended jobs"), "{}", unknown.basis);
    jobs.extend((100..120).map(ended));
    let known = by_limits(&jobs);
    let forecast = Forecast::of(&known, 1);
    assert!(
        forecast.basis.starts_with("20 ended jobs, of which half used less than 3"),
        "{}",
        forecast.basis
    );
    let last = &forecast.starts[1];
    assert_eq!(last.by_limits, Some(NOW + 19.0 * 60.0));
    let [low, middle, high] = last.likely.unwrap();
    // 220 to 239 seconds of 600 each; the first has run for sixty. The ends allow for how little twenty jobs tell.
    assert!((NOW + 380.0..NOW + 418.1).contains(&middle), "{middle}");
    assert!(NOW < low && low <= middle && middle <= high && high < NOW + 1140.0, "{low} {high}");
    assert_eq!(Forecast::of(&known, 1), forecast, "the same seed draws the same");
}

#[test]
fn what_somebody_has_to_undo_is_told_and_not_forecast() {
    let jobs = json!({"jobs": [
        with(waits(1, 1, 1), json!({"state_reason": "JobHeldUser"})),
        waits(2, 100, 1),
        with(waits(3, 1, 1), json!({"partition": "old"})),
        with(waits(4, 1, 90), json!({"partition": "short"})),
        with(waits(5, 12, 1), json!({"node_count": 3, "max_nodes": 3, "partition": "short"})),
        with(waits(6, 1, 1), json!({"state_reason": "AssocGrpCpuLimit"})),
    ]});
    let mut nodes = nodes(3);
    for node in nodes["nodes"].as_array_mut().unwrap() {
        node["partitions"] = json!(["all", "old", "short"]);
    }
    nodes["nodes"][2]["state_flags"] = json!(["DRAIN"]);
    nodes["nodes"][2]["reason"] = json!("bad disk");
    let lines = "PartitionName=all State=UP MaxNodes=UNLIMITED MaxTime=UNLIMITED PriorityTier=1\n\
                 PartitionName=old State=DOWN PriorityTier=1\n\
                 PartitionName=short State=UP MaxNodes=2 MaxTime=01:00:00 PriorityTier=1\n";
    let snapshot = snapshot(&[jobs, nodes], lines);
    assert_eq!(minutes(&snapshot), [None; 6]);
    let reasons = reasons(&snapshot);
    for (reason, wanted) in reasons.iter().zip([
        "its user holds it",
        "even if nobody else ran, no nodes of its partition would have room for it",
        "its partition old is closed: DOWN",
        "it asks for 90 minutes, and a job of its partition may run for 60",
        "it asks for 3 nodes, and a job of its partition may have 2 at most",
        "a limit of its account is reached (AssocGrpCpuLimit)",
    ]) {
        assert!(reason.starts_with(wanted), "{reason}");
    }
}

/// There is room on the other node, which is not the one that it asks for.
#[test]
fn a_job_that_asks_for_a_node_waits_for_that_node() {
    let jobs = json!({"jobs": [
        runs(1, 4, "n2", 10, 60.0), with(waits(2, 2, 5), json!({"required_nodes": "n2"})),
        with(waits(3, 2, 5), json!({"required_nodes": "n2", "node_count": 2, "max_nodes": 2})),
    ]});
    let snapshot = snapshot(&[jobs, nodes(2)], "");
    assert_eq!(minutes(&snapshot), [Some(9.0), Some(9.0)]);
    let reasons = reasons(&snapshot);
    let own = "it needs 2 of cpu, and 0 of cpu is free on n2, which it asks for; held by 1 (job-1) of anna (4 until";
    assert!(reasons[0].starts_with(own), "{}", reasons[0]);
    // With another node beside it any of the partition may do.
    assert!(reasons[1].contains("on the 2 nodes of partition all"), "{}", reasons[1]);
}

#[test]
fn nodes_that_are_closed_are_named_where_they_are_missing() {
    let mut nodes = nodes(2);
    nodes["nodes"][1]["state"] = json!(["IDLE", "DRAIN"]);
    nodes["nodes"][1]["reason"] = json!("bad disk");
    let jobs = json!({"jobs": [with(waits(1, 8, 1), json!({"node_count": 2, "max_nodes": 2}))]});
    let reasons = reasons(&snapshot(&[jobs, nodes], ""));
    assert_eq!(reasons, ["it has no room while nodes are closed: n2 (drain: bad disk)"]);
}

#[test]
fn dependencies_arrays_begin_times_and_reservations_keep_jobs() {
    let array = |task: u32| {
        with(runs(10 + task, 1, "n1", 4, 60.0), json!({"array_job_id": 10, "array_task_id": task}))
    };
    let jobs = json!({"jobs": [
        runs(1, 1, "n2", 5, 60.0), array(0), array(1),
        with(waits(2, 1, 1), json!({"dependency": "afterok:1(unfulfilled)", "state_reason": "Dependency"})),
        with(waits(3, 1, 1), json!({"state_reason": "BeginTime", "eligible_time": NOW + 1200.0})),
        with(waits(10, 1, 4), json!({"array_job_id": 10, "array_task_string": "2-5%2", "state_reason": "JobArrayTaskLimit"})),
        with(waits(20, 4, 60), json!({"required_nodes": "n3"})),
    ]});
    let lines = "ReservationName=maint StartTime=2026-11-29T16:30:00 EndTime=2026-11-29T17:30:00 Nodes=n3 Flags=MAINT\n";
    let snapshot = snapshot(&[jobs, nodes(3)], lines);
    // 16:30 is half an hour from now.
    let three = Some(3.0);
    assert_eq!(minutes(&snapshot), [Some(4.0), Some(20.0), three, three, Some(7.0), Some(7.0), Some(90.0)]);
    let reasons = reasons(&snapshot);
    assert_eq!(reasons[0], "it depends (afterok:1(unfulfilled)) on 1, which runs");
    assert!(reasons[1].starts_with("it may not begin before 16:20:00, in 20 min"), "{}", reasons[1]);
    assert_eq!(reasons[2], "at most 2 tasks of its array run at once, and 2 do");
    assert!(
        reasons[6].contains("the reservation maint (1 node from 16:30:00 to 17:30:00)"),
        "{}",
        reasons[6]
    );
}

#[test]
fn newer_versions_say_the_same_in_other_forms() {
    let set = |number: f64| json!({"set": true, "infinite": false, "number": number});
    let job = json!({"job_id": 7, "name": "new", "user_name": "bob", "partition": "all", "job_state": ["PENDING"], "state_reason": "Resources",
        "priority": set(5.0), "submit_time": set(NOW), "time_limit": set(10.0), "cpus": set(2.0), "tasks": set(2.0), "node_count": set(1.0),
        "max_nodes": set(0.0), "tres_per_job": "gres/gpu:2", "array_job_id": set(0.0), "array_task_id": {"set": false, "infinite": false, "number": 0},
        "dependency": "", "eligible_time": set(NOW)});
    let running = json!({"job_id": 6, "name": "old", "user_name": "bob", "partition": "all", "job_state": ["RUNNING"], "priority": set(9.0),
        "submit_time": set(NOW - 60.0), "start_time": set(NOW - 60.0), "time_limit": set(3.0), "cpus": set(1.0), "tasks": set(1.0), "node_count": set(1.0),
        "nodes": "n1", "gres_detail": ["gpu:a100:1(IDX:1)"],
        "job_resources": {"nodes": {"allocation": [{"name": "n1", "cpus": {"count": 1, "used": 0}}]}}});
    let node = json!({"nodes": [{"name": "n1", "cpus": 4, "real_memory": 1000, "gres": "gpu:a100:2(S:0-1)", "state": ["MIXED"], "partitions": ["all"],
        "features": [], "active_features": []}]});
    let partition = json!({"partitions": [{"name": "all", "maximums": {"nodes": {"set": false, "infinite": true, "number": 0}, "time": set(60.0)},
        "partition": {"state": ["UP"]}, "priority": {"tier": 1}}]});
    let snapshot = snapshot(&[json!({"jobs": [job, running]}), node, partition], "");
    assert_eq!(minutes(&snapshot), [Some(2.0)]);
    let forecast = Forecast::of(&snapshot, 1);
    let lack = why(&snapshot, &forecast, 0).lack.unwrap();
    assert_eq!((lack.kind.as_str(), lack.needed, lack.free), ("gpu", 2.0, 1.0));
    assert_eq!(lack.holders, [(1, 1.0)]);
}

#[test]
fn alternatives_and_other_policies_are_tried_on_the_same_queue() {
    let jobs = json!({"jobs": [runs(1, 4, "n1", 10, 0.0), with(waits(2, 8, 10), json!({"node_count": 2, "max_nodes": 2})), waits(3, 1, 18)]});
    let snapshot = snapshot(&[jobs, nodes(2)], "");
    let forecast = Forecast::of(&snapshot, 1);
    let at = snapshot.find("3").unwrap();
    let all = alternatives(&snapshot, &forecast, at, 2, 1);
    let start = |word: &str| {
        let one = all.iter().find(|one| one.what.contains(word)).unwrap_or_else(|| panic!("{word}: {all:?}"));
        (one.by_limits.unwrap() - NOW) / 60.0
    };
    // As it is it comes after both; in half the time it is over before the second needs its node.
    assert_eq!(forecast.start(at).unwrap().by_limits, Some(NOW + 1200.0));
    assert_eq!(start("half the time limit"), 0.0);
    assert_eq!(start("preemptible"), 0.0);
    assert_eq!(start("2 more nodes"), 0.0);
    let line: Vec<usize> = forecast.starts.iter().map(|start| start.job).collect();
    let rivals = Rivals::of(&snapshot, &line, 1).unwrap();
    for policy in PolicyName::ALL {
        let rival = rivals.under(policy, Some(at)).unwrap();
        let all = rival.done + rival.left;
        assert_eq!(all, 2, "{policy}");
        assert!(rival.mean_end >= rival.mean_wait, "{policy}: {rival:?}");
    }
    // First in, first out: the third waits for the second, which waits for the first to leave its node.
    let in_order = rivals.under(PolicyName::Fifo, Some(at)).unwrap();
    assert_eq!((in_order.done, in_order.left), (2, 0));
    let start = in_order.asked.unwrap();
    assert!(start > 0.0 && start < in_order.last_end, "{in_order:?}");
}

fn cluster_queue(name: &str, cohort: &str, cpu: u32, strategy: &str) -> Value {
    json!({"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "ClusterQueue", "metadata": {"name": name},
        "spec": {"cohort": cohort, "queueingStrategy": strategy, "resourceGroups": [{"coveredResources": ["cpu", "memory"],
            "flavors": [{"name": "default", "resources": [{"name": "cpu", "nominalQuota": cpu}, {"name": "memory", "nominalQuota": "36Gi"}]}]}]}})
}

fn workload(name: &str, queue: &str, pods: u32, cpu: &str, status: Value) -> Value {
    json!({"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "Workload",
        "metadata": {"name": name, "namespace": "team", "creationTimestamp": "2026-11-29T15:00:00Z"},
        "spec": {"queueName": queue, "priority": 0, "maximumExecutionTimeSeconds": 3600, "podSets": [{"name": "main", "count": pods,
            "template": {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "200Mi"}}}]}}}]},
        "status": status})
}

fn admitted(queue: &str, cpu: &str) -> Value {
    json!({"admission": {"clusterQueue": queue, "podSetAssignments": [{"name": "main", "flavors": {"cpu": "default", "memory": "default"},
            "resourceUsage": {"cpu": cpu, "memory": "600Mi"}, "count": 3}]},
        "conditions": [{"type": "QuotaReserved", "status": "True", "lastTransitionTime": "2026-11-29T15:30:00Z", "reason": "QuotaReserved", "message": ""}]})
}

#[test]
fn quotas_are_taken_and_borrowed() {
    let list = |items: Vec<Value>| json!({"apiVersion": "v1", "kind": "List", "items": items});
    let pending = json!({"conditions": [{"type": "QuotaReserved", "status": "False", "reason": "Pending",
        "message": "couldn't assign flavors to pod set main: insufficient unused quota", "lastTransitionTime": "2026-11-29T15:40:00Z"}]});
    let workloads = vec![
        workload("runs", "a", 3, "2", admitted("a", "6")),
        workload("waits", "a", 2, "2500m", pending.clone()),
    ];
    // Alone: 9 cores, 6 held, 5 asked for. The one that runs is stopped after an hour, half of which is over.
    let alone =
        snapshot(&[list(vec![cluster_queue("a", "", 9, "BestEffortFIFO")]), list(workloads.clone())], "");
    assert_eq!(minutes(&alone), [Some(30.0)]);
    let reason = &reasons(&alone)[0];
    assert!(reason.starts_with("it needs 5 of cpu, and 3 is free in the quota default of a; held by team/runs of team (6 until 16:30:00"), "{reason}");
    // In a cohort: it borrows what the other queue does not use.
    let queues = vec![
        cluster_queue("a", "both", 9, "BestEffortFIFO"),
        cluster_queue("b", "both", 2, "BestEffortFIFO"),
    ];
    let together = snapshot(&[list(queues), list(workloads)], "");
    assert_eq!(minutes(&together), [Some(0.0)]);
    // More than there ever is.
    let large = snapshot(
        &[list(vec![cluster_queue("a", "", 9, "BestEffortFIFO")]), workload("large", "a", 10, "1", pending)],
        "",
    );
    assert_eq!(reasons(&large), ["it asks for more than its cluster queue may ever have"]);
}

#[test]
fn a_strict_queue_waits_for_its_first_and_an_unknown_kind_is_named() {
    let at = |minute: u32, value: Value| {
        with(value, json!({}))
            .as_object()
            .map(|fields| {
                let mut fields = fields.clone();
                fields["metadata"]["creationTimestamp"] = json!(format!("2026-11-29T15:{minute:02}:00Z"));
                Value::Object(fields)
            })
            .unwrap()
    };
    let starts = |strategy: &str| {
        let jobs = [
            workload("runs", "a", 3, "2", admitted("a", "6")),
            at(1, workload("large", "a", 1, "8", json!({}))),
            at(2, workload("small", "a", 1, "1", json!({}))),
        ];
        let mut all = vec![cluster_queue("a", "", 9, strategy)];
        all.extend(jobs);
        minutes(&snapshot(&all, ""))
    };
    assert_eq!(starts("StrictFIFO"), [Some(30.0), Some(30.0)]);
    assert_eq!(starts("BestEffortFIFO"), [Some(30.0), Some(0.0)]);
    let mut odd = workload("odd", "a", 1, "1", json!({}));
    odd["spec"]["podSets"][0]["template"]["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"] =
        json!(1);
    let reasons = reasons(&snapshot(&[cluster_queue("a", "", 9, "StrictFIFO"), odd], ""));
    assert_eq!(reasons, ["it asks for nvidia.com/gpu, of which its cluster queue has no quota"]);
}

#[test]
fn what_is_missing_is_asked_for() {
    let of = |documents: &[Value]| {
        let mut all = Documents::default();
        documents.iter().for_each(|document| all.add("test", &document.to_string()).unwrap());
        Snapshot::of(&all).unwrap_err().to_string()
    };
    assert!(of(&[json!({"jobs": []})]).contains("no nodes; add what `scontrol show nodes --json`"));
    assert!(of(&[workload("w", "a", 1, "1", json!({}))]).contains("no ClusterQueue"));
    let two = [
        cluster_queue("a", "", 1, ""),
        cluster_queue("b", "", 1, ""),
        workload("w", "local", 1, "1", json!({})),
    ];
    assert!(of(&two).contains("its local queue `local` leads to"));
    assert!(of(&[json!({"jobs": []}), cluster_queue("a", "", 1, "")]).contains("of Slurm and of Kubernetes"));
}

/// Which flavors pods may use their nodes' labels and taints say.
#[test]
fn flavors_that_a_workload_may_not_use_are_passed_over() {
    let mut queue = cluster_queue("a", "", 4, "BestEffortFIFO");
    let flavor = |name: &str, cpu: u32| json!({"name": name, "resources": [{"name": "cpu", "nominalQuota": cpu}, {"name": "memory", "nominalQuota": "36Gi"}]});
    queue["spec"]["resourceGroups"][0]["flavors"] = json!([flavor("spot", 4), flavor("own", 1)]);
    let object = |name: &str, spec: Value| json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": name}, "spec": spec});
    let flavors = |taint: Value, tolerations: Value| {
        vec![
            object(
                "spot",
                json!({"nodeLabels": {"kind": "spot"}, "nodeTaints": [taint], "tolerations": tolerations}),
            ),
            object("own", json!({"nodeLabels": {"kind": "own"}})),
        ]
    };
    let taint = json!({"key": "spot", "value": "yes", "effect": "NoSchedule"});
    let starts = |pods: Value, tolerations: Value| {
        let mut job = workload("w", "a", 1, "2", json!({}));
        job["spec"]["podSets"][0]["template"]["spec"]
            .as_object_mut()
            .unwrap()
            .extend(pods.as_object().unwrap().clone());
        let mut all = vec![queue.clone(), job];
        all.extend(flavors(taint.clone(), tolerations));
        minutes(&snapshot(&all, ""))
    };
    let (never, now) = ([None], [Some(0.0)]);
    let tolerates =
        |value: &str| json!([{"key": "spot", "operator": "Equal", "value": value, "effect": "NoSchedule"}]);
    assert_eq!(starts(json!({}), json!([])), never);
    assert_eq!(starts(json!({}), tolerates("yes")), now);
    assert_eq!(starts(json!({"tolerations": tolerates("yes")}), json!([])), now);
    assert_eq!(starts(json!({"tolerations": tolerates("no")}), json!([])), never);
    let affine = |operator: &str| {
        let term = json!({"matchExpressions": [{"key": "kind", "operator": operator, "values": ["own"]}]});
        json!({"tolerations": tolerates("yes"), "affinity": {"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}})
    };
    assert_eq!(starts(affine("In"), json!([])), never);
    assert_eq!(starts(affine("NotIn"), json!([])), now);
}
