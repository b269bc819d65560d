//! Kueue's objects, and Kubernetes' under them, as a snapshot: what `kubectl get ... -o json` prints.
//!
//! Kueue hands out quotas, not nodes. A place is the quota of one flavor in one cluster queue, or what a cohort has of a flavor
//! together; a job takes its amounts of both. A queue without a cohort has what it is given; one with a cohort may borrow what
//! others of it do not use, up to its limit. That a queue lends only a part (`lendingLimit`) and that cohorts stand in trees is
//! not taken into account, which the snapshot says where it is so. The fields are those of `kueue.x-k8s.io/v1beta1` and `v1beta2`.

mod quantity;
mod workload;

use std::collections::BTreeMap;

use serde_json::Value;

use self::quantity::amount;
use super::{Amounts, Command, Documents, Place, Queue, Snapshot, System};
use crate::error::{Error, Result};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        line: &["kubectl", "get", "workloads.kueue.x-k8s.io", "--all-namespaces", "-o", "json"],
        instead: None,
        needed: true,
    },
    Command {
        line: &["kubectl", "get", "clusterqueues.kueue.x-k8s.io", "-o", "json"],
        instead: None,
        needed: true,
    },
    Command {
        line: &["kubectl", "get", "localqueues.kueue.x-k8s.io", "--all-namespaces", "-o", "json"],
        instead: None,
        needed: false,
    },
    Command {
        line: &["kubectl", "get", "resourceflavors.kueue.x-k8s.io", "-o", "json"],
        instead: None,
        needed: false,
    },
    Command { line: &["kubectl", "get", "nodes", "-o", "json"], instead: None, needed: false },
];

/// A flavor's nodes, as far as it says which.
pub(super) struct Flavor {
    labels: BTreeMap<String, String>,
    /// Taints that keep pods away that do not tolerate them, but for those that the flavor itself has them tolerate.
    taints: Vec<Value>,
}

/// One flavor in one group of resources of a queue, as a place.
pub(super) struct Offer {
    flavor: String,
    place: usize,
    /// What its cohort has of it.
    cohort: Option<usize>,
}

/// What a cluster queue offers, group by group: which kinds, and flavors for them in order.
pub(super) struct Offers {
    groups: Vec<(Vec<usize>, Vec<Offer>)>,
}

/// What documents of Kubernetes say.
pub(super) fn read(documents: &Documents) -> Result<Snapshot> {
    let found: Vec<&Value> = documents.objects("ClusterQueue").collect();
    if found.is_empty() {
        let what =
            "there is no ClusterQueue among the objects; add what `kubectl get clusterqueues -o json` prints";
        return Err(Error::Snapshot(what.into()));
    }
    let kinds = kinds(&found);
    let mut snapshot = Snapshot {
        system: System::Kueue,
        now: documents.taken.unwrap_or_else(|| latest(documents)),
        kinds,
        places: Vec::new(),
        queues: Vec::new(),
        jobs: Vec::new(),
        closures: Vec::new(),
        history: Vec::new(),
        nodes: None,
        notes: Vec::new(),
    };
    let mut offers = Vec::new();
    for queue in &found {
        snapshot.queues.push(of_queue(queue));
        offers.push(offers_of(queue, &mut snapshot)?);
    }
    snapshot.nodes = nodes(documents, &snapshot.kinds)?;
    snapshot.notes = left_out(documents, &found);
    workload::read(documents, &flavors(documents), &offers, &mut snapshot)?;
    Ok(snapshot)
}

/// What of these objects answers leave out of account.
fn left_out(documents: &Documents, queues: &[&Value]) -> Vec<String> {
    let groups = || queues.iter().flat_map(|queue| list(queue, &["spec", "resourceGroups"]));
    let mut resources =
        groups().flat_map(|group| list(group, &["flavors"])).flat_map(|flavor| list(flavor, &["resources"]));
    let lends = resources.any(|resource| resource.get("lendingLimit").is_some_and(|limit| !limit.is_null()));
    let parent =
        |cohort: &Value| ["parent", "parentName"].iter().any(|key| !text(cohort, &["spec", key]).is_empty());
    let trees = documents.objects("Cohort").any(parent);
    let fair =
        queues.iter().any(|queue| at(queue, &["spec", "fairSharing"]).is_some_and(|value| !value.is_null()));
    let told = [
        (lends, "a queue lends only a part of its quota (lendingLimit), and answers count all of it as lent"),
        (trees, "cohorts stand in trees, and answers look at each by itself"),
        (fair, "fair sharing is on, and answers go by priority and time"),
    ];
    told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, told)| told.to_owned()).collect()
}

/// A field by the names on the way to it.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

pub(super) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or("")
}

/// The entries of a list; none if there is no such list.
pub(super) fn list<'a>(value: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a Value> + use<'a> {
    at(value, path).and_then(Value::as_array).into_iter().flatten()
}

/// What there are quotas of, as people call it: `nvidia.com/gpu` is `gpu` where it is the only kind of that.
fn kinds(queues: &[&Value]) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    let groups = queues.iter().flat_map(|queue| list(queue, &["spec", "resourceGroups"]));
    for resource in groups.flat_map(|group| list(group, &["coveredResources"])).filter_map(Value::as_str) {
        if kinds.iter().all(|kind| kind != resource) {
            kinds.push(resource.to_owned());
        }
    }
    kinds
}

