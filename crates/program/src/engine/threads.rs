//! The engine in which every node is a thread of the launching process.
//!
//! A thread cannot be killed: what is insisted on ends at its next await point, and one that comes to none is left and
//! named.

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use super::{Engine, Exits, LastWords, Reach, Seat};
use crate::graph::program::LocalFuture;
use crate::life::stop::Stop;
use crate::node::body;
use crate::{Error, NodeId, NodeName};

/// The threads by their nodes.
#[derive(Default)]
pub(crate) struct Threads(BTreeMap<NodeName, Thread>);

struct Thread {
    id: NodeId,
    stop: Stop,
    handle: JoinHandle<()>,
}

impl Threads {
    fn of(&self, node: &NodeId) -> Option<&Thread> {
        self.0.get(&node.name).filter(|thread| thread.id == *node)
    }
}

impl Engine for Threads {
    fn reach(&self) -> Reach {
        Reach::SameProcess
    }

    fn start(&mut self, seat: Seat, exits: Exits) -> Result<(), Error> {
        let Seat { id, work, stop, .. } = seat;
        let node = id.clone();
        let run = move || exits.ended(node, body::run(async { work().await }));
        let handle = body::thread(&id.to_string(), run)?;
        // An earlier incarnation has told its end, so its thread is at its own.
        self.0.insert(id.name.clone(), Thread { id, stop, handle });
        Ok(())
    }

    fn ask(&mut self, node: &NodeId) {
        self.of(node).iter().for_each(|thread| thread.stop.request());
    }

    fn kill(&mut self, node: &NodeId) {
        self.of(node).iter().for_each(|thread| thread.stop.insist());
    }

    fn bury(mut self: Box<Self>, gone: &dyn Fn(&NodeName) -> bool) -> LocalFuture<LastWords> {
        let mut words = LastWords::default();
        for (name, thread) in std::mem::take(&mut self.0) {
            if gone(&name) {
                // Its last act was to report; a panic in it has been reported, too.
                let _ = thread.handle.join();
            } else {
                words.left.push((
                    thread.id,
                    "is a thread and cannot be killed: it runs on until this process ends",
                ));
            }
        }
        Box::pin(async { words })
    }
}

/// Should the launcher panic, nobody else would end the threads of the nodes.
impl Drop for Threads {
    fn drop(&mut self) {
        self.0.values().for_each(|thread| thread.stop.insist());
    }
}
