//! What holds a run: looks first whether the cluster can be used, and deletes all that is the run's when the launcher lets go.
//!
//! It is a process of its own, bound to the launcher by its standard input, so that it also deletes what a launcher that was
//! killed has left. What even its own death leaves, its successors do: a pod whose launcher is gone ends by itself, because its
//! standard input does, and what has ended is deleted by the next run in the namespace.

use std::io::{self, Write};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use tokio::io::AsyncReadExt;

use super::pod::{MANAGED_BY, RUN};
use super::state::Standing;
use super::{Error, connection, state};
use crate::order::{Claim, Ground};

/// How long pods have to end before they are removed by force.
const GENTLE: Duration = Duration::from_secs(5);

/// How long in all.
const PATIENCE: Duration = Duration::from_secs(30);

/// For how many seconds after its end a pod is left to its own launcher.
const OLD: i64 = 600;

/// How often it is looked whether they are gone.
const LOOK: Duration = Duration::from_millis(100);

/// How soon a server that gave no answer is asked again.
const LATER: Duration = Duration::from_secs(1);

/// Holds a run until the standard input ends.
///
/// # Errors
/// When the cluster cannot be used, before anything is said; afterwards when something of the run stays there.
pub async fn hold(claim: &Claim) -> Result<(), Error> {
    let connection = connection::open(&claim.wishes).await?;
    let own = connection::own_pod(&connection).await?;
    let (owner, image) = own.map_or((None, None), |(owner, image)| (Some(owner), image));
    if claim.wishes.image.is_none() && image.is_none() {
        return Err(Error::NoImage);
    }
    let pods: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.namespace);
    clear_away(&pods, &connection.namespace).await?;
    say(&Ground { namespace: connection.namespace.clone(), toward: connection.server, owner, image })?;
    // Its end, or an error: the launcher lets go, or is gone.
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    release(&pods, &claim.run, &connection.namespace).await
}

fn say(ground: &Ground) -> Result<(), Error> {
    let line = serde_json::to_string(ground).map_err(|error| Error::Order(error.to_string()))?;
    let said = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
    said.map_err(|source| Error::System { doing: "cannot answer the launcher", source })
}

/// Deletes what launchers that could not do so have left: pods of ours that ended a while ago.
///
/// # Errors
/// When pods cannot be listed, which is the first thing that an account without rights fails in.
pub async fn clear_away(pods: &Api<Pod>, namespace: &str) -> Result<(), Error> {
    let (label, ours) = MANAGED_BY;
    let ended = ListParams::default()
        .labels(&format!("{label}={ours},{RUN}"))
        .fields("status.phase!=Pending,status.phase!=Running");
    let left = pods.list(&ended).await.map_err(Error::of("cannot list the pods", namespace))?;
    let now = Timestamp::now();
    let is_old = |pod: &Pod| state::ended_at(pod).is_some_and(|at| now.duration_since(at).as_secs() > OLD);
    for pod in left.iter().filter(|pod| is_old(pod)) {
        // Another run may be at it as well.
        let _ = pods.delete(&pod.name_any(), &at_once()).await;
    }
    Ok(())
}

/// Deletes all pods of a run, and returns when there are none any more.
///
/// # Errors
/// [`Error::Left`] names those that stay.
pub async fn release(pods: &Api<Pod>, run: &str, namespace: &str) -> Result<(), Error> {
    let of_run = ListParams::default().labels(&format!("{RUN}={run}"));
    let mut waited = Duration::ZERO;
    loop {
        let doing = || format!("cannot delete the pods of run {run}");
        let left = match pods.list(&of_run).await {
            Ok(left) => left,
            // A server that does not answer may do so soon; one that says no will say it again.
            Err(error) if waited < PATIENCE && !matches!(error, kube::Error::Api(_)) => {
                tokio::time::sleep(LATER).await;
                waited += LATER;
                continue;
            }
            Err(error) => return Err(Error::of(doing(), namespace)(error)),
        };
        let names: Vec<String> = left.iter().map(ResourceExt::name_any).collect();
        if names.is_empty() {
            return Ok(());
        }
        if waited >= PATIENCE {
            return Err(Error::Left(names.join(", ")));
        }
        // For what has ended there is nothing to wait for, though a kubelet may take long to say that it is gone.
        for pod in left.iter().filter(|pod| matches!(state::of(pod), Standing::Ended(_))) {
            let _ = pods.delete(&pod.name_any(), &at_once()).await;
        }
        let force = waited >= GENTLE;
        if force || left.iter().any(|pod| !state::is_being_deleted(pod)) {
            let params = if force { at_once() } else { soon() };
            pods.delete_collection(&params, &of_run).await.map_err(Error::of(doing(), namespace))?;
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
}

/// With a moment for a node to end.
pub(super) fn soon() -> DeleteParams {
    DeleteParams { grace_period_seconds: Some(1), ..DeleteParams::default() }
}

/// For what has ended, or does not come to its end.
pub(super) fn at_once() -> DeleteParams {
    DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }
}
