//! A second set of books for every simulation.
//!
//! The [`State`](crate::state::State) checks what it is asked to do; the audit checks what came of it, from
//! events and decisions alone, so a defect of either shows. AUDIT-1: no machine ever hosts more of any
//! resource than it has, and nothing while it is down. AUDIT-2: no job completes before its placements could
//! have done its work, at the time within a slot that is given for it; what a job that cannot resume has done before it was stopped
//! does not count. AUDIT-3: the jobs of a queue never take more than its quota. AUDIT-4: no job starts before those that it comes
//! after. AUDIT-5: none runs for longer than it may. AUDIT-6: none is on a machine while that is reserved for others.
//! Each decision costs one pass over its shares, so the longest simulations are audited too.

use std::sync::Arc;

use crate::{
    error::{Error, Result},
    event::{Decision, Event},
    model::{Cluster, Job, JobId, MachineId, Placement, Queue, Resource, Resources},
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
    /// Seconds in earlier placements.
    executed: f64,
    /// Whether it ended with success, once it has ended.
    ended: Option<bool>,
}

impl Account {
    fn new(job: Arc<Job>, now: f64) -> Self {
        Self {
            job,
            placement: Placement::default(),
            rate: 0.0,
            since: now,
            offered: 0.0,
            executed: 0.0,
            ended: None,
        }
    }
}

