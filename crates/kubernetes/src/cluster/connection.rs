//! The way to the cluster: that of the user's own configuration, or of the account of the pod in which this runs.

use std::env;

use kube::config::{Config, KubeConfigOptions};
use kube::{Client, ResourceExt};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::Error;
use crate::order::Owner;
use crate::wishes::Wishes;

/// The variable that names the pod of a launcher that runs in the cluster.
pub(super) const OWN_POD: &str = "SYNCLINE_KUBERNETES_POD";

/// A cluster, and where in it we are.
pub struct Connection {
    /// To ask it.
    pub client: Client,
    /// The namespace of the run.
    pub namespace: String,
    /// Where its API server is.
    pub server: (String, u16),
    /// Whether this process runs in the cluster itself.
    pub is_within: bool,
}

/// Connects, as `kubectl` would: by the file that KUBECONFIG names or `~/.kube/config`; without one, in a pod, by the pod's
/// own account.
///
/// # Errors
/// [`Error::Unknown`] when nothing says which cluster.
pub async fn open(wishes: &Wishes) -> Result<Connection, Error> {
    let options = KubeConfigOptions { context: wishes.context.clone(), ..KubeConfigOptions::default() };
    let within = Config::incluster();
    let is_within = within.is_ok() && env::var_os("KUBECONFIG").is_none();
    let config = match within {
        // A context is for outside: the pod's account knows none.
        Ok(within) if is_within => within,
        _ => Config::from_kubeconfig(&options).await.map_err(|error| Error::Unknown(error.to_string()))?,
    };
    let namespace = wishes.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let server = (
        config.cluster_url.host().unwrap_or_default().to_owned(),
        config.cluster_url.port_u16().unwrap_or(if config.cluster_url.scheme_str() == Some("http") {
            80
        } else {
            443
        }),
    );
    let client = Client::try_from(config).map_err(Error::of("cannot reach the cluster", &namespace))?;
    Ok(Connection { client, namespace, server, is_within })
}

/// The pod in which this process runs, as the owner of others, and its image; nothing outside the cluster.
///
/// # Errors
/// When the account must not ask.
pub async fn own_pod(connection: &Connection) -> Result<Option<(Owner, Option<String>)>, Error> {
    if !connection.is_within {
        return Ok(None);
    }
    // Where nothing else is said, the name of a pod is its host's name.
    let Ok(name) = env::var(OWN_POD).or_else(|_| env::var("HOSTNAME")) else { return Ok(None) };
    let pods: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let doing = format!("cannot look at this launcher's own pod {name}");
    // A launcher whose pods are in another namespace than its own owns none of them.
    let Some(pod) = pods.get_opt(&name).await.map_err(Error::of(doing, &connection.namespace))? else {
        return Ok(None);
    };
    let image = pod.spec.as_ref().and_then(|spec| spec.containers.first()?.image.clone());
    Ok(pod.uid().map(|uid| (Owner { name, uid }, image)))
}
