//! The external case of one slot as a mixed packing and covering linear program.
//!
//! ```text
//! min  sum_h (worker price) w_h + (server price) s_h
//! s.t. alpha_r w_h + beta_r s_h <= free_hr     for every machine h and type r
//!      sum_h w_h <= F,   sum_h w_h >= N,   gamma sum_h s_h >= N
//! ```
//!
//! Machines with the same room and prices are interchangeable, so they enter as one pair of columns; the
//! relaxation does not change (average any solution over them) and shrinks a lot while the cluster is still
//! uniform.

use std::collections::HashMap;

use super::market::{Host, Market};
use crate::{
    error::Result,
    lp::{LinearProgram, LpSolver, Sense},
    model::KINDS,
};

/// The fractional optimum: workers and servers per host of the market, and its cost, which bounds every
/// external placement from below.
#[derive(Debug, Clone, PartialEq)]
pub struct Relaxed {
    /// The least fractional cost: the certificate.
    pub cost: f64,
    /// Workers and servers per host, in the market's order.
    pub hosted: Vec<(f64, f64)>,
}

/// Solves the relaxation for `workers` workers; none if even fractions do not fit.
///
/// # Errors
/// A numerical failure of the solver.
pub fn relax(market: &Market, workers: u32, solver: &dyn LpSolver) -> Result<Option<Relaxed>> {
    let groups = Groups::of(market.hosts());
    // Prices span many orders of magnitude; the solver likes coefficients near one.
    let scale =
        groups.hosts.iter().map(|&at| market.hosts()[at].worker_price.max(market.hosts()[at].server_price));
    let scale = scale.fold(0.0, f64::max);
    let scale = if scale > 0.0 { scale } else { 1.0 };
    let program = program(market, &groups, workers, scale);
    let Some(solution) = solver.solve(&program)? else { return Ok(None) };
    let hosted = groups.member_of.iter().map(|&group| {
        let share = 1.0 / groups.sizes[group];
        (solution.values[2 * group] * share, solution.values[2 * group + 1] * share)
    });
    Ok(Some(Relaxed { cost: solution.cost * scale, hosted: hosted.collect() }))
}

/// Hosts that are alike.
struct Groups {
    /// One host of each group.
    hosts: Vec<usize>,
    sizes: Vec<f64>,
    /// The group of each host.
    member_of: Vec<usize>,
}

impl Groups {
    fn of(hosts: &[Host]) -> Self {
        let mut known: HashMap<[u64; KINDS + 2], usize> = HashMap::new();
        let mut groups =
            Self { hosts: Vec::new(), sizes: Vec::new(), member_of: Vec::with_capacity(hosts.len()) };
        for (at, host) in hosts.iter().enumerate() {
            let mut key = [0; KINDS + 2];
            for (bits, amount) in key.iter_mut().zip(host.free.as_array()) {
                *bits = amount.to_bits();
            }
            // Prices follow from room and capacity; roles from which tasks fit.
            key[KINDS] = host.worker_price.to_bits();
            key[KINDS + 1] = u64::from(host.workers_fit > 0) << 1 | u64::from(host.servers_fit > 0);
            let group = *known.entry(key).or_insert_with(|| {
                groups.hosts.push(at);
                groups.sizes.push(0.0);
                groups.hosts.len() - 1
            });
            groups.sizes[group] += 1.0;
            groups.member_of.push(group);
        }
        groups
    }
}

fn program(market: &Market, groups: &Groups, workers: u32, scale: f64) -> LinearProgram {
    let job = market.job;
    let mut program = LinearProgram::default();
    let mut all_workers = Vec::new();
    let mut all_servers = Vec::new();
    for (&at, &size) in groups.hosts.iter().zip(&groups.sizes) {
        let host = &market.hosts()[at];
        let limit = |fits: u32| if fits == 0 { 0.0 } else { f64::INFINITY };
        let hired = program.real(host.worker_price / scale, limit(host.workers_fit));
        let served = program.real(host.server_price / scale, limit(host.servers_fit));
        all_workers.push((hired, 1.0));
        all_servers.push((served, 1.0));
        let needs = job.worker.as_array().iter().zip(job.server.as_array());
        for ((worker, server), free) in needs.zip(host.free.as_array()) {
            if *worker > 0.0 || *server > 0.0 {
                // A row divided by its largest coefficient keeps the columns within a few orders of magnitude.
                let unit = worker.max(*server);
                program.row(
                    vec![(hired, worker / unit), (served, server / unit)],
                    Sense::Le,
                    size * free / unit,
                );
            }
        }
    }
    program.row(all_workers.clone(), Sense::Le, f64::from(job.workers.max));
    program.row(all_workers, Sense::Ge, f64::from(workers));
    if let Some(ratio) = job.workers_per_server {
        program.row(all_servers, Sense::Ge, f64::from(workers) / ratio);
    }
    program
}
