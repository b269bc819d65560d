//! The books of a gate of gates: which round each group is in.

use syncline_round::Member;

use crate::books::At;

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nest {
    size: usize,
    period: u64,
    /// Periods that are over.
    over: u64,
    groups: Vec<Group>,
    /// The group's round that had begun when the member joined.
    missed: Vec<Option<u64>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Group {
    present: usize,
    /// The round that it is in; nothing before it is let into the open period, and after its last round.
    open: Option<u64>,
    /// Whether that has begun.
    begun: bool,
    /// A period that had begun when its first member came.
    missed: Option<u64>,
}

impl Nest {
    pub fn new(members: usize, size: usize, period: u64) -> Self {
        let of = |group: usize| members.min((group + 1) * size) - group * size;
        let group = |group| Group { present: of(group), open: None, begun: false, missed: None };
        let groups = (0..members.div_ceil(size)).map(group).collect();
        Self { size, period, over: 0, groups, missed: vec![None; members] }
    }

    /// The first round of the open period.
    pub fn first_open(&self) -> u64 {
        self.over * self.period
    }

    pub fn join(&mut self, member: usize) {
        let period_begun = self.groups.iter().any(|group| group.open.is_some());
        let over = self.over;
        let group = &mut self.groups[member / self.size];
        if group.present == 0 {
            group.missed = period_begun.then_some(over);
        }
        group.present += 1;
        self.missed[member] = group.open.filter(|_| group.begun);
    }

    pub fn leave(&mut self, at: &[At], given: &[Option<u64>], member: usize) {
        let number = member / self.size;
        let mates = number * self.size..at.len().min((number + 1) * self.size);
        let group = &mut self.groups[number];
        group.present -= 1;
        if let Some(open) = group.open {
            let is_at_it = |mate: usize| at[mate] == At::Working(open) || given[mate] == Some(open);
            if !mates.clone().any(is_at_it) {
                // Nobody has anything of the round: it opens again, for all who are there.
                group.begun = false;
                self.missed[mates].fill(None);
            }
        }
        if group.present == 0 {
            (group.open, group.begun) = (None, false);
            // What others have begun may be nobody's now.
            self.groups.iter_mut().for_each(|group| group.missed = None);
        }
    }

    pub fn go(&mut self, member: usize, round: u64) {
        let first = self.first_open();
        let group = &mut self.groups[member / self.size];
        match group.open {
            Some(open) => assert_eq!(round, open, "NEST-1: worker {member}"),
            None => {
                assert_eq!(round, first, "NEST-2: worker {member}");
                assert_ne!(group.missed, Some(self.over), "NEST-3: worker {member} came after it began");
            }
        }
        assert_ne!(self.missed[member], Some(round), "GATE-6: worker {member} joined after it began");
        (group.open, group.begun) = (Some(round), true);
    }

    pub fn fold(&mut self, round: u64, members: &[Member], at: &[At], given: &[Option<u64>]) {
        let is_at_it = |member: usize| at[member] == At::Working(round) || given[member] == Some(round);
        assert!(!members.is_empty());
        if (round + 1).is_multiple_of(self.period) {
            let works = at.iter().any(|at| matches!(at, At::Working(_)));
            assert!(!works, "NEST-2: all groups are at the end of the period");
            assert!(!(0..at.len()).any(is_at_it), "GATE-1: nothing of the round is left over");
            assert_eq!(round, (self.over + 1) * self.period - 1, "periods end in order, each once");
            self.over += 1;
            for group in &mut self.groups {
                (group.open, group.begun) = (None, false);
            }
            return;
        }
        let number = members[0].index() / self.size;
        let mates = number * self.size..at.len().min((number + 1) * self.size);
        assert!(members.iter().all(|member| mates.contains(&member.index())), "NEST-1: of one group");
        assert!(!mates.clone().any(is_at_it), "NEST-1: the group waits for all of it");
        let group = &mut self.groups[number];
        if group.present > 0 {
            assert_eq!(group.open, Some(round), "rounds of a group end in order, each once");
            (group.open, group.begun) = (Some(round + 1), false);
        }
    }
}
