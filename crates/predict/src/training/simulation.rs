//! The training loop once more, with what the trace knows of its surroundings: a driver of `round`'s machine, which decides in
//! live runs. Servers serve one update after the other, and workers on one machine share its cores.
//!
//! Workers that compute at once all run at the same speed, which depends on their number alone (processor sharing), so
//! that one clock of attained work orders their finishes: a worker that starts at attained work V with w seconds of
//! work is done when V + w is attained. Invariant: attained work grows by `speed(active)` a second.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use syncline_round::{Act, Event, Machine, Member, Policy, Round, Time};

use crate::Error;

/// What surrounds the workers.
pub(crate) trait Surroundings {
    /// Seconds of work of a worker's round.
    fn work_s(&mut self, worker: Member, round: Round) -> f64;
    /// The speed of each of so many workers that compute at once.
    fn speed(&self, active: usize) -> f64;
    /// What an update from so many gradients takes.
    fn update(&self, gradients: usize) -> Update;
    /// Seconds from when a gate opens until a held worker goes on.
    fn wake_s(&mut self) -> f64;
}

/// Parts of a loop whose paces show how much chance moves them.
const PARTS: u64 = 8;

/// Seconds until an update is done, and until the servers can begin another.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Update {
    pub takes_s: f64,
    pub occupies_s: f64,
}

/// How far a loop has come.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Progress {
    pub time_s: f64,
    pub folded: u64,
    pub late: u64,
}

impl Progress {
    /// Seconds a folded gradient since an earlier time.
    pub(crate) fn pace_since(&self, before: &Self) -> f64 {
        (self.time_s - before.time_s) / (self.folded - before.folded).max(1) as f64
    }
}

/// A worker's finish, in attained work.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Finish {
    attained: f64,
    worker: Member,
    round: Round,
}

impl Eq for Finish {}

impl PartialOrd for Finish {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest finish is the greatest; ties go to the lower worker.
impl Ord for Finish {
    fn cmp(&self, other: &Self) -> Ordering {
        other.attained.total_cmp(&self.attained).then_with(|| other.worker.cmp(&self.worker))
    }
}

/// A loop from its start to its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Outcome {
    /// How far it was after about equal parts, as long as all workers worked.
    pub parts: Vec<Progress>,
    /// How far it was when the first worker was through: after that fewer work.
    pub all_worked: Progress,
    /// When the last worker was through.
    pub end: Progress,
}

/// Runs a loop in which each worker leaves when the gate lets it into round `rounds`.
pub(crate) fn simulate(
    policy: Policy,
    workers: usize,
    rounds: u64,
    surroundings: &mut impl Surroundings,
) -> Result<Outcome, Error> {
    let speed = surroundings.speed(workers);
    let mut simulated = Loop {
        machine: Machine::new(policy, workers).map_err(Error::Policy)?,
        copies: policy.copies(),
        stands_for: policy.stands_for() as u64,
        surroundings,
        rounds,
        working: BinaryHeap::new(),
        staying: workers,
        rests_s: vec![0.0; workers],
        speed,
        attained: 0.0,
        servers_free: 0.0,
        progress: Progress::default(),
        last_left_s: None,
        acts: Vec::new(),
    };
    let part = (rounds.saturating_mul(workers as u64) / PARTS).max(1);
    let mut outcome = Outcome::default();
    for worker in (0..workers as u32).map(Member::new) {
        simulated.tell(Event::Ask(worker))?;
    }
    loop {
        if simulated.last_left_s.is_none() {
            outcome.all_worked = simulated.progress;
            if simulated.progress.folded >= part * (outcome.parts.len() as u64 + 1) {
                outcome.parts.push(simulated.progress);
            }
        }
        if !simulated.step()? {
            break;
        }
    }
    let Loop { progress, last_left_s, .. } = simulated;
    if outcome.all_worked.folded == 0 || last_left_s.is_some_and(|_| policy.waits_for_all()) {
        // All leave a bulk-synchronous loop together.
        outcome.all_worked = progress;
    }
    outcome.end = Progress { time_s: last_left_s.unwrap_or(progress.time_s), ..progress };
    Ok(outcome)
}

