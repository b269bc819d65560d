//! Stale-synchronous (Ho et al., NIPS 2013): nobody starts round c before all have finished round c - bound - 1; everything is
//! folded as it comes.
//!
//! Who is at which round is counted, so that the slowest need not be searched for: an event costs the same at any number of
//! members. All who are held wait for the same round, bound + 1 after the slowest: one step of the slowest lets them all go.

use std::collections::VecDeque;

use super::Gate;
use crate::{Act, Error, Event, Member, Members, Round, Staleness, Time};

/// The gate of [`Policy::Ssp`](crate::Policy::Ssp). Who joins begins at the round of the slowest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ssp {
    bound: u64,
    /// The first round that each member has not finished.
    rounds: Vec<Round>,
    /// The least of those.
    slowest: Round,
    /// How many members are at the slowest round, the one after it, and so on; never empty, and not 0 first unless nobody is
    /// there.
    at: VecDeque<usize>,
    /// Who asked in vain, in that order.
    held: Vec<Member>,
}

impl Ssp {
    /// A gate that keeps the fastest within `bound` rounds of the slowest.
    pub fn new(bound: Staleness) -> Self {
        let at = VecDeque::from([0]);
        Self { bound: bound.rounds(), rounds: Vec::new(), slowest: Round::ZERO, at, held: Vec::new() }
    }

    /// Puts members where they were.
    pub(crate) fn place(&mut self, members: &[(Member, Round)]) -> Result<(), Error> {
        let Some(slowest) = members.iter().map(|&(_, round)| round).min() else { return Ok(()) };
        let fastest = members.iter().map(|&(_, round)| round.number()).max().unwrap_or(0);
        let lead = fastest - slowest.number();
        if lead > self.bound + 1 {
            return Err(Error::OutOfRange {
                what: "the lead of the fastest member in a snapshot",
                got: lead.to_string(),
                must: "at most a round more than the staleness bound",
            });
        }
        self.slowest = slowest;
        self.at = VecDeque::from(vec![0; lead as usize + 1]);
        for &(member, round) in members {
            self.enter(member, round);
        }
        Ok(())
    }

    fn enter(&mut self, member: Member, round: Round) {
        if self.rounds.len() <= member.index() {
            self.rounds.resize(member.index() + 1, Round::ZERO);
        }
        self.rounds[member.index()] = round;
        let place = self.place_of(round);
        self.at[place] += 1;
    }

    /// Where those at this round are counted.
    fn place_of(&self, round: Round) -> usize {
        (round.number() - self.slowest.number()) as usize
    }

    fn finish(&mut self, member: Member, round: Round) {
        self.rounds[member.index()] = round.next();
        let place = self.place_of(round);
        self.at[place] -= 1;
        if self.at.len() == place + 1 {
            self.at.push_back(0);
        }
        self.at[place + 1] += 1;
    }

    /// Takes a member out of the counts, and those places that it leaves empty behind the fastest.
    fn exit(&mut self, member: Member) {
        let place = self.place_of(self.rounds[member.index()]);
        self.at[place] -= 1;
        while self.at.len() > 1 && self.at.back() == Some(&0) {
            self.at.pop_back();
        }
    }

    /// Finds the slowest again, and lets those go for whom its step is enough.
    fn advance(&mut self, acts: &mut Vec<Act>) {
        let before = self.slowest;
        while self.at.len() > 1 && self.at[0] == 0 {
            self.at.pop_front();
            self.slowest = self.slowest.next();
        }
        if self.slowest > before {
            let rounds = &self.rounds;
            acts.extend(self.held.drain(..).map(|member| Act::Go { member, round: rounds[member.index()] }));
        }
    }
}

impl Gate for Ssp {
    #[inline]
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => self.enter(member, self.slowest),
            Event::Leave(member) => {
                self.held.retain(|&held| held != member);
                self.exit(member);
                self.advance(acts);
            }
            Event::Ask(member) => {
                let round = self.rounds[member.index()];
                if round.number() > self.slowest.number() + self.bound {
                    self.held.push(member);
                } else {
                    acts.push(Act::Go { member, round });
                }
            }
            Event::Give { member, round } => {
                acts.push(Act::Fold { round, members: Members::one(member) });
                self.finish(member, round);
                self.advance(acts);
            }
            Event::Due => {}
        }
    }

    fn at(&self, member: Member) -> Round {
        self.rounds.get(member.index()).copied().unwrap_or(self.slowest)
    }
}
