//! What can go wrong between the command and the cluster.

use crate::launched::Launched;

/// Any error, for the person who launched the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no configuration that says which cluster.
    #[error(
        "no cluster is known: {0}; `kubectl config get-contexts` shows which there are, KUBECONFIG names a file of them"
    )]
    Unknown(String),
    /// Kubernetes did not do what it was asked for.
    #[error("{doing}: {why}")]
    Refused {
        /// What was being done, to what.
        doing: String,
        /// What it said.
        why: String,
    },
    /// The account lacks a right.
    #[error(
        "{doing}: {why}; `syncline-kubernetes access --namespace {namespace}` prints what would give the right"
    )]
    Forbidden {
        /// What was being done, to what.
        doing: String,
        /// What it said.
        why: String,
        /// Where.
        namespace: String,
    },
    /// Nothing says which image the pods are made from.
    #[error("no image is named: add image=NAME behind `kubernetes:`; it must have this program in it")]
    NoImage,
    /// Pods of the run do not go away.
    #[error("these pods do not go away: {0}; `kubectl delete pod --force` removes them")]
    Left(String),
    /// There is a Job of that name.
    #[error(
        "there is {0} already: `syncline attach {0}` follows it, `syncline stop {0}` ends and removes it, another folder makes another run"
    )]
    Launched(Launched),
    /// There is no such run.
    #[error("there is no {0}: it was never launched, has been stopped, or was removed after its end")]
    NoRun(Launched),
    /// The launcher said something that is not understood.
    #[error("what the launcher asks for cannot be read: {0}")]
    Order(String),
    /// The system did not do something.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

impl Error {
    /// Wraps what the cluster said with what was being done.
    pub(super) fn of(doing: impl Into<String>, namespace: &str) -> impl FnOnce(kube::Error) -> Self {
        let (doing, namespace) = (doing.into(), namespace.to_owned());
        move |error| match error {
            kube::Error::Api(status) if status.is_forbidden() => {
                Self::Forbidden { doing, why: status.message, namespace }
            }
            kube::Error::Api(status) => Self::Refused { doing, why: status.message },
            error => Self::Refused { doing, why: whole(&error) },
        }
    }
}

/// An error with what is behind it, each thing once.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        behind = error.source();
    }
    text
}
