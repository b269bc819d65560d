//! What became of the jobs, and the numbers by which policies are compared.

use serde::Serialize;

use super::Clock;
use crate::{
    model::JobId,
    state::{JobState, State},
};

/// One job's fate. Times in seconds.
#[derive(Debug, Clone, Serialize)]
pub struct JobOutcome {
    /// The job.
    pub job: JobId,
    /// Its name for people, if it has one.
    pub name: String,
    /// Its class of urgency.
    pub class: &'static str,
    /// Its group.
    pub group: String,
    /// Submission.
    pub arrival: f64,
    /// Whether it was ever admitted or run.
    pub admitted: bool,
    /// First start.
    pub started: Option<f64>,
    /// Completion.
    pub finished: Option<f64>,
    /// Utility earned; zero if it did not complete.
    pub utility: f64,
    /// Seconds it would take alone with all its workers on one machine.
    pub shortest: f64,
    /// Worker-seconds received.
    pub attained: f64,
    /// Starts, moves and resizes.
    pub changes: u32,
}

impl JobOutcome {
    fn of(state: &JobState, clock: Clock) -> Self {
        let elapsed = state.finished.map(|finished| match clock {
            // A job that ends in its arrival slot has elapsed 0 slots.
            Clock::Slots { slot, .. } => (finished - slot) - (state.job.arrival / slot + 1e-9).floor() * slot,
            Clock::Continuous => finished - state.job.arrival,
        });
        Self {
            job: state.job.id,
            name: state.job.name.clone(),
            class: state.job.utility.class(),
            group: state.job.group.clone(),
            arrival: state.job.arrival,
            admitted: state.admitted,
            started: state.started,
            finished: state.finished,
            utility: elapsed.map_or(0.0, |elapsed| state.job.utility.at((elapsed / 3600.0).max(0.0))),
            shortest: state.job.shortest(),
            attained: state.attained,
            changes: state.changes,
        }
    }

    /// Completion minus submission.
    pub fn jct(&self) -> Option<f64> {
        self.finished.map(|finished| finished - self.arrival)
    }
}

/// The raw result of one simulation.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The policy.
    pub policy: String,
    /// Every job that arrived.
    pub jobs: Vec<JobOutcome>,
    /// Jobs that never arrived before the end.
    pub unseen: usize,
    /// Integral of the used share of the cluster until the last completion, in seconds.
    pub busy: f64,
    /// The end of the simulation.
    pub end: f64,
    /// Seconds that each arriving job's decision took, where a stopwatch was given.
    pub decision_seconds: Vec<f64>,
    /// Samples that the placements of completed jobs could have processed (to each no more than it asked for),
    /// and what they asked for.
    pub conserved: (f64, f64),
}

impl Outcome {
    /// The fates of the jobs, with nothing else filled in.
    pub(super) fn new(policy: &str, state: &State, clock: Clock) -> Self {
        Self {
            policy: policy.into(),
            jobs: state.jobs.iter().map(|job| JobOutcome::of(job, clock)).collect(),
            unseen: 0,
            busy: 0.0,
            end: state.now,
            decision_seconds: Vec::new(),
            conserved: (0.0, 0.0),
        }
    }

    /// The summary.
    pub fn metrics(&self) -> Metrics {
        Metrics::of(self)
    }
}

/// The summary of one simulation. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metrics {
    /// Sum of utilities.
    pub utility: f64,
    /// Jobs admitted.
    pub admitted: usize,
    /// Jobs completed.
    pub completed: usize,
    /// Mean completion time of completed jobs.
    pub mean_jct: f64,
    /// Median completion time.
    pub median_jct: f64,
    /// 99th percentile: the element at index `floor(0.99 n)` of the sorted times.
    pub p99_jct: f64,
    /// Last completion.
    pub makespan: f64,
    /// Mean used share of GPUs (of the fullest type where there are none) until the last completion.
    pub utilisation: f64,
    /// 90th percentile of completion time over the time alone: finish-time fairness.
    pub unfairness: f64,
    /// Median seconds of an arriving job's decision; zero without a stopwatch.
    pub median_decision: f64,
}

impl Metrics {
    fn of(outcome: &Outcome) -> Self {
        let jobs = &outcome.jobs;
        let mut times: Vec<f64> = jobs.iter().filter_map(JobOutcome::jct).collect();
        // Adding zero, because the sum of nothing is -0.
        let mean_jct = (times.iter().sum::<f64>() + 0.0) / times.len().max(1) as f64;
        times.sort_by(f64::total_cmp);
        let alone = |job: &JobOutcome| job.jct().map(|jct| jct / job.shortest);
        let mut stretch: Vec<f64> = jobs.iter().filter_map(alone).collect();
        stretch.sort_by(f64::total_cmp);
        let mut decisions = outcome.decision_seconds.clone();
        decisions.sort_by(f64::total_cmp);
        let makespan = jobs.iter().filter_map(|job| job.finished).fold(0.0, f64::max);
        Self {
            utility: jobs.iter().map(|job| job.utility).sum::<f64>() + 0.0,
            admitted: jobs.iter().filter(|job| job.admitted).count(),
            completed: times.len(),
            mean_jct,
            median_jct: quantile(&times, 0.5),
            p99_jct: quantile(&times, 0.99),
            makespan,
            utilisation: if makespan > 0.0 { outcome.busy / makespan } else { 0.0 },
            unfairness: quantile(&stretch, 0.9),
            median_decision: quantile(&decisions, 0.5),
        }
    }
}

/// The element at index `floor(q n)` of sorted values; zero for none.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = ((sorted.len() as f64 * q) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}
