//! A ratio of samples to inserts: the rate limiter of a replay table (Cassirer et al., Reverb, arXiv 2102.04736). Some members
//! insert, the others sample, and neither side may get far ahead of the other.
//!
//! With I inserts, S samples and D deletes, and `spi` samples per insert:
//! an insert may happen if I + 1 - D <= min_size or (I + 1) spi - S <= max; a sample if I - D >= min_size and
//! I spi - S - 1 >= min.
//!
//! - RL-1: once min_size was reached and while nothing is deleted, min <= I spi - S <= max(max, spi min_size).
//! - RL-2: who is held has changed nothing.
//! - RL-3: if somebody who is held may go on, somebody does.
//! - RL-4: those of a kind go on in the order in which they asked.

use std::{collections::VecDeque, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use super::Gate;
use crate::{Act, Error, Event, Member, MemberSet, Members, Round, Time};

/// How far inserts and samples may be apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioBounds {
    samples_per_insert: f64,
    min_size: u64,
    min: f64,
    max: f64,
}

impl RatioBounds {
    /// `samples_per_insert` samples of each item on average, none before `min_size` items are there, and I spi - S within
    /// `range`.
    ///
    /// # Errors
    /// Where nothing could ever happen: no samples per insert, no items, a range narrower than 2 max(1, spi), or one that
    /// begins above what `min_size` items allow.
    pub fn new(samples_per_insert: f64, min_size: u64, range: RangeInclusive<f64>) -> Result<Self, Error> {
        let (min, max) = range.into_inner();
        let wrong = |what, got: String, must| Err(Error::OutOfRange { what, got, must });
        if !(samples_per_insert > 0.0 && samples_per_insert.is_finite()) {
            return wrong("the samples per insert", samples_per_insert.to_string(), "a positive number");
        }
        if min_size == 0 {
            return wrong("the size before samples", "0".into(), "at least 1");
        }
        let width = max - min;
        if width.is_nan() || width < 2.0 * samples_per_insert.max(1.0) {
            let must = "at least twice as wide as one insert or sample moves it";
            return wrong("the range of the ratio", format!("{min}..{max}"), must);
        }
        if min > samples_per_insert * min_size as f64 {
            let must =
                "one that begins no higher than the samples of the first items, or nothing is ever sampled";
            return wrong("the range of the ratio", format!("{min}..{max}"), must);
        }
        Ok(Self { samples_per_insert, min_size, min, max })
    }

    /// `samples_per_insert` on average, within an error of `buffer` samples around the point at which sampling begins.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn around(samples_per_insert: f64, min_size: u64, buffer: f64) -> Result<Self, Error> {
        let centre = samples_per_insert * min_size as f64;
        Self::new(samples_per_insert, min_size, centre - buffer..=centre + buffer)
    }

    /// A queue of at most `size` items: each is sampled once, and none is inserted beyond them.
    ///
    /// # Errors
    /// For a size below 2, which a range of samples cannot express.
    pub fn queue(size: u64) -> Result<Self, Error> {
        Self::new(1.0, 1, 0.0..=size as f64)
    }
}

/// The gate of a table. Its members insert or sample one item a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    bounds: RatioBounds,
    /// Who inserts; the others sample.
    inserters: MemberSet,
    /// The next round of each member.
    rounds: Vec<Round>,
    inserts: u64,
    samples: u64,
    deletes: u64,
    inserting: VecDeque<Member>,
    sampling: VecDeque<Member>,
}

impl Ratio {
    /// A gate in which these members insert and all others sample.
    pub fn new(bounds: RatioBounds, inserters: MemberSet) -> Self {
        let (inserting, sampling) = (VecDeque::new(), VecDeque::new());
        let (inserts, samples, deletes) = (0, 0, 0);
        Self { bounds, inserters, rounds: Vec::new(), inserts, samples, deletes, inserting, sampling }
    }

    /// Items that have been removed from the table, which makes room and may end sampling.
    pub fn deleted(&mut self, items: u64, acts: &mut Vec<Act>) {
        self.deletes += items;
        self.release(acts);
    }

    /// Inserts, samples and deletes so far.
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.inserts, self.samples, self.deletes)
    }

    fn may_insert(&self) -> bool {
        let (after, bounds) = (self.inserts + 1, &self.bounds);
        after.saturating_sub(self.deletes) <= bounds.min_size
            || after as f64 * bounds.samples_per_insert - self.samples as f64 <= bounds.max
    }

    fn may_sample(&self) -> bool {
        let bounds = &self.bounds;
        let left = self.inserts as f64 * bounds.samples_per_insert - self.samples as f64 - 1.0;
        self.inserts.saturating_sub(self.deletes) >= bounds.min_size && left >= bounds.min
    }

    /// Lets go who may, until nobody may: an insert can make room for a sample, and the other way round.
    fn release(&mut self, acts: &mut Vec<Act>) {
        loop {
            if self.may_sample()
                && let Some(member) = self.sampling.pop_front()
            {
                self.samples += 1;
                self.start(member, acts);
            } else if self.may_insert()
                && let Some(member) = self.inserting.pop_front()
            {
                self.inserts += 1;
                self.start(member, acts);
            } else {
                return;
            }
        }
    }

    fn start(&mut self, member: Member, acts: &mut Vec<Act>) {
        acts.push(Act::Go { member, round: self.at(member) });
    }
}

impl Gate for Ratio {
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        match event {
            Event::Join(member) => {
                let length = self.rounds.len().max(member.index() + 1);
                self.rounds.resize(length, Round::ZERO);
            }
            Event::Leave(member) => {
                self.inserting.retain(|&held| held != member);
                self.sampling.retain(|&held| held != member);
            }
            Event::Ask(member) => {
                let held =
                    if self.inserters.contains(member) { &mut self.inserting } else { &mut self.sampling };
                held.push_back(member);
                self.release(acts);
            }
            Event::Give { member, round } => {
                self.rounds[member.index()] = round.next();
                acts.push(Act::Fold { round, members: Members::one(member) });
            }
            Event::Due => {}
        }
    }

    fn at(&self, member: Member) -> Round {
        self.rounds.get(member.index()).copied().unwrap_or(Round::ZERO)
    }
}
