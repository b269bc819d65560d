//! Cohorts of Kueue: what its own count says of room, found out by its recursion, against the places that answers are made from; and
//! objects as clusters print them.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use serde_json::{Value, json};
use syncline_schedule::snapshot::{Documents, Forecast, Snapshot, why::why};

/// The time of these snapshots: a round number of hours.
const NOW: f64 = 1_795_968_000.0;

fn documents(objects: &[Value]) -> Documents {
    let mut all = Documents::default();
    all.taken = Some(NOW);
    objects.iter().for_each(|object| all.add("test", &object.to_string()).unwrap());
    all
}

fn snapshot(objects: &[Value]) -> Snapshot {
    Snapshot::of(&documents(objects)).unwrap()
}

fn quotas(cpu: Value) -> Value {
    let mut resource = json!({"name": "cpu"});
    resource.as_object_mut().unwrap().extend(cpu.as_object().unwrap().clone());
    json!([{"coveredResources": ["cpu"], "flavors": [{"name": "default", "resources": [resource]}]}])
}

fn queue(name: &str, cohort: &str, cpu: Value) -> Value {
    json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue", "metadata": {"name": name},
        "spec": {"cohortName": cohort, "queueingStrategy": "BestEffortFIFO", "resourceGroups": quotas(cpu)}})
}

fn cohort(name: &str, parent: &str, cpu: Option<Value>) -> Value {
    let mut spec = json!({"parentName": parent});
    if let Some(cpu) = cpu {
        spec["resourceGroups"] = quotas(cpu);
    }
    json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "Cohort", "metadata": {"name": name}, "spec": spec})
}

fn workload(name: &str, queue: &str, cpu: u32, runs: bool) -> Value {
    let condition = json!([{"type": "QuotaReserved", "status": if runs { "True" } else { "False" }, "reason": "r", "message": "m",
        "lastTransitionTime": "2026-11-29T15:30:00Z"}]);
    let mut status = json!({"conditions": condition});
    if runs {
        status["admission"] = json!({"clusterQueue": queue, "podSetAssignments": [{"name": "main", "count": 1,
            "flavors": {"cpu": "default"}, "resourceUsage": {"cpu": cpu.to_string()}}]});
    }
    json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "Workload",
        "metadata": {"name": name, "namespace": "team", "creationTimestamp": "2026-11-29T15:00:00Z"},
        "spec": {"queueName": queue, "maximumExecutionTimeSeconds": 3600, "podSets": [{"name": "main", "count": 1,
            "template": {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu.to_string()}}}]}}}]},
        "status": status})
}

fn starts_now(snapshot: &Snapshot, id: &str) -> bool {
    let at = snapshot.find(id).unwrap();
    Forecast::of(snapshot, 1).start(at).unwrap().by_limits == Some(NOW)
}

fn reason(snapshot: &Snapshot, id: &str) -> String {
    let forecast = Forecast::of(snapshot, 1);
    why(snapshot, &forecast, snapshot.find(id).unwrap()).reason
}

/// A queue or cohort as Kueue counts it.
#[derive(Clone, Default)]
struct Node {
    parent: Option<usize>,
    nominal: i64,
    borrowing: Option<i64>,
    lending: Option<i64>,
    is_queue: bool,
    usage: i64,
}

fn children(nodes: &[Node], at: usize) -> impl Iterator<Item = usize> + '_ {
    (0..nodes.len()).filter(move |child| nodes[*child].parent == Some(at))
}

fn subtree(nodes: &[Node], at: usize) -> i64 {
    nodes[at].nominal
        + children(nodes, at).map(|child| subtree(nodes, child) - kept(nodes, child)).sum::<i64>()
}

fn kept(nodes: &[Node], at: usize) -> i64 {
    nodes[at].lending.map_or(0, |limit| (subtree(nodes, at) - limit).max(0))
}

fn usage(nodes: &[Node], at: usize) -> i64 {
    if nodes[at].is_queue {
        return nodes[at].usage;
    }
    children(nodes, at).map(|child| (usage(nodes, child) - kept(nodes, child)).max(0)).sum()
}

