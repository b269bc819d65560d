//! What to do when something happens to a node: pure decisions, without a clock, a thread or a process.
//!
//! - SUP-1: the first failure that no policy allows for stops the program; a failure after stopping was asked for is none.
//! - SUP-2: of the failures that arrive within [`GRACE`] of the one that stops, the weightiest is blamed, then the
//!   earliest: the news of a killed process is often overtaken by the complaints of its peers. Who complains of a peer is blamed only
//!   if there is nobody else by the end of the notice.
//! - SUP-3: what has not stopped when the notice is over is killed, and what cannot be killed is left and named.
//! - SUP-4: plain nodes that end normally stop nothing, until they all have and there is no driver. Of a colocation it
//!   counts that its work is done, though its services serve on.
//! - SUP-5: an interrupt that the driver heeds stops nothing; the next one ends everything at once.
//! - SUP-6: a process that gives no sign of life is told of once, and beyond the limit it has failed; but a launcher that
//!   was itself away for a while (its machine slept) blames nobody for it.
//! - SUP-7: a node is started again only when its earlier incarnation is gone, so that no two of them run at once; what
//!   is told of an earlier incarnation changes nothing.
//! - SUP-8: the failure of the last node of a group stops the program, also where it may go on without some.
//! - SUP-9: of a group that grows and shrinks a node that runs to its end rests, and is started again when it is woken; one
//!   that rests keeps nothing from its end.

mod ending;
mod failures;
mod silence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::failure::Cause;
use super::member::{Fate, Member, Role};
use super::patience::Patience;
use super::remark::Remark;
use crate::{Interrupt, Label, NodeId, NodeName};

/// How long after the first failure a better explanation is accepted.
const GRACE: Duration = Duration::from_millis(200);

/// How long a killed node may take to vanish.
const BURIAL: Duration = Duration::from_millis(500);

/// A second interrupt within this time of the first is the same one: tools such as `timeout` signal a process and its
/// group, and no hand is that quick.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// A tick that comes so much later than it was due means that the launcher itself did not run.
const ABSENT: Duration = Duration::from_millis(500);

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node's process has been started.
    Started(NodeId),
    /// A node has taken up its work.
    Joined(NodeId),
    /// A node's process has given a sign of life.
    Heard(NodeId),
    /// A node of a simulation has stopped: its signs of life, which there go without saying, are missing from now on.
    Froze(NodeId),
    /// It goes on.
    Thawed(NodeId),
    /// A node has failed; that it has ended comes separately.
    Failed(NodeId, Cause),
    /// A node is gone; `finished` if its body ran to its end, and not because of a stop.
    Ended {
        /// The node.
        node: NodeId,
        /// Whether it finished its work.
        finished: bool,
    },
    /// All work of a node is done; what is left of it only serves others.
    Idle(NodeId),
    /// The driver wants a node to be there that rests or is lost.
    Woken(NodeName),
    /// Somebody in the program, or the holder of the run, asked for the end.
    StopAsked,
    /// The holder of the run has gone: there is nobody to be polite for.
    Abandoned,
    /// A signal came to the launcher.
    Interrupted {
        /// Which.
        by: Interrupt,
        /// Whether the driver listens for it.
        heeded: bool,
    },
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Tell the driver of the interrupt.
    Heed(Interrupt),
    /// Start this incarnation of a node.
    Start(NodeId),
    /// End what is left of a node that has failed.
    End(NodeId),
    /// Ask every node to stop.
    Stop,
    /// Kill every process that still runs.
    Kill,
    /// All is over.
    Finish,
}

/// Why the program came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The driver returned, or all plain nodes did.
    Finished,
    /// It was stopped on request.
    Asked,
    /// It was interrupted.
    Interrupted(Interrupt),
    /// This node failed, the one to blame.
    Failed(NodeId, Cause),
}

#[derive(Debug)]
enum Phase {
    Running,
    Stopping { kill_at: Duration },
    Killing { leave_at: Duration },
    Over,
}

/// The state of a program's life.
#[derive(Debug)]
pub(crate) struct Supervisor {
    members: BTreeMap<NodeName, Member>,
    /// How often nodes of a group have been started again.
    restarts: BTreeMap<Label, u32>,
    patience: Patience,
    phase: Phase,
    end: End,
    failed_at: Option<Duration>,
    interrupted_at: Option<Duration>,
    remarks: Vec<Remark>,
}

impl Supervisor {
    /// A program of these nodes, at time 0.
    pub(crate) fn new(members: impl IntoIterator<Item = Member>, patience: Patience) -> Self {
        Self {
            members: members.into_iter().map(|member| (member.id.name.clone(), member)).collect(),
            restarts: BTreeMap::new(),
            patience,
            phase: Phase::Running,
            end: End::Finished,
            failed_at: None,
            interrupted_at: None,
            remarks: Vec::new(),
        }
    }

