//! Dorm: utilisation under bounds on unfairness and on adjustments (Sun et al. 2017).
//!
//! At every arrival, completion, failure and recovery an integer program ([`program`]) says how many workers
//! and servers each job has on each machine. Small instances are solved as they stand. Larger ones, whose
//! thousands of whole variables no solver manages between two events, take its relaxation over all machines
//! poured together: the running jobs that are nearest to their fair share, all but as many as may change, stay;
//! the others' workers are rounded down and put on the least loaded machines, and what rounding leaves is
//! filled up. There the bound on unfairness holds for the relaxation, so up to rounding.
//!
//! A job whose number of workers stays keeps its place, so it has no checkpoint to pay.

mod program;

use self::program::{Bounds, Entry, Tasks};
use super::{Allocation, Decision, Drf, Event, Policy, drf::grow};
use crate::{
    lp::{BranchAndBound, Limit, Microlp},
    model::{Job, KINDS, MachineId, Placement, Resource, Resources},
    state::{JobState, State, Status},
};

/// Pairs of job and machine up to which the integer program is solved as it stands.
const MOST_PAIRS: usize = 4;
/// Nodes of its search after which it is given up.
const MOST_NODES: u64 = 20_000;

/// The bounds of the policy.
#[derive(Debug, Clone, Copy)]
pub struct Dorm {
    /// How far shares may be from fair, relative to the most possible (theta 1).
    unfairness: f64,
    /// The share of running jobs that one event may change (theta 2).
    adjustable: f64,
}

impl Dorm {
    /// With theta 1 and theta 2 in (0, 1].
    pub fn new(unfairness: f64, adjustable: f64) -> Self {
        Self { unfairness, adjustable }
    }

    /// `ceil(theta_1 2 R)` with the resource types that the cluster has.
    fn unfairness(&self, state: &State) -> f64 {
        let whole = state.cluster.total();
        let types = Resource::ALL.into_iter().filter(|&kind| whole[kind] > 0.0).count().min(KINDS);
        (self.unfairness * 2.0 * types as f64 - 1e-9).ceil()
    }

    fn changes(&self, state: &State) -> f64 {
        let running = state.active().filter(|job| job.status == Status::Running).count();
        (self.adjustable * running as f64 - 1e-9).ceil()
    }

    /// The program as it stands; none if it has no solution.
    fn exactly(&self, state: &State, fair: &Allocation) -> Option<Allocation> {
        let jobs: Vec<&JobState> = takers(state);
        let entries: Vec<Entry> = jobs.iter().map(|job| entry(state, fair, job)).collect();
        let bounds = Bounds { unfairness: self.unfairness(state), changes: Some(self.changes(state)) };
        // The size is bounded; the limit is only a safety net, in nodes so that a replay decides the same.
        let solver = BranchAndBound { limit: Limit::Nodes(MOST_NODES) };
        let counts = program::solve(&entries, &state.capacities(), &bounds, Tasks::Whole, &solver);
        let counts = counts.ok().flatten()?;
        let mut allocation = Allocation::empty(state);
        for (entry, pools) in entries.iter().zip(counts) {
            let mut placement = Placement::default();
            for (machine, (workers, servers)) in pools.into_iter().enumerate() {
                placement.add(MachineId(machine as u32), workers.round() as u32, servers.round() as u32);
            }
            if !allocation.fits(entry.job, &placement) {
                return None;
            }
            allocation.place(entry.job, &placement);
        }
        Some(allocation)
    }

    /// The relaxation, rounded.
    fn roughly(&self, state: &State, fair: &Allocation) -> Allocation {
        let kept = self.kept(state, fair);
        let mut allocation = Allocation::empty(state);
        kept.iter().for_each(|job| allocation.place(&job.job, &job.placement));
        let stays = |job: &JobState| kept.iter().any(|kept| kept.job.id == job.job.id);
        let free: Vec<&JobState> = takers(state).into_iter().filter(|job| !stays(job)).collect();
        let targets = self.targets(state, fair, &kept, &free, &allocation);
        let mut growing: Vec<(&Job, u32)> = Vec::new();
        for (job, target) in free.iter().zip(targets) {
            let same = job.placement.workers() == target && allocation.fits(&job.job, &job.placement);
            if same && target > 0 {
                allocation.place(&job.job, &job.placement);
            } else {
                growing.push((&job.job, target));
            }
        }
        fill(&mut allocation, &growing, |workers, target| workers < target);
        fill(&mut allocation, &growing, |_, _| true);
        allocation
    }

