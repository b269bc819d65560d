//! What a queue's running jobs may take together.
//!
//! Jobs enter by priority and arrival as long as the fewest workers of all that are in fit the quota; the rest of the quota is
//! dealt out a worker at a time. So whatever a policy makes of the workers that its jobs may have, the quota holds, but
//! for jobs that run and are larger than that, and for plans that were made before: those [`clip`] takes back.

use std::{collections::BTreeMap, sync::Arc};

use super::Rules;
use crate::{
    model::{Job, JobId, Placement, Queue, Resources, WorkerRange},
    state::State,
};

/// Holds back whoever finds the quota of its queue used up, and says how many workers the others may have at most.
pub fn hold(state: &State, rules: &mut Rules) {
    for queue in state.cluster.queues().iter().filter(|queue| !queue.quota.is_empty()) {
        let mut left = queue.room();
        let mut members: Vec<(JobId, u32)> = Vec::new();
        for id in rules.order.iter().copied() {
            let job = state.job(id);
            if job.job.queue != queue.name || rules.shown.held.contains_key(&id) {
                continue;
            }
            let (need, workers) = if job.is_kept() {
                (demand(&job.job, &job.placement), job.placement.workers())
            } else {
                (job.job.demand(job.job.workers.min), job.job.workers.min)
            };
            if job.is_kept() || left.fits(&need) {
                left.add(&need, -1.0);
                members.push((id, workers));
            } else {
                rules.shown.held.insert(id, why(queue));
            }
        }
        grow(state, &mut members, &mut left);
        for (id, most) in members {
            let job = rules.shown.jobs.get(&id).unwrap_or(&state.job(id).job);
            if most < job.workers.max {
                let workers = WorkerRange { min: job.workers.min, max: most };
                let fewer = Job { workers, ..Job::clone(job) };
                rules.shown.jobs.insert(id, Arc::new(fewer));
            }
        }
    }
}

/// One worker more for each in turn, until none fits.
fn grow(state: &State, members: &mut [(JobId, u32)], left: &mut Resources) {
    let mut growing: Vec<usize> =
        (0..members.len()).filter(|at| !state.job(members[*at].0).is_kept()).collect();
    while !growing.is_empty() {
        growing.retain(|&at| {
            let (id, workers) = &mut members[at];
            let job = &state.job(*id).job;
            let mut more = job.demand(*workers + 1);
            more.add(&job.demand(*workers), -1.0);
            let grows = *workers < job.workers.max && left.fits(&more);
            if grows {
                left.add(&more, -1.0);
                *workers += 1;
            }
            grows
        });
    }
}

fn why(queue: &Queue) -> String {
    let parts: Vec<String> = queue.quota.iter().map(|(kind, amount)| format!("{amount} {kind}")).collect();
    format!("jobs that come before it take the quota of its queue `{}` ({})", queue.name, parts.join(", "))
}

/// What a placement takes.
pub fn demand(job: &Job, placement: &Placement) -> Resources {
    placement.shares().iter().fold(Resources::default(), |sum, share| sum.plus(&share.demand(job)))
}

/// What is left of each quota beside these placements.
pub fn left<'a>(state: &'a State, placements: &BTreeMap<JobId, Placement>) -> BTreeMap<&'a str, Resources> {
    let bounded = state.cluster.queues().iter().filter(|queue| !queue.quota.is_empty());
    let mut left: BTreeMap<&str, Resources> =
        bounded.map(|queue| (queue.name.as_str(), queue.room())).collect();
    for (id, placement) in placements {
        let job = &state.job(*id).job;
        if let Some(left) = left.get_mut(job.queue.as_str()) {
            left.add(&demand(job, placement), -1.0);
        }
    }
    left
}

/// Takes back what exceeds a quota: first every job has at most what it was shown that it may have, in the order of the
/// rules, and then those that want more have what is over.
pub fn clip(state: &State, rules: &Rules, wished: &mut BTreeMap<JobId, Placement>) {
    let over: Vec<String> = left(state, wished)
        .into_iter()
        .filter(|(_, left)| left.lacks(&Resources::default()).is_some())
        .map(|(queue, _)| queue.to_owned())
        .collect();
    for queue in over {
        let ids: Vec<JobId> =
            rules.order.iter().copied().filter(|id| state.job(*id).job.queue == queue).collect();
        let mut asked: Vec<(JobId, Placement)> =
            ids.iter().filter_map(|id| Some((*id, wished.remove(id)?))).collect();
        let Some(mut room) = left(state, wished).remove(queue.as_str()) else { continue };
        for at_most_shown in [true, false] {
            for (id, placement) in &mut asked {
                let (real, shown) = (&state.job(*id).job, rules.shown.jobs.get(id));
                let most = match shown {
                    Some(shown) if at_most_shown => shown.workers.max,
                    _ => real.workers.max,
                };
                if let Some(had) = wished.remove(id) {
                    room.add(&demand(real, &had), 1.0);
                }
                let kept = state.job(*id).is_kept();
                let goal = if kept { placement.workers() } else { placement.workers().min(most) };
                if let Some(granted) = within(real, placement, goal, &room) {
                    room.add(&demand(real, &granted), -1.0);
                    wished.insert(*id, granted);
                }
            }
        }
    }
}

/// As much of a placement as has at most `goal` workers and fits the room; none if not even the fewest workers do.
pub fn within(job: &Job, placement: &Placement, goal: u32, room: &Resources) -> Option<Placement> {
    if goal >= placement.workers() && room.fits(&demand(job, placement)) {
        return Some(placement.clone());
    }
    (job.workers.min..=goal.min(placement.workers()))
        .rev()
        .map(|workers| fewer(job, placement, workers))
        .find(|smaller| smaller.workers() >= job.workers.min && room.fits(&demand(job, smaller)))
}

/// The same placement with no more than so many workers, and no more servers than they need.
fn fewer(job: &Job, placement: &Placement, workers: u32) -> Placement {
    let mut smaller = placement.clone();
    for share in placement.shares().iter().rev() {
        let workers_over = smaller.workers().saturating_sub(workers);
        smaller.remove(share.machine, share.workers.min(workers_over), 0);
        let servers_over = smaller.servers().saturating_sub(job.servers_for(workers));
        smaller.remove(share.machine, 0, share.servers.min(servers_over));
    }
    smaller
}
