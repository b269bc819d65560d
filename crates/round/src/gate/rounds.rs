//! What gates have in common whose rounds close: one round is open at a time, those who take part in it are known when it
//! opens, and what they give is kept until it is over. When that is, is the gate's own matter.
//!
//! Who joins is held until the next round opens, unless nobody has started the open one yet. A round whose members have all
//! left before they gave anything opens again, for those who are there by then.

use crate::{Act, Member, MemberSet, Members, Round, Selection};

/// The books of an open round.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rounds {
    select: Selection,
    /// The open round.
    open: Round,
    present: MemberSet,
    /// Who takes part in the open round; those who have left since do not.
    expected: MemberSet,
    /// Who was let into it; those who have left since only if they had given before.
    started: MemberSet,
    /// Whose work for it is there, also of those who have left since.
    arrived: MemberSet,
    /// How many take part and have not given.
    missing: usize,
    /// Who asked in vain, in that order.
    held: Vec<Member>,
}

/// What became of what a member gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// It counts for the open round.
    Kept,
    /// It was told that it is late.
    Late,
}

impl Rounds {
    /// Rounds from this one on, of members whom `select` chooses.
    pub(super) fn new(open: Round, select: Selection) -> Self {
        let none = MemberSet::default;
        let (present, expected, started, arrived) = (none(), none(), none(), none());
        Self { select, open, present, expected, started, arrived, missing: 0, held: Vec::new() }
    }

    /// The open round.
    pub(super) fn open(&self) -> Round {
        self.open
    }

    /// Members that are there, whether or not they take part in the open round.
    pub(super) fn present(&self) -> usize {
        self.present.len()
    }

    /// How many have given.
    pub(super) fn arrived(&self) -> usize {
        self.arrived.len()
    }

    /// How many may still give.
    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// Whether somebody was let into the open round.
    pub(super) fn is_begun(&self) -> bool {
        !self.started.is_empty()
    }

    /// Whether a member takes part in the open round and has not given.
    pub(super) fn awaits(&self, member: Member) -> bool {
        self.expected.contains(member) && !self.arrived.contains(member)
    }

    pub(super) fn join(&mut self, member: Member, acts: &mut Vec<Act>) {
        self.present.insert(member);
        if !self.is_begun() {
            self.expect(acts);
        }
    }

    pub(super) fn leave(&mut self, member: Member, acts: &mut Vec<Act>) {
        self.present.remove(member);
        self.held.retain(|&held| held != member);
        let is_there = self.arrived.contains(member);
        if self.expected.remove(member) && !is_there {
            self.missing -= 1;
        }
        // What is there still counts: its round stays begun, and its member joins another one if it comes back.
        if !is_there {
            self.started.remove(member);
        }
        if !self.is_begun() {
            self.expect(acts);
        }
    }

    pub(super) fn ask(&mut self, member: Member, acts: &mut Vec<Act>) {
        if self.expected.contains(member) && !self.arrived.contains(member) {
            self.started.insert(member);
            acts.push(Act::Go { member, round: self.open });
        } else {
            self.held.push(member);
        }
    }

    pub(super) fn give(&mut self, member: Member, round: Round, acts: &mut Vec<Act>) -> Given {
        if round < self.open {
            acts.push(Act::Late(member));
            return Given::Late;
        }
        self.arrived.insert(member);
        self.missing -= 1;
        Given::Kept
    }

    /// Ends the open round with what has arrived.
    pub(super) fn close(&mut self, acts: &mut Vec<Act>) {
        acts.push(Act::Fold { round: self.open, members: Members::from(&self.arrived) });
        self.advance(acts);
    }

    /// Ends the open round with what these have given; what others gave too is late, and who is still at it is told to stop.
    pub(super) fn close_with(&mut self, counted: &MemberSet, acts: &mut Vec<Act>) {
        acts.extend(self.arrived.iter().filter(|&member| !counted.contains(member)).map(Act::Late));
        acts.push(Act::Fold { round: self.open, members: Members::from(counted) });
        self.cancel(acts);
        self.advance(acts);
    }

    /// As [`close`](Self::close); who is still at it is told to stop.
    pub(super) fn close_and_cancel(&mut self, acts: &mut Vec<Act>) {
        acts.push(Act::Fold { round: self.open, members: Members::from(&self.arrived) });
        self.cancel(acts);
        self.advance(acts);
    }

    /// Tells those to stop who work at the open round.
    fn cancel(&self, acts: &mut Vec<Act>) {
        let round = self.open;
        let at_it = self.started.iter().filter(|&member| !self.arrived.contains(member));
        acts.extend(at_it.map(|member| Act::Cancel { member, round }));
    }

    /// Ends the open round without a result: what has arrived is dropped.
    pub(super) fn fail(&mut self, acts: &mut Vec<Act>) {
        acts.extend(self.arrived.iter().map(Act::Late));
        acts.push(Act::Fold { round: self.open, members: Members::none() });
        self.advance(acts);
    }

    /// Opens the next round.
    fn advance(&mut self, acts: &mut Vec<Act>) {
        self.open = self.open.next();
        self.arrived.clear();
        self.started.clear();
        self.expect(acts);
    }

    /// Chooses who takes part in the open round, which nobody has started yet, and lets those go on who are waiting.
    fn expect(&mut self, acts: &mut Vec<Act>) {
        self.select.choose(self.open, &self.present, &mut self.expected);
        self.missing = self.expected.len();
        let (expected, started, round) = (&self.expected, &mut self.started, self.open);
        self.held.retain(|&member| {
            let goes = expected.contains(member);
            if goes {
                started.insert(member);
                acts.push(Act::Go { member, round });
            }
            !goes
        });
    }
}
