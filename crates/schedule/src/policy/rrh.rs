//! RRH: the risk-reward heuristic for jobs whose value decays (Irwin, Grit, Chase, HPDC 2004), as OASiS
//! compares with it.
//!
//! A job of fixed gang is admitted if its utility, run at once, exceeds what delaying the others by its
//! service costs them. At every event the jobs with the greatest gain per service run; others pause.

use std::collections::BTreeSet;

use super::{
    Decision, Event, Policy,
    fifo::fixed_gang,
    priority::{Packing, fill},
};
use crate::{
    model::{Job, Utility},
    state::{JobState, State, Status},
};

/// The policy.
#[derive(Debug, Clone)]
pub struct Rrh {
    packing: Packing,
    seed: u64,
}

impl Rrh {
    /// Elastic jobs get gangs drawn from `seed`.
    pub fn new(packing: Packing, seed: u64) -> Self {
        Self { packing, seed }
    }

    fn seconds(&self, state: &State, job: &JobState) -> f64 {
        let rate = job.job.rate(fixed_gang(&state.cluster, &job.job, self.seed), job.job.external_gbps);
        job.remaining / (rate * state.cluster.best_speed(&job.job))
    }

    fn share(&self, state: &State, job: &Job) -> f64 {
        let gang = f64::from(fixed_gang(&state.cluster, job, self.seed));
        job.bundle().dominant_share(state.cluster.total()) * gang
    }
}

/// The jobs that lose by a delay, with what they are worth without one: the sum over them is made for every job, so what does not
/// depend on that is reckoned once.
struct Queue<'a> {
    state: &'a State,
    others: Vec<(Asks<'a>, f64)>,
}

/// What is asked about a job at every other.
#[derive(Clone, Copy)]
struct Asks<'a> {
    job: &'a Job,
    /// Seconds from its arrival to its end if it runs at once, without those that it has left, and those.
    waited: f64,
    seconds: f64,
    /// Seconds that it delays the others.
    delay: f64,
}

impl Asks<'_> {
    /// Utility if it runs to its end after `delay` seconds.
    fn worth(&self, delay: f64) -> f64 {
        self.job.utility.at((self.waited + delay + self.seconds) / 3600.0)
    }
}

impl<'a> Queue<'a> {
    fn new(rrh: &Rrh, state: &'a State) -> Self {
        let mut queue = Self { state, others: Vec::new() };
        let loses = |job: &&JobState| !matches!(job.job.utility, Utility::Constant { .. });
        queue.others = state
            .active()
            .filter(loses)
            .map(|job| {
                let asks = queue.of(rrh, job);
                (asks, asks.worth(0.0))
            })
            .collect();
        queue
    }

    fn of(&self, rrh: &Rrh, job: &'a JobState) -> Asks<'a> {
        let seconds = rrh.seconds(self.state, job);
        let delay = seconds * rrh.share(self.state, &job.job);
        Asks { job: &job.job, waited: self.state.now - job.job.arrival, seconds, delay }
    }

    /// What the others lose if a job takes its share of the cluster for its whole run.
    fn delay_cost(&self, asks: &Asks) -> f64 {
        let others = self.others.iter().filter(|(other, _)| other.job.id != asks.job.id);
        let lost: f64 = others.map(|(other, at_once)| at_once - other.worth(asks.delay)).sum();
        // The sum of nothing is -0.
        lost + 0.0
    }
}

impl Policy for Rrh {
    fn name(&self) -> &'static str {
        "rrh"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let (mut rejected, queue) = (Vec::new(), Queue::new(self, state));
        let mut turned_down = BTreeSet::new();
        for event in events {
            if let Event::Arrival { job } = event {
                let asks = queue.of(self, state.job(job.id));
                let (worth, cost) = (asks.worth(0.0), queue.delay_cost(&asks));
                if worth <= cost {
                    let reason =
                        format!("its utility {worth:.3} is less than the {cost:.3} that it costs others");
                    rejected.push(Decision::Reject { job: job.id, reason });
                    turned_down.insert(job.id);
                }
            }
        }
        let gain = |job: &JobState| {
            let asks = queue.of(self, job);
            (asks.worth(0.0) - queue.delay_cost(&asks)) / asks.delay.max(f64::MIN_POSITIVE)
        };
        let wants = |job: &&JobState| !turned_down.contains(&job.job.id);
        let mut jobs: Vec<(f64, &JobState)> =
            state.active().filter(wants).map(|job| (gain(job), job)).collect();
        jobs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let order = jobs.iter().map(|(_, job)| *job).filter(|job| job.status != Status::Rejected);
        let mut decisions =
            fill(state, order, self.packing, |job| fixed_gang(&state.cluster, job, self.seed));
        decisions.extend(rejected);
        decisions
    }
}
