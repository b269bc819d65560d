//! A run that the cluster itself launches: a Job whose one pod is the launcher, which makes the pods of its nodes.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::connection::OWN_POD;
use super::{Error, access, pod, yaml};
use crate::order::{Order, Plan};

/// How long after its end the Job can be looked at, in seconds.
const KEPT: i32 = 24 * 60 * 60;

/// The Job that launches the program.
///
/// # Errors
/// [`Error::NoImage`].
pub fn job(plan: &Plan) -> Result<Job, Error> {
    let wishes = &plan.wishes;
    let mut container = pod::container(wishes, "launcher", &plan.binary, &plan.arguments)?;
    container.env = Some(vec![own_name()]);
    let mut spec = pod::spec(wishes, container);
    spec.service_account_name.get_or_insert_with(|| access::ACCOUNT.to_owned());
    // It asks for the pods of its nodes, so it needs its account's token.
    spec.automount_service_account_token = None;
    let labels = pod::labels(wishes, &plan.program);
    Ok(Job {
        metadata: ObjectMeta {
            name: Some(pod::word(&plan.program)),
            namespace: Some(namespace(plan).to_owned()),
            labels: Some(labels.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            // What a launcher that failed is to do again its user decides.
            backoff_limit: Some(wishes.retries.map_or(0, |retries| retries.try_into().unwrap_or(i32::MAX))),
            ttl_seconds_after_finished: Some(KEPT),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: pod::annotations(wishes),
                    ..ObjectMeta::default()
                }),
                spec: Some(spec),
            },
            ..JobSpec::default()
        }),
        status: None,
    })
}

/// The variable by which a launcher knows its own pod.
fn own_name() -> EnvVar {
    let field = ObjectFieldSelector { field_path: "metadata.name".to_owned(), api_version: None };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    EnvVar { name: OWN_POD.to_owned(), value: None, value_from: Some(source) }
}

/// What is given to `kubectl apply` for such a run: the launcher's account and rights, and the Job. Behind it, as a comment,
/// stands the pod of a node as the launcher will ask for it.
///
/// # Errors
/// [`Error::NoImage`].
pub fn manifest(plan: &Plan) -> Result<String, Error> {
    let wishes = &plan.wishes;
    let account = wishes.service_account.as_deref().unwrap_or(access::ACCOUNT);
    let mut text = access_text(account, namespace(plan));
    text.push_str("---\n");
    text.push_str(&yaml::of(&job(plan)?));
    text.push_str("# The launcher makes a pod like this one for each of its nodes:\n");
    for line in yaml::of(&pod::of(&sample(plan))?).lines() {
        text.push_str(&format!("# {line}\n"));
    }
    Ok(text)
}

/// The account of a launcher and its rights.
pub fn access_text(account: &str, namespace: &str) -> String {
    let access::Access { account, role, binding } = access::of(account, namespace);
    [yaml::of(&account), yaml::of(&role), yaml::of(&binding)].join("---\n")
}

/// Stated even where it is the usual one: the rights of an account are for one namespace, whichever `kubectl` is in.
fn namespace(plan: &Plan) -> &str {
    plan.wishes.namespace.as_deref().unwrap_or("default")
}

fn sample(plan: &Plan) -> Order {
    Order {
        run: "0a1b2c3d".to_owned(),
        program: plan.program.clone(),
        node: "worker/0".to_owned(),
        incarnation: 0,
        namespace: namespace(plan).to_owned(),
        owner: None,
        cpus: None,
        memory: None,
        gpus: None,
        binary: plan.binary.clone(),
        arguments: plan.arguments.clone(),
        environment: Vec::new(),
        wishes: plan.wishes.clone(),
    }
}
