//! A gate of gates: the members of a group wait for each other after every round, the groups for each other after every so
//! many. Both gates are bulk-synchronous ones; the outer one's members are groups, and its rounds are *periods* of rounds
//! (hierarchical local SGD: Lin et al., ICLR 2020; with a period of one round it is bulk-synchronous training).
//!
//! - NEST-1: nobody starts a round before its group has folded the one before it.
//! - NEST-2: the last round of a period is folded once for all groups, when all have come to its end; nobody starts the next
//!   period before.
//! - NEST-3: for a group of which nobody is there nobody waits. Who comes back to it joins at the next edge of a period.

use super::{Bsp, Gate};
use crate::{Act, Event, Member, MemberSet, Members, Round, Selection, Steps, Time};

/// The gate of [`Policy::Hierarchical`](crate::Policy::Hierarchical): members 0 to `size` - 1 are a group, and so on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hierarchical {
    size: usize,
    /// Rounds of a period.
    period: u64,
    /// The gate between groups.
    outer: Bsp,
    groups: Vec<Group>,
    /// Who asked and has not been let go, in that order.
    asked: Vec<Member>,
    /// Whose work of the last round of the open period is there.
    given: MemberSet,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Group {
    present: MemberSet,
    stage: Stage,
}

/// Where a group is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// Between two periods; whether it has asked for the next one.
    Outside { has_asked: bool },
    /// In a period, behind a gate of its own.
    Inside(Bsp),
}

impl Default for Stage {
    fn default() -> Self {
        Self::Outside { has_asked: false }
    }
}

impl Hierarchical {
    /// Of groups of so many members, which exchange after every `period` rounds.
    pub fn new(size: u32, period: Steps) -> Self {
        Self::from_round(Round::ZERO, size, period)
    }

    /// From the beginning of the period on that this round is in.
    pub(crate) fn from_round(open: Round, size: u32, period: Steps) -> Self {
        let period = period.count().get() as u64;
        Self {
            size: size.max(1) as usize,
            period,
            outer: Bsp::from_round(Round::new(open.number() / period), Selection::All),
            groups: Vec::new(),
            asked: Vec::new(),
            given: MemberSet::default(),
        }
    }

    /// Puts members where they were, with nobody at work: a group at its furthest member's round, or at the beginning of the
    /// open period.
    pub(crate) fn place(&mut self, members: &[(Member, Round)]) {
        for &(member, _) in members {
            self.on(Time::START, Event::Join(member), &mut Vec::new());
        }
        for group in 0..self.groups.len() {
            let of_group = members.iter().filter(|(member, _)| self.group(*member) == group);
            let Some(at) = of_group.map(|&(_, round)| round).max() else { continue };
            if at > self.first_round(group) {
                self.outer.on(Time::START, Event::Ask(numbered(group)), &mut Vec::new());
                self.enter(group, at);
            }
        }
    }

    fn group(&self, member: Member) -> usize {
        member.index() / self.size
    }

    fn is_last(&self, round: Round) -> bool {
        (round.number() + 1).is_multiple_of(self.period)
    }

    /// The first round of the period that a group would start next, or is in.
    fn first_round(&self, group: usize) -> Round {
        Round::new(self.outer.at(numbered(group)).number() * self.period)
    }

    /// A group begins with this round, all who are there.
    fn enter(&mut self, group: usize, round: Round) {
        let mut inner = Bsp::from_round(round, Selection::All);
        for member in self.groups[group].present.iter() {
            // Nobody has asked, so that nobody goes.
            inner.on(Time::START, Event::Join(member), &mut Vec::new());
        }
        self.groups[group].stage = Stage::Inside(inner);
    }

