//! Jobs of a higher priority take the room of lower ones.
//!
//! A policy deals out room as it likes. Of what it has decided this undoes as little as possible, so that no job waits that finds no
//! free room for its fewest workers, but would with the room of lower priority: those that hold it are stopped, the lowest
//! first and of equals the latest, or shrink, if they can resume. A job that cannot is left alone, unless it may be begun again.

use super::{Rules, quotas};
use crate::{
    model::{Job, JobId, Placement, Resources},
    policy::{Allocation, priority::anywhere},
    state::{State, Status},
};

/// Gives room to waiting jobs in the order of priority; those that were just `turned_down` want none.
pub fn take_room(
    state: &State,
    rules: &Rules,
    turned_down: &dyn Fn(JobId) -> bool,
    allocation: &mut Allocation,
) {
    let mut in_vain: Vec<&Job> = Vec::new();
    for id in &rules.order {
        if allocation.placements.contains_key(id) || rules.shown.held.contains_key(id) || turned_down(*id) {
            continue;
        }
        let job: &Job = rules.shown.jobs.get(id).unwrap_or(&state.job(*id).job);
        let below = below(state, allocation, state.cluster.priority(job));
        if below.is_empty() || in_vain.iter().any(|other| alike(other, job)) {
            continue;
        }
        // Where there is free room the policy has its reasons.
        if anywhere(allocation, job, job.workers.min).is_some() {
            continue;
        }
        if !displace(state, allocation, *id, job, below) {
            in_vain.push(job);
        }
    }
}

/// Placed jobs below a priority that may be stopped or are not running yet, in the order in which they give way.
fn below(state: &State, allocation: &Allocation, priority: i32) -> Vec<JobId> {
    let rank = |id: &JobId| state.cluster.priority(&state.job(*id).job);
    let yields = |id: &&JobId| {
        let job = state.job(**id);
        rank(id) < priority && (job.job.resume || job.job.requeue || job.status != Status::Running)
    };
    let mut ids: Vec<JobId> = allocation.placements.keys().filter(yields).copied().collect();
    let started = |id: &JobId| state.job(*id).started.unwrap_or(f64::INFINITY);
    ids.sort_by(|a, b| rank(a).cmp(&rank(b)).then(started(b).total_cmp(&started(a))).then(b.cmp(a)));
    ids
}

/// Whether two jobs find room in the same places.
fn alike(a: &Job, b: &Job) -> bool {
    a.worker == b.worker
        && a.server == b.server
        && a.workers_per_server == b.workers_per_server
        && a.workers.min == b.workers.min
        && a.queue == b.queue
        && a.needs == b.needs
        && a.speeds == b.speeds
}

/// Places a job where others are that give way one by one, and gives them back what it leaves.
fn displace(state: &State, allocation: &mut Allocation, id: JobId, job: &Job, below: Vec<JobId>) -> bool {
    let mut gone: Vec<(JobId, Placement)> = Vec::new();
    let mut found = None;
    for victim in below {
        let Some(placement) = allocation.remove(&state.job(victim).job) else { continue };
        gone.push((victim, placement));
        found = room_for(state, allocation, id, job);
        if found.is_some() {
            break;
        }
    }
    if let Some(placement) = &found {
        allocation.place(job, placement);
        let quotas = quotas::left(state, &allocation.placements);
        if quotas.values().any(|left| left.lacks(&Resources::default()).is_some()) {
            allocation.remove(job);
            found = None;
        }
    }
    for (victim, placement) in gone.into_iter().rev() {
        give_back(state, allocation, victim, &placement);
    }
    found.is_some()
}

/// Where it runs, if the policy has just stopped it and there is room again, else anywhere.
fn room_for(state: &State, allocation: &Allocation, id: JobId, job: &Job) -> Option<Placement> {
    let present = &state.job(id).placement;
    let open = |share: &crate::Share| allocation.cluster.allows(job, share.machine);
    let stays = !present.is_empty()
        && present.workers() <= job.workers.max
        && present.shares().iter().all(open)
        && allocation.fits(job, present);
    if stays { Some(present.clone()) } else { anywhere(allocation, job, job.workers.min) }
}

/// Lets a job that gave way have what is left of its place, if that is enough for it.
fn give_back(state: &State, allocation: &mut Allocation, id: JobId, placement: &Placement) {
    let job = state.job(id);
    let resizes = job.job.resume || job.status != Status::Running;
    if allocation.fits(&job.job, placement) {
        allocation.place(&job.job, placement);
    } else if resizes && let Some(smaller) = shrunk(allocation, &job.job, placement) {
        allocation.place(&job.job, &smaller);
    }
}

fn shrunk(allocation: &Allocation, job: &Job, placement: &Placement) -> Option<Placement> {
    let mut smaller = Placement::default();
    for share in placement.shares() {
        let mut room = allocation.free[share.machine.index()];
        let workers = room.how_many(&job.worker).min(share.workers);
        room.add(&job.worker, -f64::from(workers));
        let servers = room.how_many(&job.server).min(share.servers);
        smaller.add(share.machine, workers, servers);
    }
    let workers = smaller.workers();
    (workers >= job.workers.min && smaller.servers() >= job.servers_for(workers)).then_some(smaller)
}
