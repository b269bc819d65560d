//! Workloads as jobs: what their pods ask for, and the quotas of which flavors they hold.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Flavor, Offers, at, list, quantity::amount, text};
use crate::{
    error::{Error, Result},
    snapshot::{Amounts, Documents, Job, Past, Request, Snapshot, Standing, Waiting},
};

/// The most ways to choose flavors that are looked at.
const MOST_WAYS: usize = 64;

pub fn read(
    documents: &Documents,
    flavors: &BTreeMap<String, Flavor>,
    offers: &[Offers],
    snapshot: &mut Snapshot,
) -> Result<()> {
    let local: BTreeMap<(&str, &str), &str> = documents
        .objects("LocalQueue")
        .map(|queue| {
            (
                (text(queue, &["metadata", "namespace"]), text(queue, &["metadata", "name"])),
                text(queue, &["spec", "clusterQueue"]),
            )
        })
        .collect();
    for workload in documents.objects("Workload") {
        if let Some(finished) = condition(workload, "Finished") {
            snapshot.history.extend(past(workload, finished));
            continue;
        }
        let reader = Reader { workload, flavors, offers, snapshot };
        let job = reader.job(&local)?;
        snapshot.jobs.push(job);
    }
    Ok(())
}

/// A condition that holds.
fn condition<'a>(workload: &'a Value, of: &str) -> Option<&'a Value> {
    any_condition(workload, of).filter(|condition| text(condition, &["status"]) == "True")
}

/// A condition, whether it holds or not.
fn any_condition<'a>(workload: &'a Value, of: &str) -> Option<&'a Value> {
    list(workload, &["status", "conditions"]).find(|condition| text(condition, &["type"]) == of)
}

fn since(condition: &Value) -> Option<f64> {
    time(text(condition, &["lastTransitionTime"]))
}

/// Seconds since 1970 of `2026-03-01T12:00:00Z`, which is what Kubernetes writes.
pub fn time(text: &str) -> Option<f64> {
    crate::snapshot::slurm::clock(text.strip_suffix('Z')?)
}

fn limit(workload: &Value) -> Option<f64> {
    at(workload, &["spec", "maximumExecutionTimeSeconds"]).and_then(Value::as_f64)
}

fn owner(workload: &Value) -> String {
    text(workload, &["metadata", "namespace"]).to_owned()
}

fn past(workload: &Value, finished: &Value) -> Option<Past> {
    let began = since(condition(workload, "Admitted").or(condition(workload, "QuotaReserved"))?)?;
    let seconds = since(finished)? - began;
    (seconds > 0.0).then(|| Past { user: owner(workload), seconds, limit: limit(workload) })
}

struct Reader<'a> {
    workload: &'a Value,
    flavors: &'a BTreeMap<String, Flavor>,
    offers: &'a [Offers],
    snapshot: &'a Snapshot,
}

