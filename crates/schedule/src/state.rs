//! What a scheduler knows at one time: the cluster, which machines are up, and every job that has arrived.
//!
//! The simulator and a replayed log drive the same `State`, as a live daemon would: time passes with
//! [`State::advance`], events come in with [`State::observe`], decisions are applied with [`State::apply`],
//! which refuses whatever would exceed a capacity. Invariants: STATE-1 no machine ever hosts more than its
//! capacity; STATE-2 the work done on a job never exceeds its workload; STATE-3 a running job has a gang
//! within its range and enough servers for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    event::{Decision, Event},
    model::{Cluster, Job, JobId, MachineId, Placement, Resources, WorkerRange},
};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Waiting.
    Pending,
    /// Placed.
    Running,
    /// Done.
    Completed,
    /// Turned down; a later placement takes it back.
    Rejected,
    /// Gone without being done.
    Withdrawn,
    /// Ended because it had run for as long as it may.
    TimedOut,
}

/// When a job loses its restart time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overhead {
    /// After it starts, moves or changes size.
    #[default]
    OnChange,
    /// In every interval between two events of the cluster that ends with neither its completion: the rule of
    /// the Tiresias and Muri simulators.
    PerEvent,
    /// Never: the idealised elastic reallocation of the PD-ORS comparison.
    Never,
}

/// Whether distributed jobs on one machine share its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contention {
    /// Every job has its external bandwidth to itself, as in the paper.
    #[default]
    None,
    /// The external bandwidth is divided by the number of distributed jobs on the job's busiest machine.
    SharedLinks,
}

/// Periodic checkpoints; a failure throws a job back to its last one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Checkpoints {
    /// Seconds between two.
    pub every: f64,
    /// Seconds that writing one takes.
    pub cost: f64,
}

/// The physics of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Physics {
    /// Restart time.
    pub overhead: Overhead,
    /// Link sharing.
    pub contention: Contention,
    /// Checkpoints; none: they are free and continuous.
    pub checkpoints: Option<Checkpoints>,
}

impl Physics {
    /// The share of a running job's time that is not spent on writing checkpoints.
    fn pace(&self) -> f64 {
        self.checkpoints.map_or(1.0, |Checkpoints { every, cost }| every / (every + cost))
    }
}

/// One job that has arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobState {
    /// Its description.
    pub job: Arc<Job>,
    /// Where it stands.
    pub status: Status,
    /// Samples left.
    pub remaining: f64,
    /// Worker-seconds received.
    pub attained: f64,
    /// Seconds in which it held workers.
    pub executed: f64,
    /// Where it runs now.
    pub placement: Placement,
    /// First start, in seconds.
    pub started: Option<f64>,
    /// Completion, in seconds.
    pub finished: Option<f64>,
    /// Starts, moves and resizes.
    pub changes: u32,
    /// Whether it was ever admitted.
    pub admitted: bool,
    /// Samples per second at the present placement, checkpoints counted.
    pub rate: f64,
    /// Seconds of restart still to sit out.
    stall: f64,
    /// Samples left at the last checkpoint, and seconds of progress since.
    saved: (f64, f64),
}

impl JobState {
    /// When it completes if nothing changes.
    pub fn due(&self, now: f64) -> f64 {
        if self.rate > 0.0 { now + self.stall + self.remaining / self.rate } else { f64::INFINITY }
    }

    /// The work that it is believed to have left: what is known, or the rest of an estimate; when an estimate
    /// has run out, half of what was done so far once more.
    pub fn believed_left(&self) -> f64 {
        let Some(estimate) = self.job.estimate else { return self.remaining };
        let done = self.job.workload - self.remaining;
        if done < estimate * (1.0 - 1e-9) { estimate - done } else { 0.5 * done }
    }

    /// Whether it will never run again.
    pub fn has_left(&self) -> bool {
        matches!(self.status, Status::Completed | Status::Withdrawn | Status::TimedOut)
    }

    /// Whether it has to stay as it is.
    pub fn is_kept(&self) -> bool {
        self.status == Status::Running && !self.job.resume
    }

    /// Whether it still wants to run.
    pub fn is_active(&self) -> bool {
        matches!(self.status, Status::Pending | Status::Running)
    }
}

/// In what a policy is shown less than there is.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// Jobs that may not run now, and why: to the policy they have left, or have not come.
    pub held: BTreeMap<JobId, String>,
    /// Jobs that must leave the place where they run: to the policy they wait.
    pub displaced: BTreeSet<JobId>,
    /// Jobs that may have fewer workers, or fewer machines, than they ask for.
    pub jobs: BTreeMap<JobId, Arc<Job>>,
    /// The machines.
    pub cluster: Arc<Cluster>,
}

