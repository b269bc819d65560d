//! The pod of a node, and what the pods of nodes and launchers have in common.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, LocalObjectReference, PersistentVolumeClaimVolumeSource, Pod, PodSpec,
    ResourceRequirements, SeccompProfile, SecurityContext, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::Error;
use crate::order::Order;
use crate::wishes::Wishes;

/// The label that all pods of a run share.
pub const RUN: &str = "syncline/run";

/// The label that names a pod's node.
const NODE: &str = "syncline/node";

/// Who made it, in Kubernetes' own label.
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "syncline");

/// The label by which Kueue finds what it is to admit.
const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// The name of the one container.
pub const CONTAINER: &str = "node";

/// The name of an object has no more letters where it is to be a host's name as well.
const LONGEST: usize = 63;

/// The name of the pod of an incarnation: `train-3f9a01bc-worker-1`, from the second on with its number behind.
pub fn name(order: &Order) -> String {
    let again = if order.incarnation > 0 { format!("-{}", order.incarnation) } else { String::new() };
    let tail = format!("-{}-{}{again}", order.run, word(&order.node));
    let room = LONGEST.saturating_sub(tail.len());
    let head: String = word(&order.program).chars().take(room).collect();
    format!("{head}{tail}").trim_matches('-').to_owned()
}

/// A text in the letters that names have.
pub(super) fn word(text: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    text.chars().map(letter).collect::<String>().trim_matches('-').to_owned()
}

/// The pod of a node.
///
/// # Errors
/// [`Error::NoImage`].
pub fn of(order: &Order) -> Result<Pod, Error> {
    let wishes = &order.wishes;
    let mut labels = labels(wishes, &order.program);
    labels.insert(RUN.to_owned(), order.run.clone());
    labels.insert(NODE.to_owned(), order.node.replace('/', "."));
    if let Some(queue) = &wishes.queue {
        labels.insert(QUEUE.to_owned(), queue.clone());
    }
    let mut container = container(wishes, CONTAINER, &order.binary, &order.arguments)?;
    container.env = listed(order.environment.iter().map(|(name, value)| variable(name, value)));
    // What binds the node to its launcher: after the one that holds it nobody gets hold of it.
    container.stdin = Some(true);
    container.stdin_once = Some(true);
    container.resources = resources(order);
    let owners = order.owner.as_ref().map(|owner| {
        vec![OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            ..OwnerReference::default()
        }]
    });
    Ok(Pod {
        metadata: ObjectMeta {
            name: Some(name(order)),
            namespace: Some(order.namespace.clone()),
            labels: Some(labels),
            annotations: annotations(wishes),
            owner_references: owners,
            ..ObjectMeta::default()
        },
        spec: Some(spec(wishes, container)),
        status: None,
    })
}

/// The labels of everything that is the program's.
pub(super) fn labels(wishes: &Wishes, program: &str) -> BTreeMap<String, String> {
    let ours = [MANAGED_BY, ("app.kubernetes.io/name", &word(program))]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    wishes.labels.iter().cloned().chain(ours).collect()
}

pub(super) fn annotations(wishes: &Wishes) -> Option<BTreeMap<String, String>> {
    Some(wishes.annotations.iter().cloned().collect()).filter(|all: &BTreeMap<_, _>| !all.is_empty())
}

/// A container that runs `binary`, with no rights that it does not need.
pub(super) fn container(
    wishes: &Wishes,
    name: &str,
    binary: &str,
    arguments: &[String],
) -> Result<Container, Error> {
    let mounts = wishes.volumes.iter().map(|volume| VolumeMount {
        name: volume.claim.replace('.', "-"),
        mount_path: volume.path.clone(),
        read_only: volume.read_only.then_some(true),
        ..VolumeMount::default()
    });
    Ok(Container {
        name: name.to_owned(),
        image: Some(wishes.image.clone().ok_or(Error::NoImage)?),
        image_pull_policy: wishes.pull.clone(),
        command: Some(vec![verbatim(binary)]),
        args: listed(arguments.iter().map(|argument| verbatim(argument))),
        working_dir: wishes.directory.clone(),
        volume_mounts: listed(mounts),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    })
}

