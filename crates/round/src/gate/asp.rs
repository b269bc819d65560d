//! Asynchronous: nobody waits, everything is folded as it comes.

use super::Gate;
use crate::{Act, Event, Member, MemberSet, Members, Round, Time};

/// The gate of [`Policy::Asp`](crate::Policy::Asp). Who joins begins at the round of the slowest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Asp {
    present: MemberSet,
    /// The first round that each member has not finished.
    rounds: Vec<Round>,
    /// Where the next one begins if nobody is there.
    last: Round,
}

impl Asp {
    pub(crate) fn place(&mut self, member: Member, round: Round) {
        self.present.insert(member);
        if self.rounds.len() <= member.index() {
            self.rounds.resize(member.index() + 1, Round::ZERO);
        }
        self.rounds[member.index()] = round;
    }
}

impl Gate for Asp {
    #[inline]
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => {
                let slowest = self.present.iter().map(|member| self.rounds[member.index()]).min();
                self.place(member, slowest.unwrap_or(self.last));
            }
            Event::Leave(member) => {
                self.present.remove(member);
                self.last = self.at(member);
            }
            Event::Ask(member) => acts.push(Act::Go { member, round: self.at(member) }),
            Event::Give { member, round } => {
                self.rounds[member.index()] = round.next();
                acts.push(Act::Fold { round, members: Members::one(member) });
            }
            Event::Due => {}
        }
    }

    fn at(&self, member: Member) -> Round {
        self.rounds.get(member.index()).copied().unwrap_or(self.last)
    }
}
