//! Gossip: a gate for each neighbourhood. Members average with their neighbours and with nobody else, so that each waits for these
//! only; a slow one holds up its neighbours at once, theirs a round later, and far ones late or never.
//!
//! - NEAR-1: nobody starts round c before all of its neighbours who are there have finished round c - 1. So of two whose distance is d
//!   neither is more than d rounds ahead.
//! - NEAR-2: what is given is folded alone, as it comes: whoever drives the gate keeps it until all neighbours have taken it up.

use super::Gate;
use crate::{Act, Event, Member, MemberSet, Members, Neighbours, Round, Time};

/// The gate of [`Policy::Gossip`](crate::Policy::Gossip). Who joins begins at the round of the slowest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gossip {
    with: Neighbours,
    /// The first round that each has not finished, of all who have ever been there: among so many seats neighbours are.
    rounds: Vec<Round>,
    present: MemberSet,
    /// Who asked in vain, in that order.
    held: Vec<Member>,
}

impl Gossip {
    /// A gate among these neighbours.
    pub fn new(with: Neighbours) -> Self {
        Self { with, rounds: Vec::new(), present: MemberSet::default(), held: Vec::new() }
    }

    /// Puts members where they were.
    pub(crate) fn place(&mut self, members: &[(Member, Round)]) {
        for &(member, round) in members {
            self.enter(member, round);
        }
    }

    fn enter(&mut self, member: Member, round: Round) {
        if self.rounds.len() <= member.index() {
            self.rounds.resize(member.index() + 1, Round::ZERO);
        }
        self.rounds[member.index()] = round;
        self.present.insert(member);
    }

    /// The first round that somebody has not finished.
    fn slowest(&self) -> Round {
        self.present.iter().map(|member| self.rounds[member.index()]).min().unwrap_or_default()
    }

    fn neighbours(&self, member: Member) -> impl Iterator<Item = Member> {
        self.with.of(member.index(), self.rounds.len()).map(|index| Member::new(index as u32))
    }

    /// Whether all neighbours have finished the round before its next one.
    fn may_go(&self, member: Member) -> bool {
        let round = self.rounds[member.index()];
        self.neighbours(member)
            .all(|other| !self.present.contains(other) || self.rounds[other.index()] >= round)
    }

    /// Lets those of some go who were held and may go on.
    fn release(&mut self, some: impl Fn(&Self, Member) -> bool, acts: &mut Vec<Act>) {
        let goes = |&member: &Member| some(self, member) && self.may_go(member);
        let (gone, held): (Vec<_>, Vec<_>) = self.held.iter().copied().partition(goes);
        acts.extend(gone.iter().map(|&member| Act::Go { member, round: self.rounds[member.index()] }));
        self.held = held;
    }

    /// The same of a member's neighbours.
    fn release_neighbours(&mut self, member: Member, acts: &mut Vec<Act>) {
        let beside: MemberSet = self.neighbours(member).collect();
        if self.held.iter().any(|&held| beside.contains(held)) {
            self.release(|_, held| beside.contains(held), acts);
        }
    }
}

impl Gate for Gossip {
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => {
                let seats = self.rounds.len();
                self.enter(member, self.slowest());
                // With another seat others are neighbours.
                if self.rounds.len() > seats {
                    self.release(|_, _| true, acts);
                }
            }
            Event::Leave(member) => {
                self.present.remove(member);
                self.held.retain(|&held| held != member);
                self.release_neighbours(member, acts);
            }
            Event::Ask(member) if self.may_go(member) => {
                acts.push(Act::Go { member, round: self.rounds[member.index()] });
            }
            Event::Ask(member) => self.held.push(member),
            Event::Give { member, round } => {
                acts.push(Act::Fold { round, members: Members::one(member) });
                self.rounds[member.index()] = round.next();
                self.release_neighbours(member, acts);
            }
            Event::Due => {}
        }
    }

    fn at(&self, member: Member) -> Round {
        match self.present.contains(member) {
            true => self.rounds[member.index()],
            false => self.slowest(),
        }
    }
}