/// Everything a policy may look at. What is saved is what is loaded, to the last bit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Seconds since the start.
    pub now: f64,
    /// The machines.
    pub cluster: Arc<Cluster>,
    /// Jobs by id, as far as they have arrived.
    pub jobs: Vec<JobState>,
    /// Pending and running jobs, in order of arrival.
    pub active: Vec<JobId>,
    up: Vec<bool>,
    used: Vec<Resources>,
    physics: Physics,
}

impl State {
    /// An idle cluster at time zero.
    pub fn new(cluster: Arc<Cluster>, physics: Physics) -> Self {
        let machines = cluster.machines().len();
        let used = vec![Resources::default(); machines];
        Self {
            now: 0.0,
            cluster,
            jobs: Vec::new(),
            active: Vec::new(),
            up: vec![true; machines],
            used,
            physics,
        }
    }

    /// The rules by which jobs work.
    pub fn physics(&self) -> &Physics {
        &self.physics
    }

    /// One job.
    pub fn job(&self, id: JobId) -> &JobState {
        &self.jobs[id.index()]
    }

    /// Pending and running jobs.
    pub fn active(&self) -> impl Iterator<Item = &JobState> {
        self.active.iter().map(|id| self.job(*id))
    }

    /// Whether a machine is up.
    pub fn is_up(&self, machine: MachineId) -> bool {
        self.up[machine.index()]
    }

    /// What each machine offers in all: zero while it is down.
    pub fn capacities(&self) -> Vec<Resources> {
        let offer =
            |id: MachineId| if self.is_up(id) { *self.cluster.capacity(id) } else { Resources::default() };
        self.cluster.ids().map(offer).collect()
    }

    /// What is free on each machine now.
    pub fn free(&self) -> Vec<Resources> {
        let mut free = self.capacities();
        for (free, used) in free.iter_mut().zip(&self.used) {
            free.add(used, -1.0);
        }
        free
    }

    /// What is used on each machine now.
    pub fn used(&self) -> &[Resources] {
        &self.used
    }

    /// When a running job has had all the time that it may run, if nothing changes; never without a limit.
    pub fn expires(&self, job: &JobState) -> f64 {
        if job.status != Status::Running {
            return f64::INFINITY;
        }
        self.now + (self.cluster.limit(&job.job) - job.executed).max(0.0)
    }

    /// Becomes what a policy is shown of `real`.
    ///
    /// Only jobs that are active in either, or new, are looked at: others do not change.
    pub(crate) fn mirror(&mut self, real: &Self, shown: &Shown) {
        let fresh = self.jobs.len()..real.jobs.len();
        let mut stale: BTreeSet<usize> =
            self.active.iter().chain(&real.active).map(|id| id.index()).collect();
        stale.extend(fresh);
        self.used.clone_from(&real.used);
        for at in stale {
            let mut job = real.jobs[at].clone();
            let id = job.job.id;
            let held = shown.held.contains_key(&id);
            if held || shown.displaced.contains(&id) {
                for share in job.placement.shares() {
                    self.used[share.machine.index()].add(&share.demand(&job.job), -1.0);
                }
                job.placement = Placement::default();
                job.rate = 0.0;
                job.status = if held { Status::Withdrawn } else { Status::Pending };
            }
            if let Some(other) = shown.jobs.get(&id) {
                job.job = Arc::clone(other);
            }
            if at < self.jobs.len() { self.jobs[at] = job } else { self.jobs.push(job) }
        }
        self.active = real.active.iter().copied().filter(|id| !shown.held.contains_key(id)).collect();
        self.now = real.now;
        self.cluster = Arc::clone(&shown.cluster);
        self.up.clone_from(&real.up);
        self.physics = real.physics;
    }

    /// Lets running jobs work until `now`.
    pub fn advance(&mut self, now: f64) {
        let elapsed = now - self.now;
        self.now = now;
        for index in 0..self.active.len() {
            let state = &mut self.jobs[self.active[index].index()];
            if state.status == Status::Running && elapsed > 0.0 {
                work(state, elapsed, &self.physics);
            }
        }
    }