impl Reader<'_> {
    fn job(&self, local: &BTreeMap<(&str, &str), &str>) -> Result<Job> {
        let workload = self.workload;
        let id = self.id();
        let Some(queue) = self.queue(local)? else { return Ok(self.astray()) };
        let request = self.amounts()?;
        let held = at(workload, &["status", "admission"]).filter(|admission| admission.is_object());
        let standing = match held {
            // Also one that is being evicted holds it, until its pods are gone.
            Some(admission) => {
                let began =
                    condition(workload, "QuotaReserved").or(condition(workload, "Admitted")).and_then(since);
                Standing::Running {
                    since: began.unwrap_or(self.snapshot.now),
                    holds: self.holds(admission, queue)?,
                    note: self.evicted().or_else(|| self.checks()),
                }
            }
            _ => Standing::Waiting(self.waiting(&request, queue)),
        };
        let created = time(text(workload, &["metadata", "creationTimestamp"])).unwrap_or(0.0);
        Ok(Job {
            id,
            name: list(workload, &["metadata", "ownerReferences"])
                .next()
                .map_or("", |owner| text(owner, &["name"]))
                .into(),
            user: owner(workload),
            queues: vec![queue],
            priority: at(workload, &["spec", "priority"]).and_then(Value::as_f64).unwrap_or(0.0),
            submitted: created,
            limit: limit(workload),
            request: Request::Quota(self.all_ways(&request, queue)?),
            standing,
        })
    }

    fn id(&self) -> String {
        format!(
            "{}/{}",
            text(self.workload, &["metadata", "namespace"]),
            text(self.workload, &["metadata", "name"])
        )
    }

    /// Its cluster queue: where it was admitted, else where its local queue leads; none: it leads nowhere.
    fn queue(&self, local: &BTreeMap<(&str, &str), &str>) -> Result<Option<usize>> {
        let admitted = text(self.workload, &["status", "admission", "clusterQueue"]);
        let name = text(self.workload, &["spec", "queueName"]);
        let led = local.get(&(text(self.workload, &["metadata", "namespace"]), name)).copied();
        let named = |name: &str| self.snapshot.queues.iter().position(|queue| queue.name == name);
        let found = named(admitted).or_else(|| named(led?)).or_else(|| named(name));
        let only = (self.snapshot.queues.len() == 1 && local.is_empty()).then_some(0);
        if found.is_none() && only.is_none() && local.is_empty() {
            return Err(Error::Snapshot(format!(
                "workload {}: which cluster queue its local queue `{name}` leads to is not known; add what `kubectl get localqueues -A -o json` prints",
                self.id()
            )));
        }
        Ok(found.or(only))
    }

    /// A workload whose local queue leads to no cluster queue that there is.
    fn astray(&self) -> Job {
        let name = text(self.workload, &["spec", "queueName"]);
        let told = any_condition(self.workload, "QuotaReserved")
            .map_or("", |condition| text(condition, &["message"]));
        let message = if told.is_empty() {
            format!("its local queue `{name}` leads to no cluster queue")
        } else {
            told.to_owned()
        };
        Job {
            id: self.id(),
            name: String::new(),
            user: owner(self.workload),
            queues: vec![0],
            priority: 0.0,
            submitted: time(text(self.workload, &["metadata", "creationTimestamp"])).unwrap_or(0.0),
            limit: limit(self.workload),
            request: Request::Quota(Vec::new()),
            standing: Standing::Waiting(Waiting {
                reason: "Unreadable".into(),
                message,
                ..Waiting::default()
            }),
        }
    }

    /// What all its pods ask for, by kind.
    fn amounts(&self) -> Result<Amounts> {
        self.amounts_of(&["count"])
    }

    /// The same, of as many pods of each set as the first of these fields says that is there.
    fn amounts_of(&self, counts: &[&str]) -> Result<Amounts> {
        let mut sum = vec![0.0; self.snapshot.kinds.len()];
        for pods in list(self.workload, &["spec", "podSets"]) {
            let count = counts.iter().find_map(|field| at(pods, &[field])?.as_f64()).unwrap_or(1.0);
            let pod = self.pod(pods)?;
            sum.iter_mut().zip(&pod).for_each(|(sum, amount)| *sum += count * amount);
        }
        Ok(sum)
    }

    /// What one pod asks for: its containers together, or the largest of those that run before them; with its overhead.
    fn pod(&self, pods: &Value) -> Result<Amounts> {
        let spec = at(pods, &["template", "spec"]).unwrap_or(&Value::Null);
        let mut sum = vec![0.0; self.snapshot.kinds.len()];
        for container in list(spec, &["containers"]) {
            let asked = self.container(container)?;
            sum.iter_mut().zip(&asked).for_each(|(sum, amount)| *sum += amount);
        }
        for container in list(spec, &["initContainers"]) {
            let asked = self.container(container)?;
            let stays = text(container, &["restartPolicy"]) == "Always";
            sum.iter_mut()
                .zip(&asked)
                .for_each(|(sum, amount)| *sum = if stays { *sum + amount } else { sum.max(*amount) });
        }
        for (kind, name) in self.snapshot.kinds.iter().enumerate() {
            if let Some(value) = at(spec, &["overhead", name]) {
                sum[kind] += self.quantity(name, value)?;
            }
            if name == "pods" {
                sum[kind] = 1.0;
            }
        }
        Ok(sum)
    }

    fn container(&self, container: &Value) -> Result<Amounts> {
        let asked = |name: &String| {
            let value = ["requests", "limits"].iter().find_map(|of| at(container, &["resources", of, name]));
            value.map_or(Ok(0.0), |value| self.quantity(name, value))
        };
        self.snapshot.kinds.iter().map(asked).collect()
    }

    fn quantity(&self, kind: &str, value: &Value) -> Result<f64> {
        amount(kind, value).ok_or_else(|| {
            Error::Snapshot(format!("workload {}: {kind} is {value}, which is no quantity", self.id()))
        })
    }

    /// What it holds of which flavors, and of what its cohort has of them.
    fn holds(&self, admission: &Value, queue: usize) -> Result<Vec<(usize, Amounts)>> {
        let mut holds: BTreeMap<usize, Amounts> = BTreeMap::new();
        for pods in list(admission, &["podSetAssignments"]) {
            let usage = at(pods, &["resourceUsage"]).and_then(Value::as_object);
            let left = self.not_reclaimed(text(pods, &["name"]));
            for (name, value) in usage.into_iter().flatten() {
                let Some(kind) = self.snapshot.kind(name) else { continue };
                let amount = left * self.quantity(name, value)?;
                let flavor = text(pods, &["flavors", name]);
                let offers = self.offers[queue].groups.iter().filter(|(kinds, _)| kinds.contains(&kind));
                for offer in offers.flat_map(|(_, offers)| offers).filter(|offer| offer.flavor == flavor) {
                    for place in offer.places() {
                        holds.entry(place).or_insert_with(|| vec![0.0; self.snapshot.kinds.len()])[kind] +=
                            amount;
                    }
                }
            }
        }
        Ok(holds.into_iter().collect())
    }

    /// The part of a set of pods whose quota is still needed.
    fn not_reclaimed(&self, pods: &str) -> f64 {
        let count = list(self.workload, &["spec", "podSets"]).find(|set| text(set, &["name"]) == pods);
        let count = count.and_then(|set| at(set, &["count"])?.as_f64()).unwrap_or(1.0).max(1.0);
        let back =
            list(self.workload, &["status", "reclaimablePods"]).find(|set| text(set, &["name"]) == pods);
        1.0 - (back.and_then(|set| at(set, &["count"])?.as_f64()).unwrap_or(0.0) / count).min(1.0)
    }

    /// That it is being stopped, though it has its quota still.
    fn evicted(&self) -> Option<String> {
        let evicted = condition(self.workload, "Evicted")?;
        let (reason, message) = (text(evicted, &["reason"]), text(evicted, &["message"]));
        Some(format!(
            "it is being stopped ({reason}: {message}), and holds its quota until its pods are gone"
        ))
    }

    /// Checks that it still waits for though it has its quota.
    fn checks(&self) -> Option<String> {
        let open = list(self.workload, &["status", "admissionChecks"])
            .filter(|check| text(check, &["state"]) != "Ready");
        let told: Vec<String> = open
            .map(|check| match text(check, &["message"]) {
                "" => format!("{} ({})", text(check, &["name"]), text(check, &["state"])),
                message => format!("{} ({}: {message})", text(check, &["name"]), text(check, &["state"])),
            })
            .collect();
        (!told.is_empty())
            .then(|| format!("it has its quota, and waits for the admission check {}", told.join(", ")))
    }

    fn waiting(&self, request: &Amounts, queue: usize) -> Waiting {
        let pending = any_condition(self.workload, "QuotaReserved");
        let evicted = condition(self.workload, "Evicted");
        let active = at(self.workload, &["spec", "active"]).and_then(Value::as_bool).unwrap_or(true);
        let covered = |kind: usize| self.offers[queue].groups.iter().any(|(kinds, _)| kinds.contains(&kind));
        let uncovered = self.uncovered(queue);
        let (reason, message) = match (
            active,
            uncovered,
            (0..request.len()).find(|kind| request[*kind] > 0.0 && !covered(*kind)),
        ) {
            (false, ..) => ("Deactivated", String::new()),
            (_, Some(name), _) => {
                ("Unreadable", format!("it asks for {name}, of which its cluster queue has no quota"))
            }
            (_, _, Some(kind)) => (
                "Unreadable",
                format!("it asks for {}, of which its cluster queue has no quota", self.snapshot.kinds[kind]),
            ),
            _ => {
                let told = evicted.or(pending);
                let message = pending.map_or("", |condition| text(condition, &["message"]));
                (told.map_or("Pending", |condition| text(condition, &["reason"])), message.to_owned())
            }
        };
        Waiting {
            reason: reason.into(),
            message,
            from: time(text(self.workload, &["status", "requeueState", "requeueAt"])),
            ..Waiting::default()
        }
    }

    /// A kind that it asks for and no queue at all has.
    fn uncovered(&self, queue: usize) -> Option<String> {
        let sets = list(self.workload, &["spec", "podSets"]);
        let containers = sets.flat_map(|set| list(set, &["template", "spec", "containers"]));
        let asked = containers.filter_map(|container| at(container, &["resources", "requests"])?.as_object());
        let mut names = asked.flat_map(|requests| requests.keys());
        // A queue without groups has no quota of anything and takes workloads that ask for nothing.
        let known =
            |name: &String| self.snapshot.kind(name).is_some() || self.offers[queue].groups.is_empty();
        names.find(|name| !known(name)).cloned()
    }

    /// The ways in which it can be admitted: with all its pods, else, if it says so, with as few as will do.
    fn all_ways(&self, request: &Amounts, queue: usize) -> Result<Vec<Vec<(usize, Amounts)>>> {
        let fewest = self.amounts_of(&["minCount", "count"])?;
        let mut ways = self.ways(request, queue);
        if fewest != *request {
            ways.extend(self.ways(&fewest, queue));
        }
        Ok(ways)
    }

    /// The ways in which its amounts can be taken: one flavor for each group of kinds that it asks for.
    fn ways(&self, request: &Amounts, queue: usize) -> Vec<Vec<(usize, Amounts)>> {
        let mut ways: Vec<Vec<(usize, Amounts)>> = vec![Vec::new()];
        for (kinds, offers) in &self.offers[queue].groups {
            let mut asked = vec![0.0; request.len()];
            kinds.iter().for_each(|kind| asked[*kind] = request[*kind]);
            if asked.iter().all(|amount| *amount == 0.0) {
                continue;
            }
            let fitting = offers
                .iter()
                .filter(|offer| self.flavors.get(&offer.flavor).is_none_or(|flavor| self.suits(flavor)));
            let each =
                fitting.map(|offer| offer.places().map(|place| (place, asked.clone())).collect::<Vec<_>>());
            let each: Vec<_> = each.collect();
            ways = ways
                .iter()
                .flat_map(|way| each.iter().map(|more| [way.as_slice(), more].concat()))
                .take(MOST_WAYS)
                .collect();
        }
        ways
    }

    /// Whether its pods may run on a flavor's nodes.
    fn suits(&self, flavor: &Flavor) -> bool {
        list(self.workload, &["spec", "podSets"]).all(|set| {
            let selector = at(set, &["template", "spec", "nodeSelector"]).and_then(Value::as_object);
            let differs = |(key, value): (&String, &Value)| {
                flavor.labels.get(key).is_some_and(|label| Some(label.as_str()) != value.as_str())
            };
            let tolerated = |taint: &Value| {
                list(set, &["template", "spec", "tolerations"]).any(|one| tolerates(one, taint))
            };
            let terms: Vec<&Value> =
                list(set, &["template", "spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"])
                    .collect();
            let drawn = terms.is_empty() || terms.iter().any(|term| matches(term, &flavor.labels));
            !selector.into_iter().flatten().any(differs) && drawn && flavor.taints.iter().all(tolerated)
        })
    }
}

/// What Kubernetes calls the affinity that must be.
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// Whether a toleration is of a taint.
pub fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let of = |field: &str| text(toleration, &[field]);
    let same = |field: &str| of(field) == text(taint, &[field]);
    let any_key = of("key").is_empty() && of("operator") == "Exists";
    let any_value = of("operator") == "Exists" || same("value");
    (any_key || (same("key") && any_value)) && (of("effect").is_empty() || same("effect"))
}

/// Whether a flavor's labels are what a term of an affinity wants; of labels that the flavor does not speak of nothing is known.
fn matches(term: &Value, labels: &BTreeMap<String, String>) -> bool {
    list(term, &["matchExpressions"]).all(|one| {
        let Some(label) = labels.get(text(one, &["key"])) else { return true };
        let named = list(one, &["values"]).any(|value| value.as_str() == Some(label));
        match text(one, &["operator"]) {
            "In" => named,
            "NotIn" => !named,
            "DoesNotExist" => false,
            _ => true,
        }
    })
}
