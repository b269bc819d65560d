//! Kueue's objects, and Kubernetes' under them, as a snapshot: what `kubectl get ... -o json` prints.
//!
//! Kueue hands out quotas, not nodes. A place is the quota of one flavor in one cluster queue, or what a cohort has of a flavor
//! together; a job takes its amounts of both. A queue without a cohort has what it is given; one with a cohort may borrow what
//! others of it lend and do not use, up to its limit ([`cohort`]). The fields are those of `kueue.x-k8s.io/v1beta1` and `v1beta2`.

mod cohort;
mod quantity;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::{
    cohort::{Cohorts, Common},
    quantity::amount,
};
use super::{Amounts, Command, Documents, Job, Place, Queue, Request, Snapshot, Standing, System};
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
        line: &["kubectl", "get", "cohorts.kueue.x-k8s.io", "-o", "json"],
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
    /// What queues of its cohort have in common of it.
    common: Vec<usize>,
}

impl Offer {
    fn places(&self) -> impl Iterator<Item = usize> {
        [self.place].into_iter().chain(self.common.iter().copied())
    }
}

/// What a queue or cohort has of a flavor.
pub(super) struct Quota {
    nominal: Amounts,
    /// How much more it may use; infinite without a limit.
    borrowing: Amounts,
    /// How much others may use of it; infinite without a limit.
    lending: Amounts,
}

/// Quotas by flavor.
pub(super) type Flavored = BTreeMap<String, Quota>;

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
    let mut quotas = Vec::new();
    for queue in &found {
        snapshot.queues.push(of_queue(queue));
        quotas.push((text(queue, &["metadata", "name"]).to_owned(), flavored(queue, &snapshot)?));
    }
    let in_cohorts: Vec<String> = found.iter().map(|queue| cohort_of(queue).to_owned()).collect();
    let cohorts = Cohorts::read(documents, &in_cohorts, &quotas, &snapshot)?;
    let mut offers: Vec<Offers> = found
        .iter()
        .zip(&quotas)
        .zip(&in_cohorts)
        .map(|((queue, (_, quotas)), cohort)| offers_of(queue, quotas, !cohort.is_empty(), &mut snapshot))
        .collect();
    let names: BTreeSet<&String> = quotas.iter().flat_map(|(_, quotas)| quotas.keys()).collect();
    snapshot.notes = cohort::cannot_tell(documents);
    for flavor in names {
        let (commons, coarse) = cohorts.common(flavor);
        if coarse {
            snapshot.notes.push(format!(
                "so many queues lend only a part of {flavor} (lendingLimit) that answers count all of it as lent: starts may be later than told"
            ));
        }
        commons.into_iter().for_each(|common| share(&mut snapshot, &mut offers, flavor, common));
    }
    snapshot.nodes = nodes(documents, &snapshot.kinds)?;
    workload::read(documents, &flavors(documents), &offers, &mut snapshot)?;
    not_shown(&found, &offers, &mut snapshot)?;
    Ok(snapshot)
}

/// A place that queues have in common.
fn share(snapshot: &mut Snapshot, offers: &mut [Offers], flavor: &str, common: Common) {
    let place = snapshot.places.len();
    snapshot.places.push(quota(common.name, common.capacity, true));
    for queue in common.queues {
        let all = offers[queue].groups.iter_mut().flat_map(|(_, offers)| offers);
        all.filter(|offer| offer.flavor == flavor).for_each(|offer| offer.common.push(place));
    }
}

/// What cluster queues say is reserved in them beyond what the workloads hold that are among the objects: somebody holds it who was not
/// listed, and its quota is not free.
fn not_shown(queues: &[&Value], offers: &[Offers], snapshot: &mut Snapshot) -> Result<()> {
    for (at, queue) in queues.iter().enumerate() {
        let mut holds: BTreeMap<usize, Amounts> = BTreeMap::new();
        for reserved in list(queue, &["status", "flavorsReservation"]) {
            let flavor = text(reserved, &["name"]);
            for resource in list(reserved, &["resources"]) {
                let Some(kind) = snapshot.kind(text(resource, &["name"])) else { continue };
                let offers = offers[at].groups.iter().filter(|(kinds, _)| kinds.contains(&kind));
                let Some(offer) = offers.flat_map(|(_, offers)| offers).find(|offer| offer.flavor == flavor)
                else {
                    continue;
                };
                let total =
                    resource.get("total").map_or(Some(0.0), |total| amount(&snapshot.kinds[kind], total));
                let total = total.ok_or_else(|| {
                    let name = &snapshot.queues[at].name;
                    Error::Snapshot(format!(
                        "cluster queue {name}: {resource} is reserved, which is no quantity"
                    ))
                })?;
                let of = |job: &Job| {
                    let here = job.holds().into_iter().flatten().filter(|(place, _)| *place == offer.place);
                    here.map(|(_, amounts)| amounts[kind]).sum::<f64>()
                };
                let more = total - snapshot.jobs.iter().map(of).sum::<f64>();
                // Not what is left by rounding.
                if more > 1e-6 * total {
                    for place in offer.places() {
                        holds.entry(place).or_insert_with(|| vec![0.0; snapshot.kinds.len()])[kind] += more;
                    }
                }
            }
        }
        if !holds.is_empty() {
            let job = others(at, holds.into_iter().collect(), snapshot);
            snapshot.jobs.push(job);
        }
    }
    Ok(())
}