/// What more it may use: what is left of what it keeps, and what there is above, of which it may borrow so much.
fn available(nodes: &[Node], at: usize) -> i64 {
    let Some(parent) = nodes[at].parent else { return subtree(nodes, at) - usage(nodes, at) };
    let local = (kept(nodes, at) - usage(nodes, at)).max(0);
    let above = available(nodes, parent);
    let above = match nodes[at].borrowing {
        None => above,
        Some(limit) => {
            let stored = subtree(nodes, at) - kept(nodes, at);
            let used = (usage(nodes, at) - kept(nodes, at)).max(0);
            above.min(stored - used + limit)
        }
    };
    local + above
}

/// A stream of numbers, the same for the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn maybe(&mut self, bound: u64) -> Option<i64> {
        (self.below(2) == 0).then(|| self.below(bound) as i64)
    }
}

fn limits(node: &Node, is_root: bool) -> Value {
    let mut cpu = json!({"nominalQuota": node.nominal});
    // At the top there is nobody to borrow from or lend to.
    if let Some(limit) = node.borrowing.filter(|_| !is_root) {
        cpu["borrowingLimit"] = json!(limit);
    }
    if let Some(limit) = node.lending.filter(|_| !is_root) {
        cpu["lendingLimit"] = json!(limit.to_string());
    }
    cpu
}

/// COHORT-1 on trees drawn at random, three deep, with limits at queues and cohorts.
#[test]
fn there_is_room_where_kueues_own_count_finds_it() {
    let mut fitted = [0, 0];
    for seed in 0..100 {
        let mut draw = Draw(seed);
        for _ in 0..4 {
            draw.below(2);
        }
        let mut nodes = vec![Node { nominal: draw.below(5) as i64, ..Node::default() }];
        for _ in 0..draw.below(3) {
            let parent = Some(draw.below(nodes.len() as u64) as usize);
            let (borrowing, lending) = (draw.maybe(5), draw.maybe(5));
            nodes.push(Node { parent, nominal: draw.below(4) as i64, borrowing, lending, ..Node::default() });
        }
        let cohorts = nodes.len();
        for _ in 0..2 + draw.below(3) {
            let parent = Some(draw.below(cohorts as u64) as usize);
            let (borrowing, lending) = (draw.maybe(6), draw.maybe(6));
            let nominal = draw.below(8) as i64;
            nodes.push(Node { parent, nominal, borrowing, lending, is_queue: true, usage: 0 });
        }
        // What runs came by what was available, one after the other.
        let mut objects = Vec::new();
        for number in 0..6 {
            let at = cohorts + draw.below((nodes.len() - cohorts) as u64) as usize;
            let cpu = 1 + draw.below(4) as i64;
            if cpu <= available(&nodes, at) {
                nodes[at].usage += cpu;
                objects.push(workload(&format!("runs-{number}"), &format!("q{at}"), cpu as u32, true));
            }
        }
        for (at, node) in nodes.iter().enumerate() {
            let parent = node.parent.map(|parent| format!("c{parent}")).unwrap_or_default();
            let cpu = limits(node, node.parent.is_none());
            objects.push(match node.is_queue {
                true => queue(&format!("q{at}"), &parent, cpu),
                false => cohort(&format!("c{at}"), &parent, Some(cpu)),
            });
        }
        for at in cohorts..nodes.len() {
            for cpu in 1..6_u32 {
                let mut all = objects.clone();
                all.push(workload("asks", &format!("q{at}"), cpu, false));
                let fits = i64::from(cpu) <= available(&nodes, at);
                fitted[usize::from(fits)] += 1;
                assert_eq!(
                    starts_now(&snapshot(&all), "team/asks"),
                    fits,
                    "seed {seed}, {cpu} of q{at}: {all:?}"
                );
            }
        }
    }
    assert!(fitted.iter().all(|count| *count > 100), "{fitted:?}");
}

#[test]
fn what_a_queue_keeps_for_itself_is_not_free_to_others() {
    let objects = |lending: Value| {
        vec![
            queue("a", "both", json!({"nominalQuota": 6, "lendingLimit": lending})),
            queue("b", "both", json!({"nominalQuota": 2, "borrowingLimit": "5"})),
            workload("runs", "b", 3, true),
            workload("asks", "b", 3, false),
        ]
    };
    // People leave the namespace out.
    assert!(starts_now(&snapshot(&objects(Value::Null)), "asks"));
    let kept = snapshot(&objects(json!(2)));
    let reason = reason(&kept, "team/asks");
    assert!(
        reason.starts_with(
            "it needs 3 of cpu, and 1 is free in the quota default of cohort both without what a keeps; held by team/runs"
        ),
        "{reason}"
    );
    assert!(kept.notes.is_empty(), "{:?}", kept.notes);
}

