//! RRH: the risk-reward heuristic for jobs whose value decays (Irwin, Grit, Chase, HPDC 2004), as OASiS
//! compares with it.
//!
//! A job of fixed gang is admitted if its utility, run at once, exceeds what delaying the others by its
//! service costs them. At every event the jobs with the greatest gain per service run; others pause.

use super::{
    Decision, Event, Policy,
    fifo::fixed_gang,
    priority::{Packing, fill},
};
use crate::{
    model::Job,
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

    /// Utility if it runs to its end after `delay` seconds.
    fn worth(&self, state: &State, job: &JobState, delay: f64) -> f64 {
        job.job.utility.at((state.now - job.job.arrival + delay + self.seconds(state, job)) / 3600.0)
    }

    /// What the others lose if `job` takes its share of the cluster for its whole run.
    fn delay_cost(&self, state: &State, job: &JobState) -> f64 {
        let delay = self.seconds(state, job) * self.share(state, &job.job);
        let others = state.active().filter(|other| other.job.id != job.job.id);
        others.map(|other| self.worth(state, other, 0.0) - self.worth(state, other, delay)).sum()
    }

    fn share(&self, state: &State, job: &Job) -> f64 {
        let gang = f64::from(fixed_gang(&state.cluster, job, self.seed));
        job.bundle().dominant_share(state.cluster.total()) * gang
    }
}

impl Policy for Rrh {
    fn name(&self) -> &'static str {
        "rrh"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let mut rejected = Vec::new();
        for event in events {
            if let Event::Arrival { job } = event {
                let job = state.job(job.id);
                let (worth, cost) = (self.worth(state, job, 0.0), self.delay_cost(state, job));
                if worth <= cost {
                    let reason =
                        format!("its utility {worth:.3} is less than the {cost:.3} that it costs others");
                    rejected.push(Decision::Reject { job: job.job.id, reason });
                }
            }
        }
        let turned_down = |job: &JobState| rejected.iter().any(|decision| decision.job() == Some(job.job.id));
        let gain = |job: &JobState| {
            let service = (self.seconds(state, job) * self.share(state, &job.job)).max(f64::MIN_POSITIVE);
            (self.worth(state, job, 0.0) - self.delay_cost(state, job)) / service
        };
        let mut jobs: Vec<(f64, &JobState)> =
            state.active().filter(|job| !turned_down(job)).map(|job| (gain(job), job)).collect();
        jobs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let order = jobs.iter().map(|(_, job)| *job).filter(|job| job.status != Status::Rejected);
        let mut decisions =
            fill(state, order, self.packing, |job| fixed_gang(&state.cluster, job, self.seed));
        decisions.extend(rejected);
        decisions
    }
}
