//! A gang on the fewest machines, its tasks spread evenly over them, as Optimus places and Pollux and Sia here do too.

use super::priority::scatter;
use crate::model::{Job, MachineId, Placement, Resources};

/// What so many workers and servers take.
pub(super) fn demand(job: &Job, workers: u32, servers: u32) -> Resources {
    job.worker.times(f64::from(workers)).plus(&job.server.times(f64::from(servers)))
}

/// The fewest machines, emptiest first, over which the tasks can be spread evenly; else wherever there is room.
pub(super) fn compact(free: &[Resources], job: &Job, workers: u32, servers: u32) -> Option<Placement> {
    let mut hosts: Vec<(u32, usize)> =
        free.iter().enumerate().map(|(host, free)| (free.how_many(&job.bundle()), host)).collect();
    hosts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let most = hosts.len().min((workers + servers) as usize);
    let even = (1..=most).find_map(|count| spread(free, job, workers, servers, &hosts[..count]));
    even.or_else(|| scatter(free, job, workers, servers, hosts.iter().map(|&(_, host)| host)))
}

/// Tasks as even as whole numbers allow; machines with one worker more have no server more.
fn spread(
    free: &[Resources],
    job: &Job,
    workers: u32,
    servers: u32,
    hosts: &[(u32, usize)],
) -> Option<Placement> {
    let count = hosts.len() as u32;
    let mut placement = Placement::default();
    for (at, &(_, host)) in hosts.iter().enumerate() {
        let hired = workers / count + u32::from((at as u32) < workers % count);
        let served = servers / count + u32::from(count - 1 - (at as u32) < servers % count);
        if !free[host].fits(&demand(job, hired, served)) {
            return None;
        }
        placement.add(MachineId(host as u32), hired, served);
    }
    Some(placement)
}
