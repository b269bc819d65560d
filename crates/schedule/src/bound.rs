//! An upper bound on the utility that any schedule can reach, even one that knows all jobs in advance.
//!
//! A linear relaxation of the offline problem. Machines that are alike are poured together, workers and
//! completions are divisible, but the two cases of the speed law are kept apart: a job alone on one machine is
//! fast and cannot be larger than that machine; spread, it may have all its workers and is slow. With `y_ik`
//! the fraction of job i completed in slot k, `x_itm` its workers on kind m of machines in the internal case,
//! `w_itm, s_itm` its workers and servers in the external case, and `n_im` the most workers that one machine
//! holds together with their servers:
//!
//! ```text
//! max  sum_ik u_i(k - a_i) y_ik
//! s.t. sum_k y_ik <= 1                                                  for every job
//!      sum_{t <= k} (x_itm / c_int + w_itm / c_ext) >= V_i sum_{k' <= k} y_ik'   for every job and slot
//!      sum_m x_itm / n_im + w_itm / W_i <= sum_{k >= t} y_ik            for every job and slot: one case at a time
//!      sum_m s_itm >= max(1 / gamma, 1 / W_i) sum_m w_itm               whole servers: at least one
//!      what they take of kind m in slot t fits                          for every resource type
//! ```
//!
//! It is also the bound of the branch and bound in [`exact`](crate::exact), which narrows the slots in which
//! jobs may complete.

use crate::{
    error::{Error, Result},
    lp::{LinearProgram, LpSolution, LpSolver, Sense},
    model::{Cluster, Job, KINDS, MachineId, Resources},
    pricing::SlotGrid,
};

/// The bound on total utility.
///
/// # Errors
/// The solver's failure; rules that a bound does not know.
pub fn upper_bound(cluster: &Cluster, jobs: &[Job], grid: &SlotGrid, solver: &dyn LpSolver) -> Result<f64> {
    without_rules(cluster, jobs)?;
    let anywhere = vec![Window::default(); jobs.len()];
    let relaxed = Relaxation::new(cluster, jobs, grid, &anywhere).solve(solver)?;
    Ok(relaxed.map_or(0.0, |relaxed| relaxed.utility))
}

/// Refuses what bounds and optima do not know: a schedule that need not keep to it says little about one that must.
///
/// # Errors
/// The first rule of the cluster or of a job.
pub(crate) fn without_rules(cluster: &Cluster, jobs: &[Job]) -> Result<()> {
    let refuse = |subject: &str, field: &str, found: String| {
        let wanted = "bounds and optima know nothing of it; leave it out";
        Err(Error::Invalid { subject: subject.into(), field: field.into(), found, wanted })
    };
    if let Some(queue) = cluster.queues().first() {
        return refuse("cluster", "queues", format!("`{}` and so on", queue.name));
    }
    if let Some(reservation) = cluster.reservations().first() {
        return refuse("cluster", "reservations", format!("`{}` and so on", reservation.name));
    }
    for job in jobs {
        let subject = format!("job {}", job.label());
        let names = job.after.iter().chain(&job.after_any).next();
        match (job.limit, job.priority.filter(|priority| *priority != 0), names) {
            (Some(limit), ..) => return refuse(&subject, "limit", limit.to_string()),
            (_, Some(priority), _) => return refuse(&subject, "priority", priority.to_string()),
            (.., Some(name)) => return refuse(&subject, "after", format!("`{name}`")),
            _ => {}
        }
    }
    Ok(())
}

/// When a job may complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Window {
    /// Not before this slot.
    pub first: usize,
    /// No later than in this slot, and it must; none: whenever, or not at all.
    pub due: Option<usize>,
}

/// A solution of the relaxation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relaxed {
    /// The bound.
    pub utility: f64,
    /// By job: completion slots and the fractions completed in them, none of them zero.
    pub completed: Vec<Vec<(usize, f64)>>,
}

/// Machines that are alike.
struct Kind {
    capacity: Resources,
    /// One of them.
    sample: MachineId,
    count: f64,
}