fn of_queue(queue: &Value) -> Queue {
    let stopped = match text(queue, &["spec", "stopPolicy"]) {
        "" | "None" => None,
        policy => Some(format!("its stopPolicy is {policy}")),
    };
    let inactive = list(queue, &["status", "conditions"])
        .find(|condition| text(condition, &["type"]) == "Active" && text(condition, &["status"]) == "False");
    let preempts = text(queue, &["spec", "preemption", "withinClusterQueue"]);
    Queue {
        name: text(queue, &["metadata", "name"]).into(),
        closed: stopped.or_else(|| Some(text(inactive?, &["message"]).to_owned())),
        strict: text(queue, &["spec", "queueingStrategy"]) == "StrictFIFO",
        preempts: !matches!(preempts, "" | "Never"),
        ..Queue::default()
    }
}

fn offers_of(queue: &Value, snapshot: &mut Snapshot) -> Result<Offers> {
    let name = text(queue, &["metadata", "name"]).to_owned();
    let cohort = ["cohort", "cohortName"]
        .iter()
        .map(|key| text(queue, &["spec", key]))
        .find(|cohort| !cohort.is_empty());
    let mut groups = Vec::new();
    for group in list(queue, &["spec", "resourceGroups"]) {
        let covered = list(group, &["coveredResources"]).filter_map(Value::as_str);
        let covered: Vec<usize> = covered.filter_map(|kind| snapshot.kind(kind)).collect();
        let mut offers = Vec::new();
        for flavor in list(group, &["flavors"]) {
            let flavor_name = text(flavor, &["name"]).to_owned();
            let (own, most) = quotas(flavor, &name, cohort.is_some(), snapshot)?;
            let place = snapshot.places.len();
            let place_name = format!("{flavor_name} of {name}");
            snapshot.places.push(quota(place_name, most, false));
            let cohort = cohort.map(|cohort| shared(snapshot, &flavor_name, cohort, &own));
            offers.push(Offer { flavor: flavor_name, place, cohort });
        }
        groups.push((covered, offers));
    }
    Ok(Offers { groups })
}

/// What a queue has of a flavor, and what it may use of it at most.
fn quotas(flavor: &Value, queue: &str, borrows: bool, snapshot: &Snapshot) -> Result<(Amounts, Amounts)> {
    let (mut own, mut most) = (vec![0.0; snapshot.kinds.len()], vec![0.0; snapshot.kinds.len()]);
    for resource in list(flavor, &["resources"]) {
        let Some(kind) = snapshot.kind(text(resource, &["name"])) else { continue };
        let read = |field: &str| {
            let value = resource.get(field).filter(|value| !value.is_null());
            let read = |value: &Value| {
                amount(&snapshot.kinds[kind], value).ok_or_else(|| {
                    Error::Snapshot(format!(
                        "cluster queue {queue}: `{field}` of {} is {value}, which is no quantity",
                        snapshot.kinds[kind]
                    ))
                })
            };
            value.map(read).transpose()
        };
        own[kind] = read("nominalQuota")?.unwrap_or(0.0);
        most[kind] = own[kind] + if borrows { read("borrowingLimit")?.unwrap_or(f64::INFINITY) } else { 0.0 };
    }
    Ok((own, most))
}

/// What a cohort has of a flavor, with what this queue adds to it.
fn shared(snapshot: &mut Snapshot, flavor: &str, cohort: &str, own: &Amounts) -> usize {
    let name = format!("{flavor} of cohort {cohort}");
    let at = snapshot.places.iter().position(|place| place.name == name).unwrap_or_else(|| {
        let capacity = vec![0.0; own.len()];
        snapshot.places.push(quota(name, capacity, true));
        snapshot.places.len() - 1
    });
    snapshot.places[at].capacity.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
    at
}

fn quota(name: String, capacity: Amounts, shared: bool) -> Place {
    Place { name, capacity, closed: None, features: Vec::new(), queues: Vec::new(), shared }
}

fn flavors(documents: &Documents) -> BTreeMap<String, Flavor> {
    let flavor = |object: &Value| {
        let labels = at(object, &["spec", "nodeLabels"]).and_then(Value::as_object);
        let label = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or("").to_owned());
        let tolerated =
            |taint: &Value| list(object, &["spec", "tolerations"]).any(|one| workload::tolerates(one, taint));
        let taints = list(object, &["spec", "nodeTaints"])
            .filter(|taint| text(taint, &["effect"]) != "PreferNoSchedule" && !tolerated(taint));
        Flavor {
            labels: labels.into_iter().flatten().map(label).collect(),
            taints: taints.cloned().collect(),
        }
    };
    documents
        .objects("ResourceFlavor")
        .map(|object| (text(object, &["metadata", "name"]).to_owned(), flavor(object)))
        .collect()
}

/// The largest that a pod may be, by each kind, and how many nodes there are.
fn nodes(documents: &Documents, kinds: &[String]) -> Result<Option<(Amounts, usize)>> {
    let mut largest = vec![0.0_f64; kinds.len()];
    let mut count = 0;
    for node in documents.objects("Node") {
        count += 1;
        for (kind, name) in kinds.iter().enumerate() {
            let Some(value) = at(node, &["status", "allocatable", name]) else { continue };
            let amount = amount(name, value).ok_or_else(|| {
                Error::Snapshot(format!(
                    "node {}: {name} is {value}, which is no quantity",
                    text(node, &["metadata", "name"])
                ))
            })?;
            largest[kind] = largest[kind].max(amount);
        }
    }
    Ok((count > 0).then_some((largest, count)))
}

/// The latest time that any object tells of: the snapshot is not older.
fn latest(documents: &Documents) -> f64 {
    let mut latest = 0.0_f64;
    for workload in documents.objects("Workload") {
        latest =
            latest.max(workload::time(text(workload, &["metadata", "creationTimestamp"])).unwrap_or(0.0));
        for condition in list(workload, &["status", "conditions"]) {
            latest = latest.max(workload::time(text(condition, &["lastTransitionTime"])).unwrap_or(0.0));
        }
    }
    latest
}
