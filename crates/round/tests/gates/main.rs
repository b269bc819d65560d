//! All interleavings of small cases, walked as a graph of states: members who ask, give, leave and join, and deadlines that
//! come at any time. What must hold is checked against books of the test's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod books;
mod nest;
mod protocol;
mod walk;

use books::Rule;
use syncline_round::{
    AnyGate, Least, Neighbours, Policy, Selection, Staleness, Steps,
    gate::{Asp, Backup, Bsp, FirstOfEach, Gossip, Hierarchical, KOfN, Order, Quorum, Ssp},
    select::Sample,
};
use walk::{Size, walk};

const ALL: Selection = Selection::All;

fn least(members: usize) -> Least {
    Least::new(members as u32).unwrap()
}

/// Three rounds without changes of who is there, and two with up to three of them.
fn sizes(members: usize) -> [Size; 2] {
    let changes = if members < 3 { 3 } else { 2 };
    [Size { members, rounds: 3, changes: 0 }, Size { members, rounds: 2, changes }]
}

#[test]
fn bsp_and_asp() {
    for members in 1..=3 {
        for size in sizes(members) {
            walk(Bsp::default(), Rule::All, size);
            walk(Asp::default(), Rule::Alone, size);
        }
    }
}

/// By their names: that the steps between exchanges, a lock or none, and servers or none, are not the gate's matter.
#[test]
fn local_steps_hogwild_and_allreduce() {
    let rules = [
        ("local:1", Rule::All),
        ("local:8", Rule::All),
        ("diloco:16", Rule::All),
        ("hogwild", Rule::Alone),
        ("allreduce", Rule::All),
        ("allreduce:tree", Rule::All),
        ("draco:0", Rule::All),
        ("draco:1", Rule::All),
    ];
    for (name, rule) in rules {
        let policy: Policy = name.parse().unwrap();
        for members in 1..=3 {
            for size in sizes(members) {
                walk(AnyGate::new(policy, ALL), rule, size);
            }
        }
    }
}

#[test]
fn ssp() {
    for members in 1..=3 {
        for size in sizes(members) {
            for bound in 0..=2 {
                walk(Ssp::new(Staleness::new(bound)), Rule::Stale(bound.into()), size);
            }
        }
    }
}

#[test]
fn backup() {
    for members in 1..=3 {
        for size in sizes(members) {
            for spare in 0..members as u32 {
                walk(Backup::new(spare, ALL), Rule::AllBut(spare as usize), size);
            }
        }
    }
}

#[test]
fn k_of_n() {
    for order in [Order::Cancel, Order::Keep] {
        for members in 1..=3 {
            for size in sizes(members) {
                for k in 1..=members {
                    walk(KOfN::new(least(k), order, ALL), Rule::First(k), size);
                }
            }
        }
        for k in 1..=4 {
            let size = Size { members: 4, rounds: 2, changes: 0 };
            walk(KOfN::new(least(k), order, ALL), Rule::First(k), size);
        }
    }
}

#[test]
fn first_of_each() {
    for (members, stragglers) in [(1, 0), (2, 0), (2, 1), (3, 0), (3, 2)] {
        for size in sizes(members) {
            let groups = members / (stragglers + 1);
            walk(FirstOfEach::new(stragglers as u32, ALL), Rule::EachOf(stragglers + 1, groups), size);
        }
    }
    for changes in 0..=1 {
        let size = Size { members: 4, rounds: 2, changes };
        walk(FirstOfEach::new(1, ALL), Rule::EachOf(2, 2), size);
    }
}

/// Also of members who come and go: then others are neighbours, and nobody is waited for who is not there.
#[test]
fn gossip() {
    for with in [Neighbours::Ring, Neighbours::Torus, Neighbours::All] {
        for members in 1..=3 {
            for size in sizes(members) {
                walk(Gossip::new(with), Rule::Near(with), size);
            }
        }
        for (rounds, changes) in [(3, 0), (2, 1)] {
            walk(Gossip::new(with), Rule::Near(with), Size { members: 4, rounds, changes });
        }
    }
}

#[test]
fn hierarchical() {
    for (members, group) in [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)] {
        for period in 1..=3 {
            for size in sizes(members) {
                let gate = Hierarchical::new(group, Steps::new(period).unwrap());
                walk(gate, Rule::Nested(group as usize, period as u64), size);
            }
        }
    }
    for (period, changes) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        let size = Size { members: 4, rounds: 2, changes };
        walk(Hierarchical::new(2, Steps::new(period).unwrap()), Rule::Nested(2, period as u64), size);
    }
}

/// It is the gate of bulk-synchronous training where groups exchange every round.
#[test]
fn a_gate_of_gates_with_periods_of_one_round_is_bsp() {
    for members in 1..=3 {
        for group in 1..=members as u32 {
            let size = Size { members, rounds: 3, changes: 0 };
            walk(Hierarchical::new(group, Steps::new(1).unwrap()), Rule::All, size);
        }
    }
}

#[test]
fn quorum() {
    for deadline in [None, Some("1s".parse().unwrap())] {
        for members in 1..=3 {
            for k in 1..=members {
                for size in sizes(members) {
                    walk(Quorum::new(least(k), deadline, ALL), Rule::Quorum(k, deadline.is_some()), size);
                }
            }
        }
    }
}

#[test]
fn samples_of_members() {
    let select = Selection::Sample(Sample::new(least(2), 7));
    for size in sizes(3) {
        walk(Bsp::new(select), Rule::All, size);
        walk(Backup::new(1, select), Rule::AllBut(1), size);
        walk(Quorum::new(least(1), Some("1s".parse().unwrap()), select), Rule::Quorum(1, true), size);
    }
}