    fn join(&mut self, member: Member, acts: &mut Acts) {
        let group = self.group(member);
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, Group::default);
        }
        let is_first = self.groups[group].present.is_empty();
        self.groups[group].present.insert(member);
        if is_first {
            self.tell_outer(Event::Join(numbered(group)), acts);
        } else {
            self.tell_inner(group, Event::Join(member), acts);
        }
    }

    fn leave(&mut self, member: Member, acts: &mut Acts) {
        let group = self.group(member);
        self.asked.retain(|&asked| asked != member);
        self.groups[group].present.remove(member);
        self.tell_inner(group, Event::Leave(member), acts);
        if self.groups[group].present.is_empty() {
            self.groups[group].stage = Stage::default();
            self.tell_outer(Event::Leave(numbered(group)), acts);
        }
    }

    fn ask(&mut self, member: Member, acts: &mut Acts) {
        let group = self.group(member);
        self.asked.push(member);
        match &mut self.groups[group].stage {
            Stage::Inside(_) => self.tell_inner(group, Event::Ask(member), acts),
            Stage::Outside { has_asked } if !*has_asked => {
                *has_asked = true;
                self.tell_outer(Event::Ask(numbered(group)), acts);
            }
            Stage::Outside { .. } => {}
        }
    }

    /// Tells the gate of a group, if it is in a period.
    fn tell_inner(&mut self, group: usize, event: Event, acts: &mut Acts) {
        let Stage::Inside(inner) = &mut self.groups[group].stage else { return };
        let mut said = Vec::new();
        inner.on(Time::START, event, &mut said);
        for act in said {
            match act {
                Act::Fold { round, members } if self.is_last(round) => {
                    members.iter().for_each(|&member| _ = self.given.insert(member));
                    let period = Round::new(round.number() / self.period);
                    // Whom its gate would let into the next round has to ask for the next period.
                    let has_asked = self.asked.iter().any(|&member| self.group(member) == group);
                    self.groups[group].stage = Stage::Outside { has_asked };
                    self.tell_outer(Event::Give { member: numbered(group), round: period }, acts);
                    if has_asked {
                        self.tell_outer(Event::Ask(numbered(group)), acts);
                    }
                    return;
                }
                Act::Fold { .. } => acts.folds.push(act),
                Act::Go { member, round } => acts.starts.push((member, round)),
                // A bulk-synchronous gate says nothing else.
                Act::Late(_) | Act::Cancel { .. } | Act::WakeAt(_) => {}
            }
        }
    }

    /// Tells the gate between groups.
    fn tell_outer(&mut self, event: Event, acts: &mut Acts) {
        let mut said = Vec::new();
        self.outer.on(Time::START, event, &mut said);
        for act in said {
            match act {
                Act::Fold { round: period, .. } => {
                    let round = Round::new((period.number() + 1) * self.period - 1);
                    let members = Members::from(&self.given);
                    self.given.clear();
                    acts.folds.push(Act::Fold { round, members });
                }
                Act::Go { member, round: period } => {
                    let group = member.index();
                    self.enter(group, Round::new(period.number() * self.period));
                    let asked: Vec<Member> =
                        self.asked.iter().copied().filter(|&member| self.group(member) == group).collect();
                    for member in asked {
                        self.tell_inner(group, Event::Ask(member), acts);
                    }
                }
                Act::Late(_) | Act::Cancel { .. } | Act::WakeAt(_) => {}
            }
        }
    }
}

/// What two gates say to one event: folds come before the starts that they make possible.
#[derive(Default)]
struct Acts {
    folds: Vec<Act>,
    starts: Vec<(Member, Round)>,
}

/// A group as a member of the gate between groups.
fn numbered(group: usize) -> Member {
    Member::new(group as u32)
}

impl Gate for Hierarchical {
    fn on(&mut self, _: Time, event: Event, acts: &mut Vec<Act>) {
        let mut said = Acts::default();
        match event {
            Event::Join(member) => self.join(member, &mut said),
            Event::Leave(member) => self.leave(member, &mut said),
            Event::Ask(member) => self.ask(member, &mut said),
            Event::Give { member, .. } => self.tell_inner(self.group(member), event, &mut said),
            Event::Due => {}
        }
        let Acts { folds, mut starts } = said;
        acts.extend(folds);
        if starts.is_empty() {
            return;
        }
        starts.sort_unstable();
        // In the order in which they asked, over all groups (GATE-7).
        self.asked.retain(|&asked| {
            let Ok(at) = starts.binary_search_by_key(&asked, |(member, _)| *member) else { return true };
            acts.push(Act::Go { member: asked, round: starts[at].1 });
            false
        });
    }

    fn at(&self, member: Member) -> Round {
        let group = self.group(member);
        match self.groups.get(group).map(|group| &group.stage) {
            Some(Stage::Inside(inner)) => inner.at(member),
            _ => self.first_round(group),
        }
    }
}
