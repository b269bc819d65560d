//! A second set of books for every simulation.
//!
//! The [`State`](crate::state::State) checks what it is asked to do; the audit checks what came of it, from
//! events and decisions alone, so a defect of either shows. AUDIT-1: no machine ever hosts more of any
//! resource than it has, and nothing while it is down. AUDIT-2: no job completes before its placements could
//! have done its work, at the time within a slot that is given for it. Each decision costs one pass over its shares, so the longest simulations are audited
//! too.

use std::sync::Arc;

use crate::{
    error::{Error, Result},
    event::{Decision, Event},
    model::{Cluster, Job, JobId, MachineId, Placement, Resource, Resources},
};

/// What rounding may add up to, as a share of the whole.
const SLACK: f64 = 1e-6;

/// One job's books.
#[derive(Debug)]
struct Account {
    job: Arc<Job>,
    placement: Placement,
    /// Samples per second there, with links of its own.
    rate: f64,
    /// Since when, in seconds.
    since: f64,
    /// Samples that earlier placements could have done.
    offered: f64,
}

/// The books.
#[derive(Debug)]
pub struct Audit {
    policy: &'static str,
    used: Vec<Resources>,
    up: Vec<bool>,
    accounts: Vec<Account>,
    conserved: (f64, f64),
}

impl Audit {
    /// An idle cluster.
    pub fn new(cluster: &Cluster, policy: &'static str) -> Self {
        let machines = cluster.machines().len();
        let used = vec![Resources::default(); machines];
        Self { policy, used, up: vec![true; machines], accounts: Vec::new(), conserved: (0.0, 0.0) }
    }

    /// Samples that were offered to completed jobs, to each no more than it asked for, and what they asked
    /// for.
    pub fn conserved(&self) -> (f64, f64) {
        self.conserved
    }

    /// Books what happened.
    ///
    /// # Errors
    /// AUDIT-2.
    pub fn observe(&mut self, now: f64, events: &[Event]) -> Result<()> {
        for event in events {
            match event {
                Event::Arrival { job } => self.accounts.push(Account {
                    job: Arc::clone(job),
                    placement: Placement::default(),
                    rate: 0.0,
                    since: now,
                    offered: 0.0,
                }),
                Event::Completion { job, at } => self.complete(*at, *job)?,
                Event::Withdrawal { job } => self.vacate(now, *job),
                Event::Failure { machine } => self.fail(now, *machine),
                Event::Recovery { machine } => self.up[machine.index()] = true,
                Event::Progress { .. } | Event::Slot { .. } | Event::Wake => {}
            }
        }
        Ok(())
    }

    /// Books what was decided.
    ///
    /// # Errors
    /// AUDIT-1.
    pub fn decide(&mut self, now: f64, cluster: &Cluster, decisions: &[Decision]) -> Result<()> {
        for decision in decisions {
            if let Decision::Place { job, .. } | Decision::Preempt { job } = decision {
                self.vacate(now, *job);
            }
        }
        let places = decisions.iter().filter_map(|decision| match decision {
            Decision::Place { job, placement } => Some((*job, placement)),
            _ => None,
        });
        for (id, placement) in places {
            let account = &mut self.accounts[id.index()];
            account.rate = cluster.rate(&account.job, placement);
            account.since = now;
            account.placement.clone_from(placement);
            for share in placement.shares() {
                self.used[share.machine.index()].add(&share.demand(&account.job), 1.0);
            }
            for share in placement.shares() {
                self.check(now, cluster, share.machine)?;
            }
        }
        Ok(())
    }

    fn check(&self, now: f64, cluster: &Cluster, machine: MachineId) -> Result<()> {
        let nothing = Resources::default();
        let capacity = if self.up[machine.index()] { cluster.capacity(machine) } else { &nothing };
        let used = &self.used[machine.index()];
        let over = |kind: &Resource| used[*kind] > capacity[*kind] + SLACK * (1.0 + capacity[*kind]);
        match Resource::ALL.into_iter().find(over) {
            None => Ok(()),
            Some(kind) => Err(Error::Overbooked {
                policy: self.policy.into(),
                now,
                machine,
                kind: kind.name(),
                used: used[kind],
                capacity: capacity[kind],
            }),
        }
    }

