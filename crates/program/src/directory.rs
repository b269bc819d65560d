//! The services that live in this process, by the names of their nodes: what lets a client call one directly.
//!
//! A node is announced before anything runs, and published when its service has been constructed. So a handle can
//! tell "in this process, but not yet there" (wait) from "in another process" (ask the launcher for its address).

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use crate::NodeName;

/// A service object whose type only the handle knows.
pub(crate) type Object = Arc<dyn Any + Send + Sync>;

#[derive(Default)]
struct Entries {
    objects: BTreeMap<NodeName, Object>,
    closed: bool,
}

/// The services of one process.
pub(crate) struct Directory {
    announced: BTreeSet<NodeName>,
    entries: watch::Sender<Entries>,
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

    pub(crate) fn publish(&self, name: NodeName, object: Object) {
        self.entries.send_modify(|entries| {
            if !entries.closed {
                entries.objects.insert(name, object);
            }
        });
    }

    /// Waits for the service of `name`; `None` once the program stops.
    pub(crate) async fn find(&self, name: &NodeName) -> Option<Object> {
        let mut entries = self.entries.subscribe();
        let found = entries.wait_for(|entries| entries.closed || entries.objects.contains_key(name)).await;
        found.ok().and_then(|entries| entries.objects.get(name).cloned())
    }

    /// Lets go of every service, so that the last client to go ends it.
    pub(crate) fn close(&self) {
        self.entries.send_modify(|entries| *entries = Entries { closed: true, ..Entries::default() });
    }
}
