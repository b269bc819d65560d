//! The services that live in this process, by the names of their nodes: what lets a client call one directly.
//!
//! A node is announced before anything runs, and published when its service has been constructed. So a handle can
//! tell "in this process, but not yet there" (wait) from "in another process" (ask the launcher for its address). A
//! service whose node fails is withdrawn, until its next incarnation is published.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use crate::{NodeId, NodeName};

/// A service object whose type only the handle knows.
pub(crate) type Object = Arc<dyn Any + Send + Sync>;

#[derive(Default)]
struct Entries {
    objects: BTreeMap<NodeName, (u32, Object)>,
    /// Those that will not come again.
    gone: BTreeSet<NodeName>,
    closed: bool,
}

/// The services of one process.
pub(crate) struct Directory {
    announced: BTreeSet<NodeName>,
    entries: watch::Sender<Entries>,
}

/// What was found of a service.
pub(crate) enum Found {
    /// An incarnation of it.
    Object(Object, u32),
    /// It will not come again.
    Gone,
    /// The program stops.
    Closed,
}

impl Directory {
    /// A directory of the services in `announced`.
    pub(crate) fn new(announced: impl IntoIterator<Item = NodeName>) -> Self {
        Self { announced: announced.into_iter().collect(), entries: watch::Sender::new(Entries::default()) }
    }

    /// Whether the service of `name` lives, or will live, in this process.
    pub(crate) fn holds(&self, name: &NodeName) -> bool {
        self.announced.contains(name)
    }

    pub(crate) fn publish(&self, node: &NodeId, object: Object) {
        self.entries.send_modify(|entries| {
            if !entries.closed {
                entries.objects.insert(node.name.clone(), (node.incarnation, object));
            }
        });
    }

    /// Lets go of the service of a node that has failed; `for_good` if it will not be started again.
    pub(crate) fn withdraw(&self, name: &NodeName, for_good: bool) {
        self.entries.send_modify(|entries| {
            entries.objects.remove(name);
            if for_good {
                entries.gone.insert(name.clone());
            }
        });
    }

    /// Waits for the service of `name`, in a later incarnation than `beyond` if that is given.
    pub(crate) async fn find(&self, name: &NodeName, beyond: Option<u32>) -> Found {
        let find = |entries: &Entries| {
            if entries.closed {
                return Some(Found::Closed);
            }
            if entries.gone.contains(name) {
                return Some(Found::Gone);
            }
            let (incarnation, object) = entries.objects.get(name)?;
            let later = beyond.is_none_or(|beyond| *incarnation > beyond);
            later.then(|| Found::Object(Arc::clone(object), *incarnation))
        };
        let mut entries = self.entries.subscribe();
        let found = entries.wait_for(|entries| find(entries).is_some()).await;
        found.ok().and_then(|entries| find(&entries)).unwrap_or(Found::Closed)
    }

    /// Returns when this incarnation of a service of this process is no longer there.
    pub(crate) async fn withdrawn(&self, name: &NodeName, incarnation: u32) {
        let is_there =
            |entries: &Entries| entries.objects.get(name).is_some_and(|(of, _)| *of == incarnation);
        // The sender lives in `self`, so the channel cannot close under this borrow.
        let _ = self.entries.subscribe().wait_for(|entries| !is_there(entries)).await;
    }

    /// Lets go of every service, so that the last client to go ends it.
    pub(crate) fn close(&self) {
        self.entries.send_modify(|entries| *entries = Entries { closed: true, ..Entries::default() });
    }
}
