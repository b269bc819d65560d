//! A quorum, as rounds of many unreliable members need it (Bonawitz et al., arXiv 1902.01046): a round is over when all who
//! take part have given, or at its deadline with at least a quorum of them. Without a deadline it is over with the quorum.
//!
//! - QUORUM-1: no round is folded with fewer than the quorum.
//! - QUORUM-2: no round lasts longer than its deadline after its first start: one that has no quorum by then has failed, and
//!   everything stays as it is. How many may fail in a row is the [`Machine`](crate::Machine)'s matter.

use super::{
    Gate,
    rounds::{Given, Rounds},
};
use crate::{Act, Deadline, Event, Least, Member, Round, Selection, Time};

/// The gate of [`Policy::Quorum`](crate::Policy::Quorum).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quorum {
    least: usize,
    deadline: Option<Deadline>,
    /// When the open round ends, once somebody has started it.
    due: Option<Time>,
    rounds: Rounds,
}

impl Quorum {
    /// Waits for everybody until the deadline, and never for more than `least` after it.
    pub fn new(least: Least, deadline: Option<Deadline>, select: Selection) -> Self {
        Self::from_round(Round::ZERO, least, deadline, select)
    }

    pub(crate) fn from_round(
        open: Round,
        least: Least,
        deadline: Option<Deadline>,
        select: Selection,
    ) -> Self {
        Self { least: least.members(), deadline, due: None, rounds: Rounds::new(open, select) }
    }

    /// After something was given, or somebody left or joined.
    fn settle(&mut self, acts: &mut Vec<Act>) {
        let is_complete = self.rounds.missing() == 0 || self.deadline.is_none();
        if self.rounds.arrived() >= self.least && is_complete {
            return self.close(acts);
        }
        let is_hopeless = self.rounds.arrived() + self.rounds.missing() < self.least;
        if is_hopeless && self.rounds.is_begun() && self.rounds.present() >= self.least {
            self.fail(acts);
        }
    }

    fn close(&mut self, acts: &mut Vec<Act>) {
        self.due = None;
        self.rounds.close(acts);
    }

    fn fail(&mut self, acts: &mut Vec<Act>) {
        self.due = None;
        self.rounds.fail(acts);
    }

    /// At the deadline, unless it is that of a round that is over.
    fn end(&mut self, now: Time, acts: &mut Vec<Act>) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        if self.rounds.arrived() >= self.least { self.close(acts) } else { self.fail(acts) }
    }

    /// Lets the deadline run from the first start of a round, and not while nobody has started it.
    fn time(&mut self, now: Time, acts: &mut Vec<Act>) {
        let Some(deadline) = self.deadline else { return };
        if !self.rounds.is_begun() {
            self.due = None;
        } else if self.due.is_none() {
            let due = now.after(deadline);
            self.due = Some(due);
            acts.push(Act::WakeAt(due));
        }
    }
}

impl Gate for Quorum {
    #[inline]
    fn on(&mut self, now: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => {
                self.rounds.join(member, acts);
                self.settle(acts);
            }
            Event::Leave(member) => {
                self.rounds.leave(member, acts);
                self.settle(acts);
            }
            Event::Ask(member) => self.rounds.ask(member, acts),
            Event::Give { member, round } => {
                if self.rounds.give(member, round, acts) == Given::Kept {
                    self.settle(acts);
                }
            }
            Event::Due => self.end(now, acts),
        }
        self.time(now, acts);
    }

    fn at(&self, _: Member) -> Round {
        self.rounds.open()
    }

    fn least(&self) -> usize {
        self.least
    }
}
