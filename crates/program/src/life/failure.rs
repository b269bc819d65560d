//! How a node failed, in words, and which of several failures is the one to blame.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_wire as wire;

use crate::{BoxError, Error, NodeName};

/// How a node came to its unwanted end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Cause {
    /// Its body returned an error, or its service could not be constructed: the error and its sources.
    Failed(String),
    /// It gave up because another node or the program was gone: its error. Seldom the one to blame.
    LostPeer(String),
    /// It panicked with this message.
    Panicked(String),
    /// Its process ended by itself with this code.
    Exited(i32),
    /// Its process was killed by this signal.
    Killed(i32),
    /// The kernel killed it, because its memory, or that of what it runs in, was used up.
    OutOfMemory,
    /// The engine ended the job in which it ran: why.
    JobEnded(String),
    /// What it ran in was taken away from it alone, by the engine or at somebody's request: why.
    TakenAway(String),
    /// Its host is gone, or the connection to it.
    HostLost,
    /// Its process still exists but gave no sign of life for so long: it is stopped, or its machine does not get to it.
    Silent(Duration),
    /// Its process never came to take part: why.
    NeverStarted(String),
    /// One of the nodes that share its process failed, and with it all of them.
    Part {
        /// Which.
        node: NodeName,
        /// How that failed.
        cause: Box<Cause>,
    },
    /// Nothing in the program can go on any more: who waits for whom.
    Deadlocked(String),
}

impl Cause {
    /// Whether not the node failed: its host, or the way there, is gone, or was taken away with or without its job.
    pub fn is_host_loss(&self) -> bool {
        match self {
            Self::HostLost | Self::TakenAway(_) | Self::JobEnded(_) | Self::NeverStarted(_) => true,
            Self::Part { cause, .. } => cause.is_host_loss(),
            _ => false,
        }
    }

    /// The cause that `error` stands for.
    pub(crate) fn of(error: &BoxError) -> Self {
        let text = whole_text(&**error);
        if is_consequence(&**error) { Self::LostPeer(text) } else { Self::Failed(text) }
    }

    /// The cause that a caught panic stands for.
    pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked(text.unwrap_or_else(|| "a value that is not text".to_owned()))
    }

    /// How likely it is the root among failures that come together. A process that vanished told nobody before, while
    /// an error or a panic may be what its peers make of that; a signal comes from outside, so it is nobody's
    /// consequence; the loss of a peer is always one.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::LostPeer(_) => 0,
            Self::Part { cause, .. } => cause.weight(),
            Self::Failed(_) | Self::Panicked(_) | Self::NeverStarted(_) => 1,
            Self::Exited(_) | Self::Silent(_) => 2,
            Self::Killed(_)
            | Self::OutOfMemory
            | Self::TakenAway(_)
            | Self::HostLost
            | Self::Deadlocked(_) => 3,
            // What is seen of it first may be no more than a signal.
            Self::JobEnded(_) => 4,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => write!(f, "failed: {text}"),
            Self::LostPeer(text) => write!(f, "lost its peer: {text}"),
            Self::Panicked(text) => write!(f, "panicked: {text}"),
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Killed(signal) => write!(f, "was killed by signal {signal}{}", signal_name(*signal)),
            Self::OutOfMemory => f.write_str("was killed by the kernel: there was no memory left for it"),
            Self::JobEnded(why) => write!(f, "was ended with its job: {why}"),
            Self::TakenAway(why) => write!(f, "was ended: {why}"),
            Self::HostLost => f.write_str("was lost: its host, or the connection to it, is gone"),
            Self::Silent(time) => {
                write!(
                    f,
                    "was not heard of for {time:.0?}: its process is stopped, or its machine is swapping"
                )
            }
            Self::NeverStarted(why) => write!(f, "did not start: {why}"),
            Self::Part { node, cause } => write!(f, "failed with its {node}, which {cause}"),
            Self::Deadlocked(why) => write!(f, "is in a deadlock, {why}"),
        }
    }
}

/// ` (SIGKILL)` for 9, and nothing for a signal without a common name.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

/// The error and its sources, each said once: many errors already end with their source's text.
fn whole_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

/// Whether the error only says that another node, or the program, has gone.
fn is_consequence(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let lost = error.downcast_ref::<wire::Error>().is_some_and(wire::Error::is_peer_lost);
        let stopped = error.downcast_ref::<Error>().is_some_and(|error| matches!(error, Error::Stopped));
        if lost || stopped {
            return true;
        }
        next = error.source();
    }
    false
}

/// The failure of one node: who, how, and the last lines that it wrote. Its `Debug` reads as its `Display`.
///
/// ```
/// use syncline_program::{Cause, Error, Executor, Program, launch};
///
/// let mut program = Program::new("fails");
/// program.node("worker", async |_| Err("loss is NaN".into()));
/// let Err(Error::NodeFailed(failure)) = launch(program, Executor::threads())?.wait() else { panic!() };
/// assert_eq!(failure.node.to_string(), "worker/0");
/// assert_eq!(failure.cause, Cause::Failed("loss is NaN".to_owned()));
/// # Ok::<(), syncline_program::Error>(())
/// ```
pub struct Failure {
    /// The node.
    pub node: NodeName,
    /// Where it was, where nodes are on hosts with names.
    pub host: Option<String>,
    /// How it failed.
    pub cause: Cause,
    /// The last lines of its output, oldest first; empty where nodes are threads, whose output is the launcher's.
    pub output: Vec<String>,
    /// How often nodes of its group had been started again before.
    pub restarts: u32,
    /// The error itself, where the node ran in this process.
    pub error: Option<BoxError>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
        write!(f, "{}{at} {}", self.node, self.cause)?;
        if self.restarts > 0 {
            write!(f, " (after {} restarts in its group)", self.restarts)?;
        }
        if !self.output.is_empty() {
            write!(f, "\n  the last lines of its output:")?;
        }
        self.output.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;

    #[test]
    fn a_failure_tells_who_how_and_the_last_words() {
        let node = NodeName::member(Label::new("worker").unwrap(), 1);
        let mut failure = Failure {
            node,
            host: None,
            cause: Cause::Killed(9),
            output: vec!["epoch 3".to_owned()],
            restarts: 0,
            error: None,
        };
        let said = "worker/1 was killed by signal 9 (SIGKILL)\n  the last lines of its output:\n    epoch 3";
        assert_eq!(failure.to_string(), said);
        failure.host = Some("left".to_owned());
        let said = said.replace("worker/1 ", "worker/1 on left ");
        let error = Error::NodeFailed(Box::new(failure));
        assert_eq!((error.to_string(), format!("{error:?}")), (said.clone(), said));
    }

    #[test]
    fn a_stopped_program_is_a_consequence_also_when_wrapped() {
        #[derive(Debug, thiserror::Error)]
        #[error("training")]
        struct Wrapped(#[source] Error);
        let wrapped: BoxError = Box::new(Wrapped(Error::Stopped));
        assert_eq!(Cause::of(&wrapped), Cause::LostPeer("training: the program was stopped".to_owned()));
        let plain: BoxError = "loss is NaN".into();
        assert_eq!(Cause::of(&plain), Cause::Failed("loss is NaN".to_owned()));
    }
}
