//! What can go wrong with a program, for the person who launched it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use syncline_wire as wire;

use crate::{Failure, Interrupt, NodeName};

/// Any error, as a node's body returns it: `?` turns every error type into it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a node's body returns.
pub type NodeResult<T> = Result<T, BoxError>;

/// Why a program could not be built, launched or brought to its end. Its `Debug` reads as its `Display`, which is what a
/// `main` that returns it prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A group's label cannot be used.
    #[error("the label `{label}` {complaint}")]
    Label {
        /// The label given.
        label: String,
        /// What is wrong with it.
        complaint: &'static str,
    },
    /// A group was declared with no node in it.
    #[error("group `{0}` would have no node; give it at least one")]
    EmptyGroup(String),
    /// One label was given to different kinds of nodes.
    #[error("the label `{0}` is already taken by another kind of node; give each kind its own label")]
    LabelTaken(String),
    /// Groups cannot share processes as was said.
    #[error("the colocation `{label}` cannot be: {why}")]
    Colocation {
        /// Its label.
        label: String,
        /// What is wrong.
        why: String,
    },
    /// A group cannot have so many nodes.
    #[error("group `{label}` cannot have {size} nodes there: {why}")]
    Size {
        /// Its label.
        label: String,
        /// How many.
        size: usize,
        /// Why not.
        why: String,
    },
    /// A program without any node would do nothing.
    #[error("program `{0}` has no node and no driver; add one")]
    EmptyProgram(String),
    /// A node failed, and the program was stopped because of it.
    #[error("{0}")]
    NodeFailed(Box<Failure>),
    /// The run was interrupted, and its driver did not heed that.
    #[error("interrupted by {0}")]
    Interrupted(Interrupt),
    /// The program was stopped before what was waited for could happen.
    #[error("the program was stopped")]
    Stopped,
    /// No node in the program has this name.
    #[error("the program has no service `{0}`; a handle only works in the program that it was made by")]
    UnknownService(String),
    /// A service was declared and never given its constructor.
    #[error(
        "the service `{0}` was declared but never defined; give `Program::define` its handle and a constructor"
    )]
    Undefined(String),
    /// A service was given a constructor though it has one, or is none of the program's.
    #[error("`{0}` is no service that was declared and is still to be defined")]
    Defined(String),
    /// The node that was called failed before it had answered. Whether it did what was asked is not known.
    #[error("{0} failed before it had answered; what it was asked for may have been done or not")]
    PeerLost(NodeName),
    /// The node that is to be called has failed, and will not be started again.
    #[error("{0} has failed for good: nobody answers there any more")]
    Gone(NodeName),
    /// A queue takes nothing more.
    #[error("the queue is closed")]
    Closed,
    /// What a node returned cannot be read.
    #[error("the value that {node} returned cannot be read: {why}")]
    Value {
        /// The node.
        node: NodeName,
        /// What is wrong with it.
        why: String,
    },
    /// A node asks for more than there is.
    #[error("{node} asks for {asked} {what}, and there are {there} here; ask for less, or run it elsewhere")]
    Resources {
        /// The node.
        node: String,
        /// Of what.
        what: &'static str,
        /// How many it asks for.
        asked: usize,
        /// How many there are.
        there: usize,
    },
    /// A test was not done in its time.
    #[error("the test was not done within {0:?}")]
    OutOfTime(Duration),
    /// No group in the program has this label.
    #[error("the program has no group `{label}`; its groups are {known}")]
    UnknownGroup {
        /// The label asked for.
        label: String,
        /// The labels there are.
        known: String,
    },
    /// No node in the program has this name.
    #[error("the program has no node `{0}`, which a fault or the network names")]
    UnknownNode(String),
    /// A setting of a simulation is none.
    #[error("{0}")]
    Setting(String),
    /// A text describes no network.
    #[error("{0}; or give a file whose name ends in .toml")]
    Network(String),
    /// A file describes no network.
    #[error("{}: {why}", path.display())]
    NetworkFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A text is no fault of a simulation.
    #[error(
        "`{0}` is no fault; write `kill worker/1 3s`, `freeze worker/1 3s` or `freeze worker/1 3s..4s`, `scale worker 6 3s`, `drop A>B #3`, `duplicate A>B #3`, \
         `delay A>B #3 5ms` or `partition A>B 1s..2s`, where A and B are a node (worker/0), a group (worker) or *, and #3 is the third message \
         from one node to another; a time range may stand in its place"
    )]
    Fault(String),
    /// No executor has this name.
    #[error(
        "unknown executor `{0}`; the executors are `threads`, `processes`, `tmux`, `sim`, `ssh:HOSTS-FILE`, `slurm` and \
         `kubernetes:image=NAME`"
    )]
    UnknownExecutor(String),
    /// What names hosts cannot be used.
    #[error("`{text}` does not say where to run: {why}")]
    Site {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A hosts file says something wrong.
    #[error("{place}: {why}")]
    Hosts {
        /// The file, and the line.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// No host can be used.
    #[error("no host can be used: {0}")]
    NoHost(String),
    /// Slurm gave no room.
    #[error("Slurm gave no room: {0}")]
    Slurm(String),
    /// tmux cannot be used.
    #[error("tmux cannot show the nodes: {0}; install it (Debian: tmux), or run on `processes`")]
    Tmux(String),
    /// Kubernetes cannot be used.
    #[error("Kubernetes cannot be used: {0}")]
    Kubernetes(String),
    /// The hosts have no room for all nodes that a program begins with; none has been started.
    #[error(
        "{nodes} nodes want {wanted} {what} and the hosts offer {offered} ({each}), so that {node}, which needs {asked} on one \
         host, finds no place; give hosts more {what}, or add one"
    )]
    Crowded {
        /// How many nodes there are.
        nodes: usize,
        /// How much all of them want.
        wanted: usize,
        /// Of what.
        what: &'static str,
        /// How much all hosts have together.
        offered: usize,
        /// What each host has.
        each: String,
        /// The first node without a place.
        node: String,
        /// How much that needs.
        asked: usize,
    },
    /// No host has room for a node.
    #[error(
        "{node} needs {asked} {what} on one host, and the most that is free anywhere is {there}; give hosts more slots, or add one"
    )]
    Room {
        /// The node.
        node: String,
        /// Of what.
        what: &'static str,
        /// How many it needs.
        asked: usize,
        /// How many are free on the host that has most.
        there: usize,
    },
    /// There is no running program to look into.
    #[error("no program can be seen at {}: {why}", directory.display())]
    NoWindow {
        /// The directory of its run.
        directory: PathBuf,
        /// What is missing.
        why: String,
    },
    /// A running program refuses what it was asked for: why.
    #[error("{0}")]
    Refused(String),
    /// A run file cannot be written.
    #[error(transparent)]
    Trace(#[from] syncline_trace::Error),
    /// Something that launching needs from the operating system failed.
    #[error("{doing}: {source}")]
    System {
        /// What was being done, to what.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A call between nodes failed.
    #[error("{doing}: {source}")]
    Wire {
        /// What was being done, to what.
        doing: String,
        /// What the connection said.
        source: wire::Error,
    },
    /// This process is a node of a program that is launched later on: it cannot know the value of this one.
    #[error(
        "this process was started to run {node}, which belongs to a program launched after `{program}`; \
         its value is known only to the launcher (look at `launched_program()` to go straight to that program)"
    )]
    Elsewhere {
        /// The program launched here.
        program: String,
        /// The node this process is.
        node: String,
    },
    /// A node that is a process tried to launch a program on processes.
    #[error(
        "{0} is itself a process of a program and cannot launch another on processes; launch it on threads"
    )]
    Nested(String),
    /// The launcher and a process it started disagree, or the launcher is gone.
    #[error("{0}")]
    Handshake(String),
    /// The program came to its end, but the thread that should have told so is gone.
    #[error("the launcher of program `{program}` ended unexpectedly after {after:?}")]
    LauncherLost {
        /// The program.
        program: String,
        /// Time since the run's start.
        after: Duration,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Whether it is not the program that failed: a host of it, or the way there, is gone or was taken away.
    pub fn is_host_loss(&self) -> bool {
        match self {
            Self::NoHost(_) => true,
            Self::NodeFailed(failure) => failure.cause.is_host_loss(),
            _ => false,
        }
    }

    /// Wraps an I/O error with what was being done.
    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::System { doing, source }
    }

    /// Wraps a connection's error with what was being done.
    pub(crate) fn wire(doing: impl Into<String>) -> impl FnOnce(wire::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Wire { doing, source }
    }
}
