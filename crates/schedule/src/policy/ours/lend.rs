//! Work conservation: what the book leaves idle in the present slot is lent.
//!
//! First to jobs that have a plan, in the order of their completion, so that they finish sooner or free later
//! slots; then to jobs without one. A loan is taken back at the next decision, as nothing of it is in the book.

use super::{Book, remaining};
use crate::{
    Resources,
    model::{Cluster, Job, MachineId, Placement},
    policy::Allocation,
    pricing::Market,
    state::{JobState, State},
};

/// Who runs where in `slot`: the book's placements and the loans.
pub fn allocation(book: &Book, state: &State, slot: usize) -> Allocation {
    let mut allocation = Allocation::empty(state);
    for (id, plan) in &book.plans {
        if let Some((_, placement)) = plan.slots.iter().find(|(at, _)| *at == slot) {
            allocation.place(&state.job(*id).job, placement);
        }
    }
    let mut borrowers: Vec<(usize, f64, &JobState)> = state
        .active()
        .filter(|job| !job.is_kept())
        .map(|job| {
            let completion = book.plans.get(&job.job.id).map_or(usize::MAX, |plan| plan.completion);
            (completion, -super::density(&job.job, remaining(job), &state.cluster), job)
        })
        .collect();
    borrowers.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let grid = *book.ledger.grid();
    for (_, _, job) in borrowers {
        extend(&mut allocation, state, job, grid.slot);
    }
    allocation
}

/// Gives a job as many more workers as fit, help and are needed to finish within the slot.
fn extend(allocation: &mut Allocation, state: &State, job: &JobState, slot: f64) {
    let own = allocation.remove(&job.job);
    // Samples in this slot, less those that a restart loses.
    let done = |placement: &Placement| {
        let lost = if *placement == job.placement { 0.0 } else { job.job.restart.min(slot) };
        state.cluster.rate(&job.job, placement) * (slot - lost)
    };
    let planned = own.as_ref().map_or(0.0, done);
    let free = allocation.free_for(&job.job);
    let wanted = remaining(job) / slot;
    let better = (planned < remaining(job)).then(|| largest(&state.cluster, &free, &job.job, wanted));
    let better = better.flatten().filter(|placement| done(placement) > planned * (1.0 + 1e-9));
    if let Some(placement) = better.or(own) {
        allocation.place(&job.job, &placement);
    }
}

/// The fastest placement that fits into `free`, no larger than needed for `wanted` samples per second.
fn largest(cluster: &Cluster, free: &[Resources], job: &Job, wanted: f64) -> Option<Placement> {
    let at = |speed: f64| {
        let fast = |id: MachineId| job.speed_on(cluster.machines()[id.index()].device) >= speed;
        largest_at(cluster, free, job, wanted / speed, fast)
    };
    let rate = |placement: &Placement| cluster.rate(job, placement);
    cluster.speeds(job).into_iter().filter_map(at).max_by(|a, b| rate(a).total_cmp(&rate(b)))
}

/// The same on machines that are `fast`; `wanted` as on a device of speed 1.
fn largest_at(
    cluster: &Cluster,
    free: &[Resources],
    job: &Job,
    wanted: f64,
    fast: impl Fn(MachineId) -> bool,
) -> Option<Placement> {
    // In a full cluster that is all there is to find out.
    if free.iter().all(|free| free.how_many(&job.worker) == 0) {
        return None;
    }
    // Fullest machines first, so that whole machines stay free for jobs that fit on one.
    let prices: Vec<Resources> = free.iter().map(|free| free.times(1.0)).collect();
    let market = Market::new(job, free, &prices, usize::MAX, 0).with_workers_on(fast);
    let enough = |cost: f64| ((wanted * cost - 1e-9).ceil() as u32).clamp(job.workers.min, job.workers.max);
    let inside = most(job, enough(job.internal_cost()), |workers| {
        market.internal(workers).map(|offer| offer.placement)
    });
    let outside =
        most(job, enough(job.external_cost()), |workers| market.greedy(workers).map(|offer| offer.placement));
    let rate = |placement: &Placement| cluster.rate(job, placement);
    [inside, outside].into_iter().flatten().max_by(|a, b| rate(a).total_cmp(&rate(b)))
}

/// The placement of the most workers, up to `enough`, that fit: feasibility is monotone, so by bisection.
fn most(job: &Job, enough: u32, place: impl Fn(u32) -> Option<Placement>) -> Option<Placement> {
    let mut best = place(enough);
    let (mut low, mut high) = (job.workers.min - 1, enough);
    while best.is_none() && low + 1 < high {
        let middle = low.midpoint(high);
        match place(middle) {
            Some(placement) if middle + 1 == high => best = Some(placement),
            Some(_) => low = middle,
            None => high = middle,
        }
    }
    if best.is_none() && low >= job.workers.min { place(low) } else { best }
}
