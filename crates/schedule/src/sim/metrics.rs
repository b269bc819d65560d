//! What became of the jobs, and the numbers by which policies are compared.

use serde::Serialize;

use super::Clock;
use crate::{
    model::{Cluster, JobId},
    state::{JobState, State, Status},
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
    #[serde(rename = "arrival_seconds")]
    pub arrival: f64,
    /// Whether it was ever admitted or run.
    pub admitted: bool,
    /// Whether it ended because it had run for as long as it may.
    pub timed_out: bool,
    /// First start.
    #[serde(rename = "started_seconds")]
    pub started: Option<f64>,
    /// Completion.
    #[serde(rename = "finished_seconds")]
    pub finished: Option<f64>,
    /// Utility earned; zero if it did not complete.
    pub utility: f64,
    /// Seconds it would take alone on the empty cluster, where it is fastest.
    #[serde(rename = "shortest_seconds")]
    pub shortest: f64,
    /// Worker-seconds received.
    #[serde(rename = "attained_worker_seconds")]
    pub attained: f64,
    /// Starts, moves and resizes.
    pub changes: u32,
}

impl JobOutcome {
    fn of(state: &JobState, cluster: &Cluster, clock: Clock) -> Self {
        let elapsed = state.finished.map(|finished| match clock {
            // A job that ends at the end of a slot has completed in that slot.
            Clock::Slots(grid) => {
                let slot = grid.slot_of(finished).saturating_sub(1);
                grid.elapsed_hours(state.job.arrival, slot, finished)
            }
            Clock::Continuous => (finished - state.job.arrival) / 3600.0,
        });
        Self {
            job: state.job.id,
            name: state.job.name.clone(),
            class: state.job.utility.class(),
            group: state.job.group.clone(),
            arrival: state.job.arrival,
            admitted: state.admitted,
            timed_out: state.status == Status::TimedOut,
            started: state.started,
            finished: state.finished,
            utility: elapsed.map_or(0.0, |elapsed| state.job.utility.at(elapsed.max(0.0))),
            shortest: cluster.shortest(&state.job),
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
    #[serde(rename = "busy_seconds")]
    pub busy: f64,
    /// The end of the simulation.
    #[serde(rename = "end_seconds")]
    pub end: f64,
    /// Seconds that each arriving job's decision took, where a stopwatch was given.
    pub decision_seconds: Vec<f64>,
    /// Samples that the placements of completed jobs could have processed (to each no more than it asked for),
    /// and what they asked for.
    #[serde(rename = "conserved_samples")]
    pub conserved: (f64, f64),
}

impl Outcome {
    /// The fates of the jobs, with nothing else filled in.
    pub(super) fn new(policy: &str, state: &State, clock: Clock) -> Self {
        Self {
            policy: policy.into(),
            jobs: state.jobs.iter().map(|job| JobOutcome::of(job, &state.cluster, clock)).collect(),
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
///
/// A job that never completes has no completion time: it is not in the mean, which therefore says of how many jobs it
/// is, and it is later than all others in the quantiles, so that a policy gains nothing by turning jobs down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Sum of utilities.
    pub utility: f64,
    /// All jobs, those that arrived after the end included.
    pub jobs: usize,
    /// Jobs admitted.
    pub admitted: usize,
    /// Jobs completed.
    pub completed: usize,
    /// Jobs that had run for as long as they may.
    pub timed_out: usize,
    /// Mean completion time of the completed jobs; none if none are.
    pub mean_jct: Option<f64>,
    /// Median completion time of all jobs; none if that one never completes.
    pub median_jct: Option<f64>,
    /// 99th percentile of all jobs: the element at index `floor(0.99 n)` of the sorted times.
    pub p99_jct: Option<f64>,
    /// Last completion; none without any.
    pub makespan: Option<f64>,
    /// Mean used share of GPUs (of the fullest type where there are none) until the last completion.
    pub utilisation: f64,
    /// 90th percentile of completion time over the time alone, of all jobs: finish-time fairness.
    pub unfairness: Option<f64>,
    /// Median seconds of an arriving job's decision; zero without a stopwatch.
    pub median_decision: f64,
}

impl Metrics {
    fn of(outcome: &Outcome) -> Self {
        let jobs = &outcome.jobs;
        let all = jobs.len() + outcome.unseen;
        let mut times: Vec<f64> = jobs.iter().filter_map(JobOutcome::jct).collect();
        let completed = times.len();
        let mean_jct = (completed > 0).then(|| times.iter().sum::<f64>() / completed as f64);
        let mut stretch: Vec<f64> =
            jobs.iter().filter_map(|job| job.jct().map(|jct| jct / job.shortest)).collect();
        for values in [&mut times, &mut stretch] {
            values.resize(all, f64::INFINITY);
            values.sort_by(f64::total_cmp);
        }
        let mut decisions = outcome.decision_seconds.clone();
        decisions.sort_by(f64::total_cmp);
        let makespan = jobs.iter().filter_map(|job| job.finished).reduce(f64::max);
        Self {
            // Adding zero, because the sum of nothing is -0.
            utility: jobs.iter().map(|job| job.utility).sum::<f64>() + 0.0,
            jobs: all,
            admitted: jobs.iter().filter(|job| job.admitted).count(),
            completed,
            timed_out: jobs.iter().filter(|job| job.timed_out).count(),
            mean_jct,
            median_jct: finite(quantile(&times, 0.5)),
            p99_jct: finite(quantile(&times, 0.99)),
            makespan,
            utilisation: makespan.filter(|end| *end > 0.0).map_or(0.0, |end| outcome.busy / end),
            unfairness: finite(quantile(&stretch, 0.9)),
            median_decision: quantile(&decisions, 0.5),
        }
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The element at index `floor(q n)` of sorted values; zero for none.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = ((sorted.len() as f64 * q) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}
