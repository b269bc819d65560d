//! Shortest remaining first, preemptive: SRTF by time, SRSF by time times GPUs (the smallest remaining
//! service).

use serde_json::Value;

use super::{
    Decision, Event, Policy,
    fifo::fixed_gang,
    priority::{Packing, fill},
    saved,
};
use crate::{
    error::Result,
    model::JobId,
    state::{JobState, State},
};

/// What is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Remaining seconds.
    Time,
    /// Remaining seconds times workers.
    Service,
}

/// The policy.
#[derive(Debug, Clone)]
pub struct Shortest {
    measure: Measure,
    packing: Packing,
    seed: u64,
    /// The last order; equal keys keep it, as a stable sort does.
    order: Vec<JobId>,
}

impl Shortest {
    /// By time or by service; elastic jobs get gangs drawn from `seed`.
    pub fn new(measure: Measure, packing: Packing, seed: u64) -> Self {
        Self { measure, packing, seed, order: Vec::new() }
    }

    fn key(&self, state: &State, job: &JobState) -> f64 {
        let gang = fixed_gang(&state.cluster, &job.job, self.seed);
        let rate = job.job.rate(gang, job.job.external_gbps) * state.cluster.best_speed(&job.job);
        let time = job.remaining / rate;
        match self.measure {
            Measure::Time => time,
            Measure::Service => time * f64::from(gang),
        }
    }
}

impl Policy for Shortest {
    fn name(&self) -> &'static str {
        match self.measure {
            Measure::Time => "srtf",
            Measure::Service => "srsf",
        }
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        self.order.retain(|id| state.job(*id).is_active());
        for event in events {
            if let Event::Arrival { job } = event {
                self.order.push(job.id);
            }
        }
        let mut keyed: Vec<(f64, JobId)> =
            self.order.iter().map(|id| (self.key(state, state.job(*id)), *id)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.order = keyed.into_iter().map(|(_, id)| id).collect();
        let jobs = self.order.iter().map(|id| state.job(*id));
        fill(state, jobs, self.packing, |job| fixed_gang(&state.cluster, job, self.seed))
    }

    fn save(&self) -> Result<Value> {
        saved::save(&self.order)
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        self.order = saved::load(saved)?;
        Ok(())
    }
}
