//! Bulk-synchronous (Valiant 1990): a round is over when everybody who takes part has given. It is the gate of backup members
//! without a spare one.

use super::{Backup, Gate};
use crate::{Act, Event, Member, Round, Selection, Time};

/// The gate of [`Policy::Bsp`](crate::Policy::Bsp).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bsp(Backup);

impl Bsp {
    /// Of the members whom `select` chooses for each round.
    pub fn new(select: Selection) -> Self {
        Self::from_round(Round::ZERO, select)
    }

    pub(crate) fn from_round(open: Round, select: Selection) -> Self {
        Self(Backup::from_round(open, 0, select))
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
    fn on(&mut self, now: Time, event: Event, acts: &mut Vec<Act>) {
        self.0.on(now, event, acts);
    }

    fn at(&self, member: Member) -> Round {
        self.0.at(member)
    }
}
