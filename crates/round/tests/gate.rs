//! All interleavings of small cases, walked as a graph of states: 1 to 3 workers, 3 rounds, every policy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashSet;

use syncline_round::{Arrival, Clock, Gate, Staleness, Sync, WorkerId};

const ROUNDS: u64 = 3;

/// One state of the whole system; what was counted is part of it, so that two ways into a state agree on it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    gate: Gate,
    /// The round each worker is working at.
    working: Vec<Option<u64>>,
    /// How often the gradient of worker w for round c was folded, or dropped as late.
    folded: Vec<[u8; ROUNDS as usize]>,
    late: Vec<[u8; ROUNDS as usize]>,
    /// Rounds that each worker has pushed.
    pushed: Vec<[u8; ROUNDS as usize]>,
    /// Kept gradients of the open round.
    kept: Vec<Option<u64>>,
    /// A worker that was given a round past the last one is done.
    done: Vec<bool>,
}

impl State {
    fn new(sync: Sync, workers: usize) -> Self {
        let gate = Gate::new(sync, workers).unwrap();
        let counts = vec![[0; ROUNDS as usize]; workers];
        Self {
            gate,
            working: vec![None; workers],
            folded: counts.clone(),
            late: counts.clone(),
            pushed: counts,
            kept: vec![None; workers],
            done: vec![false; workers],
        }
    }

    /// Worker `w` moves, if it can: it starts its next round, or pushes the one that it works at.
    fn step(&self, w: usize) -> Option<Self> {
        let mut next = self.clone();
        if self.done[w] {
            return None;
        }
        let worker = WorkerId::new(w as u32);
        match self.working[w] {
            None => {
                let clock = next.gate.start(worker)?.round();
                next.check_bound(w, clock);
                if clock >= ROUNDS { next.done[w] = true } else { next.working[w] = Some(clock) }
            }
            Some(clock) => {
                next.working[w] = None;
                next.pushed[w][clock as usize] += 1;
                match next.gate.push(worker, Clock::new(clock)).unwrap() {
                    Arrival::Alone => next.folded[w][clock as usize] += 1,
                    Arrival::Kept => assert_eq!(next.kept[w].replace(clock), None),
                    Arrival::Late => next.late[w][clock as usize] += 1,
                    Arrival::Closes { workers } => {
                        next.kept[w] = Some(clock);
                        assert!(workers.is_sorted(), "GATE-5");
                        for folded in workers {
                            let kept = next.kept[folded.index()].take();
                            assert_eq!(kept, Some(clock), "a round folds the gradients of that round");
                            next.folded[folded.index()][clock as usize] += 1;
                        }
                    }
                }
            }
        }
        Some(next)
    }

    /// GATE-2 and GATE-3, from what was really pushed, not from the gate's own books.
    fn check_bound(&self, w: usize, clock: u64) {
        let all_but = |spare: usize, rounds: u64| {
            let finished =
                |counts: &&[u8; ROUNDS as usize]| counts[..rounds as usize].iter().all(|&n| n == 1);
            self.pushed.iter().filter(finished).count() + spare >= self.pushed.len()
        };
        match self.gate.sync() {
            Sync::Asp => {}
            Sync::Bsp => assert!(all_but(0, clock), "GATE-2: worker {w} started {clock}"),
            Sync::Ssp { bound } => {
                let rounds = clock.saturating_sub(bound.rounds());
                assert!(all_but(0, rounds), "GATE-3: worker {w} started {clock}");
            }
            Sync::Backup { spare } if clock > 0 => {
                let folded = self.folded.iter().filter(|counts| counts[clock as usize - 1] == 1).count();
                assert_eq!(folded, self.folded.len() - spare as usize, "GATE-2: worker {w} started {clock}");
            }
            Sync::Backup { .. } => {}
        }
    }

    /// GATE-1, at the end: every push was folded once, or late once, and nothing is left over.
    fn check_end(&self) {
        for w in 0..self.pushed.len() {
            for c in 0..ROUNDS as usize {
                let (folded, late) = (self.folded[w][c], self.late[w][c]);
                let open = u8::from(self.kept[w] == Some(c as u64));
                assert_eq!(folded + late + open, self.pushed[w][c], "GATE-1: worker {w}, round {c}");
                if !matches!(self.gate.sync(), Sync::Backup { .. }) {
                    assert_eq!((folded, late), (1, 0), "worker {w}, round {c} counts exactly once");
                }
            }
            assert_eq!(self.kept[w], None, "no gradient is left in an open round");
        }
    }
}

