//! FIFO: a queue by arrival; the head waits for its fixed gang and blocks those behind it; jobs run to
//! completion.
//!
//! A job of fixed size keeps it. For an elastic job the PD-ORS comparison draws a fixed number of workers
//! from [1, 30]; here no more than the empty cluster holds, or it would wait, and block others, for ever.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::Value;

use super::{Allocation, Decision, Event, Policy, saved};
use crate::{
    error::Result,
    model::{Cluster, Job, MachineId},
    state::{State, Status},
};

/// The most workers that an elastic job is given.
const MOST_WORKERS: u32 = 30;

/// The gang that policies without elasticity give a job: its own if it is fixed, else drawn by seed and job, as far as the
/// empty cluster holds it.
pub(super) fn fixed_gang(cluster: &Cluster, job: &Job, seed: u64) -> u32 {
    if job.workers.min == job.workers.max {
        return job.workers.min;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9).wrapping_add(u64::from(job.id.0)));
    let drawn = rng.random_range(1..=MOST_WORKERS).clamp(job.workers.min, job.workers.max);
    cluster.most_workers(job, drawn)
}

/// The policy.
#[derive(Debug, Clone)]
pub struct Fifo {
    seed: u64,
    /// Where the next round of placement begins.
    next: usize,
}

impl Fifo {
    /// With gangs drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn decide(&mut self, state: &State, _events: &[Event]) -> Vec<Decision> {
        let mut allocation = Allocation::present(state);
        for job in state.active().filter(|job| job.status == Status::Pending) {
            if !round_robin(
                &mut allocation,
                &job.job,
                fixed_gang(&state.cluster, &job.job, self.seed),
                &mut self.next,
            ) {
                break;
            }
        }
        allocation.decisions(state)
    }

    fn save(&self) -> Result<Value> {
        saved::save(&self.next)
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        self.next = saved::load(saved)?;
        Ok(())
    }
}

/// Places a gang one task a machine in turn, from machine `next` on; false, and nothing changed, if it does
/// not fit.
pub(super) fn round_robin(allocation: &mut Allocation, job: &Job, workers: u32, next: &mut usize) -> bool {
    let machines = allocation.free.len();
    let mut at = *next;
    let tasks = (0..workers).map(|_| (1, 0)).chain((0..job.servers_for(workers)).map(|_| (0, 1)));
    for (worker, server) in tasks {
        let need = if worker > 0 { &job.worker } else { &job.server };
        let free = allocation.free_for(job);
        let host = (0..machines).map(|step| (at + step) % machines).find(|&host| free[host].fits(need));
        let Some(host) = host else {
            allocation.remove(job);
            return false;
        };
        allocation.add(job, MachineId(host as u32), worker, server);
        at = (host + 1) % machines;
    }
    *next = at;
    true
}