#[test]
fn a_cohort_that_stands_above_itself_and_quotas_of_the_first_versions_are_refused() {
    let refused = |objects: &[Value]| Snapshot::of(&documents(objects)).unwrap_err().to_string();
    let round = [queue("a", "x", json!({"nominalQuota": 1})), cohort("x", "y", None), cohort("y", "x", None)];
    assert!(refused(&round).contains("cohort x stands above itself"), "{}", refused(&round));
    let old = json!({"apiVersion": "kueue.x-k8s.io/v1alpha2", "kind": "ClusterQueue", "metadata": {"name": "old"},
        "spec": {"resources": [{"name": "cpu", "flavors": [{"name": "default", "quota": {"min": 9}}]}]}});
    assert!(refused(&[old]).contains("old is of kueue.x-k8s.io/v1alpha2"));
}

#[test]
fn what_cannot_be_told_is_said_with_the_reason() {
    let mut weighed = queue("a", "both", json!({"nominalQuota": 1}));
    weighed["spec"]["fairSharing"] = json!({"weight": "2"});
    assert!(snapshot(&[weighed.clone()]).notes[0].contains("cannot be told, since Kueue goes by shares"));
    // One is what it is without.
    weighed["spec"]["fairSharing"] = json!({"weight": "1"});
    assert!(snapshot(&[weighed.clone()]).notes.is_empty());
    weighed["spec"]["preemption"] = json!({"reclaimWithinCohort": "Any", "withinClusterQueue": "Never"});
    assert!(snapshot(&[weighed.clone()]).notes[0].contains("when a borrower is stopped cannot be told"));
    // Without a cohort there is nobody to take anything back from.
    weighed["spec"]["cohortName"] = json!("");
    assert!(snapshot(&[weighed]).notes.is_empty());
}

/// A queue's status tells of more than the workloads that were listed: those of one namespace, as people print them.
#[test]
fn what_is_reserved_by_workloads_that_were_not_listed_is_not_free() {
    let mut all = queue("a", "both", json!({"nominalQuota": "8"}));
    all["status"] = json!({"flavorsReservation": [{"name": "default", "resources": [{"name": "cpu", "borrowed": "0", "total": "7500m"}]}],
        "reservingWorkloads": 3});
    let other = queue("b", "both", json!({"nominalQuota": "1"}));
    let snapshot = snapshot(&[all, other, workload("runs", "a", 2, true), workload("asks", "b", 2, false)]);
    let reason = reason(&snapshot, "team/asks");
    assert!(
        reason.starts_with(
            "it needs 2 of cpu, and 1.5 is free in the quota default of cohort both; held by others of a (5.5"
        ),
        "{reason}"
    );
}

#[test]
fn who_is_being_evicted_holds_its_quota_until_its_pods_are_gone() {
    let mut evicted = workload("evicted", "a", 3, true);
    let more = json!({"type": "Evicted", "status": "True", "reason": "Preempted", "lastTransitionTime": "2026-11-29T15:59:58Z",
        "message": "Preempted to accommodate a workload in the ClusterQueue"});
    evicted["status"]["conditions"].as_array_mut().unwrap().push(more);
    let snapshot =
        snapshot(&[queue("a", "", json!({"nominalQuota": 4})), evicted, workload("asks", "a", 2, false)]);
    assert!(!starts_now(&snapshot, "team/asks"));
    let reason = reason(&snapshot, "team/evicted");
    assert!(reason.starts_with("it is being stopped (Preempted: Preempted to accommodate"), "{reason}");
}

#[test]
fn who_may_have_fewer_pods_starts_with_fewer() {
    let mut asks = workload("asks", "a", 2, false);
    asks["spec"]["podSets"][0]["count"] = json!(5);
    let all = |asks: &Value| {
        [queue("a", "", json!({"nominalQuota": 9})), workload("runs", "a", 3, true), asks.clone()]
    };
    assert!(!starts_now(&snapshot(&all(&asks)), "team/asks"));
    asks["spec"]["podSets"][0]["minCount"] = json!(3);
    assert!(starts_now(&snapshot(&all(&asks)), "team/asks"));
}
