//! A complete wish of who runs where, and the decisions that lead from the present state to it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::Decision;
use crate::{
    model::{Cluster, Job, JobId, MachineId, Placement, Resources},
    state::{State, Status},
};

/// Placements by job, and the room that they leave.
#[derive(Debug, Clone)]
pub struct Allocation {
    /// Who runs where.
    pub placements: BTreeMap<JobId, Placement>,
    /// What is left on each machine.
    pub free: Vec<Resources>,
    /// What each machine offers in all.
    pub capacity: Vec<Resources>,
    /// The machines, which say who may run where.
    pub cluster: Arc<Cluster>,
}

impl Allocation {
    /// Nobody runs on the machines that are up.
    pub fn empty(state: &State) -> Self {
        let capacity = state.capacities();
        let cluster = Arc::clone(&state.cluster);
        Self { placements: BTreeMap::new(), free: capacity.clone(), capacity, cluster }
    }

    /// What runs now.
    pub fn present(state: &State) -> Self {
        let running = state.active().filter(|job| job.status == Status::Running);
        let placements = running.map(|job| (job.job.id, job.placement.clone())).collect();
        Self { placements, ..Self::beside(state) }
    }

    /// Nobody yet beside what runs now.
    pub fn beside(state: &State) -> Self {
        let (capacity, cluster) = (state.capacities(), Arc::clone(&state.cluster));
        Self { placements: BTreeMap::new(), free: state.free(), capacity, cluster }
    }

    /// What is left for a job on each machine: nothing where it may not run.
    pub fn free_for(&self, job: &Job) -> Cow<'_, [Resources]> {
        self.cluster.mask(job, &self.free)
    }

    /// What each machine offers a job in all.
    pub fn capacity_for(&self, job: &Job) -> Cow<'_, [Resources]> {
        self.cluster.mask(job, &self.capacity)
    }

    /// Adds tasks of a job on a machine; the caller has checked that they fit.
    pub fn add(&mut self, job: &Job, machine: MachineId, workers: u32, servers: u32) {
        let free = &mut self.free[machine.index()];
        free.add(&job.worker, -f64::from(workers));
        free.add(&job.server, -f64::from(servers));
        self.placements.entry(job.id).or_default().add(machine, workers, servers);
    }

    /// Takes tasks of a job off a machine.
    pub fn take_back(&mut self, job: &Job, machine: MachineId, workers: u32, servers: u32) {
        let free = &mut self.free[machine.index()];
        free.add(&job.worker, f64::from(workers));
        free.add(&job.server, f64::from(servers));
        if let Some(placement) = self.placements.get_mut(&job.id) {
            placement.remove(machine, workers, servers);
            if placement.is_empty() {
                self.placements.remove(&job.id);
            }
        }
    }

    /// Sets a job's whole placement; it had none.
    pub fn place(&mut self, job: &Job, placement: &Placement) {
        for share in placement.shares() {
            self.add(job, share.machine, share.workers, share.servers);
        }
    }

    /// Whether a placement fits into what is left.
    pub fn fits(&self, job: &Job, placement: &Placement) -> bool {
        placement.shares().iter().all(|share| self.free[share.machine.index()].fits(&share.demand(job)))
    }

    /// Takes a job off.
    pub fn remove(&mut self, job: &Job) -> Option<Placement> {
        let placement = self.placements.remove(&job.id)?;
        for share in placement.shares() {
            self.free[share.machine.index()].add(&share.demand(job), 1.0);
        }
        Some(placement)
    }

    /// The workers of a job.
    pub fn workers(&self, job: JobId) -> u32 {
        self.placements.get(&job).map_or(0, Placement::workers)
    }

    /// The changes from the present state to this allocation; jobs that stay as they are do not appear.
    pub fn decisions(self, state: &State) -> Vec<Decision> {
        let stops = state.active().filter(|job| job.status == Status::Running);
        let stops = stops.map(|job| job.job.id).filter(|id| !self.placements.contains_key(id));
        let mut decisions: Vec<_> = stops.map(|job| Decision::Preempt { job }).collect();
        let moves =
            self.placements.into_iter().filter(|(id, placement)| state.job(*id).placement != *placement);
        decisions.extend(moves.map(|(job, placement)| Decision::Place { job, placement }));
        decisions
    }
}
