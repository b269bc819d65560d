//! What the test itself knows of a run, to check the gate's acts by.

use syncline_round::{Act, Member, Neighbours, Round};

use crate::nest::Nest;

/// What a gate promises beyond what all do.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// A round is over when all who work at it have given.
    All,
    /// Everything is folded alone, and nobody waits.
    Alone,
    /// Everything is folded alone; nobody is further ahead.
    Stale(u64),
    /// Everything is folded alone; nobody starts before its neighbours have done what it has.
    Near(Neighbours),
    /// A round is over when all but so many have given.
    AllBut(usize),
    /// A round is over with exactly so many.
    First(usize),
    /// A round is over with so many at least; whether it has a deadline.
    Quorum(usize, bool),
    /// A round is over with one of each group of the first size; so many groups there are.
    EachOf(usize, usize),
    /// A round of a group of the first size is over when all who work at it have given, and the last one of so many rounds when
    /// all groups have come there.
    Nested(usize, u64),
}

impl Rule {
    fn closes_rounds(self) -> bool {
        !matches!(self, Self::Alone | Self::Stale(_) | Self::Near(_))
    }

    /// Whether a round may end without a result.
    fn may_fail(self) -> bool {
        matches!(self, Self::First(_) | Self::Quorum(..) | Self::EachOf(..))
    }

    /// With fewer members there is no way on.
    pub fn least(self) -> usize {
        match self {
            Self::First(k) | Self::Quorum(k, _) | Self::EachOf(_, k) => k,
            _ => 1,
        }
    }
}

/// What a member is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Away,
    Idle,
    Held,
    Working(u64),
    /// Told to stop; it may hand in what it had all the same.
    Cancelled(u64),
    /// It was let into a round past the last, and does nothing more.
    Done,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Books {
    pub at: Vec<At>,
    /// The round that each has given and has no answer for.
    given: Vec<Option<u64>>,
    /// The first round that each has not finished.
    next: Vec<u64>,
    /// A round that had begun when the member joined.
    missed: Vec<Option<u64>>,
    /// The open round, where rounds close, and whether it has begun.
    open: u64,
    begun: bool,
    /// Who asked and was not let go, in that order.
    asked: Vec<usize>,
    /// The rounds of groups, where they have their own.
    nest: Option<Nest>,
}

impl Books {
    pub fn new(members: usize, rule: Rule) -> Self {
        let nest = match rule {
            Rule::Nested(size, period) => Some(Nest::new(members, size, period)),
            _ => None,
        };
        Self {
            nest,
            at: vec![At::Idle; members],
            given: vec![None; members],
            next: vec![0; members],
            missed: vec![None; members],
            open: 0,
            begun: false,
            asked: Vec::new(),
        }
    }

    pub fn present(&self) -> usize {
        self.at.iter().filter(|at| **at != At::Away).count()
    }

    pub fn join(&mut self, member: usize) {
        let slowest = (0..self.at.len()).filter(|&other| self.at[other] != At::Away);
        // Where nobody is there the gate may begin anywhere.
        self.next[member] = slowest.map(|other| self.next[other]).min().unwrap_or(u64::MAX);
        self.at[member] = At::Idle;
        self.missed[member] = self.begun.then_some(self.open);
        if let Some(nest) = &mut self.nest {
            nest.join(member);
        }
    }

    pub fn leave(&mut self, member: usize) {
        self.at[member] = At::Away;
        self.asked.retain(|&other| other != member);
        if let Some(nest) = &mut self.nest {
            return nest.leave(&self.at, &self.given, member);
        }
        if !self.at.contains(&At::Working(self.open)) && !self.given.contains(&Some(self.open)) {
            self.begun = false;
            // Nobody has anything of the round: it opens again, for all who are there.
            self.missed.fill(None);
        }
    }

    pub fn ask(&mut self, member: usize) {
        self.at[member] = At::Held;
        self.asked.push(member);
    }

    pub fn give(&mut self, member: usize, round: u64) {
        assert_eq!(self.given[member].replace(round), None, "GATE-1: the last one was answered first");
        self.at[member] = At::Idle;
        self.next[member] = round + 1;
    }

