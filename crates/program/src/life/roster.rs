//! Who is there: every node of a program, which incarnation of it, how it is, and where it listens.
//!
//! - ROS-1: an incarnation's number only grows, and what is told of an earlier one changes nothing.
//! - ROS-2: an address stands in the roster only while the incarnation that listens there may still answer.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use syncline_wire::Address;

use crate::{NodeId, NodeName};

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It has not been started yet, or waits to be started again.
    Waiting,
    /// It is not wanted now, and may be started later: its group grows and shrinks.
    Resting,
    /// It was started and has not reported yet.
    Starting,
    /// It runs.
    Running,
    /// It ran to its end.
    Finished,
    /// It was stopped.
    Stopped,
    /// It failed, and will not be started again.
    Failed,
}

impl State {
    /// Whether nothing more will come of the node.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Stopped | Self::Failed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Resting => "resting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        })
    }
}

/// What is known of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// How often it had been started before the start that counts now.
    pub incarnation: u32,
    /// How it is.
    pub state: State,
    /// Where it listens; `None` for what is no service, or is called directly.
    pub address: Option<Address>,
}

/// Every node of a program, as known at one moment; a colocation stands in it beside its nodes.
///
/// ```
/// use syncline_program::{Executor, Program, State, launch};
///
/// let mut program = Program::new("watched");
/// program.nodes("worker", 2, async |_| Ok(()));
/// let program = program.driver(async |ctx| {
///     ctx.finished("worker").await?;
///     Ok(ctx.roster().await?)
/// });
/// let roster = launch(program, Executor::threads())?.wait()?;
/// assert!(roster.group("worker").all(|(_, presence)| presence.state == State::Finished));
/// # Ok::<(), syncline_program::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster(BTreeMap<NodeName, Presence>);

impl Roster {
    /// Nodes none of which has been started.
    pub(crate) fn of(nodes: impl IntoIterator<Item = NodeName>) -> Self {
        let waiting = Presence { incarnation: 0, state: State::Waiting, address: None };
        Self(nodes.into_iter().map(|name| (name, waiting.clone())).collect())
    }

    /// The nodes in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeName, &Presence)> {
        self.0.iter()
    }

    /// What is known of this node; `None` if the program has no such node.
    pub fn get(&self, node: &NodeName) -> Option<&Presence> {
        self.0.get(node)
    }

    /// The nodes of a group.
    pub fn group<'a>(&'a self, label: &'a str) -> impl Iterator<Item = (&'a NodeName, &'a Presence)> {
        self.nodes().filter(move |(name, _)| name.label().as_str() == label)
    }

    /// Whether every node of a group has come to an end for good.
    pub fn is_over(&self, label: &str) -> bool {
        self.group(label).all(|(_, presence)| presence.state.is_over())
    }

    /// Puts down the state of an incarnation; who is not running answers nowhere.
    pub(crate) fn set(&mut self, node: &NodeId, state: State) {
        let Some(presence) = self.0.get_mut(&node.name) else { return };
        if node.incarnation < presence.incarnation {
            return;
        }
        let same = node.incarnation == presence.incarnation;
        let address = presence.address.take().filter(|_| same && state == State::Running);
        *presence = Presence { incarnation: node.incarnation, state, address };
    }

    /// Puts down that a node which rests or is lost is to be started: whoever waits for the group's end waits for it, too.
    pub(crate) fn awaits(&mut self, node: &NodeName) {
        let Some(presence) = self.0.get_mut(node) else { return };
        match presence.state {
            State::Resting => presence.state = State::Waiting,
            // What is still told of the lost one is of an earlier incarnation.
            State::Failed => {
                let incarnation = presence.incarnation + 1;
                *presence = Presence { incarnation, state: State::Waiting, address: None };
            }
            _ => {}
        }
    }

    /// Puts down where an incarnation listens.
    pub(crate) fn listens(&mut self, node: &NodeId, address: Address) {
        let current = self
            .0
            .get_mut(&node.name)
            .filter(|presence| presence.incarnation == node.incarnation && !presence.state.is_over());
        if let Some(presence) = current {
            presence.address = Some(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ros_1_and_2_an_earlier_incarnation_is_history_and_answers_nowhere() {
        let first = NodeId::first("server/0".parse().unwrap());
        let mut roster = Roster::of([first.name.clone()]);
        let at = |roster: &Roster| roster.get(&first.name).unwrap().address.clone();
        let address = |text: &str| text.parse::<Address>().unwrap();
        roster.set(&first, State::Running);
        roster.listens(&first, address("unix:/tmp/a.sock"));
        assert_eq!(at(&roster), Some(address("unix:/tmp/a.sock")));

        let second = first.next();
        roster.set(&second, State::Waiting);
        assert_eq!(at(&roster), None);
        roster.listens(&first, address("unix:/tmp/a.sock"));
        roster.set(&first, State::Failed);
        assert_eq!((at(&roster), roster.is_over("server")), (None, false));
        roster.set(&second, State::Running);
        roster.listens(&second, address("unix:/tmp/b.sock"));
        assert_eq!(at(&roster), Some(address("unix:/tmp/b.sock")));
        roster.set(&second, State::Finished);
        assert_eq!((at(&roster), roster.is_over("server")), (None, true));
    }
}