/// The program and where the completions are in it.
pub(crate) struct Relaxation<'a> {
    program: LinearProgram,
    grid: &'a SlotGrid,
    kinds: Vec<Kind>,
    cluster: &'a Cluster,
    /// By slot, kind and resource type.
    used: Vec<[Vec<(usize, f64)>; KINDS]>,
    /// By job: completion slots and columns.
    completions: Vec<Vec<(usize, usize)>>,
}

impl<'a> Relaxation<'a> {
    /// For jobs that may complete in their windows.
    pub fn new(cluster: &'a Cluster, jobs: &[Job], grid: &'a SlotGrid, windows: &[Window]) -> Self {
        let kinds = kinds(cluster);
        let used = vec![[const { Vec::new() }; KINDS]; grid.slots * kinds.len()];
        let mut relaxation =
            Self { program: LinearProgram::default(), grid, kinds, cluster, used, completions: Vec::new() };
        for (job, window) in jobs.iter().zip(windows) {
            let completions = relaxation.add(job, window);
            relaxation.completions.push(completions);
        }
        relaxation.fit();
        relaxation
    }

    /// The optimum; none if the windows cannot be kept even so.
    pub fn solve(&self, solver: &dyn LpSolver) -> Result<Option<Relaxed>> {
        let Some(LpSolution { cost, values }) = solver.solve(&self.program)? else { return Ok(None) };
        let fraction = |&(slot, column): &(usize, usize)| (slot, values[column]);
        let some = |(_, fraction): &(usize, f64)| *fraction > 1e-7;
        let completed =
            self.completions.iter().map(|slots| slots.iter().map(fraction).filter(some).collect()).collect();
        Ok(Some(Relaxed { utility: -cost, completed }))
    }

    fn add(&mut self, job: &Job, window: &Window) -> Vec<(usize, usize)> {
        let grid = self.grid;
        let arrival = grid.first_slot(job.arrival);
        let cases = self.cases(job);
        let fastest = cases.iter().map(|case| case.rate * case.limit).fold(0.0, f64::max);
        // A case knows its own kind of machines only; how many of the fast ones there are, the cluster does.
        let fastest = f64::min(fastest, grid.slot / self.cluster.shortest(job));
        let shortest = (1.0 / fastest - 1e-9).ceil().max(1.0);
        let first = window.first.max(arrival + (shortest.min(grid.slots as f64 + 1.0) as usize) - 1);
        let end = window.due.map_or(grid.slots, |due| (due + 1).min(grid.slots));
        let slots = first.max(arrival)..end;
        let completions: Vec<(usize, usize)> = slots
            .map(|slot| {
                // Its work cannot be done sooner than this, so no schedule earns more.
                let soonest = grid.begin(slot).max(grid.begin(arrival) + grid.slot / fastest);
                let utility = job.utility.at(grid.elapsed_hours(job.arrival, slot, soonest));
                (slot, self.program.real(-utility, f64::INFINITY))
            })
            .collect();
        let all: Vec<_> = completions.iter().map(|&(_, column)| (column, 1.0)).collect();
        // A job that must complete but cannot leaves the row 0 = 1, which no solution satisfies.
        let sense = if window.due.is_some() { Sense::Eq } else { Sense::Le };
        if all.is_empty() && sense == Sense::Eq {
            let never = self.program.real(0.0, 0.0);
            self.program.row(vec![(never, 1.0)], Sense::Eq, 1.0);
        }
        if all.is_empty() {
            return completions;
        }
        self.program.row(all, sense, 1.0);
        let mut progress = Vec::new();
        for slot in arrival..end {
            progress.extend(self.slot(job, slot, &completions, &cases));
            let due = completions.iter().filter(|(at, _)| *at <= slot).map(|&(_, column)| (column, -1.0));
            let due: Vec<_> = due.collect();
            if !due.is_empty() {
                self.program.row(progress.iter().copied().chain(due).collect(), Sense::Ge, 0.0);
            }
        }
        completions
    }

