//! Dorm's program: the most used resources under bounds on unfairness and on changes.
//!
//! With x workers and z servers of every job in every pool of machines, s the dominant share of a job's
//! workers and servers, and r whether a running job changes:
//!
//! ```text
//! max  sum_r (used_r / C_r)
//! s.t. capacities of every pool;   n_min <= sum x <= n_max;   sum x <= gamma sum z < sum x + gamma
//!      sum |s - s_fair| <= ceil(theta_1 2 R)                   R: resource types
//!      |x - x_old|, |z - z_old| <= M r;   sum r <= ceil(theta_2 running)
//! ```
//!
//! With a pool a machine and whole variables this is the authors' program; with one pool of all machines and
//! real variables it is its relaxation, which costs a few milliseconds at any size. Gangs of fixed size run
//! whole or not at all, so those who take part at least take their smallest gang.

use crate::{
    error::Result,
    lp::{LinearProgram, LpSolver, Sense},
    model::{Job, KINDS, Placement, Resources},
};

/// A job that takes part.
pub struct Entry<'a> {
    /// The job.
    pub job: &'a Job,
    /// Its dominant share under DRF.
    pub fair: f64,
    /// Where it runs, if a change of it counts; the pools are then machines.
    pub present: Option<&'a Placement>,
}

/// What the program is solved for.
pub struct Bounds {
    /// Most total distance from the fair shares.
    pub unfairness: f64,
    /// Most running jobs that change; none: as many as there are.
    pub changes: Option<f64>,
}

/// Workers and servers of every job in every pool.
pub type Counts = Vec<Vec<(f64, f64)>>;

/// Whether tasks are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// Whole tasks.
    Whole,
    /// Fractions of tasks: the relaxation.
    Fractions,
}

/// Solves it; none if the bounds cannot be kept.
///
/// # Errors
/// The solver's failure.
pub fn solve(
    entries: &[Entry],
    pools: &[Resources],
    bounds: &Bounds,
    tasks: Tasks,
    solver: &dyn LpSolver,
) -> Result<Option<Counts>> {
    let whole = pools.iter().fold(Resources::default(), |sum, pool| sum.plus(pool));
    let mut builder = Builder { program: LinearProgram::default(), whole, tasks };
    let columns: Vec<_> = entries.iter().map(|entry| builder.tasks_of(entry, pools)).collect();
    builder.capacities(entries, &columns, pools);
    builder.fairness(entries, &columns, bounds.unfairness);
    if let Some(most) = bounds.changes {
        builder.changes(entries, &columns, most);
    }
    let solution = solver.solve(&builder.program)?;
    Ok(solution.map(|solution| {
        let amounts = |pairs: &Pairs| {
            pairs.iter().map(|&(x, z)| (solution.values[x], z.map_or(0.0, |z| solution.values[z]))).collect()
        };
        columns.iter().map(amounts).collect()
    }))
}

/// The columns of one job's workers and servers, by pool.
type Pairs = Vec<(usize, Option<usize>)>;

struct Builder {
    program: LinearProgram,
    whole: Resources,
    tasks: Tasks,
}

impl Builder {
    fn column(&mut self, cost: f64, upper: f64) -> usize {
        match self.tasks {
            Tasks::Whole => self.program.whole(cost, upper),
            Tasks::Fractions => self.program.real(cost, upper),
        }
    }

    /// What one task adds to the use of the cluster.
    fn worth(&self, task: &Resources) -> f64 {
        let shares = task.as_array().iter().zip(self.whole.as_array());
        shares.map(|(part, whole)| if *whole > 0.0 { part / whole } else { 0.0 }).sum()
    }

    fn tasks_of(&mut self, entry: &Entry, pools: &[Resources]) -> Pairs {
        let job = entry.job;
        let (hired, served) = (self.worth(&job.worker), self.worth(&job.server));
        let most = f64::from(job.workers.max);
        let servers = f64::from(job.servers_for(job.workers.max));
        let pairs: Pairs = pools
            .iter()
            .map(|_| {
                let x = self.column(-hired, most);
                (x, job.workers_per_server.map(|_| self.column(-served, servers)))
            })
            .collect();
        let workers: Vec<(usize, f64)> = pairs.iter().map(|pair| (pair.0, 1.0)).collect();
        self.program.row(workers.clone(), Sense::Ge, f64::from(job.workers.min));
        self.program.row(workers.clone(), Sense::Le, most);
        if let Some(ratio) = job.workers_per_server {
            let servers = pairs.iter().filter_map(|pair| Some((pair.1?, ratio)));
            let both: Vec<_> = servers.chain(workers.iter().map(|&(x, _)| (x, -1.0))).collect();
            self.program.row(both.clone(), Sense::Ge, 0.0);
            // No more servers than the workers need, or the unused ones would count as use.
            let slack = if self.tasks == Tasks::Whole { ratio * (1.0 - 1e-6) } else { 0.0 };
            self.program.row(both, Sense::Le, slack);
        }
        pairs
    }

    fn capacities(&mut self, entries: &[Entry], columns: &[Pairs], pools: &[Resources]) {
        for (pool, capacity) in pools.iter().enumerate() {
            for kind in 0..KINDS {
                let mut terms = Vec::new();
                for (entry, pairs) in entries.iter().zip(columns) {
                    let (x, z) = pairs[pool];
                    terms.push((x, entry.job.worker.as_array()[kind]));
                    terms.extend(z.map(|z| (z, entry.job.server.as_array()[kind])));
                }
                terms.retain(|term| term.1 > 0.0);
                if !terms.is_empty() {
                    self.program.row(terms, Sense::Le, capacity.as_array()[kind]);
                }
            }
        }
    }

    /// The distance from the fair share is counted in workers, each with its part of a server.
    fn fairness(&mut self, entries: &[Entry], columns: &[Pairs], most: f64) {
        let mut distances = Vec::new();
        for (entry, pairs) in entries.iter().zip(columns) {
            let share = entry.job.bundle().dominant_share(&self.whole);
            let distance = self.program.real(0.0, f64::INFINITY);
            for sign in [1.0, -1.0] {
                let shares = pairs.iter().map(|pair| (pair.0, sign * share));
                let terms = shares.chain([(distance, -1.0)]).collect();
                self.program.row(terms, Sense::Le, sign * entry.fair);
            }
            distances.push((distance, 1.0));
        }
        self.program.row(distances, Sense::Le, most);
    }

    fn changes(&mut self, entries: &[Entry], columns: &[Pairs], most: f64) {
        let mut changed = Vec::new();
        for (entry, pairs) in entries.iter().zip(columns) {
            let Some(present) = entry.present else { continue };
            let change = self.column(0.0, 1.0);
            changed.push((change, 1.0));
            let workers = entry.job.workers.max;
            let limit = f64::from(workers.max(entry.job.servers_for(workers)));
            for (pool, &(x, z)) in pairs.iter().enumerate() {
                let share = present.shares().iter().find(|share| share.machine.index() == pool);
                let (hired, served) = share.map_or((0, 0), |share| (share.workers, share.servers));
                for (column, old) in [(Some(x), hired), (z, served)] {
                    let Some(column) = column else { continue };
                    let old = f64::from(old);
                    self.program.row(vec![(column, 1.0), (change, -limit)], Sense::Le, old);
                    self.program.row(vec![(column, -1.0), (change, -limit)], Sense::Le, -old);
                }
            }
        }
        if !changed.is_empty() {
            self.program.row(changed, Sense::Le, most);
        }
    }
}
