//! Peers that break the protocol, single scenes, and what is saved.

use syncline_round::{
    Act, Error, Event, Machine, Member, Members, Policy, Round, Selection, Snapshot, Time,
    gate::{KOfN, Order, Quorum},
};

use crate::{ALL, least};

fn member(index: u32) -> Member {
    Member::new(index)
}

fn give(index: u32, round: u64) -> Event {
    Event::Give { member: member(index), round: Round::new(round) }
}

fn go(index: u32, round: u64) -> Act {
    Act::Go { member: member(index), round: Round::new(round) }
}

fn machine(policy: &str, members: usize) -> Machine {
    Machine::new(policy.parse().unwrap(), members).unwrap()
}

/// The acts of an event at the start of time.
fn acts<G: syncline_round::Gate>(machine: &mut Machine<G>, event: Event) -> Vec<Act> {
    let mut acts = Vec::new();
    machine.on(Time::START, event, &mut acts).unwrap();
    acts
}

#[test]
fn a_peer_that_breaks_the_protocol_is_refused() {
    let mut machine = machine("bsp", 2);
    let refused = |machine: &mut Machine, event| {
        let (before, mut acts) = (machine.clone(), Vec::new());
        let message = machine.on(Time::START, event, &mut acts).unwrap_err().to_string();
        assert_eq!((&*machine, acts.len()), (&before, 0), "MACHINE-2");
        message
    };
    assert!(refused(&mut machine, give(1, 0)).contains("had started none"));
    acts(&mut machine, Event::Ask(member(1)));
    assert_eq!(acts(&mut machine, Event::Ask(member(1))), [go(1, 0)], "who asks again hears the same");
    assert!(refused(&mut machine, give(1, 3)).contains("round 3 while working at round 0"));
    assert!(refused(&mut machine, give(2, 0)).contains("there are 2 workers"));
    assert!(refused(&mut machine, Event::Ask(member(9))).contains("does not take part"));
    assert!(refused(&mut machine, Event::Leave(member(9))).contains("does not take part"));
    assert!(refused(&mut machine, Event::Join(member(0))).contains("takes part already"));
    assert!(refused(&mut machine, Event::Join(member(u32::MAX))).contains("at most a million"));
    acts(&mut machine, give(1, 0));
    assert!(
        refused(&mut machine, give(1, 0)).contains("had started none"),
        "MACHINE-1: nothing counts twice"
    );
    acts(&mut machine, Event::Leave(member(1)));
    assert!(refused(&mut machine, give(1, 0)).contains("does not take part"));
}

#[test]
fn impossible_policies_are_refused() {
    let message = |policy: Policy, members| Machine::new(policy, members).unwrap_err().to_string();
    assert!(message(Policy::Bsp, 0).contains("at least 1"));
    let backup = message(Policy::Backup { spare: 2 }, 2);
    assert!(backup.contains("less than the number of workers"), "{backup}");
    let quorum = message("quorum:3,1s".parse().unwrap(), 2);
    assert!(quorum.contains("at most the number of workers"), "{quorum}");
}

#[test]
fn a_late_backup_worker_joins_the_open_round() {
    let mut machine = machine("backup:1", 3);
    (0..3).for_each(|index| assert_eq!(acts(&mut machine, Event::Ask(member(index))), [go(index, 0)]));
    for round in 0..5 {
        assert_eq!(acts(&mut machine, give(2, round)), []);
        let closes = acts(&mut machine, give(0, round));
        assert!(matches!(&closes[..], [Act::Fold { members, .. }] if members[..] == [member(0), member(2)]));
        assert_eq!(acts(&mut machine, Event::Ask(member(0))), [go(0, round + 1)]);
        assert_eq!(acts(&mut machine, Event::Ask(member(2))), [go(2, round + 1)]);
    }
    assert_eq!(acts(&mut machine, give(1, 0)), [Act::Late(member(1))]);
    assert_eq!(acts(&mut machine, Event::Ask(member(1))), [go(1, 5)], "it joins the open round");
}

#[test]
fn who_is_cancelled_may_start_the_next_round_at_once() {
    let mut machine = Machine::of(KOfN::new(least(1), Order::Cancel, ALL), 2).unwrap();
    (0..2).for_each(|index| drop(acts(&mut machine, Event::Ask(member(index)))));
    let first = acts(&mut machine, give(0, 0));
    assert_eq!(first[1], Act::Cancel { member: member(1), round: Round::ZERO });
    let mut crossed = machine.clone();
    assert_eq!(acts(&mut machine, Event::Ask(member(1))), [go(1, 1)]);
    assert_eq!(acts(&mut crossed, give(1, 0)), [Act::Late(member(1))], "it was under way already");
    assert_eq!(acts(&mut crossed, Event::Ask(member(1))), [go(1, 1)]);
}

#[test]
fn machine_3_a_deadline_comes_before_what_comes_after_it() {
    let second = |seconds: f64| Time::from_seconds(seconds);
    let mut machine = Machine::of(Quorum::new(least(1), Some("1s".parse().unwrap()), ALL), 3).unwrap();
    let mut told = Vec::new();
    (0..3).for_each(|index| machine.on(second(0.0), Event::Ask(member(index)), &mut told).unwrap());
    assert_eq!(machine.wakes_at(), Some(second(1.0)));
    machine.on(second(0.5), give(0, 0), &mut told).unwrap();
    told.clear();
    // Nobody told it that the time had come.
    machine.on(second(1.5), give(1, 0), &mut told).unwrap();
    let folded = Act::Fold { round: Round::ZERO, members: Members::one(member(0)) };
    assert_eq!(told, [folded, Act::Late(member(1))]);
    assert_eq!(machine.wakes_at(), None, "QUORUM-2: no deadline runs while nobody has started");
}