    /// One slot of one job; returns its work as fractions of the whole.
    fn slot(
        &mut self,
        job: &Job,
        slot: usize,
        completions: &[(usize, usize)],
        cases: &[Case],
    ) -> Vec<(usize, f64)> {
        let later = completions.iter().filter(|(at, _)| *at >= slot).map(|&(_, column)| (column, -1.0));
        let mut presence: Vec<(usize, f64)> = later.collect();
        let (mut progress, mut servers) = (Vec::new(), Vec::new());
        for case in cases {
            let workers = self.program.real(0.0, f64::INFINITY);
            progress.push((workers, case.rate));
            presence.push((workers, 1.0 / case.limit));
            self.take(slot, case.kind, workers, &case.demand);
            if let Some(share) = case.servers_each {
                servers.push((workers, -share));
            }
        }
        self.program.row(presence, Sense::Le, 0.0);
        if !servers.is_empty() {
            for kind in 0..self.kinds.len() {
                let column = self.program.real(0.0, f64::INFINITY);
                self.take(slot, kind, column, &job.server);
                servers.push((column, 1.0));
            }
            self.program.row(servers, Sense::Ge, 0.0);
        }
        progress
    }

    fn take(&mut self, slot: usize, kind: usize, column: usize, demand: &Resources) {
        for (terms, need) in self.used[slot * self.kinds.len() + kind].iter_mut().zip(demand.as_array()) {
            if *need > 0.0 {
                terms.push((column, *need));
            }
        }
    }

    fn fit(&mut self) {
        for (at, rows) in std::mem::take(&mut self.used).into_iter().enumerate() {
            let Kind { capacity, count, .. } = &self.kinds[at % self.kinds.len()];
            for (terms, whole) in rows.into_iter().zip(capacity.times(*count).as_array()) {
                if !terms.is_empty() {
                    self.program.row(terms, Sense::Le, *whole);
                }
            }
        }
    }

    /// The ways in which the job can have workers.
    fn cases(&self, job: &Job) -> Vec<Case> {
        let per_slot = self.grid.slot / job.workload;
        let (near, far) = (per_slot / job.internal_cost(), per_slot / job.external_cost());
        let open = |kind: &Kind| self.cluster.allows(job, kind.sample);
        let fits = |kind: &Kind| kind.count * f64::from(kind.capacity.how_many(&job.worker));
        let hosted: f64 = self.kinds.iter().filter(|kind| open(kind)).map(fits).sum();
        let most = f64::from(job.workers.max).min(hosted);
        let ratio = job.workers_per_server;
        let share = |limit: f64| ratio.map(|ratio| (1.0 / ratio).max(1.0 / limit));
        let mut cases = Vec::new();
        for (kind, machines) in self.kinds.iter().enumerate().filter(|(_, kind)| open(kind)) {
            let speed = job.speed_on(self.cluster.machines()[machines.sample.index()].device);
            let inside = f64::from(job.most_on(&machines.capacity));
            let demand = |limit: f64| {
                let mut demand = job.worker;
                demand.add(&job.server, share(limit).unwrap_or(0.0));
                demand
            };
            cases.push(Case {
                kind,
                rate: near * speed,
                limit: inside,
                demand: demand(inside),
                servers_each: None,
            });
            // Spread is the same as alone where no bandwidth matters, but may be larger.
            cases.push(Case {
                kind,
                rate: far * speed,
                limit: most,
                demand: job.worker,
                servers_each: share(most),
            });
        }
        cases.retain(|case| case.rate > 0.0 && case.limit >= f64::from(job.workers.min));
        cases
    }
}

/// One way in which a job can have workers on one kind of machines.
struct Case {
    kind: usize,
    /// Share of the job's work that a worker does in a slot.
    rate: f64,
    /// The most workers.
    limit: f64,
    /// What a worker takes.
    demand: Resources,
    /// Servers a worker, where they may be elsewhere.
    servers_each: Option<f64>,
}

fn kinds(cluster: &Cluster) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for (id, machine) in cluster.ids().zip(cluster.machines()) {
        let same = |kind: &&mut Kind| {
            let sample = &cluster.machines()[kind.sample.index()];
            sample.capacity == machine.capacity
                && sample.device == machine.device
                && sample.labels == machine.labels
        };
        match kinds.iter_mut().find(same) {
            Some(kind) => kind.count += 1.0,
            None => kinds.push(Kind { capacity: machine.capacity, sample: id, count: 1.0 }),
        }
    }
    kinds
}
