//! The ratio gate on all orders of up to eight operations, for small parameters.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_round::{
    Act, Event, Gate, Member, MemberSet, Time,
    gate::{Ratio, RatioBounds},
};

const DEPTH: usize = 8;

/// One insert, one sample, or one delete of an item.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(u32),
    Delete,
}

/// Two who insert, 0 and 1, and two who sample.
fn gate(bounds: RatioBounds) -> Ratio {
    let mut gate = Ratio::new(bounds, [0, 1].map(Member::new).into_iter().collect::<MemberSet>());
    (0..4).for_each(|index| gate.on(Time::START, Event::Join(Member::new(index)), &mut Vec::new()));
    gate
}

/// The rules of the documentation, on plain counts.
struct Rules {
    spi: f64,
    size: u64,
    min: f64,
    max: f64,
}

impl Rules {
    fn insert(&self, (i, s, d): (u64, u64, u64)) -> bool {
        i + 1 - d <= self.size || (i + 1) as f64 * self.spi - s as f64 <= self.max
    }

    fn sample(&self, (i, s, d): (u64, u64, u64)) -> bool {
        i - d >= self.size && i as f64 * self.spi - s as f64 - 1.0 >= self.min
    }

    /// RL-1.
    fn check(&self, (i, s, d): (u64, u64, u64), reached: bool) {
        if reached && d == 0 {
            let apart = i as f64 * self.spi - s as f64;
            let most = self.max.max(self.spi * self.size as f64);
            assert!(self.min <= apart && apart <= most, "RL-1: {i} inserts, {s} samples");
        }
    }
}

fn explore(gate: &Ratio, rules: &Rules, held: &[u32], reached: bool, depth: usize) -> usize {
    if depth == 0 {
        return 1;
    }
    let mut steps: Vec<Step> = (0..4).filter(|member| !held.contains(member)).map(Step::Ask).collect();
    let (inserts, _, deletes) = gate.counts();
    if inserts > deletes {
        steps.push(Step::Delete);
    }
    let mut visited = 1;
    for step in steps {
        let (mut next, mut acts, mut held) = (gate.clone(), Vec::new(), held.to_vec());
        match step {
            Step::Ask(member) => {
                held.push(member);
                next.on(Time::START, Event::Ask(Member::new(member)), &mut acts);
            }
            Step::Delete => next.deleted(1, &mut acts),
        }
        for act in &acts {
            let Act::Go { member, round } = *act else { panic!("{act:?}") };
            let index = member.index() as u32;
            let first = *held.iter().find(|&&other| (other < 2) == (index < 2)).unwrap();
            assert_eq!(index, first, "RL-4: {step:?}");
            held.retain(|&other| other != index);
            next.on(Time::START, Event::Give { member, round }, &mut Vec::new());
        }
        let (before, after) = (gate.counts(), next.counts());
        let operations = after.0 + after.1 - before.0 - before.1;
        assert_eq!(operations, acts.len() as u64, "RL-2: who is held has changed nothing");
        assert!(!held.iter().any(|&member| member < 2) || !rules.insert(after), "RL-3: {step:?}");
        assert!(!held.iter().any(|&member| member >= 2) || !rules.sample(after), "RL-3: {step:?}");
        let reached = reached || after.0 - after.2 >= rules.size;
        rules.check(after, reached);
        visited += explore(&next, rules, &held, reached, depth - 1);
    }
    visited
}

#[test]
fn all_orders_of_eight_operations() {
    for (spi, size, min, max) in
        [(1.0, 1, 0.0, 2.0), (1.0, 2, 0.0, 3.0), (2.0, 1, 0.0, 4.0), (0.5, 2, -1.0, 2.0), (1.5, 2, 1.0, 4.0)]
    {
        let bounds = RatioBounds::new(spi, size, min..=max).unwrap();
        let visited = explore(&gate(bounds), &Rules { spi, size, min, max }, &[], false, DEPTH);
        assert!(visited > 1000, "{spi} {size} {min} {max}: {visited}");
    }
}

#[test]
fn limits_that_can_never_open_are_refused() {
    let message = |bounds: Result<RatioBounds, syncline_round::Error>| bounds.unwrap_err().to_string();
    assert!(message(RatioBounds::new(0.0, 1, 0.0..=9.0)).contains("samples per insert is 0"));
    assert!(message(RatioBounds::new(f64::NAN, 1, 0.0..=9.0)).contains("samples per insert"));
    assert!(message(RatioBounds::new(1.0, 0, 0.0..=9.0)).contains("at least 1"));
    assert!(message(RatioBounds::new(1.0, 1, 0.0..=1.0)).contains("twice as wide"));
    assert!(message(RatioBounds::new(1.0, 1, f64::NAN..=1.0)).contains("twice as wide"));
    assert!(message(RatioBounds::new(1.0, 1, 2.0..=9.0)).contains("nothing is ever sampled"));
    assert!(message(RatioBounds::queue(1)).contains("twice as wide"));
    assert!(RatioBounds::around(4.0, 100, 40.0).is_ok());
}

#[test]
fn who_leaves_is_waited_for_by_nobody() {
    let mut gate = gate(RatioBounds::queue(2).unwrap());
    let mut acts = Vec::new();
    for member in [2, 3] {
        gate.on(Time::START, Event::Ask(Member::new(member)), &mut acts);
    }
    gate.on(Time::START, Event::Leave(Member::new(2)), &mut acts);
    assert_eq!(acts, [], "nothing to sample");
    gate.on(Time::START, Event::Ask(Member::new(0)), &mut acts);
    let went: Vec<usize> = acts
        .iter()
        .map(|act| match act {
            Act::Go { member, .. } => member.index(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(went, [0, 3]);
}
