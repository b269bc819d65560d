//! What a policy wants, held against the rules.

use std::{collections::BTreeMap, sync::Arc};

use super::{Rules, priorities, quotas};
use crate::{
    event::Decision,
    model::{JobId, Placement},
    policy::Allocation,
    state::{State, Status},
};

/// The decisions that the rules allow.
pub fn enforce(state: &State, rules: &Rules, decisions: Vec<Decision>) -> Vec<Decision> {
    let mut wished = running(state, rules);
    let mut stopped: Vec<JobId> = Vec::new();
    let mut rest: Vec<Decision> = Vec::new();
    for decision in decisions {
        match decision {
            Decision::Place { job, placement } => drop(wished.insert(job, placement)),
            Decision::Preempt { job } => {
                wished.remove(&job);
                stopped.push(job);
            }
            Decision::WakeAt { .. } => {}
            other => rest.push(other),
        }
    }
    wished.retain(|id, placement| may_run(state, rules, *id, placement));
    quotas::clip(state, rules, &mut wished);
    let empty = Allocation::empty(state);
    // With the labels of reservations, which placements by the rules of the shown jobs need.
    let mut allocation = Allocation { cluster: Arc::clone(&rules.shown.cluster), ..empty };
    for (id, placement) in &wished {
        allocation.place(&state.job(*id).job, placement);
    }
    stay(state, rules, &stopped, &mut allocation);
    let turned_down = |id: JobId| {
        rest.iter().any(|decision| matches!(decision, Decision::Reject { job, .. } if *job == id))
    };
    priorities::take_room(state, rules, &turned_down, &mut allocation);
    rest.extend(allocation.decisions(state));
    rest
}

/// What runs and was shown to run.
fn running(state: &State, rules: &Rules) -> BTreeMap<JobId, Placement> {
    let shown = |id: &JobId| !rules.shown.held.contains_key(id) && !rules.shown.displaced.contains(id);
    let running = state.active().filter(|job| job.status == Status::Running && shown(&job.job.id));
    running.map(|job| (job.job.id, job.placement.clone())).collect()
}

fn may_run(state: &State, rules: &Rules, id: JobId, placement: &Placement) -> bool {
    let job = state.job(id);
    let stays = job.is_kept() && job.placement == *placement;
    let open = || placement.shares().iter().all(|share| rules.reserved.opens(state, job, share.machine));
    !rules.shown.held.contains_key(&id) && (stays || open())
}

/// Whoever runs, and is not stopped by the policy or a reservation, stays where there is still room for it: jobs that were held
/// back to let others go first who did not come, and those whose new place the rules do not allow.
fn stay(state: &State, rules: &Rules, stopped: &[JobId], allocation: &mut Allocation) {
    let mut left = quotas::left(state, &allocation.placements);
    for id in &rules.order {
        let job = state.job(*id);
        let open =
            || job.placement.shares().iter().all(|share| rules.reserved.opens(state, job, share.machine));
        if job.status != Status::Running
            || allocation.placements.contains_key(id)
            || stopped.contains(id)
            || !open()
        {
            continue;
        }
        let need = quotas::demand(&job.job, &job.placement);
        let quota = left.get_mut(job.job.queue.as_str());
        if quota.as_ref().is_none_or(|left| left.fits(&need)) && allocation.fits(&job.job, &job.placement) {
            allocation.place(&job.job, &job.placement);
            if let Some(left) = quota {
                left.add(&need, -1.0);
            }
        }
    }
}
