//! Gangs of fixed size in continuous time: nothing to resize, only whom to run and where.
//!
//! Jobs are served by Smith's rule softened: utility per remaining time and per workers to the power
//! [`WIDTH`]. With the power 1 this would be the smallest remaining service first, which starves wide gangs
//! although they are what keeps a full cluster full; with 0 the shortest remaining time. A gang goes to the
//! device type on which it is fastest among those with room, wherever there is room, and stays where it runs
//! unless a faster place saves more than its restart costs.

use crate::{
    model::{DeviceId, Job, MachineId, Placement},
    policy::{Allocation, Decision},
    state::{JobState, State, Status},
};

/// The power of the gang's width.
const WIDTH: f64 = 0.9;

/// Whether all that wants to run has a fixed gang.
pub fn applies(state: &State) -> bool {
    state.active().all(|job| job.job.workers.min == job.job.workers.max)
}

/// Who runs where.
pub fn decide(state: &State) -> Vec<Decision> {
    if let Some(decisions) = add_waiting(state) {
        return decisions;
    }
    let mut order: Vec<(f64, &JobState)> = state.active().map(|job| (key(job), job)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    // First whom, then where: those who run already keep their place before others look for one.
    let mut allocation = Allocation::empty(state);
    for (_, job) in order {
        place(&mut allocation, state, job);
    }
    allocation.decisions(state)
}

/// Small is urgent.
fn key(job: &JobState) -> f64 {
    let gang = job.job.workers.min;
    let time = super::remaining(job) / (job.job.rate(gang, job.job.external_gbps) * best_speed(&job.job));
    time * f64::from(gang).powf(WIDTH) / job.job.utility.at(0.0).max(f64::MIN_POSITIVE)
}

fn best_speed(job: &Job) -> f64 {
    let best = job.speeds.iter().copied().fold(f64::NAN, f64::max);
    if best.is_nan() { 1.0 } else { best.max(f64::MIN_POSITIVE) }
}

/// The common case of a cluster of one device type with room: all that wait fit beside those that run.
fn add_waiting(state: &State) -> Option<Vec<Decision>> {
    if state.cluster.devices().len() > 1 {
        return None;
    }
    let mut free = Allocation::beside(state);
    for job in state.active().filter(|job| job.status == Status::Pending) {
        let (_, placement) = fastest(&free, state, &job.job)?;
        free.place(&job.job, &placement);
    }
    Some(free.placements.into_iter().map(|(job, placement)| Decision::Place { job, placement }).collect())
}

fn place(allocation: &mut Allocation, state: &State, job: &JobState) {
    let present =
        (job.status == Status::Running && allocation.fits(&job.job, &job.placement)).then_some(job.rate);
    // On one device type there is no faster place than the present one.
    if let Some(rate) = present
        && (state.cluster.devices().len() == 1 || !worth_moving(allocation, state, job, rate))
    {
        allocation.place(&job.job, &job.placement);
        return;
    }
    if let Some((_, placement)) = fastest(allocation, state, &job.job) {
        allocation.place(&job.job, &placement);
    }
}

fn worth_moving(allocation: &Allocation, state: &State, job: &JobState, rate: f64) -> bool {
    let left = super::remaining(job);
    fastest(allocation, state, &job.job).is_some_and(|(speed, _)| {
        let moved = job.job.rate(job.job.workers.min, job.job.external_gbps) * speed;
        left / moved + job.job.restart < left / rate * (1.0 - 1e-9)
    })
}

/// The device type with room on which the job is fastest, and a placement there.
fn fastest(allocation: &Allocation, state: &State, job: &Job) -> Option<(f64, Placement)> {
    let mut types: Vec<(f64, usize)> = (0..state.cluster.devices().len())
        .map(|device| (job.speed_on(DeviceId(device as u16)), device))
        .filter(|(speed, _)| *speed > 0.0)
        .collect();
    types.sort_by(|a, b| b.0.total_cmp(&a.0));
    types.into_iter().find_map(|(speed, device)| Some((speed, on_device(allocation, state, job, device)?)))
}

/// A place on machines of one type: the fullest single machine that holds the gang, else wherever there is
/// room.
fn on_device(allocation: &Allocation, state: &State, job: &Job, device: usize) -> Option<Placement> {
    let machines = state.cluster.machines();
    let free = allocation.free_for(job);
    let fit = |host: usize| {
        if usize::from(machines[host].device.0) == device { free[host].how_many(&job.worker) } else { 0 }
    };
    let (gang, servers) = (job.workers.min, job.servers_for(job.workers.min));
    let mut best: Option<(u32, usize)> = None;
    for host in 0..machines.len() {
        let room = fit(host);
        let snug = room >= gang && best.is_none_or(|(least, _)| room < least);
        if snug && (servers == 0 || holds(allocation, job, host, gang, servers)) {
            best = Some((room, host));
        }
    }
    if let Some((_, host)) = best {
        return Some(Placement::single(MachineId(host as u32), gang, servers));
    }
    let mut placement = Placement::default();
    let (mut left, mut unserved) = (gang, servers);
    for host in 0..machines.len() {
        let workers = fit(host).min(left);
        let mut room = free[host];
        room.add(&job.worker, -f64::from(workers));
        let served = if unserved == 0 { 0 } else { room.how_many(&job.server).min(unserved) };
        placement.add(MachineId(host as u32), workers, served);
        left -= workers;
        unserved -= served;
        if left + unserved == 0 {
            return Some(placement);
        }
    }
    None
}

fn holds(allocation: &Allocation, job: &Job, host: usize, workers: u32, servers: u32) -> bool {
    let mut need = job.worker.times(f64::from(workers));
    need.add(&job.server, f64::from(servers));
    allocation.free[host].fits(&need)
}
