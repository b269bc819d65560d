//! What is put down of nodes, and of those that share their process, as news of them come.

use super::Launcher;
use crate::control::Outcome;
use crate::life::roster::State;
use crate::life::supervisor::Event;
use crate::node::body::NodeEnd;
use crate::{NodeId, NodeName};

impl Launcher {
    pub(super) fn joined(&mut self, node: &NodeId) {
        if let Some(seen) = self.seen.get_mut(&node.name) {
            seen.joined = true;
        }
        self.put_down(node, State::Running);
        self.is_there(node);
    }

    /// Puts down the state of a node, and of those that share its process, as far as they have not come to an end of their own.
    pub(super) fn put_down(&self, node: &NodeId, state: State) {
        let mates = self.cast.mates(node);
        self.stage.control.post(|board| {
            board.roster.set(node, state);
            for (mate, _) in mates {
                let known = board.roster.get(&mate.name);
                if !known.is_some_and(|known| known.incarnation == mate.incarnation && known.state.is_over())
                {
                    board.roster.set(&mate, state);
                }
            }
        });
    }

    /// A node has come to its end in a process that it shares, and that lives on.
    pub(super) fn mate_ended(&mut self, mate: &NodeId, unit: NodeId, end: NodeEnd) -> bool {
        if !self.supervisor.is_current(&unit) {
            return false;
        }
        let NodeEnd { outcome, value, .. } = end;
        let is_finished = outcome == Outcome::Finished;
        self.stage.control.post(|board| {
            board.roster.set(mate, if is_finished { State::Finished } else { State::Stopped });
            if is_finished {
                board.values.insert(mate.name.clone(), value);
            }
        });
        if let Some(trace) = &mut self.trace {
            trace.ends(&mate.name, self.stage.clock.now());
        }
        let roster = self.stage.control.roster();
        let is_over = |mate: &NodeId| roster.get(&mate.name).is_none_or(|presence| presence.state.is_over());
        let (working, serving): (Vec<_>, Vec<_>) =
            self.cast.mates(&unit).into_iter().partition(|(_, works)| *works);
        let is_idle =
            working.iter().all(|(mate, _)| is_over(mate)) && serving.iter().any(|(mate, _)| !is_over(mate));
        is_idle && self.decide(Event::Idle(unit))
    }

    /// The nodes whose work goes on, each in its own name.
    pub(super) fn working(&self) -> Vec<NodeName> {
        let roster = self.stage.control.roster();
        let is_over = |mate: &NodeName| roster.get(mate).is_none_or(|presence| presence.state.is_over());
        let own = |name: NodeName| match self.cast.mates(&NodeId::first(name.clone())) {
            mates if mates.is_empty() => vec![name],
            mates => mates
                .into_iter()
                .filter(|(mate, works)| *works && !is_over(&mate.name))
                .map(|(mate, _)| mate.name)
                .collect(),
        };
        self.supervisor.working().into_iter().flat_map(own).collect()
    }

    /// A node has taken up its work.
    pub(super) fn is_there(&mut self, node: &NodeId) {
        let now = self.stage.clock.now();
        let lives = self.cast.lives(node);
        if let Some(trace) = &mut self.trace {
            lives.iter().for_each(|name| trace.begins(name, now));
        }
    }

    /// A node's body has ended; itself it may live on for a moment.
    pub(super) fn heard(&mut self, node: &NodeId, end: NodeEnd) -> bool {
        let NodeEnd { outcome, value, error } = end;
        self.errors.extend(error.map(|error| (node.name.clone(), error)));
        match outcome {
            Outcome::Failed(cause) => self.decide(Event::Failed(node.clone(), cause)),
            Outcome::Finished => {
                // What rests can be woken when it is gone, and not before.
                let rests = self.supervisor.is_to_rest(&node.name);
                self.stage.control.post(|board| {
                    if !rests {
                        board.roster.set(node, State::Finished);
                    }
                    // Its process tells its end twice: when its body has ended, and when itself has.
                    board.values.entry(node.name.clone()).or_insert(value);
                });
                false
            }
            Outcome::Stopped => false,
        }
    }

    pub(super) fn ended(&mut self, node: NodeId, end: NodeEnd) -> bool {
        let finished = end.outcome == Outcome::Finished;
        let over = self.heard(&node, end) | self.decide(Event::Ended { node: node.clone(), finished });
        self.stage.control.books.close(&node);
        let lives = self.cast.lives(&node);
        if let Some(trace) = &mut self.trace {
            lives.iter().for_each(|name| trace.ends(name, self.stage.clock.now()));
        }
        if self.supervisor.rests(&node.name) {
            self.put_down(&node, State::Resting);
            return over;
        }
        let all = self.cast.mates(&node).into_iter().map(|(mate, _)| mate).chain([node]);
        self.stage.control.post(|board| {
            for node in all {
                let state = board.roster.get(&node.name).map(|presence| presence.state);
                if state.is_some_and(|state| !state.is_over()) {
                    board.roster.set(&node, State::Stopped);
                }
            }
        });
        over
    }

    /// A node has failed: nobody should look for it where it was.
    pub(super) fn write_off(&mut self, node: &NodeId) {
        let again = self.supervisor.will_restart(node);
        let directory = &self.stage.home.directory;
        directory.withdraw(&node.name, !again);
        self.cast.mates(node).iter().for_each(|(mate, _)| directory.withdraw(&mate.name, !again));
        match again {
            true => self.put_down(&node.next(), State::Waiting),
            false => self.put_down(node, State::Failed),
        }
    }
}
