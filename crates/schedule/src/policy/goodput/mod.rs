//! What the goodput policies share, Pollux (Qiao et al., OSDI 2021) and Sia (Jayaram Subramanya et al., SOSP 2023).
//!
//! The goodput of a job is its throughput times the statistical efficiency of its batch. With the gradient noise scale phi
//! and the batch F for which a job was tuned, a sample in a batch of M is worth
//!
//! ```text
//! efficiency(M) = (phi + F) / (phi + M)
//! ```
//!
//! samples in a batch of F, and a job takes the batch with the greatest goodput. [`Job::sample_cost`] has both, so that the
//! rate of a placement is its goodput, for these two policies, for all others, and for the simulated job itself. A job without a
//! noise scale keeps its batch (Sia's strong scaling jobs).
//!
//! Where the two differ from their papers: speeds are known from the first moment and need no bootstrapping, so a job
//! may start with any number of workers and more than double it; they decide at every event, and every minute only while a
//! restart that did not pay yet may come to pay.

mod pollux;
mod sia;

pub use self::{pollux::Pollux, sia::Sia};
use super::{Allocation, Decision, compact::compact};
use crate::{
    model::{Job, MachineId, Placement, Resources},
    state::{JobState, State, Status},
};

/// Even where restarts cost nothing a change must bring more than this, or jobs would change places for nothing.
const AS_GOOD: f64 = 0.999;
/// Seconds between two decisions in the papers.
const ROUND: f64 = 60.0;

/// The share of its speed that a running job is believed to keep if it is changed now: what it would have had of its time so
/// far with one more restart,
///
/// ```text
/// (T - N S) / (T + S)
/// ```
///
/// with its age T, N restarts behind it and S seconds each. 1 for whoever waits: it starts in any case.
fn kept(state: &State, job: &JobState) -> f64 {
    let restart = job.job.restart;
    if job.status != Status::Running {
        return 1.0;
    }
    if restart <= 0.0 {
        return AS_GOOD;
    }
    let (age, restarts) = ((state.now - job.job.arrival).max(0.0), job.changes.saturating_sub(1));
    ((age - f64::from(restarts) * restart) / (age + restart)).clamp(0.0, AS_GOOD)
}

/// When to decide again although nothing happens: restarts come to pay as jobs grow older.
fn wake(state: &State) -> Option<Decision> {
    let types = state.cluster.devices().len();
    let may_change = |job: &JobState| {
        let elastic = job.job.workers.min < job.job.workers.max || types > 1;
        job.status == Status::Running && elastic && job.job.resume && job.job.restart > 0.0
    };
    state.active().any(may_change).then_some(Decision::WakeAt { time: state.now + ROUND })
}

/// Starts whoever still waits and fits, in order of arrival: numbers say little about pieces of room, and a job may be bound to
/// some machines.
fn fill(allocation: &mut Allocation, state: &State) {
    for job in
        state.active().filter(|job| !allocation.placements.contains_key(&job.job.id)).collect::<Vec<_>>()
    {
        let one = job.job.as_ref();
        let placement = place(&allocation.free_for(one), one, one.workers.min);
        if let Some(placement) = placement {
            allocation.place(one, &placement);
        }
    }
}

/// A gang on the fullest machine that holds all of it, else on the fewest machines.
fn place(free: &[Resources], job: &Job, workers: u32) -> Option<Placement> {
    let servers = job.servers_for(workers);
    let need = job.demand(workers);
    let room = |host: &usize| free[*host].how_many(&job.bundle());
    let whole = (0..free.len()).filter(|&host| free[host].fits(&need)).min_by_key(room);
    match whole {
        Some(host) => Some(Placement::single(MachineId(host as u32), workers, servers)),
        None => compact(free, job, workers, servers),
    }
}
