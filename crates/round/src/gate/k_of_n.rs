//! The first k of a round, as coded computation needs them (Lee et al., arXiv 1512.02673): any k answers determine the
//! result, so the others are told to stop, or finish in vain.
//!
//! - KN-1: a round is folded with exactly k members.
//! - KN-2: with [`Order::Cancel`] everybody who works at a round when it is over is told so, once.
//! - KN-3: a round that can no longer have k members, because some have left, fails as soon as k are there for another; with
//!   fewer than k the machine says [`Error::TooFew`](crate::Error::TooFew).

use serde::{Deserialize, Serialize};

use super::{
    Gate,
    rounds::{Given, Rounds},
};
use crate::{Act, Event, Least, Member, Round, Selection, Time};

/// What becomes of those who are not among the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// They are told to stop.
    Cancel,
    /// They finish what they are at; it is late.
    Keep,
}

/// A gate that opens with the k-th.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KOfN {
    k: usize,
    order: Order,
    rounds: Rounds,
}

impl KOfN {
    /// Waits for `k` of a round.
    pub fn new(k: Least, order: Order, select: Selection) -> Self {
        Self::from_round(Round::ZERO, k, order, select)
    }

    pub(crate) fn from_round(open: Round, k: Least, order: Order, select: Selection) -> Self {
        Self { k: k.members(), order, rounds: Rounds::new(open, select) }
    }

    /// After a change of who is there.
    fn fail_if_hopeless(&mut self, acts: &mut Vec<Act>) {
        let hopeless = self.rounds.arrived() + self.rounds.missing() < self.k;
        if hopeless && self.rounds.is_begun() && self.rounds.present() >= self.k {
            self.rounds.fail(acts);
        }
    }
}

impl Gate for KOfN {
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => {
                self.rounds.join(member, acts);
                self.fail_if_hopeless(acts);
            }
            Event::Leave(member) => {
                self.rounds.leave(member, acts);
                self.fail_if_hopeless(acts);
            }
            Event::Ask(member) => self.rounds.ask(member, acts),
            Event::Give { member, round } => {
                if self.rounds.give(member, round, acts) == Given::Late || self.rounds.arrived() < self.k {
                    return;
                }
                match self.order {
                    Order::Cancel => self.rounds.close_and_cancel(acts),
                    Order::Keep => self.rounds.close(acts),
                }
            }
            Event::Due => {}
        }
    }

    fn at(&self, _: Member) -> Round {
        self.rounds.open()
    }

    fn least(&self) -> usize {
        self.k
    }
}