/// The books.
#[derive(Debug)]
pub struct Audit {
    policy: &'static str,
    cluster: Cluster,
    /// What is left of the quotas, by queue.
    quotas: Vec<Resources>,
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
        Self {
            policy,
            cluster: cluster.clone(),
            quotas: cluster.queues().iter().map(Queue::room).collect(),
            used,
            up: vec![true; machines],
            accounts: Vec::new(),
            conserved: (0.0, 0.0),
        }
    }

    /// Samples that were offered to completed jobs, to each no more than it asked for, and what they asked
    /// for.
    pub fn conserved(&self) -> (f64, f64) {
        self.conserved
    }

    /// Books what happened.
    ///
    /// # Errors
    /// AUDIT-2, AUDIT-5, AUDIT-6.
    pub fn observe(&mut self, now: f64, events: &[Event]) -> Result<()> {
        for event in events {
            match event {
                Event::Arrival { job } => self.accounts.push(Account::new(Arc::clone(job), now)),
                Event::Completion { job, at } => self.complete(*at, *job)?,
                Event::Withdrawal { job } => self.leave(now, *job)?,
                Event::Timeout { job, at } => self.leave(*at, *job)?,
                Event::Failure { machine } => self.fail(now, *machine)?,
                Event::Recovery { machine } => self.up[machine.index()] = true,
                Event::Progress { .. } | Event::Slot { .. } | Event::Wake => {}
            }
        }
        Ok(())
    }

    /// Books what was decided.
    ///
    /// # Errors
    /// AUDIT-1, and AUDIT-3 to AUDIT-6.
    pub fn decide(&mut self, now: f64, cluster: &Cluster, decisions: &[Decision]) -> Result<()> {
        for decision in decisions {
            match decision {
                Decision::Place { job, .. } | Decision::Preempt { job } => self.stop(now, *job)?,
                Decision::Reject { job, .. } => self.accounts[job.index()].ended = Some(false),
                _ => {}
            }
        }
        let places = decisions.iter().filter_map(|decision| match decision {
            Decision::Place { job, placement } => Some((*job, placement)),
            _ => None,
        });
        for (id, placement) in places {
            self.may_start(now, id)?;
            let queue = self.queue(id);
            let account = &mut self.accounts[id.index()];
            account.ended = None;
            account.rate = cluster.rate(&account.job, placement);
            account.since = now;
            account.placement.clone_from(placement);
            for share in placement.shares() {
                let demand = share.demand(&account.job);
                self.used[share.machine.index()].add(&demand, 1.0);
                if let Some(queue) = queue {
                    self.quotas[queue].add(&demand, -1.0);
                }
            }
            for share in placement.shares() {
                self.check(now, cluster, share.machine)?;
            }
        }
        self.within_quotas(now)
    }

    /// Books what runs until the end.
    ///
    /// # Errors
    /// AUDIT-5, AUDIT-6.
    pub fn close(&mut self, now: f64) -> Result<()> {
        (0..self.accounts.len()).try_for_each(|at| self.vacate(now, JobId(at as u32)))
    }

    fn broken(&self, now: f64, what: String) -> Error {
        Error::Rule { policy: self.policy.into(), now, what }
    }

    fn queue(&self, id: JobId) -> Option<usize> {
        let name = &self.accounts[id.index()].job.queue;
        self.cluster.queues().iter().position(|queue| queue.name == *name)
    }

    fn within_quotas(&self, now: f64) -> Result<()> {
        for (queue, left) in self.cluster.queues().iter().zip(&self.quotas) {
            let over =
                |kind: &Resource| left[*kind] < -SLACK * (1.0 + queue.quota.get(kind.name()).unwrap_or(&0.0));
            if let Some(kind) = Resource::ALL.into_iter().find(over) {
                let (name, kind, over) = (&queue.name, kind.name(), -left[kind]);
                return Err(
                    self.broken(now, format!("queue `{name}` has {over} of {kind} more than its quota"))
                );
            }
        }
        Ok(())
    }

    /// A job that has not run yet starts after those that it names.
    fn may_start(&self, now: f64, id: JobId) -> Result<()> {
        let Account { job, executed, .. } = &self.accounts[id.index()];
        if *executed > 0.0 {
            return Ok(());
        }
        let named = |name: &String| {
            let ids = (0..self.accounts.len()).filter(|at| self.accounts[*at].job.name == *name);
            let (before, behind): (Vec<usize>, Vec<usize>) = ids.partition(|at| *at < id.index());
            before.last().or(behind.first()).map(|at| self.accounts[*at].ended)
        };
        let early = job.after.iter().find(|name| named(name) != Some(Some(true)));
        let early = early.or_else(|| job.after_any.iter().find(|name| !matches!(named(name), Some(Some(_)))));
        match early {
            Some(name) => {
                Err(self.broken(now, format!("job {} starts before `{name}` has ended", job.label())))
            }
            None => Ok(()),
        }
    }

    /// Stopped by a decision: what it has done is lost if it cannot resume.
    fn stop(&mut self, now: f64, id: JobId) -> Result<()> {
        self.vacate(now, id)?;
        let account = &mut self.accounts[id.index()];
        if !account.job.resume {
            account.offered = 0.0;
        }
        Ok(())
    }

    /// Ended without success.
    fn leave(&mut self, now: f64, id: JobId) -> Result<()> {
        self.accounts[id.index()].ended = Some(false);
        self.vacate(now, id)
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
        self.vacate(now, id)?;
        self.accounts[id.index()].ended = Some(true);
        let Account { job, offered, .. } = &self.accounts[id.index()];
        if *offered < job.workload * (1.0 - SLACK) {
            let policy = self.policy.into();
            return Err(Error::Unfinished { policy, now, job: id, done: *offered, workload: job.workload });
        }
        self.conserved.0 += offered.min(job.workload);
        self.conserved.1 += job.workload;
        Ok(())
    }

    fn fail(&mut self, now: f64, machine: MachineId) -> Result<()> {
        self.up[machine.index()] = false;
        let hit = |account: &Account| account.placement.shares().iter().any(|share| share.machine == machine);
        let victims: Vec<_> = (0..self.accounts.len()).filter(|&at| hit(&self.accounts[at])).collect();
        victims.into_iter().try_for_each(|at| self.stop(now, JobId(at as u32)))
    }

    fn vacate(&mut self, now: f64, id: JobId) -> Result<()> {
        let queue = self.queue(id);
        let account = &mut self.accounts[id.index()];
        let held = if account.placement.is_empty() { 0.0 } else { now - account.since };
        account.offered += account.rate * held;
        account.executed += held;
        account.rate = 0.0;
        let placement = std::mem::take(&mut account.placement);
        for share in placement.shares() {
            let demand = share.demand(&account.job);
            self.used[share.machine.index()].add(&demand, -1.0);
            if let Some(queue) = queue {
                self.quotas[queue].add(&demand, 1.0);
            }
        }
        let Account { job, executed, since, .. } = &self.accounts[id.index()];
        let limit = self.cluster.limit(job);
        if *executed > limit + SLACK * (1.0 + limit) {
            let what = format!("job {} has run for {executed} s, it may for {limit} s", job.label());
            return Err(self.broken(now, what));
        }
        self.kept_away(now, job, &placement, *since)
    }

    /// Nobody was where others had a reservation.
    fn kept_away(&self, now: f64, job: &Job, placement: &Placement, since: f64) -> Result<()> {
        let others = self.cluster.reservations().iter().filter(|reservation| !reservation.admits(&job.queue));
        for reservation in others {
            let there = now.min(reservation.until) - since.max(reservation.from);
            let on = placement.shares().iter().find(|share| reservation.machines.contains(&share.machine));
            if let Some(share) = on.filter(|_| there > SLACK * (1.0 + now)) {
                let (job, machine, name) = (job.label(), share.machine, &reservation.name);
                let what =
                    format!("job {job} was on machine {machine} for {there} s of the reservation `{name}`");
                return Err(self.broken(now, what));
            }
        }
        Ok(())
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