struct Loop<'a, S> {
    machine: Machine,
    /// How many workers do the same.
    copies: usize,
    /// For how many gradients one counts: under a code by repetition for those of its group.
    stands_for: u64,
    surroundings: &'a mut S,
    /// Rounds of each worker.
    rounds: u64,
    /// When the last of those that were through was so.
    last_left_s: Option<f64>,
    working: BinaryHeap<Finish>,
    /// Workers that are not through.
    staying: usize,
    /// Seconds of each worker's own last update after the servers could begin another, which it has yet to wait for.
    rests_s: Vec<f64>,
    /// Of each of those that stay, were they all to compute: who is held now waits for the like.
    speed: f64,
    /// The work that each worker active since the start would have done.
    attained: f64,
    /// When the servers have done all that they were given.
    servers_free: f64,
    progress: Progress,
    /// What the machine said last.
    acts: Vec<Act>,
}

impl<S: Surroundings> Loop<'_, S> {
    /// Lets the next thing happen: a deadline of the machine, or a worker finishes, pushes and asks for its next round. Nobody
    /// works only when all are through, or a gate broke its promise (GATE-4).
    fn step(&mut self) -> Result<bool, Error> {
        let active = self.working.len();
        let Some(&Finish { attained, worker, round }) = self.working.peek() else { return Ok(false) };
        let speed = self.surroundings.speed(active);
        let time_s = self.progress.time_s + (attained - self.attained).max(0.0) / speed;
        if let Some(wake) = self.machine.wakes_at()
            && wake.seconds() < time_s
        {
            let waited_s = (wake.seconds() - self.progress.time_s).max(0.0);
            self.attained += waited_s * speed;
            self.progress.time_s += waited_s;
            self.tell_at(wake, Event::Due)?;
            return Ok(true);
        }
        self.working.pop();
        self.progress.time_s = time_s;
        self.attained = attained;
        self.speed = self.surroundings.speed(self.staying);
        self.rests_s[worker.index()] = 0.0;
        self.tell(Event::Give { member: worker, round })?;
        self.tell(Event::Ask(worker))?;
        Ok(true)
    }

    fn tell(&mut self, event: Event) -> Result<(), Error> {
        self.tell_at(Time::from_seconds(self.progress.time_s), event)
    }

    /// Tells the machine, and does what it says.
    fn tell_at(&mut self, now: Time, event: Event) -> Result<(), Error> {
        let mut acts = std::mem::take(&mut self.acts);
        let told = self.machine.on(now, event, &mut acts);
        let mut stopped = Vec::new();
        for act in acts.drain(..) {
            match act {
                Act::Fold { members, .. } if members.is_empty() => {}
                Act::Fold { members, .. } => {
                    let rest_s = self.update(members.len());
                    // Whoever brought it about folds it; at a deadline nobody of them waits for it.
                    if let Event::Give { member, .. } = event {
                        self.rests_s[member.index()] = rest_s;
                    }
                }
                Act::Go { member, round } => {
                    // Who goes on at once need not be woken.
                    let wakes = event != Event::Ask(member);
                    let wake_s = if wakes { self.surroundings.wake_s() } else { 0.0 };
                    self.go(member, round, wake_s);
                }
                Act::Late(_) => self.progress.late += self.stands_for,
                Act::Cancel { member, .. } => stopped.push(member),
                // The machine itself knows when it wants to be woken.
                Act::WakeAt(_) => {}
            }
        }
        self.acts = acts;
        told.map_err(Error::Policy)?;
        // Who is told to stop asks at once for its next round.
        for member in stopped {
            self.working.retain(|finish| finish.worker != member);
            self.tell_at(now, Event::Ask(member))?;
        }
        Ok(())
    }

    /// The servers fold so many gradients.
    fn update(&mut self, gradients: usize) -> f64 {
        self.progress.folded += gradients as u64 * self.stands_for;
        // Of a group whose workers vote one is folded.
        let folded = (gradients * self.stands_for as usize / self.copies).max(1);
        let Update { takes_s, occupies_s } = self.surroundings.update(folded);
        self.servers_free = self.servers_free.max(self.progress.time_s) + occupies_s;
        (takes_s - occupies_s).max(0.0)
    }

    /// A worker starts a round, or leaves.
    fn go(&mut self, worker: Member, round: Round, wake_s: f64) {
        // The update under way must end first, and waiting is no work: it does not slow down in company.
        let idle_s =
            (self.servers_free - self.progress.time_s).max(0.0) + self.rests_s[worker.index()] + wake_s;
        if round.number() >= self.rounds {
            let left_s = self.progress.time_s + idle_s;
            self.last_left_s = Some(self.last_left_s.map_or(left_s, |last| last.max(left_s)));
            self.staying -= 1;
            return;
        }
        let work = self.surroundings.work_s(worker, round) + idle_s * self.speed;
        self.working.push(Finish { attained: self.attained + work, worker, round });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Given works, so many cores, and an update of one second.
    struct Given {
        works: Vec<f64>,
        cores: f64,
        update_s: f64,
        wake_s: f64,
    }

    impl Surroundings for Given {
        fn work_s(&mut self, worker: Member, _: Round) -> f64 {
            self.works[worker.index()]
        }
        fn speed(&self, active: usize) -> f64 {
            (self.cores / active as f64).min(1.0)
        }
        fn update(&self, _: usize) -> Update {
            Update { takes_s: self.update_s, occupies_s: self.update_s }
        }
        fn wake_s(&mut self) -> f64 {
            self.wake_s
        }
    }

    fn time(sync: &str, rounds: u64, mut given: Given) -> f64 {
        let workers = given.works.len();
        simulate(sync.parse().unwrap(), workers, rounds, &mut given).unwrap().end.time_s
    }

    #[test]
    fn a_round_is_the_slowest_worker_the_update_and_the_wake() {
        let given = || Given { works: vec![2.0, 3.0], cores: 9.0, update_s: 0.5, wake_s: 0.25 };
        // The last update and wake belong to the run.
        assert_eq!(time("bsp", 1, given()), 3.75);
        // The slowest closes the round and goes on at once; the other one's wake hides behind it.
        assert_eq!(time("bsp", 2, given()), 7.25);
        let equal = Given { works: vec![3.0, 3.0], ..given() };
        assert_eq!(time("bsp", 2, equal), 7.5);
    }

    #[test]
    fn workers_beyond_the_cores_share_them() {
        let given = Given { works: vec![1.0; 4], cores: 2.0, update_s: 0.0, wake_s: 0.0 };
        assert_eq!(time("bsp", 2, given), 4.0);
        // 2 cores, works 1 and 2 and 3: all share until 1 is done at 1.5, then each has a core.
        let given = Given { works: vec![1.0, 2.0, 3.0], cores: 2.0, update_s: 0.0, wake_s: 0.0 };
        assert_eq!(time("bsp", 1, given), 3.5);
    }

    #[test]
    fn the_servers_limit_asynchronous_workers() {
        let given = Given { works: vec![1.0; 8], cores: 9.0, update_s: 0.5, wake_s: 0.0 };
        let each = time("asp", 1000, given) / 8000.0;
        assert!((each - 0.5).abs() < 0.01, "{each}");
    }

    #[test]
    fn who_is_told_to_stop_is_there_for_the_next_round() {
        // Of each group of two one is slow: it is waited for by nobody, and works at nothing in vain.
        let given = Given { works: vec![1.0, 9.0, 9.0, 1.0], cores: 9.0, update_s: 0.0, wake_s: 0.0 };
        assert_eq!(time("repetition:1", 5, given), 5.0);
        // A vote waits for all.
        let given = Given { works: vec![1.0, 9.0, 1.0], cores: 9.0, update_s: 0.5, wake_s: 0.0 };
        assert_eq!(time("draco:1", 2, given), 19.0);
    }

    #[test]
    fn the_run_ends_with_its_slowest_worker() {
        let mut given = Given { works: vec![1.0, 1.0, 4.0], cores: 9.0, update_s: 0.0, wake_s: 0.0 };
        let run = simulate(Policy::Asp, 3, 20, &mut given).unwrap();
        assert_eq!((run.end.time_s, run.end.folded), (80.0, 60));
        // While all worked 20 + 20 + 5 gradients came in 20 seconds.
        assert!((run.all_worked.pace_since(&Progress::default()) - 20.0 / 45.0).abs() < 0.02, "{run:?}");
        // A late worker ends its lost gradient, and with it the run.
        let run = simulate(Policy::Backup { spare: 1 }, 3, 20, &mut given).unwrap();
        assert_eq!((run.end.folded, run.end.time_s), (40, 20.0));
        assert_eq!(run.end.late, 5);
    }
}
