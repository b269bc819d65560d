//! The offline optimum of a small instance, as an integer program.
//!
//! With all jobs known in advance: `y_ik` whether job i completes by the end of slot k, `z_iht` whether it
//! runs on machine h alone in slot t (the internal case), `we, se` workers and servers in the external case,
//! `wi, si` in the internal one:
//!
//! ```text
//! max  sum u_i(k - a_i) y_ik
//! s.t. sum_k y_ik <= 1;   sum_h z_iht <= sum_{k >= t} y_ik;   wi_iht <= F z_iht;   gamma si >= wi
//!      sum_h we_iht + F sum_h z_iht <= F sum_{k >= t} y_ik;   gamma sum_h se >= sum_h we
//!      sum_{t <= k, h} (we / c_e + wi / c_i) >= V_i sum_{k' <= k} y_ik';   capacities
//! ```
//!
//! The work before a completion is asked for at every slot, which is tighter than once a job. The trait's
//! solver decides how large an instance is small: microlp's branch and bound manages a few machines, jobs and
//! slots.

use crate::{
    error::Result,
    lp::{LinearProgram, LpSolver, Sense},
    model::{Cluster, Job, KINDS},
    pricing::SlotGrid,
};

/// The greatest total utility of any schedule.
///
/// # Errors
/// The solver's failure.
pub fn optimum(cluster: &Cluster, jobs: &[Job], grid: &SlotGrid, solver: &dyn LpSolver) -> Result<f64> {
    let mut builder = Builder { program: LinearProgram::default(), used: Vec::new(), cluster, grid };
    builder.used = vec![[const { Vec::new() }; KINDS]; grid.slots * cluster.machines().len()];
    jobs.iter().for_each(|job| builder.add(job));
    let Builder { mut program, used, .. } = builder;
    for (at, rows) in used.into_iter().enumerate() {
        let capacity = &cluster.machines()[at % cluster.machines().len()].capacity;
        for (terms, whole) in rows.into_iter().zip(capacity.as_array()) {
            if !terms.is_empty() {
                program.row(terms, Sense::Le, *whole);
            }
        }
    }
    Ok(solver.solve(&program)?.map_or(0.0, |solution| -solution.cost))
}

/// The program so far, and what each machine hosts in each slot by resource type.
struct Builder<'a> {
    program: LinearProgram,
    used: Vec<[Vec<(usize, f64)>; KINDS]>,
    cluster: &'a Cluster,
    grid: &'a SlotGrid,
}

impl Builder<'_> {
    fn add(&mut self, job: &Job) {
        let (arrival, last) = (self.grid.slot_of(job.arrival), self.grid.slots);
        if arrival >= last {
            return;
        }
        let most = f64::from(job.workers.max);
        let done: Vec<usize> = (arrival..last)
            .map(|slot| self.program.whole(-job.utility.at(self.grid.hours(slot - arrival)), 1.0))
            .collect();
        self.program.row(done.iter().map(|&column| (column, 1.0)).collect(), Sense::Le, 1.0);
        let mut progress: Vec<(usize, f64)> = Vec::new();
        for slot in arrival..last {
            let later: Vec<usize> = done[slot - arrival..].to_vec();
            progress.extend(self.slot(job, slot, &later, most));
            let due = done[..=slot - arrival].iter().map(|&column| (column, -1.0));
            self.program.row(progress.iter().copied().chain(due).collect(), Sense::Ge, 0.0);
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
            let z = self.program.whole(0.0, 1.0);
            let [wi, si, we, se] = [(); 4].map(|()| self.program.whole(0.0, most));
            self.program.row(vec![(wi, 1.0), (z, -most)], Sense::Le, 0.0);
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
        if ratio.is_finite() {
            self.program.row([ones(&served, ratio), ones(&hired, -1.0)].concat(), Sense::Ge, 0.0);
        }
        progress
    }
}
