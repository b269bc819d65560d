//! Jobs like those of the log as a stream: how fast they may come, and how late the slow ones are.
//!
//! Jobs are drawn from the log with all their stages, tasks and overheads, arrive as a Poisson process, and are played
//! by the scheduler. *One at a time* is a driver that runs an action after the other (an M/G/1 queue); *side by side* is
//! Spark's FIFO scheduler with as many jobs open as there are. The first job of the log warms the application up and is
//! left out.

use rand::RngExt;
use syncline_queueing::models::{OneBarrier, SingleQueue};
use syncline_queueing::sim::{Random, stream};
use syncline_queueing::{Distribution, Estimate, Exceedance, Model, Workload};

use super::replay::{deviation, own_room};
use super::schedule::{Slots, schedule};
use super::work::{Group, SparkProfile, StageWork};
use crate::{Error, Interval};

/// Different jobs below which a stream of such jobs is not known.
const FEWEST: usize = 10;
const RUNS: u64 = 8;
/// Tasks of one simulated run.
const TASKS: usize = 40_000;
/// Tasks of a job, on average, beyond which even the fewest jobs of a run are too much work.
const MOST_TASKS: usize = 10_000;

/// Slots times tasks beyond which the chain of the exact model is too large.
const LARGEST: usize = 100_000;

/// How jobs share the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    /// The next job starts when the one before it has ended.
    OneAtATime,
    /// All jobs that have arrived compete for slots, the oldest first.
    SideBySide,
}

/// What a stream of jobs would meet.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamForecast {
    /// From arrival to end, in seconds.
    pub mean_s: Interval,
    /// The time that the share of jobs asked for exceeds.
    pub tail_s: Result<Interval, Error>,
    /// The mean by the model of `queueing` for jobs of one stage, if task times were exponential.
    pub formula: Option<Estimate>,
}

impl SparkProfile {
    /// Jobs a second from which on the backlog grows.
    ///
    /// # Errors
    /// [`Error::CannotTell`] from fewer than ten jobs.
    pub fn largest_rate(&self, discipline: Discipline) -> Result<Interval, Error> {
        let jobs = self.templates()?;
        let rates = (0..RUNS).map(|index| {
            let mut random = stream(11, index);
            let number = number(&jobs);
            let end = self.pass(&jobs, discipline, &vec![0.0; number], &mut random, index);
            number as f64 / end.into_iter().fold(0.0, f64::max)
        });
        Ok(over(&rates.collect::<Vec<_>>()).widened(self.job_error()).positive())
    }

    /// What jobs meet that arrive at `rate` a second; `largest_per_s` is what [`SparkProfile::largest_rate`] said.
    ///
    /// # Errors
    /// [`Error::CannotTell`] from fewer than ten jobs, or if the rate is not stable.
    pub fn stream(
        &self,
        rate: f64,
        discipline: Discipline,
        largest_per_s: Interval,
        tail: Exceedance,
    ) -> Result<StreamForecast, Error> {
        let jobs = self.templates()?;
        if !(rate > 0.0 && rate < largest_per_s.value) {
            let why = format!(
                "jobs that arrive at {rate:.4} a second are never worked off: at most {:.4} can be served",
                largest_per_s.value
            );
            return Err(Error::CannotTell { why });
        }
        let number = number(&jobs);
        let (mut means, mut tails) = (Vec::new(), Vec::new());
        for index in 0..RUNS {
            let mut random = stream(13, index);
            let arrivals = poisson(rate, number, &mut random);
            let ended = self.pass(&jobs, discipline, &arrivals, &mut random, index);
            let times: Vec<f64> = ended.iter().zip(&arrivals).map(|(end, start)| end - start).collect();
            // The first jobs find the cluster empty.
            let settled = &times[number / 5..];
            means.push(settled.iter().sum::<f64>() / settled.len() as f64);
            tails.push(exceeded(settled, tail.get()));
        }
        // A job that is longer by r makes a queue of this load longer by about r / (1 - load).
        let error = self.job_error() / (1.0 - rate / largest_per_s.value);
        let room = |runs: &[f64]| over(runs).widened(error).positive();
        let beyond = tail.get() * (RUNS as usize * number) as f64;
        let tail_s = if tail.get() * (jobs.len() as f64) < 0.1 {
            let (have, need) = (jobs.len(), (0.1 / tail.get()).ceil() as usize);
            let why = format!(
                "{have} jobs of the log say nothing about one in {:.0}; {need} are needed",
                1.0 / tail.get()
            );
            Err(Error::CannotTell { why })
        } else if beyond < 10.0 {
            let why = format!("only {beyond:.1} simulated jobs would lie beyond so rare a time");
            Err(Error::CannotTell { why })
        } else {
            Ok(room(&tails))
        };
        let formula = self.formula(&jobs, rate, discipline);
        Ok(StreamForecast { mean_s: room(&means), tail_s, formula })
    }

