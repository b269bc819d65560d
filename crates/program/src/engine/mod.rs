//! Where nodes run: one room for each place, behind one contract.
//!
//! - ENG-1: `start` only begins a node. That it has taken up its work it tells itself, over the control connection; in the
//!   launching process it runs from the start.
//! - ENG-2: the end of every node that was started comes through its [`Exits`], once, whatever ended it.
//! - ENG-3: `ask` and `kill` only begin an end, and never wait for it.
//! - ENG-4: after `bury` nothing is left of the nodes that are gone; those that cannot be ended are named.

pub(crate) mod hosts;
pub(crate) mod processes;
pub(crate) mod sim;
pub(crate) mod threads;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::control::News;
use crate::graph::program::LocalFuture;
use crate::life::exit::Exit;
use crate::life::stop::Stop;
use crate::node::body::NodeEnd;
use crate::{Error, NodeId, NodeName, Resources};

/// How far apart the nodes of an engine are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// They share memory.
    SameProcess,
    /// They share a machine and its file system.
    SameHost,
    /// They share a network.
    Network,
}

/// What a node does in the launching process. It stays on the thread where it is made.
pub(crate) type Work = Box<dyn FnOnce() -> LocalFuture<NodeEnd> + Send>;

/// One incarnation of a node, to be started.
pub(crate) struct Seat {
    pub(crate) id: NodeId,
    /// What it does, for an engine that reaches no further than this process; others start a process that knows.
    pub(crate) work: Work,
    /// The request to stop, as this incarnation sees it in this process.
    pub(crate) stop: Stop,
    pub(crate) needs: Arc<Resources>,
    /// How many nodes its group has, those that rest among them.
    pub(crate) group: usize,
}

/// The way by which the ends of nodes reach the launcher.
#[derive(Clone)]
pub(crate) struct Exits(UnboundedSender<News>);

impl Exits {
    pub(crate) fn new(news: UnboundedSender<News>) -> Self {
        Self(news)
    }

    /// A node of this process has come to its end.
    pub(crate) fn ended(&self, node: NodeId, end: NodeEnd) {
        // After the launcher's loop nobody is interested; so below.
        let _ = self.0.send(News::Ended(node, end));
    }

    /// The process of a node is gone.
    pub(crate) fn exited(&self, node: NodeId, exit: Exit) {
        let _ = self.0.send(News::Exited(node, exit));
    }
}

/// What is left of the nodes of an engine at the end of a run.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    /// The last lines that each wrote, oldest first.
    pub(crate) output: BTreeMap<NodeName, Vec<String>>,
    /// Where each was last, where hosts have names.
    pub(crate) hosts: BTreeMap<NodeName, String>,
    /// Those that could not be ended, and why.
    pub(crate) left: Vec<(NodeId, &'static str)>,
}

/// A place where nodes run.
pub(crate) trait Engine {
    /// How far apart its nodes are.
    fn reach(&self) -> Reach;

    /// Begins a node.
    ///
    /// # Errors
    /// What the system refused; then there is no end of it to be told.
    fn start(&mut self, seat: Seat, exits: Exits) -> Result<(), Error>;

    /// A node has told itself how its work ended.
    fn heard(&mut self, node: &NodeId) {
        let _ = node;
    }

    /// Asks a node to come to its end.
    fn ask(&mut self, node: &NodeId);

    /// Ends a node, whatever it does.
    fn kill(&mut self, node: &NodeId);

    /// Puts away all nodes; `gone` says of which the end has been told.
    fn bury(self: Box<Self>, gone: &dyn Fn(&NodeName) -> bool) -> LocalFuture<LastWords>;
}
