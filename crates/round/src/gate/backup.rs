//! Bulk-synchronous with backup members (Chen et al., arXiv 1604.00981): a round is over when all but a few have given; what
//! comes later is dropped, and its member joins the round that is then open.

use super::{
    Gate,
    rounds::{Given, Rounds},
};
use crate::{Act, Event, Member, Round, Selection, Time};

/// The gate of [`Policy::Backup`](crate::Policy::Backup). With no more members than spare ones the first to give ends the
/// round.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backup {
    spare: usize,
    rounds: Rounds,
}

impl Backup {
    /// A gate that does not wait for the last `spare` of a round.
    pub fn new(spare: u32, select: Selection) -> Self {
        Self::from_round(Round::ZERO, spare, select)
    }

    pub(crate) fn from_round(open: Round, spare: u32, select: Selection) -> Self {
        Self { spare: spare as usize, rounds: Rounds::new(open, select) }
    }

    fn close_if_enough(&mut self, acts: &mut Vec<Act>) {
        if self.rounds.missing() <= self.spare && self.rounds.arrived() > 0 {
            self.rounds.close(acts);
        }
    }
}

impl Gate for Backup {
    #[inline]
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => self.rounds.join(member, acts),
            Event::Leave(member) => {
                self.rounds.leave(member, acts);
                self.close_if_enough(acts);
            }
            Event::Ask(member) => self.rounds.ask(member, acts),
            Event::Give { member, round } => {
                if self.rounds.give(member, round, acts) == Given::Kept {
                    self.close_if_enough(acts);
                }
            }
            Event::Due => {}
        }
    }

    fn at(&self, _: Member) -> Round {
        self.rounds.open()
    }
}
