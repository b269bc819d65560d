//! The first of each group, as gradient codes by repetition need it (Tandon et al., arXiv 1612.03301): the members of a group
//! do the same work, so that a round is over when every group has been heard.
//!
//! - EACH-1: a round is folded with one member of each group, the first that gave; what others of it gave is late.
//! - EACH-2: everybody who works at a round when it is over is told to stop, once (as KN-2).
//! - EACH-3: a round fails when nobody of a group can give any more: without its part there is no result. How many may
//!   fail in a row is the [`Machine`](crate::Machine)'s matter.

use super::{
    Gate,
    rounds::{Given, Rounds},
};
use crate::{Act, Event, Member, MemberSet, Round, Selection, Time};

/// The gate of [`Policy::Repetition`](crate::Policy::Repetition): members 0 to `stragglers` are a group, and so on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FirstOfEach {
    size: usize,
    /// Groups of which somebody has ever been there.
    groups: usize,
    /// Who was the first of its group.
    firsts: MemberSet,
    rounds: Rounds,
}

impl FirstOfEach {
    /// Of groups that stand so many stragglers, and so have one member more.
    pub fn new(stragglers: u32, select: Selection) -> Self {
        Self::from_round(Round::ZERO, stragglers, select)
    }

    pub(crate) fn from_round(open: Round, stragglers: u32, select: Selection) -> Self {
        let size = stragglers as usize + 1;
        Self { size, groups: 0, firsts: MemberSet::default(), rounds: Rounds::new(open, select) }
    }

    fn group(&self, member: Member) -> usize {
        member.index() / self.size
    }

    fn is_heard(&self, group: usize) -> bool {
        self.firsts.iter().any(|first| self.group(first) == group)
    }

    /// Whether some group can not be heard any more in the open round.
    fn is_hopeless(&self) -> bool {
        let awaits = |group: usize| {
            let members = (group * self.size..(group + 1) * self.size).map(|index| Member::new(index as u32));
            self.is_heard(group) || members.into_iter().any(|member| self.rounds.awaits(member))
        };
        !(0..self.groups).all(awaits)
    }

    /// After something was given, or somebody left or joined.
    fn settle(&mut self, acts: &mut Vec<Act>) {
        if self.firsts.len() == self.groups && self.groups > 0 {
            self.rounds.close_with(&self.firsts, acts);
            self.firsts.clear();
        } else if self.rounds.is_begun() && self.is_hopeless() {
            self.rounds.fail(acts);
            self.firsts.clear();
        }
    }
}

impl Gate for FirstOfEach {
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => {
                self.groups = self.groups.max(self.group(member) + 1);
                self.rounds.join(member, acts);
                self.settle(acts);
            }
            Event::Leave(member) => {
                self.rounds.leave(member, acts);
                self.settle(acts);
            }
            Event::Ask(member) => self.rounds.ask(member, acts),
            Event::Give { member, round } => {
                if self.rounds.give(member, round, acts) == Given::Late {
                    return;
                }
                if !self.is_heard(self.group(member)) {
                    self.firsts.insert(member);
                }
                self.settle(acts);
            }
            Event::Due => {}
        }
    }

    fn at(&self, _: Member) -> Round {
        self.rounds.open()
    }

    fn least(&self) -> usize {
        self.groups
    }
}
