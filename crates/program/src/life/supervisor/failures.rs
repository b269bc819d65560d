//! What becomes of a node that fails or ends, and of the program with it (SUP-1, 2, 4, 7, 8, 9).

use std::time::Duration;

use super::{Action, End, GRACE, Phase, Supervisor};
use crate::life::failure::Cause;
use crate::life::member::{Fate, Member, Role};
use crate::life::remark::Remark;
use crate::{Label, NodeId, NodeName, OnFailure};

impl Supervisor {
    pub(super) fn failed(&mut self, now: Duration, node: NodeId, cause: Cause) -> Vec<Action> {
        if !self.is_running() {
            self.blame_better(now, node, cause);
            return Vec::new();
        }
        match self.members.get(&node.name) {
            Some(member) if member.id == node && member.is_alive() => self.failed_alive(now, node, cause),
            // Of an earlier incarnation, or told before.
            _ => Vec::new(),
        }
    }

    fn failed_alive(&mut self, now: Duration, node: NodeId, cause: Cause) -> Vec<Action> {
        let Some(member) = self.members.get_mut(&node.name) else { return Vec::new() };
        let before = self.restarts.get(node.name.label()).copied().unwrap_or_default();
        match (member.policy, member.policy.restart_after(before)) {
            // Where nothing goes on, starting one node anew or leaving one out would only hide it, and there is no place
            // to start it in a job that has ended.
            _ if matches!(cause, Cause::Deadlocked(_) | Cause::JobEnded(_)) => self.fail(now, node, cause),
            (OnFailure::Restart { times, .. }, Some(after)) => {
                member.fate = Fate::Failed { restart: after };
                self.restarts.insert(node.name.label().clone(), before + 1);
                let restarts =
                    Remark::Restarts { node: node.clone(), cause, after, restart: before + 1, of: times };
                self.remarks.push(restarts);
                vec![Action::End(node)]
            }
            (OnFailure::GoOn, _) => {
                member.fate = Fate::Lost;
                if self.is_last_of_group(node.name.label()) {
                    return self.fail(now, node, cause);
                }
                self.remarks.push(Remark::Lost(node.clone(), cause));
                vec![Action::End(node)]
            }
            _ => self.fail(now, node, cause),
        }
    }

    /// Whether all of a group are lost and none has finished.
    fn is_last_of_group(&self, label: &Label) -> bool {
        let mut group = self.members.values().filter(|member| member.id.name.label() == label);
        let is_gone =
            |fate| matches!(fate, Fate::Lost | Fate::Ended { finished: false } | Fate::Resting { .. });
        group.all(|member| is_gone(member.fate))
    }

    pub(super) fn fail(&mut self, now: Duration, node: NodeId, cause: Cause) -> Vec<Action> {
        self.failed_at = Some(now);
        self.stop(now, End::Failed(node, cause))
    }

    fn blame_better(&mut self, now: Duration, node: NodeId, cause: Cause) {
        let End::Failed(_, blamed) = &self.end else { return };
        // Who only missed another is not the one to blame, and some engines tell of the other seconds later: there is as much time as
        // nodes have to end.
        let grace =
            if matches!(blamed, Cause::LostPeer(_)) { GRACE.max(self.patience.failure) } else { GRACE };
        if self.failed_at.is_some_and(|first| now <= first + grace) && cause.weight() > blamed.weight() {
            self.end = End::Failed(node, cause);
        }
    }

    pub(super) fn ended(&mut self, now: Duration, node: &NodeId, finished: bool) -> Vec<Action> {
        let running = self.is_running();
        let Some(member) = self.members.get_mut(&node.name).filter(|member| member.id == *node) else {
            return Vec::new();
        };
        if let (Fate::Failed { restart }, true) = (member.fate, running) {
            member.fate = Fate::Restarts { at: now + restart };
            return Vec::new();
        }
        member.fate = match finished && running && member.may_rest {
            true => Fate::Resting { lived: true },
            false => Fate::Ended { finished },
        };
        let done = finished || !running || self.members[&node.name].policy == OnFailure::GoOn;
        if self.members.values().all(Member::has_ended) {
            self.phase = Phase::Over;
            return vec![Action::Finish];
        }
        if done && self.is_complete() { self.stop(now, End::Finished) } else { Vec::new() }
    }

    /// Starts a node that rests or is lost, as soon as its earlier incarnation is gone.
    pub(super) fn woken(&mut self, node: &NodeName) -> Vec<Action> {
        if !self.is_running() {
            return Vec::new();
        }
        let woken = self.members.get_mut(node).and_then(Member::wake);
        woken.into_iter().map(Action::Start).collect()
    }

    /// What is left of a node only serves.
    pub(super) fn idle(&mut self, now: Duration, node: &NodeId) -> Vec<Action> {
        self.current(node, |member| member.is_idle = true);
        if self.is_running() && self.is_complete() { self.stop(now, End::Finished) } else { Vec::new() }
    }

    /// Whether what the program is for has been done.
    fn is_complete(&self) -> bool {
        let of = |role: Role| self.members.values().filter(move |member| member.role == role);
        let role = if of(Role::Driver).next().is_some() { Role::Driver } else { Role::Plain };
        of(role).next().is_some() && of(role).all(|member| member.has_ended() || member.is_idle)
    }

    /// Starts those again whose time has come.
    pub(super) fn restart(&mut self, now: Duration) -> Vec<Action> {
        if !self.is_running() {
            return Vec::new();
        }
        let is_due = |member: &&mut Member| matches!(member.fate, Fate::Restarts { at } if now >= at);
        self.members.values_mut().filter(is_due).map(|member| Action::Start(member.begin_anew())).collect()
    }
}
