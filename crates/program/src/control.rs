//! The launcher's own service: nodes report to it, and ask it where others are and how far they have come.
//!
//! Nodes in the launching process call it directly, nodes in other processes over their control connection; so every
//! executor speaks the same few requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_wire::{Address, Message, Service, ServiceError};
use tokio::sync::{mpsc, watch};

use crate::failure::Cause;
use crate::fingerprint::Outline;
use crate::supervisor::Event;
use crate::{BoxError, Clock, NodeName};

/// What a node says or asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// "I have started as this node and built this program."
    Hello { node: NodeName, outline: Outline },
    /// "I am alive", said by a thread of the process that does nothing else.
    Alive { node: NodeName },
    /// "What time is it?"
    Time,
    /// "My service is constructed and listens here."
    Ready { node: NodeName, address: Address },
    /// "Where is this service?" Answered when it is ready.
    Locate { node: NodeName },
    /// "Tell me when all nodes of this group have finished."
    Finished { label: String },
    /// "I have come to my end."
    Ended { node: NodeName, outcome: Outcome },
    /// "Please stop the program."
    Stop,
}

/// What the launcher answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It is done, or it has happened.
    Done,
    /// The child built another program: this is the difference.
    Different(String),
    /// Time since the run's start.
    Time(Duration),
    /// Where a service listens.
    Address(Address),
    /// There is no such node or group; these there are.
    Unknown { known: String },
    /// The program stops, so it will never happen.
    Stopped,
}

/// How a node's body ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It ran to its end.
    Finished,
    /// It was stopped.
    Stopped,
    /// It failed.
    Failed(Cause),
}

/// What reaches the launcher's loop.
#[derive(Debug)]
pub(crate) enum News {
    /// Something that its supervisor understands as it is.
    Event(Event),
    /// A node's body ended; the error itself, where the node ran in this process.
    Ended(NodeName, Outcome, Option<BoxError>),
    /// The process of a node is gone; its status, where the system told.
    Exited(NodeName, Option<std::process::ExitStatus>),
}

/// What is known to all about the course of the program.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) addresses: BTreeMap<NodeName, Address>,
    pub(crate) finished: BTreeSet<NodeName>,
    pub(crate) stopping: bool,
}

/// The service.
pub(crate) struct Control {
    outline: Outline,
    nodes: Vec<NodeName>,
    clock: Clock,
    board: watch::Sender<Board>,
    news: mpsc::UnboundedSender<News>,
}

impl Control {
    pub(crate) fn new(
        outline: Outline,
        nodes: Vec<NodeName>,
        clock: Clock,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        Self { outline, nodes, clock, board: watch::Sender::default(), news }
    }

    /// Changes what is known to all.
    pub(crate) fn post(&self, change: impl FnOnce(&mut Board)) {
        self.board.send_modify(change);
    }

    fn tell(&self, news: News) -> Reply {
        // The loop outlives the nodes; a message that comes after it has ended changes nothing any more.
        let _ = self.news.send(news);
        Reply::Done
    }

    fn hello(&self, node: NodeName, outline: &Outline) -> Reply {
        if let Some(difference) = self.outline.difference(outline) {
            let why = format!(
                "its process built another program than the launcher: {difference}. The graph must depend only on \
                 what all processes share: the arguments, the environment, the input files"
            );
            self.tell(News::Event(Event::Failed(node, Cause::NeverStarted(why))));
            return Reply::Different(difference);
        }
        self.tell(News::Event(Event::Joined(node)))
    }

    async fn locate(&self, node: &NodeName) -> Reply {
        if !self.nodes.contains(node) {
            return Reply::Unknown { known: String::new() };
        }
        let mut board = self.board.subscribe();
        let known = board.wait_for(|board| board.stopping || board.addresses.contains_key(node)).await;
        let address = known.ok().and_then(|board| board.addresses.get(node).cloned());
        address.map_or(Reply::Stopped, Reply::Address)
    }

    async fn finished(&self, label: &str) -> Reply {
        let group: Vec<_> = self.nodes.iter().filter(|node| node.label().as_str() == label).collect();
        if group.is_empty() {
            return Reply::Unknown { known: self.labels() };
        }
        let all = |board: &Board| group.iter().all(|node| board.finished.contains(node));
        let mut board = self.board.subscribe();
        let done = board.wait_for(|board| board.stopping || all(board)).await.is_ok_and(|board| all(&board));
        if done { Reply::Done } else { Reply::Stopped }
    }

    fn labels(&self) -> String {
        let labels: BTreeSet<_> = self.nodes.iter().map(|node| format!("`{}`", node.label())).collect();
        labels.into_iter().collect::<Vec<_>>().join(", ")
    }
}

impl Service for Control {
    type Request = Request;
    type Reply = Reply;

    async fn call(&self, request: Message<Request>) -> Result<Message<Reply>, ServiceError> {
        let reply = match request.body {
            Request::Hello { node, outline } => self.hello(node, &outline),
            Request::Alive { node } => self.tell(News::Event(Event::Heard(node))),
            Request::Time => Reply::Time(self.clock.now()),
            Request::Ready { node, address } => {
                self.post(|board| drop(board.addresses.insert(node, address)));
                Reply::Done
            }
            Request::Locate { node } => self.locate(&node).await,
            Request::Finished { label } => self.finished(&label).await,
            Request::Ended { node, outcome } => self.tell(News::Ended(node, outcome, None)),
            Request::Stop => self.tell(News::Event(Event::StopAsked)),
        };
        Ok(reply.into())
    }
}
