//! How long barrier stages waited for their slots, beside what models say.
//!
//! Three models of growing detail. The *overhead formula* tells only how long a stage that has its slots still waits for
//! a full round of offers: O = min(U(0, T0), Exp(events)). The *polling system* of `queueing` adds the waiting for slots
//! under Poisson arrivals and equal widths. The *replay* submits the log's own stages at their own times.

use syncline_queueing::sim::{Jobs, Plan, PollingSystem, simulate_with};
use syncline_queueing::{Arrivals, Distribution, Empirical, polling};

use super::replay::{REVIVE_S, deviation};
use super::schedule::schedule;
use super::work::{SparkProfile, StageWork};
use crate::{Error, Interval};

/// Stages of one width below which nothing is said of them.
const FEWEST: usize = 20;

/// Waiting of the barrier stages of one width.
#[derive(Debug, Clone, PartialEq)]
pub struct BarrierWaits {
    /// Tasks that start together.
    pub width: usize,
    /// Stages of that width.
    pub stages: usize,
    /// Those that found enough free slots.
    pub at_once: usize,
    /// From submission to launch, over all.
    pub wait: Waits,
    /// From enough free slots to launch, over those that had to wait; `None` if none had to.
    pub blocked: Option<Waits>,
}

/// A measured mean beside predicted ones, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waits {
    /// Measured, with two standard errors.
    pub measured_s: Interval,
    /// By the log's own stages, submitted at their own times.
    pub replayed_s: f64,
    /// By the model: the polling system for waits, the overhead formula for blocking.
    pub model_s: f64,
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
        enough.map(|width| self.waits_of(width, &replayed)).collect()
    }

    /// Width, wait and blocking of every barrier stage when the log's groups are played again; the mean over phases of
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

    fn waits_of(&self, width: usize, replayed: &[(usize, f64)]) -> Result<BarrierWaits, Error> {
        let own: Vec<&StageWork> =
            self.stages().filter(|stage| stage.barrier && stage.tasks.len() == width).collect();
        let (rate, lead_s) = (self.submissions_per_s(), mean(own.iter().map(|stage| stage.lead_s)));
        let blocked: Vec<f64> = own.iter().filter_map(|stage| stage.blocked_s).collect();
        let overhead_s = if self.executors > 1 { polling::mean_overhead(rate, REVIVE_S)? } else { 0.0 };
        let played = replayed.iter().filter(|(k, _)| *k == width).map(|(_, wait)| *wait);
        Ok(BarrierWaits {
            width,
            stages: own.len(),
            at_once: own.len() - blocked.len(),
            wait: Waits {
                measured_s: measured(own.iter().map(|stage| stage.waited_s).collect()),
                replayed_s: mean(played),
                model_s: lead_s + self.polling_wait(&own, width, rate)?,
            },
            blocked: (!blocked.is_empty()).then(|| Waits {
                measured_s: measured(blocked),
                replayed_s: overhead_s,
                model_s: overhead_s,
            }),
        })
    }

    /// Stages submitted a second, while jobs are open.
    fn submissions_per_s(&self) -> f64 {
        self.stages().count() as f64 / self.job_s().max(f64::MIN_POSITIVE)
    }

    /// The mean wait of the polling system with these stages' task times and the log's rate.
    fn polling_wait(&self, own: &[&StageWork], width: usize, rate: f64) -> Result<f64, Error> {
        let times = own.iter().flat_map(|stage| stage.tasks.iter().map(|task| task.work_s + stage.turn_s));
        let size = Distribution::empirical(Empirical::new(times.collect())?);
        let arrivals = Arrivals::poisson(rate)?;
        let (slots, timer) = (self.slots, self.executors > 1);
        // Where the end of a task offers all slots the timer does not matter: a very short period stands for that.
        let period = if timer { REVIVE_S } else { 1e-6 };
        PollingSystem::new(slots, width, period, rate)?;
        let system = || -> Box<dyn syncline_queueing::sim::System> {
            #[expect(clippy::expect_used, reason = "the same parameters were accepted a line above")]
            Box::new(PollingSystem::new(slots, width, period, rate).expect("valid parameters"))
        };
        let plan = Plan { jobs: 200_000, ..Plan::default() };
        let jobs = Jobs::Arriving { arrivals: &arrivals, size: &size };
        Ok(simulate_with(&system, jobs, &plan, &|_| {})?.wait.value)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    sum / count.max(1) as f64
}

fn measured(values: Vec<f64>) -> Interval {
    let error = if values.len() > 1 { deviation(&values) / (values.len() as f64).sqrt() } else { f64::NAN };
    Interval::around(mean(values.into_iter()), 2.0 * error)
}
