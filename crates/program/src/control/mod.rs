//! The launcher's own service: nodes report to it, and ask it where others are and how far they have come.
//!
//! Nodes in the launching process call it directly, nodes in other processes over their control connection; so every
//! executor speaks the same few requests; what a process asks before it builds the program is its [`briefing`]. What binds a
//! process to its launcher is here too: its [`role`] (environment)
//! and its [`leash`] (standard input), which together are its [`enrolment`]; the [`member`] that takes its part, the
//! [`pulse`] that shows that it is not frozen, and the [`meeting`] point.

pub(crate) mod briefing;
pub(crate) mod enrolment;
pub(crate) mod leash;
pub(crate) mod meeting;
pub(crate) mod member;
pub(crate) mod pulse;
pub(crate) mod role;
pub(crate) mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_wire::{Address, Call, Edges, Never, Service};
use tokio::sync::{mpsc, watch};

use self::standing::Standing;
use crate::graph::outline::Outline;
use crate::life::exit::Exit;
use crate::life::failure::Cause;
use crate::life::ledger::{Account, Books, Ledger};
use crate::life::roster::{Roster, State};
use crate::life::supervisor::Event;
use crate::life::wish::{Wish, Wishes};
use crate::node::body::NodeEnd;
use crate::{Clock, Error, Interrupt, NodeId, NodeName};

/// What a node says or asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// "I have started as this node and built this program."
    Hello { node: NodeId, outline: Outline },
    /// "I have not built the program yet: what is to be known before that, from this byte on?"
    Briefing { from: u64 },
    /// "I am alive, this waits there, and this has passed", said by a thread of the process that does nothing else.
    Alive { node: NodeId, standing: Standing, account: Account },
    /// "The engine asks me to end."
    Noticed,
    /// "What time is it?"
    Time,
    /// "My service is constructed and listens here."
    Ready { node: NodeId, address: Address },
    /// "Where is this service?", or a later incarnation of it than the one that is gone. Answered when it is ready.
    Locate { node: NodeName, beyond: Option<u32> },
    /// "Tell me when all nodes of this group have come to their end."
    Finished { label: String },
    /// "What did the nodes of this group yield?"
    Values { label: String },
    /// "Who is there, and how are they?"
    Roster,
    /// "Who is there, once it is somebody else than these?"
    RosterAfter(Roster),
    /// "This has passed in all."
    Passed { node: NodeId, account: Account },
    /// "What has passed between nodes?"
    Ledger,
    /// "I have come to my end, with this value."
    Ended { node: NodeId, outcome: Outcome, value: Vec<u8> },
    /// "Please have this node be there."
    Wake { node: NodeName },
    /// "How many nodes of this group are wished to be there, once that is another wish than the one of this number?"
    Wished { label: String, known: u64 },
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
    /// A piece of the briefing, which has so many bytes in all.
    Briefing { piece: Vec<u8>, whole: u64 },
    /// Time since the run's start.
    Time(Duration),
    /// Where a service listens, and which incarnation of it.
    Address(Address, u32),
    /// The node has come to its end for good.
    Gone,
    /// What each node yielded.
    Values(Vec<(NodeName, Vec<u8>)>),
    /// Every node.
    Roster(Roster),
    /// What has passed.
    Ledger(Ledger),
    /// How many nodes are wished to be there.
    Wish(Wish),
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
    /// The engine wants the program to come to its end.
    Notice(Interrupt),
    /// So many nodes of this group are to be there.
    Wished(String, usize),
    /// A node's body ended in another process, which lives on for a moment.
    Reported(NodeId, NodeEnd),
    /// A node of this process is gone.
    Ended(NodeId, NodeEnd),
    /// The process of a node is gone.
    Exited(NodeId, Exit),
}

/// What is known to all about the course of the program.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) roster: Roster,
    /// What nodes yielded that ran to their end.
    pub(crate) values: BTreeMap<NodeName, Vec<u8>>,
    pub(crate) stopping: bool,
    /// How many nodes of each group that grows and shrinks are wished to be there.
    pub(crate) wishes: Wishes,
}