    /// How many workers the relaxation gives each of `free` beside those that are kept.
    fn targets(
        &self,
        state: &State,
        fair: &Allocation,
        kept: &[&JobState],
        free: &[&JobState],
        left: &Allocation,
    ) -> Vec<u32> {
        let pool = left.free.iter().fold(Resources::default(), |sum, free| sum.plus(free));
        let spent: f64 = kept.iter().map(|job| distance(state, fair, job)).sum();
        let bounds = Bounds { unfairness: (self.unfairness(state) - spent).max(0.0), changes: None };
        let entries: Vec<Entry> = free.iter().map(|job| entry(state, fair, job)).collect();
        let solved = program::solve(&entries, &[pool], &bounds, Tasks::Fractions, &Microlp).ok().flatten();
        let counts = |pools: Vec<(f64, f64)>| (pools[0].0 + 1e-6).floor() as u32;
        match solved {
            Some(solved) => solved.into_iter().map(counts).collect(),
            None => free.iter().map(|job| fair.workers(job.job.id)).collect(),
        }
    }

    /// Running jobs that keep their placement: all but the furthest from fair.
    fn kept<'a>(&self, state: &'a State, fair: &Allocation) -> Vec<&'a JobState> {
        let running = state.active().filter(|job| job.status == Status::Running);
        let mut running: Vec<(f64, &JobState)> =
            running.map(|job| (distance(state, fair, job), job)).collect();
        running.sort_by(|a, b| b.0.total_cmp(&a.0));
        running.into_iter().skip(self.changes(state) as usize).map(|(_, job)| job).collect()
    }
}

/// Dominant share of so many workers with their parts of servers.
fn share(state: &State, job: &Job, workers: u32) -> f64 {
    job.bundle().times(f64::from(workers)).dominant_share(state.cluster.total())
}

fn distance(state: &State, fair: &Allocation, job: &JobState) -> f64 {
    let ideal = share(state, &job.job, fair.workers(job.job.id));
    (ideal - share(state, &job.job, job.placement.workers())).abs()
}

fn entry<'a>(state: &State, fair: &Allocation, job: &'a JobState) -> Entry<'a> {
    let present = (job.status == Status::Running).then_some(&job.placement);
    Entry { job: &job.job, fair: share(state, &job.job, fair.workers(job.job.id)), present }
}

/// Jobs that take part: all whose smallest gangs fit beside those that came before them.
fn takers(state: &State) -> Vec<&JobState> {
    let mut allocation = Allocation::empty(state);
    state.active().filter(|job| grow(&mut allocation, &job.job).is_some()).collect()
}

/// Bundles one by one to the job with the smallest dominant share of those that want more.
fn fill(allocation: &mut Allocation, jobs: &[(&Job, u32)], wants: impl Fn(u32, u32) -> bool) {
    let whole = allocation.capacity.iter().fold(Resources::default(), |sum, one| sum.plus(one));
    let size = |allocation: &Allocation, job: &Job| {
        job.bundle().times(f64::from(allocation.workers(job.id))).dominant_share(&whole)
    };
    let mut growing: Vec<(f64, usize)> =
        jobs.iter().enumerate().map(|(at, (job, _))| (size(allocation, job), at)).collect();
    while let Some(next) = (0..growing.len()).min_by(|&a, &b| growing[a].0.total_cmp(&growing[b].0)) {
        let (job, target) = jobs[growing[next].1];
        let grows = wants(allocation.workers(job.id), target) && grow(allocation, job).is_some();
        if grows {
            growing[next].0 = size(allocation, job);
        } else {
            growing.remove(next);
        }
    }
}

