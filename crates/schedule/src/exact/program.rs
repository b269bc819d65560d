//! The offline problem as an integer program.
//!
//! With all jobs known in advance: `y_ik` whether job i completes by the end of slot k, `z_iht` whether it
//! runs on machine h alone in slot t (the internal case), `we, se` workers and servers in the external case,
//! `wi, si` in the internal one, `n_ih` the most workers that h holds with their servers:
//!
//! ```text
//! max  sum u_i(k - a_i) y_ik
//! s.t. sum_k y_ik <= 1;   sum_h z_iht <= sum_{k >= t} y_ik;   wi_iht <= n_ih z_iht;   gamma si >= wi
//!      sum_h we_iht + W sum_h z_iht <= W sum_{k >= t} y_ik;   gamma sum_h se >= sum_h we
//!      sum_{t <= k, h} (we / c_e + wi / c_i) >= V_i sum_{k' <= k} y_ik';   capacities
//! ```
//!
//! The work before a completion is asked for at every slot, which is tighter than once a job.

use super::Instance;
use crate::{
    bound::Window,
    error::Result,
    lp::{LinearProgram, LpSolver, Sense},
    model::{Cluster, Job, KINDS, Resources},
    pricing::SlotGrid,
};

/// The greatest total utility of some of an instance's jobs, which complete in their windows; none if they
/// cannot.
pub fn solve(
    instance: &Instance,
    jobs: &[Job],
    windows: &[Window],
    solver: &dyn LpSolver,
) -> Result<Option<f64>> {
    let Instance { cluster, grid, .. } = *instance;
    let mut builder = Builder { program: LinearProgram::default(), used: Vec::new(), cluster, grid };
    builder.used = vec![[const { Vec::new() }; KINDS]; grid.slots * cluster.machines().len()];
    jobs.iter().zip(windows).for_each(|(job, window)| builder.add(job, window));
    let Builder { mut program, used, .. } = builder;
    for (at, rows) in used.into_iter().enumerate() {
        let capacity = &cluster.machines()[at % cluster.machines().len()].capacity;
        for (terms, whole) in rows.into_iter().zip(capacity.as_array()) {
            if !terms.is_empty() {
                program.row(terms, Sense::Le, *whole);
            }
        }
    }
    // An empty program has the empty solution, which not every solver says.
    if program.columns.is_empty() {
        return Ok(Some(0.0));
    }
    Ok(solver.solve(&program)?.map(|solution| -solution.cost))
}

/// The program so far, and what each machine hosts in each slot by resource type.
struct Builder<'a> {
    program: LinearProgram,
    used: Vec<[Vec<(usize, f64)>; KINDS]>,
    cluster: &'a Cluster,
    grid: &'a SlotGrid,
}

impl Builder<'_> {
    fn add(&mut self, job: &Job, window: &Window) {
        let arrival = self.grid.slot_of(job.arrival);
        let end = window.due.map_or(self.grid.slots, |due| (due + 1).min(self.grid.slots));
        let first = window.first.max(arrival);
        if first >= end {
            return;
        }
        let most = f64::from(job.workers.max);
        let completions = (first..end).map(|slot| {
            let utility = job.utility.at(self.grid.hours(slot - arrival));
            (slot, self.program.whole(-utility, 1.0))
        });
        let completions: Vec<(usize, usize)> = completions.collect();
        let sense = if window.due.is_some() { Sense::Eq } else { Sense::Le };
        self.program.row(completions.iter().map(|&(_, column)| (column, 1.0)).collect(), sense, 1.0);
        let mut progress: Vec<(usize, f64)> = Vec::new();
        for slot in arrival..end {
            let later: Vec<usize> =
                completions.iter().filter(|(at, _)| *at >= slot).map(|&(_, column)| column).collect();
            progress.extend(self.slot(job, slot, &later, most));
            let due = completions.iter().filter(|(at, _)| *at <= slot).map(|&(_, column)| (column, -1.0));
            let due: Vec<_> = due.collect();
            if !due.is_empty() {
                self.program.row(progress.iter().copied().chain(due).collect(), Sense::Ge, 0.0);
            }
        }
    }

    /// One slot of one job: what may run if it completes in one of `later`, and how much of its work each
    /// worker does.
    fn slot(&mut self, job: &Job, slot: usize, later: &[usize], most: f64) -> Vec<(usize, f64)> {
        let machines = self.cluster.machines().len();
        let ratio = job.workers_per_server.unwrap_or(f64::INFINITY);
        let share = |cost: f64| self.grid.slot / cost / job.workload;
        let (near, far) = (share(job.internal_cost()), share(job.external_cost()));
        let mut progress = Vec::new();
        let (mut alone, mut hired, mut served) = (Vec::new(), Vec::new(), Vec::new());
        for machine in 0..machines {
            let capacity = &self.cluster.machines()[machine].capacity;
            let inside = job.most_on(capacity);
            let fits = |task: &Resources, most: u32| f64::from(capacity.how_many(task).min(most));
            let z = self.program.whole(0.0, if inside >= job.workers.min { 1.0 } else { 0.0 });
            let wi = self.program.whole(0.0, f64::from(inside));
            let si = self.program.whole(0.0, f64::from(job.servers_for(inside)));
            let we = self.program.whole(0.0, fits(&job.worker, job.workers.max));
            let se = self.program.whole(0.0, fits(&job.server, job.servers_for(job.workers.max)));
            self.program.row(vec![(wi, 1.0), (z, -f64::from(inside))], Sense::Le, 0.0);
            if job.workers.min > 1 {
                self.program.row(vec![(wi, 1.0), (z, -f64::from(job.workers.min))], Sense::Ge, 0.0);
            }
            if ratio.is_finite() {
                self.program.row(vec![(si, ratio), (wi, -1.0)], Sense::Ge, 0.0);
            }
            for kind in 0..KINDS {
                let (worker, server) = (job.worker.as_array()[kind], job.server.as_array()[kind]);
                let used = &mut self.used[slot * machines + machine][kind];
                used.extend(
                    [(wi, worker), (we, worker), (si, server), (se, server)]
                        .iter()
                        .filter(|term| term.1 > 0.0),
                );
            }
            progress.extend([(wi, near), (we, far)]);
            alone.push(z);
            hired.push(we);
            served.push(se);
        }
        let ones = |columns: &[usize], weight: f64| {
            columns.iter().map(|&column| (column, weight)).collect::<Vec<_>>()
        };
        self.program.row([ones(&alone, 1.0), ones(later, -1.0)].concat(), Sense::Le, 0.0);
        self.program.row(
            [ones(&hired, 1.0), ones(&alone, most), ones(later, -most)].concat(),
            Sense::Le,
            0.0,
        );
        if job.workers.min > 1 {
            // Spread, it has its smallest gang or nothing.
            let spread = self.program.whole(0.0, 1.0);
            self.program.row([ones(&hired, 1.0), vec![(spread, -most)]].concat(), Sense::Le, 0.0);
            let least = f64::from(job.workers.min);
            self.program.row([ones(&hired, 1.0), vec![(spread, -least)]].concat(), Sense::Ge, 0.0);
        }
        if ratio.is_finite() {
            self.program.row([ones(&served, ratio), ones(&hired, -1.0)].concat(), Sense::Ge, 0.0);
        }
        progress
    }
}