    /// Checks and carries out the acts of one event.
    pub fn take(&mut self, acts: &[Act], rule: Rule, rounds: u64) {
        let mut let_go = Vec::new();
        let mut folds = 0;
        for act in acts {
            match act {
                Act::Go { member, round } => {
                    self.go(member.index(), round.number(), rule, rounds);
                    let_go.push(member.index());
                }
                Act::Fold { round, members } => {
                    folds += 1;
                    assert!(let_go.is_empty(), "a fold comes before the starts that it makes possible");
                    self.fold(*round, members, rule);
                }
                Act::Late(member) => {
                    assert!(self.given[member.index()].take().is_some(), "GATE-1: {member} is late twice");
                }
                Act::Cancel { member, round } => {
                    let at = &mut self.at[member.index()];
                    assert_eq!(*at, At::Working(round.number()), "KN-2, EACH-2: who is told to stop works");
                    *at = At::Cancelled(round.number());
                }
                Act::WakeAt(_) => assert!(matches!(rule, Rule::Quorum(_, true))),
            }
        }
        // The last of a group that leaves may end its own round and that of all.
        assert!(folds <= if self.nest.is_some() { 2 } else { 1 }, "one event ends one round");
        let order: Vec<_> = self.asked.iter().copied().filter(|member| let_go.contains(member)).collect();
        assert_eq!(let_go, order, "GATE-7");
        self.asked.retain(|member| !let_go.contains(member));
    }

    fn go(&mut self, member: usize, round: u64, rule: Rule, rounds: u64) {
        assert_eq!(self.at[member], At::Held, "worker {member} was let go and had not asked");
        if let Some(nest) = &mut self.nest {
            nest.go(member, round);
        } else if rule.closes_rounds() {
            assert_eq!(round, self.open, "GATE-2: worker {member}");
            assert_ne!(self.missed[member], Some(round), "GATE-6: worker {member} joined after it began");
            self.begun = true;
        } else {
            assert!(self.next[member] == round || self.next[member] == u64::MAX, "rounds come in order");
            self.next[member] = round;
        }
        if let Rule::Stale(bound) = rule {
            let there = (0..self.at.len()).filter(|&other| self.at[other] != At::Away);
            let slowest = there.map(|other| self.next[other]).min().unwrap();
            assert!(round <= slowest + bound, "GATE-3: worker {member} started {round}");
        }
        if let Rule::Near(with) = rule {
            let ready = |other: usize| self.at[other] == At::Away || self.next[other] >= round;
            assert!(with.of(member, self.at.len()).all(ready), "NEAR-1: worker {member} started {round}");
        }
        self.at[member] = if round >= rounds { At::Done } else { At::Working(round) };
    }

    fn fold(&mut self, round: Round, members: &[Member], rule: Rule) {
        let number = round.number();
        assert!(members.windows(2).all(|pair| pair[0] < pair[1]), "GATE-5");
        for member in members {
            let given = self.given[member.index()].take();
            assert_eq!(given, Some(number), "GATE-1: a fold names what was given in its round, once");
        }
        if let Some(nest) = &mut self.nest {
            return nest.fold(number, members, &self.at, &self.given);
        }
        if !rule.closes_rounds() {
            assert_eq!(members.len(), 1);
            return;
        }
        assert_eq!(number, self.open, "rounds end in order, each once");
        assert!(!self.given.contains(&Some(number)), "GATE-1: nothing of the round is left over");
        let working = self.at.iter().filter(|at| **at == At::Working(number)).count();
        if members.is_empty() {
            assert!(rule.may_fail(), "QUORUM-1: only such rounds fail");
        } else {
            match rule {
                Rule::All => assert_eq!(working, 0, "BSP waits for all"),
                Rule::AllBut(spare) => assert!(working <= spare),
                Rule::First(k) => assert_eq!(members.len(), k, "KN-1"),
                Rule::Quorum(k, _) => assert!(members.len() >= k, "QUORUM-1"),
                Rule::EachOf(size, groups) => {
                    let heard: Vec<usize> = members.iter().map(|member| member.index() / size).collect();
                    assert_eq!(heard, (0..groups).collect::<Vec<_>>(), "EACH-1");
                }
                Rule::Alone | Rule::Stale(_) | Rule::Near(_) | Rule::Nested(..) => {}
            }
        }
        self.open += 1;
        self.begun = false;
    }

    /// At the end nothing is unanswered but what members gave to a round that nobody ends, having gone or being done.
    pub fn check_end(&self, rule: Rule) {
        if !rule.closes_rounds() {
            assert!(self.given.iter().all(Option::is_none), "GATE-1");
        }
        let open = self.nest.as_ref().map_or(self.open, Nest::first_open);
        assert!(self.given.iter().flatten().all(|&round| round >= open), "GATE-1");
    }
}