    /// Checks an event that comes from outside, such as a file, before it is observed.
    ///
    /// # Errors
    /// A job or machine that this state does not know, a job out of turn or with invalid fields.
    pub fn check(&self, event: &Event) -> Result<()> {
        let known = match event {
            Event::Arrival { job } => {
                self.cluster.admits(job)?;
                job.id.index() == self.jobs.len()
            }
            Event::Completion { job, at } => {
                *at <= self.now && self.jobs.get(job.index()).is_some_and(JobState::is_active)
            }
            Event::Timeout { job, at } => {
                *at <= self.now && self.jobs.get(job.index()).is_some_and(JobState::is_active)
            }
            Event::Withdrawal { job } => self.jobs.get(job.index()).is_some_and(|job| !job.has_left()),
            Event::Progress { job, samples } => {
                *samples >= 0.0 && self.jobs.get(job.index()).is_some_and(JobState::is_active)
            }
            Event::Failure { machine } | Event::Recovery { machine } => machine.index() < self.up.len(),
            Event::Slot { .. } | Event::Wake => true,
        };
        let what = || format!("{event:?} does not fit the present state");
        known.then_some(()).ok_or_else(|| Error::Decision {
            policy: "events".into(),
            now: self.now,
            what: what(),
        })
    }

    /// Takes note of an event.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Arrival { job } => self.arrive(job),
            Event::Completion { job, at } => self.complete(*job, *at),
            Event::Withdrawal { job } => self.leave(*job, Status::Withdrawn),
            Event::Timeout { job, .. } => self.leave(*job, Status::TimedOut),
            Event::Progress { job, samples } => self.report(*job, *samples),
            Event::Failure { machine } => self.fail(*machine),
            Event::Recovery { machine } => self.up[machine.index()] = true,
            Event::Slot { .. } | Event::Wake => {}
        }
    }

    fn arrive(&mut self, job: &Arc<Job>) {
        debug_assert_eq!(job.id.index(), self.jobs.len(), "jobs are numbered in order of arrival");
        self.active.push(job.id);
        self.jobs.push(JobState {
            status: Status::Pending,
            remaining: job.workload,
            attained: 0.0,
            executed: 0.0,
            placement: Placement::default(),
            started: None,
            finished: None,
            changes: 0,
            admitted: false,
            rate: 0.0,
            stall: 0.0,
            saved: (job.workload, 0.0),
            job: Arc::clone(job),
        });
    }

    /// Takes a job's own word, `samples` done in all, for what was reckoned from its speed.
    pub fn report(&mut self, id: JobId, samples: f64) {
        let state = &mut self.jobs[id.index()];
        state.remaining = (state.job.workload - samples).clamp(0.0, state.job.workload);
    }

    fn complete(&mut self, id: JobId, at: f64) {
        self.vacate(id);
        let state = &mut self.jobs[id.index()];
        state.status = Status::Completed;
        state.remaining = 0.0;
        state.finished = Some(at);
        self.active.retain(|&other| other != id);
    }

    fn leave(&mut self, id: JobId, status: Status) {
        self.vacate(id);
        self.jobs[id.index()].status = status;
        self.active.retain(|&other| other != id);
    }

    fn fail(&mut self, machine: MachineId) {
        self.up[machine.index()] = false;
        let hit = |id: &JobId| self.job(*id).placement.shares().iter().any(|share| share.machine == machine);
        let victims: Vec<JobId> = self.active.iter().copied().filter(hit).collect();
        for id in victims {
            self.vacate(id);
            let state = &mut self.jobs[id.index()];
            state.status = Status::Pending;
            state.remaining = if state.job.resume { state.saved.0 } else { state.job.workload };
            state.saved.1 = 0.0;
        }
    }

    /// Whoever is stopped and cannot resume has nothing done.
    fn requeue(&mut self, id: JobId) {
        let state = &mut self.jobs[id.index()];
        if state.is_kept() {
            state.remaining = state.job.workload;
            state.saved = (state.job.workload, 0.0);
        }
    }

    fn vacate(&mut self, id: JobId) {
        let state = &mut self.jobs[id.index()];
        for share in state.placement.shares() {
            self.used[share.machine.index()].add(&share.demand(&state.job), -1.0);
        }
        state.placement = Placement::default();
        state.rate = 0.0;
    }

    /// Applies decisions all at once.
    ///
    /// # Errors
    /// A decision about an unknown or finished job, a gang outside its range, too few servers, a machine that
    /// is down or full. They are defects of the policy.
    pub fn apply(&mut self, policy: &str, decisions: &[Decision]) -> Result<()> {
        let wrong = |now: f64, what: String| Error::Decision { policy: policy.into(), now, what };
        let now = self.now;
        for decision in decisions {
            let Some(id) = decision.job() else { continue };
            let known = self.jobs.get(id.index()).is_some_and(|state| !state.has_left());
            if !known {
                return Err(wrong(now, format!("job {id} is unknown or finished")));
            }
            // Everything that moves leaves first, so that the order of decisions does not matter.
            if matches!(decision, Decision::Place { .. } | Decision::Preempt { .. }) {
                self.requeue(id);
                self.vacate(id);
            }
        }
        for decision in decisions {
            match decision {
                Decision::Admit { job } => self.jobs[job.index()].admitted = true,
                Decision::Reject { job, .. } => {
                    self.jobs[job.index()].status = Status::Rejected;
                    self.active.retain(|other| other != job);
                }
                Decision::Preempt { job } => self.jobs[job.index()].status = Status::Pending,
                Decision::Place { job, placement } => {
                    self.place(*job, placement).map_err(|what| wrong(now, what))?
                }
                Decision::WakeAt { .. } => {}
            }
        }
        if self.physics.contention == Contention::SharedLinks {
            self.share_links();
        }
        Ok(())
    }

    fn place(&mut self, id: JobId, placement: &Placement) -> std::result::Result<(), String> {
        let state = &mut self.jobs[id.index()];
        let (workers, range) = (placement.workers(), state.job.workers);
        if workers < range.min || workers > range.max {
            return Err(format!(
                "job {id} got {workers} workers, allowed are {} to {}",
                range.min, range.max
            ));
        }
        if placement.servers() < state.job.servers_for(workers) {
            return Err(format!("job {id} got {} servers for {workers} workers", placement.servers()));
        }
        for share in placement.shares() {
            let machine = share.machine;
            let used = &mut self.used[machine.index()];
            used.add(&share.demand(&state.job), 1.0);
            if !self.up[machine.index()] {
                return Err(format!("job {id} may not run on machine {machine}: it is down"));
            }
            if share.workers > 0 && !self.cluster.allows(&state.job, machine) {
                return Err(format!(
                    "job {id} may not run on machine {machine}: its needs or speeds forbid it"
                ));
            }
            if let Some((kind, used, has)) = self.cluster.capacity(machine).lacks(used) {
                let kind = kind.name();
                return Err(format!(
                    "job {id} does not fit on machine {machine}: {used} of {kind}, it has {has}"
                ));
            }
        }
        if state.status == Status::Rejected {
            let at = self.active.partition_point(|other| *other < id);
            self.active.insert(at, id);
        }
        if !state.job.resume && range.min < range.max {
            // It never changes size again, so from here on policies see a gang of that size.
            Arc::make_mut(&mut state.job).workers = WorkerRange::exactly(workers);
        }
        state.status = Status::Running;
        state.admitted = true;
        state.started.get_or_insert(self.now);
        state.changes += 1;
        state.stall = if self.physics.overhead == Overhead::OnChange { state.job.restart } else { 0.0 };
        state.rate = self.cluster.rate(&state.job, placement) * self.physics.pace();
        state.placement = placement.clone();
        Ok(())
    }

    /// Divides external bandwidth by the number of distributed jobs on a job's busiest machine.
    fn share_links(&mut self) {
        let mut jobs_on = vec![0_u32; self.up.len()];
        let spread = |state: &JobState| state.placement.shares().len() > 1;
        for state in self.active.iter().map(|id| &self.jobs[id.index()]).filter(|state| spread(state)) {
            for share in state.placement.shares() {
                jobs_on[share.machine.index()] += 1;
            }
        }
        for id in &self.active {
            let state = &mut self.jobs[id.index()];
            if spread(state) {
                let busiest =
                    state.placement.shares().iter().map(|share| jobs_on[share.machine.index()]).max();
                let mut slowed = Job::clone(&state.job);
                slowed.external_gbps /= f64::from(busiest.unwrap_or(1).max(1));
                state.rate = self.cluster.rate(&slowed, &state.placement) * self.physics.pace();
            }
        }
    }
}

/// Progress of a running job over `elapsed` seconds.
fn work(state: &mut JobState, elapsed: f64, physics: &Physics) {
    let lost = match physics.overhead {
        Overhead::OnChange => state.stall.min(elapsed),
        Overhead::PerEvent => state.job.restart.min(elapsed),
        Overhead::Never => 0.0,
    };
    state.stall = (state.stall - elapsed).max(0.0);
    state.executed += elapsed;
    state.attained += elapsed * f64::from(state.placement.workers());
    let useful = elapsed - lost;
    if physics.checkpoints.is_some() {
        state.saved.1 += useful * physics.pace();
    }
    state.remaining = (state.remaining - useful * state.rate).max(0.0);
    match physics.checkpoints {
        Some(Checkpoints { every, .. }) if state.saved.1 < every => {}
        Some(Checkpoints { every, .. }) => {
            state.saved.1 %= every;
            state.saved.0 = state.remaining + state.saved.1 * state.rate / physics.pace();
        }
        None => state.saved.0 = state.remaining,
    }
}