    /// Takes an event in, at time `now`, and says what to do.
    pub(crate) fn on(&mut self, now: Duration, event: Event) -> Vec<Action> {
        match event {
            Event::Started(node) => {
                self.current(&node, |member| member.starting = Some(now));
                Vec::new()
            }
            Event::Joined(node) => {
                self.current(&node, |member| {
                    // A thread has not been started by an event, and will not be heard.
                    member.heard = member.starting.take().map(|_| now);
                });
                Vec::new()
            }
            Event::Heard(node) => {
                self.heard(now, node);
                Vec::new()
            }
            Event::Froze(node) => {
                self.current(&node, |member| member.heard = Some(now));
                Vec::new()
            }
            Event::Thawed(node) => {
                self.heard(now, node.clone());
                self.current(&node, |member| member.heard = None);
                Vec::new()
            }
            Event::Failed(node, cause) => self.failed(now, node, cause),
            Event::Ended { node, finished } => self.ended(now, &node, finished),
            Event::Idle(node) => self.idle(now, &node),
            Event::Woken(node) => self.woken(&node),
            Event::StopAsked => self.stop(now, End::Asked),
            // With nobody to ask politely first, the stop is all there is to do.
            Event::Abandoned => self.stop_at_once(now, End::Asked),
            Event::Interrupted { by, heeded } => self.interrupted(now, by, heeded),
            Event::Tick => self.tick(now),
        }
    }

    /// When [`Event::Tick`] is next due.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Running => {
                let start = self.patience.start;
                let late = self.alive().filter_map(|member| Some(member.starting? + start));
                let restarts = self.members.values().filter_map(|member| match member.fate {
                    Fate::Restarts { at } => Some(at),
                    _ => None,
                });
                late.chain(restarts).chain(self.silent_at()).min()
            }
            Phase::Stopping { kill_at } => Some(kill_at),
            Phase::Killing { leave_at } => Some(leave_at),
            Phase::Over => None,
        }
    }

    /// What has come up for people since the last time.
    pub(crate) fn take_remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }

    /// Whether no stop has been asked for yet.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether the node has ended.
    pub(crate) fn has_ended(&self, node: &NodeName) -> bool {
        self.members.get(node).is_none_or(Member::has_ended)
    }

    /// Whether this incarnation, though it has failed, is not the last of its node.
    pub(crate) fn will_restart(&self, node: &NodeId) -> bool {
        let fate = self.members.get(&node.name).filter(|member| member.id == *node).map(|member| member.fate);
        matches!(fate, Some(Fate::Failed { .. } | Fate::Restarts { .. }))
    }

    /// Whether this is the incarnation of its node that counts.
    pub(crate) fn is_current(&self, node: &NodeId) -> bool {
        self.members.get(&node.name).is_some_and(|member| member.id == *node)
    }

    /// Whether the node is not there, and may be woken.
    pub(crate) fn rests(&self, node: &NodeName) -> bool {
        self.members.get(node).is_some_and(|member| matches!(member.fate, Fate::Resting { .. }))
    }

    /// Whether the node rests once it is gone, should it run to its end.
    pub(crate) fn is_to_rest(&self, node: &NodeName) -> bool {
        self.is_running() && self.members.get(node).is_some_and(|member| member.may_rest)
    }

    /// How many processes have been started and have not reported yet.
    pub(crate) fn starting(&self) -> usize {
        self.alive().filter(|member| member.starting.is_some()).count()
    }

    /// The nodes that have not ended.
    pub(crate) fn left(&self) -> Vec<NodeId> {
        let left = self.members.values().filter(|member| !member.has_ended());
        left.map(|member| member.id.clone()).collect()
    }

    /// The nodes that have work to do which ends by itself.
    pub(crate) fn working(&self) -> Vec<NodeName> {
        let working =
            |member: &&Member| !member.has_ended() && !member.is_idle && member.role != Role::Service;
        self.members.values().filter(working).map(|member| member.id.name.clone()).collect()
    }

    /// Whether somebody has asked for the end from outside.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted_at.is_some()
    }

    /// Whether the program has come so far without a failure or an interrupt that is to blame for its end.
    pub(crate) fn is_well(&self) -> bool {
        matches!(self.end, End::Finished | End::Asked)
    }

    /// Why the program ended, and how often nodes of each group had been started again.
    pub(crate) fn into_end(self) -> (End, BTreeMap<Label, u32>) {
        (self.end, self.restarts)
    }

    fn alive(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.is_alive())
    }

    /// Changes a node, unless what is told is of an incarnation that no longer lives.
    fn current(&mut self, node: &NodeId, change: impl FnOnce(&mut Member)) {
        let member = self.members.get_mut(&node.name);
        if let Some(member) = member.filter(|member| member.id == *node && member.is_alive()) {
            change(member);
        }
    }

    fn tick(&mut self, now: Duration) -> Vec<Action> {
        match self.phase {
            Phase::Running => {
                let mut actions = self.look_for_late(now);
                actions.extend(self.restart(now));
                actions.extend(self.look_for_silence(now));
                actions
            }
            Phase::Stopping { kill_at } if now >= kill_at => self.kill(now),
            Phase::Killing { leave_at } if now >= leave_at => {
                self.phase = Phase::Over;
                vec![Action::Finish]
            }
            _ => Vec::new(),
        }
    }
}
