//! Tiresias-L: discretised two-dimensional least attained service (Gu et al., NSDI 2019).
//!
//! A job's service is its GPUs times its running time. It starts in the first of three queues and falls to
//! the next when its service reaches the queue's threshold; queues are served in order, each first in, first
//! out with preempted jobs behind running ones. No knowledge of the remaining work is used.

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
    state::{State, Status},
};

/// Thresholds in GPU-seconds between the queues, as in the authors' simulator.
const THRESHOLDS: [f64; 2] = [3250.0, 7200.0];

/// The policy.
#[derive(Debug, Clone)]
pub struct Tiresias {
    seed: u64,
    queues: [Vec<JobId>; THRESHOLDS.len() + 1],
}

impl Tiresias {
    /// Elastic jobs get gangs drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, queues: Default::default() }
    }

    fn gang(&self, state: &State, id: JobId) -> f64 {
        f64::from(fixed_gang(&state.cluster, &state.job(id).job, self.seed))
    }

    /// Moves running jobs whose service has reached their queue's threshold to the end of the next.
    fn demote(&mut self, state: &State) {
        let mut falls: Vec<(usize, JobId)> = Vec::new();
        for (queue, threshold) in THRESHOLDS.iter().enumerate() {
            let fallen = self.queues[queue].iter().copied().filter(|id| {
                let job = state.job(*id);
                job.status == Status::Running && job.executed * self.gang(state, *id) >= *threshold
            });
            falls.extend(fallen.map(|id| (queue, id)));
        }
        // In order of arrival, and one queue at a time, whatever the queues' own order.
        falls.sort_by_key(|(_, id)| *id);
        for (queue, id) in falls {
            self.queues[queue].retain(|other| *other != id);
            self.queues[queue + 1].push(id);
        }
    }

    /// The next time at which a running job reaches its threshold.
    fn next_fall(&self, state: &State, runs: impl Fn(JobId) -> bool) -> f64 {
        let fall = |(queue, id): (usize, JobId)| {
            let whole = (THRESHOLDS[queue] / self.gang(state, id)).ceil();
            whole - state.job(id).executed + state.now
        };
        let queued = self.queues.iter().take(THRESHOLDS.len()).enumerate();
        let running = queued
            .flat_map(|(queue, jobs)| jobs.iter().map(move |id| (queue, *id)))
            .filter(|(_, id)| runs(*id));
        running.map(fall).fold(f64::INFINITY, f64::min)
    }
}

impl Policy for Tiresias {
    fn name(&self) -> &'static str {
        "tiresias-l"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        for queue in &mut self.queues {
            queue.retain(|id| state.job(*id).is_active());
        }
        for event in events {
            if let Event::Arrival { job } = event {
                self.queues[0].push(job.id);
            }
        }
        self.demote(state);
        let order = self.queues.iter().flatten().map(|id| state.job(*id));
        let mut decisions =
            fill(state, order, Packing::Anywhere, |job| fixed_gang(&state.cluster, job, self.seed));
        let started = |id: JobId| {
            let decided = decisions.iter().rev().find(|decision| decision.job() == Some(id));
            match decided {
                Some(Decision::Place { .. }) => true,
                Some(_) => false,
                None => state.job(id).status == Status::Running,
            }
        };
        let running: std::collections::HashSet<JobId> =
            self.queues.iter().flatten().copied().filter(|id| started(*id)).collect();
        let time = self.next_fall(state, |id| running.contains(&id));
        for queue in &mut self.queues {
            queue.sort_by_key(|id| !running.contains(id));
        }
        if time.is_finite() {
            decisions.push(Decision::WakeAt { time });
        }
        decisions
    }

    fn save(&self) -> Result<Value> {
        saved::save(&self.queues)
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        self.queues = saved::load(saved)?;
        Ok(())
    }
}
