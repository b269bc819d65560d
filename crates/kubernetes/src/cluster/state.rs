//! What a pod tells of its node: whether it waits and for what, runs, or has ended and how.
//!
//! The fields are those of Kubernetes' documentation, "Pod Lifecycle"; the reasons of waiting containers those of the kubelet
//! (`pkg/kubelet/images/types.go`, `pkg/kubelet/container/sync_result.go`).

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting, Pod, PodCondition};
use k8s_openapi::jiff::Timestamp;

use crate::order::End;

/// How a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has no place yet, or its container does not run yet.
    Waits {
        /// For what, where Kubernetes says so.
        why: Option<String>,
        /// Whether waiting longer can help nothing.
        in_vain: bool,
    },
    /// Its container runs.
    Runs,
    /// It has come to its end.
    Ended(End),
}

/// Reasons of a container that waits, which no time mends: what they need has to be changed by somebody.
const IN_VAIN: [&str; 4] =
    ["ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "ImageInspectError"];

/// Reasons of a container that waits, which are not worth telling.
const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Reasons of a container that has ended, whose program has not begun.
const NEVER_BEGAN: [&str; 4] =
    ["ContainerCannotRun", "StartError", "ContainerStatusUnknown", "RunContainerError"];

/// How this pod is.
pub fn of(pod: &Pod) -> Standing {
    let status = pod.status.clone().unwrap_or_default();
    let state = status.container_statuses.and_then(|mut all| all.pop()).and_then(|one| one.state);
    let state = state.unwrap_or_default();
    if let Some(end) = state.terminated {
        return Standing::Ended(taken(pod).map_or_else(|| ended(end), End::WithPod));
    }
    match (status.phase.as_deref(), status.reason.as_deref()) {
        (_, Some("NodeLost")) | (Some("Unknown"), _) => return Standing::Ended(End::Lost),
        (Some("Failed"), reason) => {
            let why = taken(pod).unwrap_or_else(|| {
                let reason = reason.unwrap_or("no reason is given");
                format!("its pod failed: {}", with_message(reason, status.message.as_deref()))
            });
            return Standing::Ended(End::WithPod(why));
        }
        _ => {}
    }
    if state.running.is_some() {
        return Standing::Runs;
    }
    if let Some(waiting) = state.waiting {
        return waits(&waiting);
    }
    let condition = |kind: &str| condition(pod, kind).filter(|condition| condition.status == "False");
    let why = condition("PodScheduled").and_then(|unscheduled| {
        Some(with_message(unscheduled.reason.as_deref()?, unscheduled.message.as_deref()))
    });
    Standing::Waits { why, in_vain: false }
}

/// Whether somebody has asked for the pod's end.
pub fn is_being_deleted(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// When its container ended, if it has.
pub fn ended_at(pod: &Pod) -> Option<Timestamp> {
    let container = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    Some(container.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?.0)
}

/// Why the pod was taken away from its node, if it was.
fn taken(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    // From 1.26 on Kubernetes says of a pod that it takes away who does so, and why.
    if let Some(disruption) =
        condition(pod, "DisruptionTarget").filter(|condition| condition.status == "True")
    {
        let why =
            with_message(disruption.reason.as_deref().unwrap_or("no reason"), disruption.message.as_deref());
        return Some(format!("its pod was taken away: {why}"));
    }
    match status.reason.as_deref() {
        Some("Evicted") => Some(format!(
            "its pod was evicted: {}",
            status.message.as_deref().unwrap_or("no reason is given").trim()
        )),
        Some(reason @ ("Preempting" | "DeadlineExceeded" | "Terminated" | "NodeShutdown" | "Shutdown")) => {
            Some(format!("its pod was ended: {}", with_message(reason, status.message.as_deref())))
        }
        _ if is_being_deleted(pod) => Some(DELETED.to_owned()),
        _ => None,
    }
}

/// What is said of a pod that somebody has deleted.
pub const DELETED: &str = "its pod was deleted";

fn ended(end: ContainerStateTerminated) -> End {
    let reason = end.reason.unwrap_or_default();
    match reason.as_str() {
        "OOMKilled" => End::OutOfMemory,
        never if NEVER_BEGAN.contains(&never) => {
            End::NeverStarted(with_message(never, end.message.as_deref()))
        }
        _ => End::Code(end.exit_code),
    }
}

fn waits(waiting: &ContainerStateWaiting) -> Standing {
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let why = (!USUAL.contains(&reason) && !reason.is_empty())
        .then(|| with_message(reason, waiting.message.as_deref()));
    Standing::Waits { why, in_vain: IN_VAIN.contains(&reason) }
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn with_message(reason: &str, message: Option<&str>) -> String {
    match message.map(str::trim).filter(|message| !message.is_empty()) {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod with this status, as an API server sends it.
    fn standing(status: &str) -> Standing {
        let pod =
            format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"status":{status}}}"#);
        of(&serde_json::from_str(&pod).unwrap())
    }

    fn container(state: &str) -> String {
        format!(
            r#"{{"phase":"Running","containerStatuses":[{{"name":"node","image":"i","imageID":"","ready":false,"restartCount":0,"state":{state}}}]}}"#
        )
    }

    #[test]
    fn a_pod_that_waits_says_for_what() {
        let unscheduled = r#"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False",
            "reason":"Unschedulable","message":"0/1 nodes are available: 1 Insufficient cpu."}]}"#;
        let why = "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.".to_owned();
        assert_eq!(standing(unscheduled), Standing::Waits { why: Some(why), in_vain: false });
        assert_eq!(standing(r#"{"phase":"Pending"}"#), Standing::Waits { why: None, in_vain: false });
        let waiting = |reason: &str| {
            standing(&container(&format!(r#"{{"waiting":{{"reason":"{reason}","message":"m"}}}}"#)))
        };
        assert_eq!(waiting("ContainerCreating"), Standing::Waits { why: None, in_vain: false });
        let (pulls, never) = (waiting("ImagePullBackOff"), waiting("ErrImageNeverPull"));
        assert_eq!(pulls, Standing::Waits { why: Some("ImagePullBackOff: m".to_owned()), in_vain: false });
        assert_eq!(never, Standing::Waits { why: Some("ErrImageNeverPull: m".to_owned()), in_vain: true });
    }

    #[test]
    fn ends_are_told_apart() {
        let ended = |state: &str| standing(&container(&format!(r#"{{"terminated":{state}}}"#)));
        assert_eq!(standing(&container(r#"{"running":{}}"#)), Standing::Runs);
        assert_eq!(ended(r#"{"exitCode":0,"reason":"Completed"}"#), Standing::Ended(End::Code(0)));
        assert_eq!(ended(r#"{"exitCode":137,"reason":"Error"}"#), Standing::Ended(End::Code(137)));
        assert_eq!(ended(r#"{"exitCode":137,"reason":"OOMKilled"}"#), Standing::Ended(End::OutOfMemory));
        let never = ended(r#"{"exitCode":128,"reason":"StartError","message":"no such file"}"#);
        assert_eq!(never, Standing::Ended(End::NeverStarted("StartError: no such file".to_owned())));
        let why = |status: &str| match standing(status) {
            Standing::Ended(End::WithPod(why)) => why,
            other => panic!("{other:?}"),
        };
        let evicted =
            r#"{"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory. "}"#;
        assert_eq!(why(evicted), "its pod was evicted: The node was low on resource: memory.");
        let preempted = r#"{"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True",
            "reason":"PreemptionByScheduler","message":"to accommodate a higher priority pod"}]}"#;
        assert!(why(preempted).contains("PreemptionByScheduler: to accommodate"));
        assert_eq!(standing(r#"{"phase":"Running","reason":"NodeLost"}"#), Standing::Ended(End::Lost));
    }

    #[test]
    fn a_pod_that_was_deleted_is_not_taken_for_one_that_failed() {
        let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","deletionTimestamp":"2026-11-29T20:00:00Z"},
            "status":{"phase":"Running","containerStatuses":[{"name":"node","image":"i","imageID":"","ready":false,
            "restartCount":0,"state":{"terminated":{"exitCode":143,"reason":"Error"}}}]}}"#;
        let pod: Pod = serde_json::from_str(pod).unwrap();
        assert_eq!(of(&pod), Standing::Ended(End::WithPod(DELETED.to_owned())));
    }
}