    fn complete(&mut self, now: f64, id: JobId) -> Result<()> {
        self.vacate(now, id);
        let Account { job, offered, .. } = &self.accounts[id.index()];
        if *offered < job.workload * (1.0 - SLACK) {
            let policy = self.policy.into();
            return Err(Error::Unfinished { policy, now, job: id, done: *offered, workload: job.workload });
        }
        self.conserved.0 += offered.min(job.workload);
        self.conserved.1 += job.workload;
        Ok(())
    }

    fn fail(&mut self, now: f64, machine: MachineId) {
        self.up[machine.index()] = false;
        let hit = |account: &Account| account.placement.shares().iter().any(|share| share.machine == machine);
        let victims: Vec<_> = (0..self.accounts.len()).filter(|&at| hit(&self.accounts[at])).collect();
        victims.into_iter().for_each(|at| self.vacate(now, JobId(at as u32)));
    }

    fn vacate(&mut self, now: f64, id: JobId) {
        let account = &mut self.accounts[id.index()];
        account.offered += account.rate * (now - account.since);
        account.rate = 0.0;
        for share in account.placement.shares() {
            self.used[share.machine.index()].add(&share.demand(&account.job), -1.0);
        }
        account.placement = Placement::default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Audit;
    use crate::{Cluster, Decision, Event, Job, JobId, MachineId, Placement, Resources, setting::Setting};

    fn job(id: u32) -> Arc<Job> {
        let drawn = Setting::calibrated().draw(1).remove(0);
        let worker = Resources::new(2.0, 1.0, 1.0, 0.0);
        Arc::new(Job {
            id: JobId(id),
            worker,
            workers_per_server: None,
            seconds_per_sample: 1.0,
            workload: 100.0,
            ..drawn
        })
    }

    fn place(id: u32, workers: u32) -> Decision {
        Decision::Place { job: JobId(id), placement: Placement::single(MachineId(0), workers, 0) }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let cluster = Cluster::uniform(1, Resources::new(8.0, 8.0, 8.0, 0.0)).unwrap();
        let mut audit = Audit::new(&cluster, "greedy");
        audit.observe(0.0, &[0, 1].map(|id| Event::Arrival { job: job(id) })).unwrap();
        audit.decide(0.0, &cluster, &[place(0, 3)]).unwrap();
        // Jobs that leave in the same breath make room whatever the order of the decisions.
        audit.decide(1.0, &cluster, &[place(1, 4), Decision::Preempt { job: JobId(0) }]).unwrap();
        let error = audit.decide(2.0, &cluster, &[place(0, 1)]).unwrap_err().to_string();
        assert_eq!(error, "policy `greedy` at time 2: machine m0 hosts 10 of gpu, it has 8");
        let mut audit = Audit::new(&cluster, "greedy");
        audit
            .observe(0.0, &[Event::Arrival { job: job(0) }, Event::Failure { machine: MachineId(0) }])
            .unwrap();
        let error = audit.decide(0.0, &cluster, &[place(0, 1)]).unwrap_err().to_string();
        assert!(error.ends_with("machine m0 hosts 2 of gpu, it has 0"), "{error}");
    }

    #[test]
    fn work_out_of_nothing_is_named() {
        let cluster = Cluster::uniform(1, Resources::new(8.0, 8.0, 8.0, 0.0)).unwrap();
        let run = |until: f64| {
            let mut audit = Audit::new(&cluster, "hasty");
            audit.observe(0.0, &[Event::Arrival { job: job(0) }]).unwrap();
            audit.decide(0.0, &cluster, &[place(0, 2)]).unwrap();
            // Two workers, one sample a second each: 50 seconds.
            audit
                .observe(until.max(50.0), &[Event::Completion { job: JobId(0), at: until }])
                .map(|()| audit.conserved())
        };
        assert_eq!(run(60.0).unwrap(), (100.0, 100.0));
        let error = run(40.0).unwrap_err().to_string();
        assert_eq!(error, "policy `hasty` at time 40: job j0 completed with 80 of its 100 samples done");
    }
}
