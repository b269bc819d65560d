//! Gavel's max-min fairness on heterogeneous machines (Narayanan et al., OSDI 2020), blind to and aware of
//! device types.
//!
//! A linear program gives every job the fraction of time that it should spend on each device type, such that
//! the least normalised throughput is as large as possible; time is cut into rounds of six minutes, and in
//! each the jobs that are furthest behind their fractions run. The blind variant believes that all devices
//! are equally fast.

mod fairness;

use std::collections::BTreeMap;

use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::fairness::Claim;
use super::{
    Allocation, Decision, Event, Policy, Setup,
    fifo::fixed_gang,
    saved::{self, SavedRng},
};
use crate::{
    error::{Error, Result},
    model::{DeviceId, Job, JobId, Placement, Resource},
    state::{JobState, State, Status},
};

/// Seconds of a round.
const ROUND: f64 = 360.0;
/// Fewest seconds between two new allocations.
const RESET: f64 = 1920.0;

/// Whether the policy knows how fast a job is on each device type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awareness {
    /// All devices count alike.
    Blind,
    /// Measured speeds count.
    Aware,
}

/// Time that a job was given, by device type, since the last new allocation, and the debt from before.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    wanted: Vec<f64>,
    /// Whether an allocation has been made since the job came.
    allocated: bool,
    received: Vec<f64>,
    deficit: Vec<f64>,
}

/// What it writes down while it decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Books {
    accounts: BTreeMap<JobId, Account>,
    /// Worker time by device type since the last new allocation, finished jobs included.
    given: Vec<f64>,
    /// Jobs that run in this round, their device type and start.
    running: BTreeMap<JobId, (usize, f64)>,
    round_end: f64,
    last_reset: Option<f64>,
    stale: bool,
}

/// All that changes while it decides.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<B> {
    rng: SavedRng,
    books: B,
}

/// The policy.
#[derive(Debug)]
pub struct Gavel {
    awareness: Awareness,
    seed: u64,
    rng: ChaCha8Rng,
    books: Books,
}

impl Gavel {
    /// Before any job.
    pub fn new(setup: &Setup, awareness: Awareness) -> Self {
        Self {
            awareness,
            seed: setup.seed,
            rng: ChaCha8Rng::seed_from_u64(setup.seed),
            books: Books {
                accounts: BTreeMap::new(),
                given: vec![0.0; setup.cluster.devices().len()],
                running: BTreeMap::new(),
                round_end: 0.0,
                last_reset: None,
                stale: false,
            },
        }
    }

    /// Books the time of jobs that have stopped running, at the end of a round or of the job.
    fn settle(&mut self, state: &State, id: JobId) {
        let Some((device, since)) = self.books.running.remove(&id) else { return };
        let spent = state.now - since;
        self.books.given[device] += spent;
        if let Some(account) = self.books.accounts.get_mut(&id) {
            account.received[device] += spent;
        }
    }

    fn arrive(&mut self, id: JobId) {
        let devices = self.books.given.len();
        // A job begins with half a round, so that shares of time are defined before it has run.
        let account = Account {
            wanted: vec![0.0; devices],
            allocated: false,
            received: vec![ROUND / 2.0; devices],
            deficit: vec![0.0; devices],
        };
        self.books.accounts.insert(id, account);
        self.books.stale = true;
    }

    /// A new allocation, if jobs came or went and the last one has had its time.
    fn reallocate(&mut self, state: &State) {
        let due = self.books.last_reset.is_none_or(|last| state.now - last >= RESET || last == 0.0);
        if !self.books.stale || !due {
            return;
        }
        let elapsed = state.now - self.books.last_reset.unwrap_or(state.now);
        self.books.given.fill(0.0);
        for account in self.books.accounts.values_mut() {
            for device in 0..self.books.given.len() {
                let owed = account.wanted[device] * elapsed - (account.received[device] - ROUND / 2.0);
                account.deficit[device] += owed;
                account.received[device] = ROUND / 2.0;
                self.books.given[device] += ROUND / 2.0;
            }
        }
        let shares = self.shares(state);
        for (account, share) in self.books.accounts.values_mut().zip(shares) {
            account.wanted = share;
            account.allocated = true;
        }
        self.books.last_reset = Some(state.now);
        self.books.stale = false;
    }

    fn shares(&self, state: &State) -> Vec<Vec<f64>> {
        let capacity = devices(state);
        let claim = |id: &JobId| {
            let job = &state.job(*id).job;
            let speeds = self.speeds(job);
            Claim::new(f64::from(self.gang(state, job)), &speeds, &capacity, self.books.accounts.len())
        };
        let claims: Vec<Claim> = self.books.accounts.keys().map(claim).collect();
        fairness::max_min(&claims, &capacity)
    }

    /// A gang is on one device type, so an elastic job has no more workers than the largest type that it may run on holds.
    fn gang(&self, state: &State, job: &Job) -> u32 {
        let gang = fixed_gang(&state.cluster, job, self.seed);
        if job.workers.min == job.workers.max {
            return gang;
        }
        let mut held = vec![0u32; self.books.given.len()];
        for id in state.cluster.ids().filter(|id| state.cluster.allows(job, *id)) {
            let machine = &state.cluster.machines()[id.index()];
            let own = &mut held[usize::from(machine.device.0)];
            *own = own.saturating_add(machine.capacity.how_many(&job.bundle()));
        }
        gang.min(held.into_iter().max().unwrap_or(0)).max(job.workers.min)
    }

