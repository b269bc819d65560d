//! The machine decides as a gate does that is asked after every event: the same starts, folds and drops, over random orders.
//!
//! The other gate was the first one of this crate: it searches everything anew each time, in the plainest way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use syncline_round::{Act, Event, Machine, Member, Policy, Round, Time};

/// What becomes of something that was given.
#[derive(Debug, PartialEq)]
enum Arrival {
    Alone,
    Kept,
    Closes(Vec<usize>),
    Late,
}

/// A gate that is asked.
struct Asked {
    policy: Policy,
    /// The first round that each has not finished, and whether it works at it.
    members: Vec<(u64, bool)>,
    open: u64,
    arrived: Vec<bool>,
}

impl Asked {
    fn new(policy: Policy, members: usize) -> Self {
        Self { policy, members: vec![(0, false); members], open: 0, arrived: vec![false; members] }
    }

    fn start(&mut self, member: usize) -> Option<u64> {
        let round = self.members[member].0;
        let slowest = self.members.iter().map(|&(round, _)| round).min().unwrap();
        let round = match self.policy {
            Policy::Asp | Policy::Hogwild => round,
            Policy::Ssp { bound } if round > slowest + bound.rounds() => return None,
            Policy::Ssp { .. } => round,
            _ if round > self.open => return None,
            _ => self.open,
        };
        self.members[member] = (round, true);
        Some(round)
    }

    fn push(&mut self, member: usize, round: u64) -> Arrival {
        assert_eq!(self.members[member], (round, true));
        self.members[member] = (round + 1, false);
        let needed = match self.policy {
            Policy::Asp | Policy::Ssp { .. } | Policy::Hogwild => return Arrival::Alone,
            Policy::Backup { spare } => self.members.len() - spare as usize,
            _ => self.members.len(),
        };
        if round < self.open {
            return Arrival::Late;
        }
        self.arrived[member] = true;
        if self.arrived.iter().filter(|&&arrived| arrived).count() < needed {
            return Arrival::Kept;
        }
        self.open += 1;
        let folded = (0..self.arrived.len()).filter(|&member| self.arrived[member]).collect();
        self.arrived.fill(false);
        Arrival::Closes(folded)
    }
}

fn member(index: usize) -> Member {
    Member::new(index as u32)
}

/// What the machine says to a push, in the other's words, and whom it lets go.
fn told(acts: &[Act]) -> (Arrival, Vec<(usize, u64)>) {
    let (mut arrival, mut gone) = (Arrival::Kept, Vec::new());
    for act in acts {
        match act {
            Act::Go { member, round } => gone.push((member.index(), round.number())),
            Act::Late(_) => arrival = Arrival::Late,
            Act::Fold { members, .. } => {
                arrival = Arrival::Closes(members.iter().map(|member| member.index()).collect());
            }
            other => panic!("{other:?}"),
        }
    }
    (arrival, gone)
}

/// A run in which members give in the order of `draws`, and ask again at once.
fn run(policy: Policy, members: usize, draws: impl Iterator<Item = usize>) {
    let (mut asked, mut machine) = (Asked::new(policy, members), Machine::new(policy, members).unwrap());
    let mut acts = Vec::new();
    let mut waiting: Vec<usize> = (0..members).collect();
    let mut working = Vec::new();
    for index in 0..members {
        machine.on(Time::START, Event::Ask(member(index)), &mut acts).unwrap();
    }
    let mut gone = told(&acts).1;
    for draw in draws {
        // Those who wait are asked in the order in which they began to.
        let mut expected = Vec::new();
        waiting.retain(|&member| match asked.start(member) {
            Some(round) => {
                expected.push((member, round));
                false
            }
            None => true,
        });
        assert_eq!(gone, expected, "{policy}, {members} members");
        working.append(&mut gone);
        let (index, round) = working.swap_remove(draw % working.len());
        acts.clear();
        let event = Event::Give { member: member(index), round: Round::new(round) };
        machine.on(Time::START, event, &mut acts).unwrap();
        let (arrival, of_give) = told(&acts);
        let expected = match asked.push(index, round) {
            Arrival::Alone => Arrival::Closes(vec![index]),
            other => other,
        };
        assert_eq!(arrival, expected, "{policy}, {members} members");
        waiting.push(index);
        acts.clear();
        machine.on(Time::START, Event::Ask(member(index)), &mut acts).unwrap();
        gone = of_give;
        gone.extend(told(&acts).1);
    }
}

fn policies(members: usize) -> Vec<Policy> {
    let names = [
        "bsp",
        "asp",
        "ssp:0",
        "ssp:1",
        "ssp:4",
        "backup:0",
        "backup:1",
        "backup:3",
        "local:4",
        "diloco:16",
        "hogwild",
        "allreduce",
    ];
    let named = names.map(|name| name.parse::<Policy>().unwrap());
    named.into_iter().filter(|policy| policy.check(members).is_ok()).collect()
}

#[test]
fn long_random_orders() {
    for members in [1, 2, 5, 17, 70] {
        for policy in policies(members) {
            let mut random = 7u64;
            let draws = std::iter::repeat_with(|| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) as usize
            });
            run(policy, members, draws.take(10_000));
        }
    }
}

proptest! {
    #[test]
    fn any_order(
        members in 1usize..9,
        policy in 0usize..12,
        draws in prop::collection::vec(0usize..1000, 1..200),
    ) {
        let policies = policies(members);
        run(policies[policy % policies.len()], members, draws.into_iter());
    }
}
