//! Bulk-synchronous (Valiant 1990): a round is over when everybody who takes part has given.

use super::{
    Gate,
    rounds::{Given, Rounds},
};
use crate::{Act, Event, Member, Round, Selection, Time};

/// The gate of [`Policy::Bsp`](crate::Policy::Bsp).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bsp {
    rounds: Rounds,
}

impl Bsp {
    /// Of the members whom `select` chooses for each round.
    pub fn new(select: Selection) -> Self {
        Self::from_round(Round::ZERO, select)
    }

    pub(crate) fn from_round(open: Round, select: Selection) -> Self {
        Self { rounds: Rounds::new(open, select) }
    }

    fn close_if_complete(&mut self, acts: &mut Vec<Act>) {
        if self.rounds.missing() == 0 && self.rounds.arrived() > 0 {
            self.rounds.close(acts);
        }
    }
}

impl Default for Bsp {
    /// Everybody takes part.
    fn default() -> Self {
        Self::new(Selection::All)
    }
}

impl Gate for Bsp {
    #[inline]
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => self.rounds.join(member, acts),
            Event::Leave(member) => {
                self.rounds.leave(member, acts);
                self.close_if_complete(acts);
            }
            Event::Ask(member) => self.rounds.ask(member, acts),
            Event::Give { member, round } => {
                if self.rounds.give(member, round, acts) == Given::Kept {
                    self.close_if_complete(acts);
                }
            }
            Event::Due => {}
        }
    }

    fn at(&self, _: Member) -> Round {
        self.rounds.open()
    }
}
