//! The training loop on the simulator's clock: a driver of `round`'s machine, which decides in live runs.
//!
//! An event queue of finish times, because a gate may do anything; where its policy is a recursion
//! ([`super::StaleLoop`]) that one is some ten times faster and gives the same times to the last bit.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use syncline_round::{Act, Event, Machine, Member, Policy, Round, Time};

use super::{Interval, Plan, stream};
use crate::{Distribution, Error, Result};

/// What one simulated loop did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LoopProgress {
    /// The time at which it ended.
    pub time: f64,
    /// Gradients that were folded; under [`Policy::Repetition`] one stands for all parts of its group.
    pub folded: u64,
    /// Gradients that came too late, counted in the same way.
    pub late: u64,
}

/// Workers that work, push, and start again as soon as the gate lets them.
#[derive(Debug)]
pub struct TrainingLoop {
    machine: Machine,
    /// For how many gradients one counts.
    stands_for: u64,
    /// For how many a whole round counts, where answers are decoded.
    decoded: Option<u64>,
    working: BinaryHeap<Finish>,
    /// Workers that have not asked for their first round.
    fresh: u32,
    progress: LoopProgress,
    /// What the machine said last.
    acts: Vec<Act>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Finish {
    time: f64,
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
        other.time.total_cmp(&self.time).then_with(|| other.worker.cmp(&self.worker))
    }
}

impl TrainingLoop {
    /// All workers at round 0, time 0.
    ///
    /// # Errors
    /// [`Error::Parameter`] without workers, or with too few for the policy.
    pub fn new(policy: Policy, workers: usize) -> Result<Self> {
        let needs = || format!("possible with {workers} workers");
        let machine =
            Machine::new(policy, workers).map_err(|_| Error::parameter("policy", policy, needs()))?;
        let fresh = workers as u32;
        Ok(Self {
            machine,
            stands_for: policy.stands_for() as u64,
            decoded: policy.coded().map(|_| workers as u64),
            working: BinaryHeap::new(),
            fresh,
            progress: LoopProgress::default(),
            acts: Vec::new(),
        })
    }

    /// Runs until `pushes` more gradients have come in; `size` is the time that a worker takes for a round. It ends before
    /// where the machine says that no round can close any more.
    pub fn advance(&mut self, pushes: u64, mut size: impl FnMut(Member, Round) -> f64) -> LoopProgress {
        for worker in (0..std::mem::take(&mut self.fresh)).map(Member::new) {
            self.tell(Event::Ask(worker), &mut size);
        }
        for _ in 0..pushes {
            self.pass_deadlines(&mut size);
            // GATE-4: some worker can always move, so that one is working here.
            let Some(Finish { time, worker, round }) = self.working.pop() else { break };
            self.progress.time = time;
            let given = self.tell(Event::Give { member: worker, round }, &mut size);
            if !given || !self.tell(Event::Ask(worker), &mut size) {
                break;
            }
        }
        self.progress
    }

    /// Lets the time come that the machine waits for, as long as it comes before the next finish.
    fn pass_deadlines(&mut self, size: &mut impl FnMut(Member, Round) -> f64) {
        while let Some(wake) = self.machine.wakes_at()
            && self.working.peek().is_none_or(|next| wake.seconds() < next.time)
        {
            self.progress.time = self.progress.time.max(wake.seconds());
            if !self.tell_at(wake, Event::Due, size) {
                break;
            }
        }
    }

    fn tell(&mut self, event: Event, size: &mut impl FnMut(Member, Round) -> f64) -> bool {
        self.tell_at(Time::from_seconds(self.progress.time), event, size)
    }