#[test]
fn rounds_that_fail_one_after_another_are_an_error() {
    let mut machine = Machine::of(Quorum::new(least(2), Some("1s".parse().unwrap()), ALL), 2).unwrap();
    let (mut now, mut told, mut failed) = (Time::START, Vec::new(), 0);
    let error = loop {
        // Each takes longer than the deadline, so that what it gives is late.
        for index in 0..2 {
            machine.on(now, Event::Ask(member(index)), &mut told).unwrap();
        }
        let round = machine.gate().at_round();
        now = machine.wakes_at().unwrap();
        if let Err(error) = machine.on(now, Event::Due, &mut told) {
            break error;
        }
        failed += 1;
        (0..2).for_each(|index| machine.on(now, give(index, round), &mut told).unwrap());
    };
    assert_eq!((failed, error), (9, Error::NoQuorum { failed: 10, least: 2 }));
    assert!(machine.on(now, Event::Ask(member(0)), &mut told).is_err(), "and it stays one");
}

/// The open round.
trait AtRound {
    fn at_round(&self) -> u64;
}

impl AtRound for Quorum {
    fn at_round(&self) -> u64 {
        syncline_round::Gate::at(self, Member::new(0)).number()
    }
}

#[test]
fn a_quorum_that_has_left_is_an_error_and_not_a_wait_without_end() {
    let mut machine = Machine::of(KOfN::new(least(2), Order::Keep, ALL), 3).unwrap();
    acts(&mut machine, Event::Leave(member(0)));
    let error = machine.on(Time::START, Event::Leave(member(1)), &mut Vec::new()).unwrap_err();
    assert_eq!(error, Error::TooFew { present: 1, least: 2 });
    // Somebody comes back, and it goes on.
    acts(&mut machine, Event::Join(member(0)));
    acts(&mut machine, Event::Ask(member(0)));
    assert_eq!(acts(&mut machine, Event::Ask(member(2))), [go(2, 0)]);
}

#[test]
fn a_machine_goes_on_from_what_was_saved() {
    for policy in ["bsp", "asp", "ssp:1", "backup:1", "quorum:2", "quorum:2,1s"] {
        let mut before = machine(policy, 3);
        (0..3).for_each(|index| drop(acts(&mut before, Event::Ask(member(index)))));
        acts(&mut before, give(0, 0));
        acts(&mut before, give(2, 0));
        acts(&mut before, Event::Ask(member(0)));
        let saved = before.snapshot(policy.parse().unwrap(), Selection::All);
        let text = serde_json::to_string(&saved).unwrap();
        let read: Snapshot = serde_json::from_str(&text).unwrap();
        assert_eq!(read, saved);
        let mut after = read.machine().unwrap();
        let rounds: Vec<u64> = (0..3)
            .map(|index| match acts(&mut after, Event::Ask(member(index)))[..] {
                [Act::Go { round, .. }, ..] => round.number(),
                ref other => panic!("{policy}: {other:?}"),
            })
            .collect();
        let expected = match policy {
            "bsp" | "quorum:2,1s" => [0, 0, 0],
            "backup:1" | "quorum:2" => [1, 1, 1],
            _ => [1, 0, 1],
        };
        assert_eq!(rounds, expected, "{policy}: rounds under way are started again");
    }
}

#[test]
fn groups_go_on_where_each_was() {
    let policy: Policy = "hierarchical:2,3".parse().unwrap();
    let mut before = Machine::new(policy, 4).unwrap();
    let mut period = |groups: &[u32], rounds: std::ops::Range<u64>| {
        for round in rounds {
            for index in groups.iter().flat_map(|group| [2 * group, 2 * group + 1]) {
                acts(&mut before, Event::Ask(member(index)));
            }
            for index in groups.iter().flat_map(|group| [2 * group, 2 * group + 1]) {
                acts(&mut before, give(index, round));
            }
        }
        let mut after = before.snapshot(policy, Selection::All).machine().unwrap();
        let round = |act: &Act| match act {
            Act::Go { round, .. } => round.number(),
            other => panic!("{other:?}"),
        };
        (0..4).map(|index| round(&acts(&mut after, Event::Ask(member(index)))[0])).collect::<Vec<_>>()
    };
    assert_eq!(period(&[0], 0..2), [2, 2, 0, 0], "each in its own round of the period");
    assert_eq!(period(&[1], 0..1), [2, 2, 1, 1]);
    assert_eq!(period(&[0], 2..3), [0, 0, 1, 1], "whose period others have not ended does it again");
    assert_eq!(period(&[1], 1..3), [3, 3, 3, 3], "all in the next one");
}

#[test]
fn a_snapshot_that_cannot_be_is_refused() {
    let read =
        |text: &str| serde_json::from_str::<Snapshot>(text).unwrap().machine().unwrap_err().to_string();
    let of = |policy: &str, members: &str| {
        format!("{{\"policy\":\"{policy}\",\"select\":\"All\",\"members\":{members}}}")
    };
    assert!(read(&of("ssp:1", "[[0,9],[1,2]]")).contains("the lead of the fastest"));
    assert!(read(&of("asp", "[[0,9],[0,9]]")).contains("takes part already"));
    assert!(read(&of("asp", "[[4294967295,0]]")).contains("at most a million"));
    assert!(read(&of("asp", "[[0,18446744073709551615]]")).contains("below 2^53"));
    assert!(serde_json::from_str::<Snapshot>(&of("ssp", "[]")).is_err());
}