/// Where and as whom a container runs.
pub(super) fn spec(wishes: &Wishes, container: Container) -> PodSpec {
    let secret = |name: &String| LocalObjectReference { name: name.clone() };
    let mut claims: BTreeMap<&str, bool> = BTreeMap::new();
    for volume in &wishes.volumes {
        let read_only = claims.entry(&volume.claim).or_insert(true);
        *read_only &= volume.read_only;
    }
    let volumes = claims.into_iter().map(|(claim, read_only)| Volume {
        name: claim.replace('.', "-"),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.to_owned(),
            read_only: read_only.then_some(true),
        }),
        ..Volume::default()
    });
    PodSpec {
        containers: vec![container],
        restart_policy: Some("Never".to_owned()),
        service_account_name: wishes.service_account.clone(),
        // A node asks nothing of Kubernetes itself.
        automount_service_account_token: wishes.service_account.is_none().then_some(false),
        enable_service_links: Some(false),
        node_selector: Some(wishes.node_selector.iter().cloned().collect())
            .filter(|all: &BTreeMap<_, _>| !all.is_empty()),
        tolerations: listed(wishes.tolerations.iter().map(toleration)),
        priority_class_name: wishes.priority_class.clone(),
        runtime_class_name: wishes.runtime_class.clone(),
        termination_grace_period_seconds: wishes.grace.map(i64::from),
        image_pull_secrets: listed(wishes.pull_secrets.iter().map(secret)),
        volumes: listed(volumes),
        ..PodSpec::default()
    }
}

fn toleration(wish: &crate::wishes::Toleration) -> Toleration {
    Toleration {
        key: Some(wish.key.clone()),
        operator: Some(if wish.value.is_some() { "Equal" } else { "Exists" }.to_owned()),
        value: wish.value.clone(),
        effect: wish.effect.clone(),
        toleration_seconds: None,
    }
}

/// What the node's group asks for, else what the user says of all nodes.
fn resources(order: &Order) -> Option<ResourceRequirements> {
    let wishes = &order.wishes;
    let cpu = order.cpus.map(|cpus| cpus.to_string()).or_else(|| wishes.cpu.clone());
    let memory = order.memory.map(|bytes| bytes.to_string()).or_else(|| wishes.memory.clone());
    let gpus = order.gpus.filter(|gpus| *gpus > 0).map(|gpus| {
        (wishes.gpu_resource.clone().unwrap_or_else(|| "nvidia.com/gpu".to_owned()), gpus.to_string())
    });
    let quantities = |pairs: Vec<(String, String)>| -> Option<BTreeMap<String, Quantity>> {
        Some(pairs.into_iter().map(|(name, amount)| (name, Quantity(amount))).collect())
            .filter(|all: &BTreeMap<_, _>| !all.is_empty())
    };
    let memory = memory.map(|memory| ("memory".to_owned(), memory));
    let cpu = cpu.map(|cpu| ("cpu".to_owned(), cpu));
    // Cores that nobody else wants may be used beyond what was asked for; memory may not.
    let limits = quantities(memory.clone().into_iter().chain(gpus.clone()).collect());
    let requests = quantities(cpu.into_iter().chain(memory).chain(gpus).collect());
    requests.map(|requests| ResourceRequirements { requests: Some(requests), limits, claims: None })
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(verbatim(value)), value_from: None }
}

/// A text in which Kubernetes finds no variable to put another text for.
fn verbatim(text: &str) -> String {
    text.replace('$', "$$")
}

/// A list, unless it would be empty.
fn listed<T>(all: impl IntoIterator<Item = T>) -> Option<Vec<T>> {
    Some(all.into_iter().collect()).filter(|all: &Vec<T>| !all.is_empty())
}
