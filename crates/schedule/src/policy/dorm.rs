//! Dorm: utilisation under bounds on unfairness and on adjustments (Sun et al. 2017).
//!
//! The original solves an integer program at every arrival and completion: maximise the used resources,
//! subject to a total distance of at most `ceil(theta_1 2 R)` from the DRF shares and at most `ceil(theta_2
//! n)` of the n running jobs changed. This is a greedy stand-in: the running jobs that are furthest from
//! their DRF share, as many as may change, and the new jobs are reallocated by progressive filling around
//! those that stay, and room left over goes to the jobs that may change. At the comparison's idealisation,
//! free adjustment, theta_2 is 1.

use super::{Allocation, Decision, Drf, Event, Policy, drf::grow};
use crate::{
    model::{Job, Placement},
    state::{JobState, State, Status},
};

/// The policy.
#[derive(Debug, Clone, Copy)]
pub struct Dorm {
    /// The share of running jobs that one event may change (theta 2).
    adjustable: f64,
}

impl Dorm {
    /// With theta 2 in (0, 1].
    pub fn new(adjustable: f64) -> Self {
        Self { adjustable }
    }

    /// Running jobs that keep their placement: all but the furthest from fair.
    fn kept<'a>(&self, state: &'a State, fair: &Allocation) -> Vec<&'a JobState> {
        let whole = state.cluster.total();
        let share = |job: &Job, workers: u32| job.bundle().times(f64::from(workers)).dominant_share(whole);
        let distance = |job: &JobState| {
            let ideal = fair.placements.get(&job.job.id).map_or(0, Placement::workers);
            (share(&job.job, ideal) - share(&job.job, job.placement.workers())).abs()
        };
        let mut running: Vec<(f64, &JobState)> = state
            .active()
            .filter(|job| job.status == Status::Running)
            .map(|job| (distance(job), job))
            .collect();
        running.sort_by(|a, b| b.0.total_cmp(&a.0));
        let changes = (self.adjustable * running.len() as f64).ceil() as usize;
        running.into_iter().skip(changes).map(|(_, job)| job).collect()
    }
}

impl Policy for Dorm {
    fn name(&self) -> &'static str {
        "dorm"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let changed = events.iter().any(|event| !matches!(event, Event::Slot { .. } | Event::Wake));
        if !changed {
            return Vec::new();
        }
        let fair = Drf::fill(state);
        let mut allocation = Allocation::empty(state);
        let kept = self.kept(state, &fair);
        for job in &kept {
            allocation.place(&job.job, &job.placement);
        }
        let stays = |job: &JobState| kept.iter().any(|kept| kept.job.id == job.job.id);
        let whole = *state.cluster.total();
        let mut growing: Vec<(f64, &Job)> =
            state.active().filter(|job| !stays(job)).map(|job| (0.0, job.job.as_ref())).collect();
        while let Some(at) = (0..growing.len()).min_by(|&a, &b| growing[a].0.total_cmp(&growing[b].0)) {
            let (share, job) = &mut growing[at];
            match grow(&mut allocation, job) {
                Some(taken) => *share += taken.dominant_share(&whole),
                None => drop(growing.remove(at)),
            }
        }
        allocation.decisions(state)
    }
}
