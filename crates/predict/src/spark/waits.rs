//! How long barrier stages waited for their slots, beside what models say.
//!
//! The *overhead formula* tells only how long a stage that has its slots still waits for a full round of offers:
//! O = min(U(0, T0), Exp(submissions)). The *1-barrier* model has no such overhead, the *polling system* pays it for one
//! stage after the other; Spark, where one round may start several stages and a later one may overtake, lies between.
//! Both take Poisson arrivals of stages of one width. The *replay* submits the log's own stages at their own times.

use syncline_queueing::models::OneBarrier;
use syncline_queueing::sim::{Jobs, Plan, PollingSystem, System, simulate_with};
use syncline_queueing::{Arrivals, Distribution, Empirical, Model, Workload, polling};

use super::replay::{REVIVE_S, deviation};
use super::schedule::schedule;
use super::work::{SparkProfile, StageWork};
use crate::sample::mean;
use crate::{Error, Interval};

/// Stages of one width below which nothing is said of them.
const FEWEST: usize = 20;

/// Slots beyond which the exact 1-barrier model takes too long.
const MOST_SLOTS: usize = 256;

/// Waiting of the barrier stages of one width, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct BarrierWaits {
    /// Tasks that start together.
    pub width: usize,
    /// Stages of that width.
    pub stages: usize,
    /// Those that found enough free slots.
    pub at_once: usize,
    /// From submission to launch: the measured mean, with two standard errors.
    pub measured_s: Interval,
    /// The same by the replay.
    pub replayed_s: f64,
    /// The same by models, where stages had to wait; `None` if none had to, because they came
    /// one after the other, or if the models never work so many off.
    pub models: Option<WaitModels>,
}

/// What models say of barrier stages that arrive as a stream, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaitModels {
    /// Stages of that width submitted a second.
    pub rate_per_s: f64,
    /// The mean wait of the 1-barrier system with exponential tasks.
    pub one_barrier_s: f64,
    /// The mean wait of the polling system with the log's tasks.
    pub polling_s: f64,
    /// From enough free slots to launch: the measured mean of those that had to wait; `None` if only one had to.
    pub overhead_measured_s: Option<Interval>,
    /// The same by the formula.
    pub overhead_s: f64,
}

impl SparkProfile {
    /// The waits of barrier stages, by width.
    ///
    /// # Errors
    /// [`Error::CannotTell`] if there are too few of every width.
    pub fn barrier_waits(&self) -> Result<Vec<BarrierWaits>, Error> {
        let mut widths: Vec<usize> =
            self.stages().filter(|stage| stage.barrier).map(|stage| stage.tasks.len()).collect();
        widths.sort_unstable();
        let most = widths.chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap_or(0);
        if most < FEWEST {
            let why = format!(
                "{most} barrier stages of a width are too few to compare their waits; {FEWEST} are needed"
            );
            return Err(Error::CannotTell { why });
        }
        let enough =
            widths.chunk_by(|a, b| a == b).filter(|alike| alike.len() >= FEWEST).map(|alike| alike[0]);
        let replayed = self.replayed_waits();
        Ok(enough.map(|width| self.waits_of(width, &replayed)).collect())
    }

    /// Width and wait of every barrier stage when the log's groups are played again; the mean over phases of
    /// the timer.
    fn replayed_waits(&self) -> Vec<(usize, f64)> {
        const PHASES: u64 = 20;
        let mut waits = Vec::new();
        for group in &self.groups {
            for phase in 0..PHASES {
                let played = schedule(group, self.slots_of(self.slots, phase));
                for (stage, passage) in
                    group.stages.iter().zip(&played.stages).filter(|(stage, _)| stage.barrier)
                {
                    waits.push((stage.tasks.len(), passage.launched_s - passage.ready_s + stage.lead_s));
                }
            }
        }
        waits
    }

    fn waits_of(&self, width: usize, replayed: &[(usize, f64)]) -> BarrierWaits {
        let own: Vec<&StageWork> =
            self.stages().filter(|stage| stage.barrier && stage.tasks.len() == width).collect();
        let blocked: Vec<f64> = own.iter().filter_map(|stage| stage.blocked_s).collect();
        let at_once = own.len() - blocked.len();
        let played = replayed.iter().filter(|(k, _)| *k == width).map(|(_, wait)| *wait);
        BarrierWaits {
            width,
            stages: own.len(),
            at_once,
            measured_s: measured(&own.iter().map(|stage| stage.waited_s).collect::<Vec<_>>()),
            replayed_s: mean(played),
            models: self.models(&own, width, &blocked).ok().flatten(),
        }
    }

    fn models(&self, own: &[&StageWork], width: usize, blocked: &[f64]) -> Result<Option<WaitModels>, Error> {
        let rate = rate_per_s(own);
        if blocked.is_empty() || !(rate > 0.0 && rate.is_finite()) || self.slots > MOST_SLOTS {
            return Ok(None);
        }
        let lead_s = mean(own.iter().map(|stage| stage.lead_s));
        let times: Vec<f64> =
            own.iter().flat_map(|stage| stage.tasks.iter().map(|task| task.work_s + stage.turn_s)).collect();
        let workload = Workload::markov(rate, 1.0 / mean(times.iter().copied()))?;
        let one_barrier = OneBarrier::new(workload, self.slots, width)?.waits()?;
        Ok(Some(WaitModels {
            rate_per_s: rate,
            one_barrier_s: lead_s + one_barrier.first().map_or(f64::NAN, |estimate| estimate.value),
            polling_s: lead_s + self.polling_wait(times, width, rate)?,
            overhead_measured_s: (blocked.len() > 1).then(|| measured(blocked)),
            overhead_s: if self.executors > 1 { polling::mean_overhead(rate, REVIVE_S)? } else { 0.0 },
        }))
    }

    /// The mean wait of the polling system with these task times.
    fn polling_wait(&self, times: Vec<f64>, width: usize, rate: f64) -> Result<f64, Error> {
        let size = Distribution::empirical(Empirical::new(times)?);
        let arrivals = Arrivals::poisson(rate)?;
        // Where the end of a task offers all slots the timer does not matter: a very short period stands for that.
        let period = if self.executors > 1 { REVIVE_S } else { 1e-6 };
        let empty = PollingSystem::new(self.slots, width, period, rate)?;
        let system = || -> Box<dyn System> { Box::new(empty.clone()) };
        let plan = Plan { jobs: 200_000, ..Plan::default() };
        let jobs = Jobs::Arriving { arrivals: &arrivals, size: &size };
        Ok(simulate_with(&system, jobs, &plan, &|_| {})?.wait.value)
    }
}

/// Submissions a second from the first to the last.
fn rate_per_s(own: &[&StageWork]) -> f64 {
    let at = || own.iter().map(|stage| stage.submitted_s);
    let span = at().fold(f64::NEG_INFINITY, f64::max) - at().fold(f64::INFINITY, f64::min);
    (own.len() - 1) as f64 / span
}

/// The mean of two or more values with two standard errors.
fn measured(values: &[f64]) -> Interval {
    let error = deviation(values) / (values.len() as f64).sqrt();
    Interval::around(mean(values.iter().copied()), 2.0 * error).positive()
}
