//! DRF: dominant resource fairness by progressive filling (Ghodsi et al., NSDI 2011), in the idealised form
//! of the PD-ORS comparison: every job is admitted, and all are reallocated at every event.

use super::{Allocation, Decision, Event, Policy};
use crate::{
    model::{Job, MachineId, Resources},
    state::State,
};

/// The policy; it needs no memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drf;

impl Drf {
    /// Fills the machines: one bundle at a time (a worker, and a server when the ratio asks for one) to the
    /// job with the smallest dominant share, until nothing fits.
    pub fn fill(state: &State) -> Allocation {
        let mut allocation = Allocation::empty(state);
        let whole = *state.cluster.total();
        let mut growing: Vec<(f64, &Job)> = state.active().map(|job| (0.0, job.job.as_ref())).collect();
        while let Some(at) = (0..growing.len()).min_by(|&a, &b| growing[a].0.total_cmp(&growing[b].0)) {
            let (share, job) = &mut growing[at];
            match grow(&mut allocation, job) {
                Some(taken) => *share += taken.dominant_share(&whole),
                None => {
                    growing.remove(at);
                }
            }
        }
        allocation
    }
}

impl Policy for Drf {
    fn name(&self) -> &'static str {
        "drf"
    }

    fn decide(&mut self, state: &State, _events: &[Event]) -> Vec<Decision> {
        Self::fill(state).decisions(state)
    }
}

/// Adds a bundle (the smallest gang at first) on the least loaded machines; what it took, or none if it does
/// not fit.
pub(super) fn grow(allocation: &mut Allocation, job: &Job) -> Option<Resources> {
    let held = allocation.placements.get(&job.id);
    let (workers, servers) = held.map_or((0, 0), |placement| (placement.workers(), placement.servers()));
    let more = if workers == 0 { job.workers.min } else { 1 };
    if workers + more > job.workers.max {
        return None;
    }
    let more_servers = job.servers_for(workers + more).saturating_sub(servers);
    let tasks = (0..more).map(|_| (1, 0)).chain((0..more_servers).map(|_| (0, 1)));
    let mut placed: Vec<(MachineId, u32, u32)> = Vec::new();
    for (worker, server) in tasks {
        let need = if worker > 0 { &job.worker } else { &job.server };
        match least_loaded(allocation, job, need) {
            Some(machine) => {
                allocation.add(job, machine, worker, server);
                placed.push((machine, worker, server));
            }
            None => {
                placed
                    .into_iter()
                    .for_each(|(machine, worker, server)| allocation.take_back(job, machine, worker, server));
                return None;
            }
        }
    }
    Some(job.worker.times(f64::from(more)).plus(&job.server.times(f64::from(more_servers))))
}

/// The machine with room for `need` whose fullest resource is emptiest.
fn least_loaded(allocation: &Allocation, job: &Job, need: &Resources) -> Option<MachineId> {
    let mut best = None;
    let all_free = allocation.free_for(job);
    for (index, (free, capacity)) in all_free.iter().zip(&allocation.capacity).enumerate() {
        if free.fits(need) {
            let shares = free.as_array().iter().zip(capacity.as_array()).filter(|(_, whole)| **whole > 0.0);
            let room = shares.map(|(free, whole)| free / whole).fold(f64::INFINITY, f64::min);
            if best.is_none_or(|(_, most)| room > most) {
                best = Some((MachineId(index as u32), room));
            }
        }
    }
    best.map(|(machine, _)| machine)
}
