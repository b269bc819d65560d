//! Gang scheduling by a priority order: the frame of SRTF, SRSF and Tiresias.
//!
//! At every event the machines are emptied and refilled in the order of priority; a gang that does not fit is
//! skipped and smaller ones behind it may run (backfilling).

use serde::{Deserialize, Serialize};

use super::{Allocation, Decision};
use crate::{
    model::{Job, MachineId, Placement, Resources},
    state::{JobState, State, Status},
};

/// How gangs are put on machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// On one machine if the gang fits on one, else on whole idle machines and one more for the rest: the
    /// `yarn` scheme of the Tiresias simulator. First fit; everything is packed anew at every event, so jobs
    /// may move.
    Consolidated,
    /// The same, but running jobs stay where they are unless a waiting job of higher priority needs the room.
    #[default]
    Sticky,
    /// Anywhere there is room: the simulator's `count` scheme, which Tiresias-L uses.
    Anywhere,
}

impl Packing {
    /// Places `workers` workers of a job (and its servers beside them) in what is free.
    pub fn place(self, allocation: &mut Allocation, job: &Job, workers: u32) -> bool {
        let placement = match self {
            Self::Consolidated | Self::Sticky => consolidated(allocation, job, workers),
            Self::Anywhere => anywhere(allocation, job, workers),
        };
        if let Some(placement) = &placement {
            allocation.place(job, placement);
        }
        placement.is_some()
    }
}

fn consolidated(allocation: &Allocation, job: &Job, workers: u32) -> Option<Placement> {
    let servers = job.servers_for(workers);
    let gang = Placement::single(MachineId(0), workers, servers).shares()[0].demand(job);
    let (all_free, all_capacity) = (allocation.free_for(job), allocation.capacity_for(job));
    if let Some(host) = all_free.iter().position(|free| free.fits(&gang)) {
        return Some(Placement::single(MachineId(host as u32), workers, servers));
    }
    // The scheme was made for gangs without servers; with them, a job runs spread rather than not at all.
    if servers > 0 {
        return anywhere(allocation, job, workers);
    }
    if all_capacity.iter().any(|capacity| capacity.fits(&gang)) {
        return None;
    }
    let mut placement = Placement::default();
    let mut left = workers;
    for (host, (free, capacity)) in all_free.iter().zip(all_capacity.iter()).enumerate() {
        let whole = capacity.how_many(&job.worker);
        if whole > 0 && left >= whole && free.how_many(&job.worker) == whole {
            placement.add(MachineId(host as u32), whole, 0);
            left -= whole;
        }
    }
    let rest = job.worker.times(f64::from(left));
    let taken = |host: usize| placement.shares().iter().any(|share| share.machine.index() == host);
    if left > 0 {
        let host = (0..all_free.len()).find(|&host| !taken(host) && all_free[host].fits(&rest))?;
        placement.add(MachineId(host as u32), left, 0);
    }
    Some(placement)
}

/// A gang wherever there is room, on the first machines that have some; none if it does not fit.
pub(super) fn anywhere(allocation: &Allocation, job: &Job, workers: u32) -> Option<Placement> {
    let free = allocation.free_for(job);
    scatter(&free, job, workers, job.servers_for(workers), 0..free.len())
}

/// Tasks wherever there is room on these hosts, in their order; none if they do not fit.
pub(super) fn scatter(
    free: &[Resources],
    job: &Job,
    mut workers: u32,
    mut servers: u32,
    hosts: impl IntoIterator<Item = usize>,
) -> Option<Placement> {
    let mut placement = Placement::default();
    for host in hosts {
        if workers + servers == 0 {
            break;
        }
        let hired = free[host].how_many(&job.worker).min(workers);
        let mut room = free[host];
        room.add(&job.worker, -f64::from(hired));
        let served = if servers == 0 { 0 } else { room.how_many(&job.server).min(servers) };
        placement.add(MachineId(host as u32), hired, served);
        workers -= hired;
        servers -= served;
    }
    (workers + servers == 0).then_some(placement)
}

/// Fills the machines with `jobs` in this order, each with the gang that `gang` gives it.
pub fn fill<'a>(
    state: &State,
    jobs: impl Iterator<Item = &'a JobState> + Clone,
    packing: Packing,
    gang: impl Fn(&Job) -> u32,
) -> Vec<Decision> {
    if packing != Packing::Consolidated
        && let Some(decisions) = add_waiting(state, jobs.clone(), packing, &gang)
    {
        return decisions;
    }
    let mut allocation = Allocation::empty(state);
    for job in jobs {
        let stays = packing != Packing::Consolidated && job.status == Status::Running;
        if stays && allocation.fits(&job.job, &job.placement) {
            allocation.place(&job.job, &job.placement);
        } else {
            packing.place(&mut allocation, &job.job, gang(&job.job));
        }
    }
    allocation.decisions(state)
}

/// The common case of a cluster with room: every waiting job fits beside those that run. None if one does not.
fn add_waiting<'a>(
    state: &State,
    jobs: impl Iterator<Item = &'a JobState>,
    packing: Packing,
    gang: &impl Fn(&Job) -> u32,
) -> Option<Vec<Decision>> {
    let mut free = Allocation::beside(state);
    for job in jobs.filter(|job| job.status == Status::Pending) {
        if !packing.place(&mut free, &job.job, gang(&job.job)) {
            return None;
        }
    }
    Some(free.placements.into_iter().map(|(job, placement)| Decision::Place { job, placement }).collect())
}
