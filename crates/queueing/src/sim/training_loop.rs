//! The training loop under a gate of `round`: the very object that decides in a live run, on the simulator's clock.
//!
//! An event queue of finish times, because a gate may do anything; where its policy is a recursion
//! ([`super::StaleLoop`]) that one is some ten times faster and gives the same times to the last bit.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use syncline_round::{Arrival, Clock, Gate, Sync, WorkerId};

use super::{Interval, Plan, stream};
use crate::{Distribution, Error, Result};

/// What one simulated loop did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// The time at which it ended.
    pub time: f64,
    /// Gradients that were folded.
    pub folded: u64,
    /// Gradients that came too late.
    pub late: u64,
}

/// Workers that work, push, and start again as soon as the gate lets them.
#[derive(Debug)]
pub struct TrainingLoop {
    gate: Gate,
    working: BinaryHeap<Finish>,
    waiting: Vec<WorkerId>,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Finish {
    time: f64,
    worker: WorkerId,
    clock: Clock,
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
    /// [`Error::Parameter`] without workers, or if all of them are spare.
    pub fn new(sync: Sync, workers: usize) -> Result<Self> {
        let gate = Gate::new(sync, workers)
            .map_err(|why| Error::parameter("workers under this policy", workers, why.to_string()))?;
        let waiting = (0..workers as u32).map(WorkerId::new).collect();
        Ok(Self { gate, working: BinaryHeap::new(), waiting, progress: Progress::default() })
    }

    /// Runs until `pushes` more gradients have come in; `size` is the time that a worker takes for a round.
    pub fn advance(&mut self, pushes: u64, mut size: impl FnMut(WorkerId, Clock) -> f64) -> Progress {
        for _ in 0..pushes {
            self.start(&mut size);
            // GATE-4: some worker can always move, so that one is working here.
            let Some(Finish { time, worker, clock }) = self.working.pop() else { break };
            self.progress.time = time;
            match self.gate.push(worker, clock) {
                Ok(Arrival::Alone) => self.progress.folded += 1,
                Ok(Arrival::Closes { workers }) => self.progress.folded += workers.len() as u64,
                Ok(Arrival::Late) => self.progress.late += 1,
                Ok(Arrival::Kept) | Err(_) => {}
            }
            self.waiting.push(worker);
        }
        self.progress
    }

    fn start(&mut self, size: &mut impl FnMut(WorkerId, Clock) -> f64) {
        let (gate, working, now) = (&mut self.gate, &mut self.working, self.progress.time);
        self.waiting.retain(|&worker| match gate.start(worker) {
            Some(clock) => {
                working.push(Finish { time: now + size(worker, clock), worker, clock });
                false
            }
            None => true,
        });
    }
}

/// Time per `workers` folded gradients, that is per round's worth of work, in the long run; `plan.jobs` counts gradients.
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
pub fn time_per_round(sync: Sync, workers: usize, size: &Distribution, plan: &Plan) -> Result<Interval> {
    plan.check()?;
    let mut times = Vec::with_capacity(plan.replications);
    for replication in 0..plan.replications {
        let mut random = stream(plan.seed, replication as u64);
        let mut training = TrainingLoop::new(sync, workers)?;
        let mut draw = |_: WorkerId, _: Clock| size.draw(&mut random);
        let before = training.advance(plan.jobs_each() / 5, &mut draw);
        let after = training.advance(plan.jobs_each(), &mut draw);
        let folded = (after.folded - before.folded) as f64;
        times.push((after.time - before.time) / folded * workers as f64);
    }
    Ok(Interval::of(&times))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::StaleLoop;

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
            let size = |worker: WorkerId, clock: Clock| {
                sizes.get(clock.round() as usize).map_or(f64::INFINITY, |row| row[worker.index()])
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
    fn a_bulk_synchronous_round_is_the_largest_of_all() -> Result<()> {
        let plan = Plan { jobs: 2_000_000, ..Plan::default() };
        let size = Distribution::uniform(0.5, 1.5)?;
        let ours = time_per_round("bsp".parse().unwrap(), 32, &size, &plan)?;
        let expected = crate::training::round_time(&size, 32, 0)?.value;
        assert!((ours.value - expected).abs() < 4.0 * ours.error, "{ours:?} {expected}");
        Ok(())
    }
}