    /// By how much the jobs' time may be off, over that time.
    fn job_error(&self) -> f64 {
        own_room(self, &self.groups, self.total(&self.groups)).relative()
    }

    /// The log's jobs one by one, but the first.
    fn templates(&self) -> Result<Vec<Group>, Error> {
        let all = self.groups.iter().flat_map(|group| (0..group.jobs.len()).map(|job| group.only(job)));
        let jobs: Vec<Group> = all.skip(1).filter(|job| job.busy_s() > 0.0).collect();
        let tasks: usize = jobs.iter().flat_map(|group| &group.stages).map(|stage| stage.tasks.len()).sum();
        if tasks > MOST_TASKS * jobs.len() {
            let each = tasks / jobs.len();
            let why = format!(
                "jobs of {each} tasks are too large for a stream; {MOST_TASKS} each are played at most"
            );
            return Err(Error::CannotTell { why });
        }
        if jobs.len() >= FEWEST {
            return Ok(jobs);
        }
        let why = format!(
            "{} jobs of the log ran tasks that took time after its first, which is too few for a stream; {FEWEST} are needed",
            jobs.len()
        );
        Err(Error::CannotTell { why })
    }

    /// The ends of jobs drawn from `jobs` that arrive at the times given.
    fn pass(
        &self,
        jobs: &[Group],
        discipline: Discipline,
        arrivals: &[f64],
        random: &mut Random,
        index: u64,
    ) -> Vec<f64> {
        let slots = self.slots_of(self.slots, index);
        let drawn = arrivals.iter().map(|arrival| (*arrival, &jobs[random.random_range(0..jobs.len())]));
        match discipline {
            Discipline::OneAtATime => one_at_a_time(drawn, slots),
            Discipline::SideBySide => schedule(&side_by_side(drawn), slots).ended_s,
        }
    }

    /// Single queue, or 1-barrier, for jobs of one stage and one width.
    fn formula(&self, jobs: &[Group], rate: f64, discipline: Discipline) -> Option<Estimate> {
        let stages: Vec<&StageWork> = jobs.iter().flat_map(|group| &group.stages).collect();
        let width = stages.first()?.tasks.len();
        let alike = stages.len() == jobs.len() && stages.iter().all(|stage| stage.tasks.len() == width);
        if discipline != Discipline::SideBySide || !alike || self.slots * width > LARGEST {
            return None;
        }
        let held: f64 =
            stages.iter().flat_map(|stage| stage.tasks.iter().map(|task| task.work_s + stage.turn_s)).sum();
        let size = Distribution::exponential((width * stages.len()) as f64 / held).ok()?;
        let workload = Workload { size, ..Workload::markov(rate, 1.0).ok()? };
        if stages.iter().all(|stage| stage.barrier) {
            OneBarrier::new(workload, self.slots, width).ok()?.mean().ok()
        } else {
            SingleQueue::new(workload, self.slots, width).ok()?.mean().ok()
        }
    }
}

fn number(jobs: &[Group]) -> usize {
    let tasks: usize = jobs.iter().flat_map(|group| &group.stages).map(|stage| stage.tasks.len()).sum();
    (TASKS * jobs.len() / tasks.max(1)).clamp(200, 4000)
}

fn one_at_a_time<'a>(drawn: impl Iterator<Item = (f64, &'a Group)>, slots: Slots) -> Vec<f64> {
    let mut free = 0.0f64;
    drawn
        .map(|(arrival, job)| {
            free = free.max(arrival) + schedule(job, slots).end_s();
            free
        })
        .collect()
}

fn side_by_side<'a>(drawn: impl Iterator<Item = (f64, &'a Group)>) -> Group {
    let mut all = Group::empty();
    drawn.for_each(|(arrival, job)| all.absorb(job, arrival));
    all
}

fn poisson(rate: f64, number: usize, random: &mut Random) -> Vec<f64> {
    let mut now = 0.0;
    let mut next = || {
        now -= (1.0 - random.random::<f64>()).ln() / rate;
        now
    };
    (0..number).map(|_| next()).collect()
}

fn exceeded(times: &[f64], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let above = (share * times.len() as f64) as usize;
    times[times.len() - 1 - above.min(times.len() - 1)]
}

/// The mean over runs with two standard errors.
fn over(runs: &[f64]) -> Interval {
    let mean = runs.iter().sum::<f64>() / runs.len() as f64;
    Interval::around(mean, 2.0 * deviation(runs) / (runs.len() as f64).sqrt())
}