    /// Tells the machine, and does what it says; whether it goes on.
    fn tell_at(&mut self, now: Time, event: Event, size: &mut impl FnMut(Member, Round) -> f64) -> bool {
        let Self { machine, stands_for, decoded, working, progress, acts, .. } = self;
        let mut goes_on = machine.on(now, event, acts).is_ok();
        let mut cancelled = Vec::new();
        for act in acts.drain(..) {
            match act {
                Act::Go { member, round } => {
                    let time = progress.time + size(member, round);
                    working.push(Finish { time, worker: member, round });
                }
                Act::Fold { members, .. } => {
                    progress.folded += decoded.unwrap_or(members.len() as u64 * *stands_for);
                }
                Act::Late(_) => progress.late += *stands_for,
                Act::Cancel { member, .. } => cancelled.push(member),
                // The machine itself knows when it wants to be woken.
                Act::WakeAt(_) => {}
            }
        }
        // Who is told to stop asks at once for its next round.
        for worker in cancelled {
            self.working.retain(|finish| finish.worker != worker);
            goes_on &= self.tell_at(now, Event::Ask(worker), size);
        }
        goes_on
    }
}

/// Time per `workers` folded gradients, that is per batch of each worker, in the long run; `plan.jobs` counts what is folded.
/// Under a code against liars each batch is that of a whole group, and of one group's equal gradients one is folded.
///
/// `size` is the time that a worker takes for a batch: under a policy of local steps, and under a code by repetition, a round has
/// several, one after the other, and what one of them takes longer another may take less. Under an (n, k) code a worker's coded
/// block takes n / k times as long as its batch would.
///
/// ```
/// use syncline_queueing::{Distribution, sim::{Plan, time_per_round}};
///
/// let plan = Plan { jobs: 400_000, ..Plan::default() };
/// let bsp = time_per_round("bsp".parse().unwrap(), 2, &Distribution::exponential(1.0)?, &plan)?;
/// assert!((bsp.value - 1.5).abs() < 5.0 * bsp.error);
/// # Ok::<(), syncline_queueing::Error>(())
/// ```
///
/// # Errors
/// As for [`TrainingLoop::new`].
pub fn time_per_round(policy: Policy, workers: usize, size: &Distribution, plan: &Plan) -> Result<Interval> {
    plan.check()?;
    let steps = policy.every().map_or(1, |every| every.batches(1));
    let batches = steps * policy.copies();
    let block = policy.coded().map_or(1.0, |needed| workers as f64 / needed.members() as f64);
    let mut times = Vec::with_capacity(plan.replications);
    for replication in 0..plan.replications {
        let mut random = stream(plan.seed, replication as u64);
        let mut training = TrainingLoop::new(policy, workers)?;
        let mut draw = |_: Member, _: Round| (0..batches).map(|_| block * size.draw(&mut random)).sum();
        let before = training.advance(plan.jobs_each() / 5, &mut draw);
        let after = training.advance(plan.jobs_each(), &mut draw);
        let folded = (after.folded - before.folded) as f64;
        times.push((after.time - before.time) / folded * workers as f64 / steps as f64);
    }
    Ok(Interval::of(&times))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::StaleLoop;

    #[test]
    fn codes_take_what_order_statistics_say() -> Result<()> {
        let plan = Plan { jobs: 200_000, ..Plan::default() };
        let of = |policy: &str, workers: usize| {
            time_per_round(policy.parse().unwrap(), workers, &Distribution::exponential(1.0)?, &plan)
        };
        // The third of four exponential times of 4 / 3 each, and the later of two sums of two.
        for (policy, workers, exact) in
            [("mds:3", 4, 4.0 / 3.0 * (1.0 / 4.0 + 1.0 / 3.0 + 1.0 / 2.0)), ("mds:1", 1, 1.0)]
        {
            let found = of(policy, workers)?;
            assert!((found.value - exact).abs() < 5.0 * found.error.max(1e-3), "{policy}: {found:?} {exact}");
        }
        // The least of two sums of two exponential times each: 5 / 4, for two workers' batches.
        let (one, two) = (of("repetition:1", 2)?, of("repetition:0", 1)?.value);
        assert!((one.value - 1.25).abs() < 5.0 * one.error, "the others are told to stop: {one:?}");
        assert!(
            one.value > 1.1 * two && one.value < 2.0 * two,
            "the first of two who each do two batches: {one:?} {two}"
        );
        // The greatest of three sums of three exponential times each, for three workers' batches.
        let (voted, sums) =
            (of("draco:1", 3)?, crate::training::round_time(&Distribution::erlang(3, 1.0)?, 3, 0)?.value);
        assert!(
            (voted.value - sums).abs() < 5.0 * voted.error,
            "all of a group are waited for: {voted:?} {sums}"
        );
        // Neighbours of three in a ring are all the others; of more, fewer wait for each other than under ssp:0.
        let (ring, stale) = (of("gossip:ring", 9)?.value, of("ssp:0", 9)?.value);
        assert!((of("gossip:ring", 3)?.value / of("ssp:0", 3)?.value - 1.0).abs() < 0.02);
        assert!(ring < 0.95 * stale && ring > 1.1, "{ring} {stale}");
        Ok(())
    }

    #[test]
    fn the_gate_and_the_recursion_give_the_same_times() -> Result<()> {
        let (workers, rounds) = (5, 400);
        let size = Distribution::erlang(2, 1.0)?;
        let mut random = stream(3, 0);
        let sizes: Vec<Vec<f64>> = (0..rounds)
            .map(|_| {
                let mut row = vec![0.0; workers];
                size.fill(&mut random, &mut row);
                row
            })
            .collect();
        for staleness in [0, 1, 3, 8] {
            let mut recursion = StaleLoop::new(workers, staleness)?;
            let expected = sizes.iter().map(|row| recursion.advance(row)).fold(0.0, f64::max);
            let sync = format!("ssp:{staleness}").parse().unwrap();
            let mut gated = TrainingLoop::new(sync, workers)?;
            let mut last = 0.0f64;
            // Workers ahead of the last round get endless work, so that exactly the given rounds are pushed.
            let size = |worker: Member, round: Round| {
                sizes.get(round.number() as usize).map_or(f64::INFINITY, |row| row[worker.index()])
            };
            for _ in 0..rounds * workers {
                last = last.max(gated.advance(1, size).time);
            }
            assert_eq!(last, expected, "staleness {staleness}");
        }
        Ok(())
    }

    #[test]
    fn a_late_worker_finishes_its_lost_round_first() -> Result<()> {
        // Two exponential workers, one spare: both in the open round (rate 2 to a fold), or one behind (rate 1 to a
        // fold, rate 1 to catch up). A third of the time in the former: 4/3 folds per unit of time.
        let plan = Plan { jobs: 2_000_000, ..Plan::default() };
        let ours = time_per_round("backup:1".parse().unwrap(), 2, &Distribution::exponential(1.0)?, &plan)?;
        assert!((ours.value - 1.5).abs() < 4.0 * ours.error, "{ours:?}");
        Ok(())
    }

    #[test]
    fn local_steps_wait_for_the_slowest_sum() -> Result<()> {
        // The greater of two sums of 4 exponential times: an Erlang distribution of its own.
        let plan = Plan { jobs: 1_000_000, ..Plan::default() };
        let ours = time_per_round("local:4".parse().unwrap(), 2, &Distribution::exponential(1.0)?, &plan)?;
        let expected = crate::training::round_time(&Distribution::erlang(4, 1.0)?, 2, 0)?.value / 4.0;
        assert!((ours.value - expected).abs() < 4.0 * ours.error, "{ours:?} {expected}");
        assert!(expected < 1.4, "less than the 1.5 of a round for each batch");
        Ok(())
    }

    #[test]
    fn a_bulk_synchronous_round_is_the_largest_of_all() -> Result<()> {
        let plan = Plan { jobs: 2_000_000, ..Plan::default() };
        let size = Distribution::uniform(0.5, 1.5)?;
        let ours = time_per_round("bsp".parse().unwrap(), 32, &size, &plan)?;
        let expected = crate::training::round_time(&size, 32, 0)?.value;
        assert!((ours.value - expected).abs() < 4.0 * ours.error, "{ours:?} {expected}");
        Ok(())
    }
}