/// The service.
pub(crate) struct Control {
    outline: Outline,
    /// What processes are told that ask before they build the program.
    briefing: Arc<[u8]>,
    nodes: Vec<NodeName>,
    clock: Clock,
    board: watch::Sender<Board>,
    news: mpsc::UnboundedSender<News>,
    /// What waits in each process, as it told last.
    standings: Mutex<BTreeMap<NodeName, Standing>>,
    /// What has passed between nodes.
    pub(crate) books: Books,
}

impl Control {
    pub(crate) fn new(
        outline: Outline,
        briefing: Arc<[u8]>,
        nodes: Vec<NodeName>,
        clock: Clock,
        news: mpsc::UnboundedSender<News>,
        edges: Edges,
    ) -> Self {
        let (standings, books) = (Mutex::default(), Books::new(edges));
        let board = Board { roster: Roster::of(nodes.iter().cloned()), ..Board::default() };
        Self { outline, briefing, nodes, clock, board: watch::Sender::new(board), news, standings, books }
    }

    /// Changes what is known to all.
    pub(crate) fn post(&self, change: impl FnOnce(&mut Board)) {
        self.board.send_modify(change);
    }

    /// The run's common clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether the program has been asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.board.borrow().stopping
    }

    /// Every node, as known now.
    pub(crate) fn roster(&self) -> Roster {
        self.board.borrow().roster.clone()
    }

    /// Every node, as known once that is not what it was.
    async fn roster_after(&self, known: &Roster) -> Reply {
        let mut board = self.board.subscribe();
        match board.wait_for(|board| board.stopping || board.roster != *known).await {
            Ok(board) if !board.stopping => Reply::Roster(board.roster.clone()),
            _ => Reply::Stopped,
        }
    }

    /// Has a node of a group that grows and shrinks be there.
    fn wake(&self, node: NodeName) -> Reply {
        self.post(|board| {
            if board.wishes.get(node.label().as_str()).is_some() {
                board.roster.awaits(&node);
                // What it yields is what it yields last.
                board.values.remove(&node);
            }
        });
        self.tell(News::Event(Event::Woken(node)))
    }

    /// Wishes for so many nodes of a group to be there; the wish before.
    ///
    /// # Errors
    /// [`Error::Size`] where that cannot be.
    pub(crate) fn wish(&self, label: &str, size: usize) -> Result<Wish, Error> {
        let mut wished = Err(Error::Stopped);
        self.board.send_if_modified(|board| {
            if !board.stopping {
                wished = board.wishes.wish(label, size);
            }
            wished.is_ok()
        });
        wished
    }

    /// The wish for a group that is not the one of this number.
    async fn wished(&self, label: &str, known: u64) -> Reply {
        let after = |board: &Board| board.wishes.get(label).filter(|wish| wish.number != known);
        let mut board = self.board.subscribe();
        let Some(_) = board.borrow().wishes.get(label) else {
            return Reply::Unknown { known: self.labels() };
        };
        match board.wait_for(|board| board.stopping || after(board).is_some()).await {
            Ok(board) if !board.stopping => after(&board).map_or(Reply::Stopped, Reply::Wish),
            _ => Reply::Stopped,
        }
    }

    /// What waits in the processes of these nodes, as each told last.
    pub(crate) fn standings_of<'a>(&self, nodes: impl Iterator<Item = &'a NodeName>) -> Vec<Standing> {
        let standings = self.standings();
        nodes.filter_map(|node| standings.get(node).cloned()).collect()
    }

    fn standings(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeName, Standing>> {
        // No code that holds the lock can panic half-way through a change.
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, news: News) -> Reply {
        // The loop outlives the nodes; a message that comes after it has ended changes nothing any more.
        let _ = self.news.send(news);
        Reply::Done
    }

    fn hello(&self, node: NodeId, outline: &Outline) -> Reply {
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

    async fn locate(&self, node: &NodeName, beyond: Option<u32>) -> Reply {
        if !self.nodes.contains(node) {
            return Reply::Unknown { known: String::new() };
        }
        let answer = |board: &Board| {
            if board.stopping {
                return Some(Reply::Stopped);
            }
            let presence = board.roster.get(node)?;
            if presence.state.is_over() {
                return Some(Reply::Gone);
            }
            let later = beyond.is_none_or(|beyond| presence.incarnation > beyond);
            presence.address.clone().filter(|_| later).map(|at| Reply::Address(at, presence.incarnation))
        };
        let mut board = self.board.subscribe();
        let known = board.wait_for(|board| answer(board).is_some()).await;
        known.ok().and_then(|board| answer(&board)).unwrap_or(Reply::Stopped)
    }

    /// Waits until every node of the group has run to its end, or failed for good where the program goes on without it.
    pub(crate) async fn finished(&self, label: &str) -> Reply {
        if !self.nodes.iter().any(|node| node.label().as_str() == label) {
            return Reply::Unknown { known: self.labels() };
        }
        let over = |board: &Board, state: State| match state {
            State::Finished | State::Failed | State::Resting => true,
            // One that was enough of its kind, in a colocation whose work is done.
            State::Stopped => !board.stopping,
            State::Waiting | State::Starting | State::Running => false,
        };
        let all = |board: &Board| board.roster.group(label).all(|(_, presence)| over(board, presence.state));
        let mut board = self.board.subscribe();
        let done = board.wait_for(|board| board.stopping || all(board)).await.is_ok_and(|board| all(&board));
        if done { Reply::Done } else { Reply::Stopped }
    }

    /// The values of a group whose nodes have come to their end.
    fn values(&self, label: &str) -> Reply {
        let board = self.board.borrow();
        let of = board.values.iter().filter(|(node, _)| node.label().as_str() == label);
        Reply::Values(of.map(|(node, value)| (node.clone(), value.clone())).collect())
    }

    fn labels(&self) -> String {
        let labels: BTreeSet<_> = self.nodes.iter().map(|node| format!("`{}`", node.label())).collect();
        labels.into_iter().collect::<Vec<_>>().join(", ")
    }
}

impl Service for Control {
    type Request = Request;
    type Reply = Reply;
    type Error = Never;

    async fn call(&self, _: &Call<'_>, request: Request) -> Result<Reply, Never> {
        Ok(match request {
            Request::Hello { node, outline } => self.hello(node, &outline),
            Request::Briefing { from } => briefing::piece(&self.briefing, from),
            Request::Alive { node, standing, account } => {
                self.books.enter(&node, account);
                self.standings().insert(node.name.clone(), standing);
                self.tell(News::Event(Event::Heard(node)))
            }
            Request::Noticed => self.tell(News::Notice(Interrupt::Engine)),
            Request::Time => Reply::Time(self.clock.now()),
            Request::Ready { node, address } => {
                self.post(|board| board.roster.listens(&node, address));
                Reply::Done
            }
            Request::Locate { node, beyond } => self.locate(&node, beyond).await,
            Request::Finished { label } => self.finished(&label).await,
            Request::Values { label } => self.values(&label),
            Request::Roster => Reply::Roster(self.roster()),
            Request::RosterAfter(known) => self.roster_after(&known).await,
            Request::Passed { node, account } => {
                self.books.enter(&node, account);
                Reply::Done
            }
            Request::Ledger => Reply::Ledger(self.books.ledger()),
            Request::Ended { node, outcome, value } => {
                self.tell(News::Reported(node, NodeEnd { outcome, value, error: None }))
            }
            Request::Wake { node } => self.wake(node),
            Request::Wished { label, known } => self.wished(&label, known).await,
            Request::Stop => self.tell(News::Event(Event::StopAsked)),
        })
    }
}
