//! The walk through all states that a machine can come to.

use std::{collections::HashSet, fmt::Debug, hash::Hash};

use syncline_round::{Error, Event, Gate, Machine, Member, Round, Time};

use crate::books::{At, Books, Rule};

/// How far the walk goes.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub members: usize,
    pub rounds: u64,
    /// Joins and leaves.
    pub changes: usize,
}

/// One state of the whole system; what was counted is part of it, so that two ways into a state agree on it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State<G> {
    machine: Machine<G>,
    books: Books,
    now: Time,
    changes: usize,
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(usize),
    Give(usize, u64),
    Leave(usize),
    Join(usize),
    Due(Time),
}

impl<G: Gate + Clone> State<G> {
    fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<_> = self.machine.wakes_at().into_iter().map(Step::Due).collect();
        for (member, at) in self.books.at.iter().enumerate() {
            match *at {
                At::Idle => steps.push(Step::Ask(member)),
                At::Working(round) => steps.push(Step::Give(member, round)),
                At::Cancelled(round) => steps.extend([Step::Ask(member), Step::Give(member, round)]),
                At::Held | At::Done | At::Away => {}
            }
        }
        steps
    }

    /// Who may come and go.
    fn changes(&self) -> Vec<Step> {
        if self.changes == 0 {
            return Vec::new();
        }
        let change = |(member, at): (usize, &At)| match at {
            At::Away => Step::Join(member),
            _ => Step::Leave(member),
        };
        self.books.at.iter().enumerate().map(change).collect()
    }

    fn after(&self, step: Step, rule: Rule, rounds: u64) -> Self {
        let mut next = self.clone();
        let numbered = |member: usize| Member::new(member as u32);
        let event = match step {
            Step::Ask(member) => {
                next.books.ask(member);
                Event::Ask(numbered(member))
            }
            Step::Give(member, round) => {
                next.books.give(member, round);
                Event::Give { member: numbered(member), round: Round::new(round) }
            }
            Step::Leave(member) => {
                next.changes -= 1;
                next.books.leave(member);
                Event::Leave(numbered(member))
            }
            Step::Join(member) => {
                next.changes -= 1;
                next.books.join(member);
                Event::Join(numbered(member))
            }
            Step::Due(time) => {
                next.now = time;
                Event::Due
            }
        };
        let mut acts = Vec::new();
        match next.machine.on(next.now, event, &mut acts) {
            Ok(()) => {}
            Err(Error::TooFew { present, least }) => {
                assert_eq!((present, least), (next.books.present(), rule.least()));
                assert!(matches!(step, Step::Leave(_)) && present < least);
            }
            Err(error) => panic!("{step:?}: {error}"),
        }
        next.books.take(&acts, rule, rounds);
        next
    }
}

/// Visits every state that can be reached.
pub fn walk<G: Gate + Clone + Eq + Hash + Debug>(gate: G, rule: Rule, size: Size) {
    let machine = Machine::of(gate.clone(), size.members).unwrap();
    let books = Books::new(size.members, rule);
    let mut stack = vec![State { machine, books, now: Time::START, changes: size.changes }];
    let mut seen = HashSet::new();
    while let Some(state) = stack.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        let steps = state.steps();
        if steps.is_empty() {
            let waits = state.books.at.contains(&At::Held) && !state.books.at.contains(&At::Done);
            let can = state.books.present() >= rule.least();
            assert!(!(waits && can), "GATE-4: {gate:?}, {size:?} is stuck at {:?}", state.books.at);
            state.books.check_end(rule);
        }
        let all = steps.into_iter().chain(state.changes());
        stack.extend(all.map(|step| state.after(step, rule, size.rounds)));
    }
    let least = size.rounds as usize * 2 * size.members;
    assert!(seen.len() > least, "{gate:?}, {size:?}: only {} states", seen.len());
}
