//! An upper bound on the utility that any schedule can reach, even one that knows all jobs in advance.
//!
//! The fluid relaxation of the offline problem: machines are poured together, workers are divisible and every
//! job runs at its faster bandwidth. With `x_it` worker-slots of job i in slot t and `y_ik` the fraction of
//! it completed in slot k:
//!
//! ```text
//! max  sum_i sum_k u_i(k - a_i) y_ik
//! s.t. sum_k y_ik <= 1                                           for every job
//!      sum_{t <= k} x_it >= V_i c_i sum_{k' <= k} y_ik'          for every job and slot: work before completion
//!      x_it <= W_i sum_{k >= t} y_ik                             for every job and slot
//!      sum_i demand_ir x_it <= C_r                               for every slot and resource type
//! ```

use crate::{
    error::Result,
    lp::{LinearProgram, LpSolver, Sense},
    model::{Cluster, Job},
    pricing::SlotGrid,
};

/// The bound on total utility.
///
/// # Errors
/// The solver's failure.
pub fn upper_bound(cluster: &Cluster, jobs: &[Job], grid: &SlotGrid, solver: &dyn LpSolver) -> Result<f64> {
    let mut program = LinearProgram::default();
    let mut demands: Vec<Vec<(usize, &Job)>> = vec![Vec::new(); grid.slots];
    for job in jobs {
        add(&mut program, &mut demands, job, grid);
    }
    for users in &demands {
        for (kind, capacity) in cluster.total().as_array().iter().enumerate() {
            let need = |(work, job): &(usize, &Job)| (*work, job.bundle().as_array()[kind]);
            let terms: Vec<_> = users.iter().map(need).filter(|(_, need)| *need > 0.0).collect();
            if !terms.is_empty() {
                program.row(terms, Sense::Le, *capacity);
            }
        }
    }
    Ok(solver.solve(&program)?.map_or(0.0, |solution| -solution.cost))
}

fn add<'a>(
    program: &mut LinearProgram,
    demands: &mut [Vec<(usize, &'a Job)>],
    job: &'a Job,
    grid: &SlotGrid,
) {
    let arrival = grid.slot_of(job.arrival);
    let fastest = job.speeds.iter().copied().fold(f64::NAN, f64::max);
    let speed = if fastest.is_nan() { 1.0 } else { fastest };
    let work = job.workload * job.internal_cost().min(job.external_cost()) / (grid.slot * speed);
    let most = f64::from(job.workers.max);
    let first = arrival + ((work / most - 1e-9).ceil().max(1.0) as usize) - 1;
    if first >= grid.slots {
        return;
    }
    // Completions from the first possible slot on; work from arrival on.
    let completed: Vec<usize> = (first..grid.slots)
        .map(|slot| program.real(-job.utility.at(grid.hours(slot - arrival)), f64::INFINITY))
        .collect();
    let workers: Vec<usize> = (arrival..grid.slots).map(|_| program.real(0.0, most)).collect();
    program.row(completed.iter().map(|&column| (column, 1.0)).collect(), Sense::Le, 1.0);
    for slot in first..grid.slots {
        let done = workers[..=slot - arrival].iter().map(|&column| (column, 1.0));
        let due = completed[..=slot - first].iter().map(|&column| (column, -work));
        program.row(done.chain(due).collect(), Sense::Ge, 0.0);
    }
    for slot in arrival..grid.slots {
        let column = workers[slot - arrival];
        let later = completed[slot.saturating_sub(first)..].iter().map(|&column| (column, -most));
        program.row(std::iter::once((column, 1.0)).chain(later).collect(), Sense::Le, 0.0);
        demands[slot].push((column, job));
    }
}