    fn speeds(&self, job: &Job) -> Vec<f64> {
        let speed = |device: usize| match self.awareness {
            Awareness::Aware => job.speed_on(DeviceId(device as u16)),
            Awareness::Blind => 1.0,
        };
        (0..self.books.given.len()).map(speed).collect()
    }

    /// Who runs in the next round: per device type, by how far a job is behind its share.
    fn round(&mut self, state: &State) -> Allocation {
        let mut allocation = Allocation::empty(state);
        let mut order: Vec<usize> = (0..self.books.given.len()).collect();
        if self.awareness == Awareness::Blind {
            order.shuffle(&mut self.rng);
        }
        self.books.running.clear();
        for device in order {
            for (_, id) in self.queue(device) {
                let job = state.job(id);
                let slow = job.job.speed_on(DeviceId(device as u16)) <= 0.0;
                if slow || self.books.running.contains_key(&id) {
                    continue;
                }
                if place_on(&mut allocation, state, job, device, self.gang(state, &job.job)) {
                    self.books.running.insert(id, (device, state.now));
                }
            }
        }
        // As in the authors' scheduler: a job that came after the last allocation is counted but does not run
        // yet.
        for (id, _) in self.books.accounts.iter().filter(|(_, account)| !account.allocated) {
            if self.books.running.remove(id).is_some() {
                allocation.placements.remove(id);
            }
        }
        allocation
    }

    fn queue(&self, device: usize) -> Vec<([f64; 3], JobId)> {
        let mut queue: Vec<([f64; 3], JobId)> = self
            .books
            .accounts
            .iter()
            .map(|(id, account)| {
                let wanted = account.wanted[device];
                let fraction = if self.books.given[device] > 0.0 {
                    account.received[device] / self.books.given[device]
                } else {
                    0.0
                };
                let priority = if fraction > 0.0 { wanted / fraction } else { wanted * 1e9 };
                ([priority, account.deficit[device], wanted], *id)
            })
            .collect();
        queue.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(std::cmp::Ordering::Equal));
        queue
    }
}

/// GPUs by device type, on machines that are up.
fn devices(state: &State) -> Vec<f64> {
    let mut sums = vec![0.0; state.cluster.devices().len()];
    for (machine, capacity) in state.cluster.machines().iter().zip(state.capacities()) {
        sums[usize::from(machine.device.0)] += capacity[Resource::Gpu];
    }
    sums
}

/// Puts a gang on machines of one device type, where it ran before if it can.
fn place_on(allocation: &mut Allocation, state: &State, job: &JobState, device: usize, gang: u32) -> bool {
    let machines = state.cluster.machines();
    let on_device = |placement: &Placement| {
        placement.shares().iter().all(|share| usize::from(machines[share.machine.index()].device.0) == device)
    };
    if job.status == Status::Running && on_device(&job.placement) && allocation.fits(&job.job, &job.placement)
    {
        allocation.place(&job.job, &job.placement);
        return true;
    }
    let mut placement = Placement::default();
    let (mut left, mut servers) = (gang, job.job.servers_for(gang));
    let free = allocation.free_for(&job.job).into_owned();
    for id in state.cluster.ids().filter(|id| usize::from(machines[id.index()].device.0) == device) {
        let mut room = free[id.index()];
        let workers = room.how_many(&job.job.worker).min(left);
        room.add(&job.job.worker, -f64::from(workers));
        let served = if servers == 0 { 0 } else { room.how_many(&job.job.server).min(servers) };
        placement.add(id, workers, served);
        left -= workers;
        servers -= served;
        if left + servers == 0 {
            allocation.place(&job.job, &placement);
            return true;
        }
    }
    false
}

impl Policy for Gavel {
    fn name(&self) -> &'static str {
        match self.awareness {
            Awareness::Blind => "gavel-las",
            Awareness::Aware => "gavel-las-aware",
        }
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        for event in events {
            match event {
                Event::Arrival { job } => self.arrive(job.id),
                Event::Completion { job, .. } | Event::Withdrawal { job } => {
                    self.settle(state, *job);
                    self.books.accounts.remove(job);
                    self.books.stale = true;
                }
                _ => {}
            }
        }
        let idle = self.books.running.is_empty();
        if !idle && state.now < self.books.round_end {
            return vec![Decision::WakeAt { time: self.books.round_end }];
        }
        let ran: Vec<JobId> = self.books.running.keys().copied().collect();
        ran.into_iter().for_each(|id| self.settle(state, id));
        self.reallocate(state);
        let allocation = self.round(state);
        self.books.round_end = state.now + ROUND;
        let mut decisions = allocation.decisions(state);
        // If nobody could be placed on idle machines, another round brings nothing before something happens.
        let some_new = self.books.accounts.values().any(|account| !account.allocated);
        if !self.books.running.is_empty() || some_new || self.books.stale {
            decisions.push(Decision::WakeAt { time: self.books.round_end });
        }
        decisions
    }

    fn save(&self) -> Result<Value> {
        saved::save(&Saved { rng: SavedRng::of(&self.rng), books: &self.books })
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        let Saved { rng, books } = saved::load::<Saved<Books>>(saved)?;
        if books.given.len() != self.books.given.len() {
            return Err(Error::Saved("its device types are others".into()));
        }
        (self.rng, self.books) = (rng.resume(), books);
        Ok(())
    }
}