/// Visits every reachable state and returns how many there are.
fn explore(sync: Sync, workers: usize) -> usize {
    let mut seen = HashSet::new();
    let mut stack = vec![State::new(sync, workers)];
    while let Some(state) = stack.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        let next: Vec<_> = (0..workers).filter_map(|w| state.step(w)).collect();
        if state.done.iter().all(|&done| done) {
            state.check_end();
        } else {
            assert!(!next.is_empty(), "GATE-4: {sync} with {workers} workers is stuck");
        }
        stack.extend(next);
    }
    seen.len()
}

#[test]
fn every_interleaving_keeps_the_invariants() {
    for workers in 1..=3 {
        let mut policies = vec![Sync::Bsp, Sync::Asp];
        policies.extend((0..=2).map(|bound| Sync::Ssp { bound: Staleness::new(bound) }));
        policies.extend((0..workers as u32).map(|spare| Sync::Backup { spare }));
        for sync in policies {
            let states = explore(sync, workers);
            assert!(states > ROUNDS as usize * 2 * workers, "{sync}: only {states} states");
        }
    }
}

#[test]
fn ssp_0_starts_rounds_as_bsp_does() {
    let mut bsp = Gate::new(Sync::Bsp, 2).unwrap();
    let mut ssp = Gate::new(Sync::Ssp { bound: Staleness::new(0) }, 2).unwrap();
    let (a, b) = (WorkerId::new(0), WorkerId::new(1));
    for gate in [&mut bsp, &mut ssp] {
        assert_eq!((gate.start(a), gate.start(b)), (Some(Clock::ZERO), Some(Clock::ZERO)));
        gate.push(a, Clock::ZERO).unwrap();
        assert_eq!(gate.start(a), None);
        gate.push(b, Clock::ZERO).unwrap();
        assert_eq!(gate.start(a), Some(Clock::new(1)));
    }
}

#[test]
fn a_late_backup_worker_joins_the_open_round() {
    let mut gate = Gate::new(Sync::Backup { spare: 1 }, 3).unwrap();
    let workers: Vec<_> = (0..3).map(WorkerId::new).collect();
    workers.iter().for_each(|&w| assert_eq!(gate.start(w), Some(Clock::ZERO)));
    for round in 0..5 {
        gate.push(workers[2], Clock::new(round)).unwrap();
        let closes = gate.push(workers[0], Clock::new(round)).unwrap();
        assert_eq!(closes, Arrival::Closes { workers: vec![workers[0], workers[2]] });
        assert_eq!(gate.start(workers[0]), Some(Clock::new(round + 1)));
        assert_eq!(gate.start(workers[2]), Some(Clock::new(round + 1)));
    }
    assert_eq!(gate.push(workers[1], Clock::ZERO).unwrap(), Arrival::Late);
    assert_eq!(gate.start(workers[1]), Some(Clock::new(5)), "it joins the open round");
}

#[test]
fn a_peer_that_breaks_the_protocol_is_refused() {
    let mut gate = Gate::new(Sync::Bsp, 2).unwrap();
    let worker = WorkerId::new(1);
    let message =
        |gate: &mut Gate, worker, clock| gate.push(worker, Clock::new(clock)).unwrap_err().to_string();
    assert!(message(&mut gate, worker, 0).contains("had started none"));
    gate.start(worker);
    assert!(message(&mut gate, worker, 3).contains("round 3 while working at round 0"));
    assert!(message(&mut gate, WorkerId::new(2), 0).contains("there are 2 workers"));
    gate.push(worker, Clock::ZERO).unwrap();
    assert!(
        message(&mut gate, worker, 0).contains("had started none"),
        "the same gradient never counts twice"
    );
    assert_eq!(gate.start(WorkerId::new(9)), None);
}

#[test]
fn impossible_gates_are_refused() {
    assert!(Gate::new(Sync::Bsp, 0).unwrap_err().to_string().contains("at least 1"));
    let message = Gate::new(Sync::Backup { spare: 2 }, 2).unwrap_err().to_string();
    assert!(message.contains("less than the number of workers"), "{message}");
}