/// Workloads that are not among the objects, as one job.
fn others(queue: usize, holds: Vec<(usize, Amounts)>, snapshot: &Snapshot) -> Job {
    let name = &snapshot.queues[queue].name;
    let note = "its cluster queue says that this is reserved; who holds it is not in the snapshot".into();
    Job {
        id: format!("others of {name}"),
        name: String::new(),
        user: String::new(),
        queues: vec![queue],
        priority: 0.0,
        submitted: snapshot.now,
        limit: None,
        request: Request::Quota(vec![holds.clone()]),
        standing: Standing::Running { since: snapshot.now, holds, note: Some(note) },
    }
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

/// The cohort that a cluster queue is in, as both versions of the interface call it; empty if in none.
pub(super) fn cohort_of(queue: &Value) -> &str {
    let named = ["cohortName", "cohort"].iter().map(|key| text(queue, &["spec", key]));
    named.into_iter().find(|cohort| !cohort.is_empty()).unwrap_or("")
}

fn offers_of(queue: &Value, quotas: &Flavored, borrows: bool, snapshot: &mut Snapshot) -> Offers {
    let name = text(queue, &["metadata", "name"]);
    let mut groups = Vec::new();
    for group in list(queue, &["spec", "resourceGroups"]) {
        let covered = list(group, &["coveredResources"]).filter_map(Value::as_str);
        let covered: Vec<usize> = covered.filter_map(|kind| snapshot.kind(kind)).collect();
        let mut offers = Vec::new();
        for flavor in list(group, &["flavors"]).map(|flavor| text(flavor, &["name"]).to_owned()) {
            let Some(own) = quotas.get(&flavor) else { continue };
            let most = own.nominal.iter().zip(&own.borrowing);
            let most = most.map(|(own, more)| if borrows { own + more } else { *own }).collect();
            let place = snapshot.places.len();
            snapshot.places.push(quota(format!("{flavor} of {name}"), most, false));
            offers.push(Offer { flavor, place, common: Vec::new() });
        }
        groups.push((covered, offers));
    }
    Offers { groups }
}

/// What a queue or cohort has of each flavor.
pub(super) fn flavored(object: &Value, snapshot: &Snapshot) -> Result<Flavored> {
    let what = format!("{} {}", text(object, &["kind"]), text(object, &["metadata", "name"]));
    if list(object, &["spec", "resources"]).next().is_some() {
        let version = text(object, &["apiVersion"]);
        return Err(Error::Snapshot(format!(
            "{what} is of {version}, whose quotas stand under `resources`; only those under `resourceGroups`, from v1beta1 on, are read"
        )));
    }
    let mut quotas = Flavored::new();
    let none = || vec![f64::INFINITY; snapshot.kinds.len()];
    for flavor in list(object, &["spec", "resourceGroups"]).flat_map(|group| list(group, &["flavors"])) {
        let quota = quotas.entry(text(flavor, &["name"]).to_owned()).or_insert_with(|| Quota {
            nominal: vec![0.0; snapshot.kinds.len()],
            borrowing: none(),
            lending: none(),
        });
        for resource in list(flavor, &["resources"]) {
            let Some(kind) = snapshot.kind(text(resource, &["name"])) else { continue };
            let read = |field: &str| {
                let value = resource.get(field).filter(|value| !value.is_null());
                let read = |value: &Value| {
                    amount(&snapshot.kinds[kind], value).ok_or_else(|| {
                        let name = &snapshot.kinds[kind];
                        Error::Snapshot(format!(
                            "{what}: `{field}` of {name} is {value}, which is no quantity"
                        ))
                    })
                };
                value.map(read).transpose()
            };
            quota.nominal[kind] = read("nominalQuota")?.unwrap_or(0.0);
            quota.borrowing[kind] = read("borrowingLimit")?.unwrap_or(f64::INFINITY);
            quota.lending[kind] = read("lendingLimit")?.unwrap_or(f64::INFINITY);
        }
    }
    Ok(quotas)
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