impl Policy for Dorm {
    fn name(&self) -> &'static str {
        "dorm"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let changed = events.iter().any(|event| !matches!(event, Event::Slot { .. } | Event::Wake));
        if !changed || state.active.is_empty() {
            return Vec::new();
        }
        let fair = Drf::fill(state);
        // The program knows no job that may run on some machines only.
        let small = state.active.len() * state.cluster.machines().len() <= MOST_PAIRS
            && !state.active().any(|job| state.cluster.is_choosy(&job.job));
        let exact = if small { self.exactly(state, &fair) } else { None };
        exact.unwrap_or_else(|| self.roughly(state, &fair)).decisions(state)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        model::{Cluster, JobId},
        state::Physics,
    };

    /// Workers of 1 GPU and 1 core (A) and of 2 GPUs and 1 core (B).
    fn job(id: u32, gpus: f64) -> Arc<Job> {
        let text = r#"{"workload": 100, "batch": 8, "seconds_per_sample": 1, "worker": {"cpu": 1},
                       "workers": {"min": 1, "max": 8}}"#;
        let job: Job = serde_json::from_str(text).unwrap();
        Arc::new(Job { id: JobId(id), worker: Resources::new(gpus, 1.0, 0.0, 0.0), ..job })
    }

    /// Machines of 8 GPUs and 4 cores, A and B waiting.
    fn waiting(machines: usize) -> State {
        let cluster = Cluster::uniform(machines, Resources::new(8.0, 4.0, 0.0, 0.0)).unwrap();
        let mut state = State::new(Arc::new(cluster), Physics::default());
        state.observe(&Event::Arrival { job: job(0, 1.0) });
        state.observe(&Event::Arrival { job: job(1, 2.0) });
        state
    }

    fn decide(state: &mut State, dorm: &mut Dorm) -> Vec<u32> {
        let event = Event::Arrival { job: Arc::clone(&state.job(JobId(1)).job) };
        let decisions = dorm.decide(state, &[event]);
        state.apply("dorm", &decisions).unwrap();
        state.active().map(|job| job.placement.workers()).collect()
    }

    /// A worker of A uses 1/8 + 1/4 = 0.375 of the machine, one of B 2/8 + 1/4 = 0.5; a + b <= 4. Fair is (2, 2),
    /// used 1.75; one of each at least, so (1, 3) uses most, 1.875, at a distance of 1/4 + 1/4 from fair, and
    /// the bound is ceil(0.1 2 2) = 1.
    #[test]
    fn the_most_used_within_the_bound_wins() {
        assert_eq!(decide(&mut waiting(1), &mut Dorm::new(0.1, 1.0)), [1, 3]);
    }

    /// The same by the relaxation: it is whole here.
    #[test]
    fn the_relaxation_of_one_machine_agrees() {
        let state = waiting(1);
        let allocation = Dorm::new(0.1, 1.0).roughly(&state, &Drf::fill(&state));
        assert_eq!([0, 1].map(|id| allocation.workers(JobId(id))), [1, 3]);
    }

    /// Below a distance of 0.5 only (2, 2) is left.
    #[test]
    fn a_tight_bound_on_unfairness_binds() {
        let state = waiting(1);
        let fair = Drf::fill(&state);
        let jobs = takers(&state);
        let entries: Vec<Entry> = jobs.iter().map(|job| entry(&state, &fair, job)).collect();
        let solver = BranchAndBound { limit: Limit::Nodes(MOST_NODES) };
        let solve = |unfairness| {
            let bounds = Bounds { unfairness, changes: None };
            let counts = program::solve(&entries, &state.capacities(), &bounds, Tasks::Whole, &solver);
            counts.unwrap().unwrap().into_iter().map(|pools| pools[0].0.round()).collect::<Vec<_>>()
        };
        assert_eq!(solve(0.4), [2.0, 2.0]);
        assert_eq!(solve(0.5), [1.0, 3.0]);
    }

    /// From (2, 2), the best (1, 3) changes both jobs; where only one may change, nothing better can be had.
    #[test]
    fn no_more_running_jobs_change_than_may() {
        let from_fair = |adjustable| {
            let mut state = waiting(1);
            let fair = Drf::fill(&state).decisions(&state);
            state.apply("drf", &fair).unwrap();
            let workers = decide(&mut state, &mut Dorm::new(0.1, adjustable));
            (workers, state.active().map(|job| job.changes).collect::<Vec<_>>())
        };
        assert_eq!(from_fair(0.5), (vec![2, 2], vec![1, 1]));
        assert_eq!(from_fair(1.0), (vec![1, 3], vec![2, 2]));
    }

    /// Eight cores on two machines: (1, 7) uses most and lies 0.75 from the fair (4, 4), within 1.
    #[test]
    fn tasks_find_their_machines() {
        let mut state = waiting(2);
        assert_eq!(decide(&mut state, &mut Dorm::new(0.1, 1.0)), [1, 7]);
    }

    fn used(state: &State, allocation: &Allocation) -> f64 {
        let free = allocation.free.iter().fold(Resources::default(), |sum, free| sum.plus(free));
        let types = free.as_array().iter().zip(state.cluster.total().as_array());
        types.filter(|(_, whole)| **whole > 0.0).map(|(free, whole)| 1.0 - free / whole).sum()
    }

    fn unfair(state: &State, allocation: &Allocation) -> f64 {
        let fair = Drf::fill(state);
        let apart = |job: &JobState| {
            let [given, due] = [allocation, &fair].map(|all| share(state, &job.job, all.workers(job.job.id)));
            (given - due).abs()
        };
        state.active().map(apart).sum()
    }

    /// The program as it stands uses no less than its rounded relaxation wherever that keeps the bound, and both keep
    /// to the capacities, which [`Allocation`] would show as less than nothing free.
    #[test]
    fn the_exact_program_uses_no_less_than_its_rounded_relaxation() {
        let dorm = Dorm::new(0.1, 1.0);
        let mut solved = 0;
        for (machines, jobs) in [(1, 4), (2, 2), (4, 1), (1, 3)] {
            for seed in 1..=4 {
                let setting =
                    crate::setting::Setting { machines, jobs, ..crate::setting::Setting::calibrated() };
                let mut state = State::new(Arc::new(setting.cluster().unwrap()), Physics::default());
                for job in setting.draw(seed) {
                    state.observe(&Event::Arrival { job: Arc::new(job) });
                }
                let fair = Drf::fill(&state);
                let Some(exact) = dorm.exactly(&state, &fair) else { continue };
                solved += 1;
                let rough = dorm.roughly(&state, &fair);
                let nothing = Resources::default();
                assert!([&exact, &rough].iter().all(|all| all.free.iter().all(|free| free.fits(&nothing))));
                assert!(unfair(&state, &exact) <= dorm.unfairness(&state) + 1e-6, "seed {seed}");
                let (most, less) = (used(&state, &exact), used(&state, &rough));
                let comparable = unfair(&state, &rough) <= dorm.unfairness(&state);
                assert!(
                    !comparable || most >= less - 1e-6,
                    "{machines} machines, seed {seed}: {most} {less}"
                );
            }
        }
        assert!(solved >= 8, "only {solved} of 16 instances have a solution");
    }

    /// A worker of gamma 0.5 needs two servers: four workers have eight, more than there are workers.
    #[test]
    fn a_worker_may_have_several_servers() {
        let cluster = Cluster::uniform(1, Resources::new(8.0, 12.0, 0.0, 0.0)).unwrap();
        let mut state = State::new(Arc::new(cluster), Physics::default());
        let job = Job {
            workers_per_server: Some(0.5),
            server: Resources::new(0.0, 1.0, 0.0, 0.0),
            workers: crate::model::WorkerRange { min: 1, max: 4 },
            ..Job::clone(&job(0, 1.0))
        };
        state.observe(&Event::Arrival { job: Arc::new(job) });
        let fair = Drf::fill(&state);
        let dorm = Dorm::new(0.1, 1.0);
        for allocation in [dorm.exactly(&state, &fair).unwrap(), dorm.roughly(&state, &fair)] {
            assert_eq!(allocation.workers(JobId(0)), 4);
        }
    }
}
