//! Optimus: marginal gain allocation with speeds fitted online (Peng et al., EuroSys 2018).
//!
//! Every job starts with its smallest gang, shortest remaining first. Then, repeatedly, the worker or the server
//! that saves the most remaining time goes to its job,
//!
//! ```text
//! gain = left / speed(w, p) - left / speed(w', p')
//! ```
//!
//! until nothing gains or fits. A gang takes the fewest machines, its tasks spread evenly over them. The speed
//! is a [`SpeedModel`] of samples taken before the first start, a few gang sizes each on the fewest empty
//! machines, and of what the running job was seen to do since. The authors also fit the loss curve, to foresee
//! how many epochs are left; jobs here have no loss, so the believed remaining work takes its place.

mod speed;

use std::collections::BTreeMap;

use serde_json::Value;

use self::speed::{Observation, SpeedModel};
use super::{
    Allocation, Decision, Event, Policy,
    compact::{compact, demand},
    priority::Packing,
    saved,
};
use crate::{
    error::Result,
    model::{Job, JobId, Resources},
    state::{JobState, State, Status},
};

/// Samples kept of one job, the oldest go first; the authors use five to ten.
const SAMPLES: usize = 10;
/// Gang sizes that are tried before the first start, from the smallest to the largest in equal ratios.
const TRIALS: u32 = 8;

/// The policy with what it has seen.
#[derive(Debug, Clone, Default)]
pub struct Optimus {
    seen: BTreeMap<JobId, Vec<Observation>>,
}

/// A job and what it has been promised.
struct Share<'a> {
    job: &'a Job,
    left: f64,
    model: SpeedModel,
    workers: u32,
    servers: u32,
}

/// One more task for a job, with what must come with it.
#[derive(Clone, Copy)]
struct Step {
    workers: u32,
    servers: u32,
    gain: f64,
}

impl Share<'_> {
    fn time(&self, workers: u32, servers: u32) -> f64 {
        self.left / self.model.rate(workers, servers)
    }

    /// The better of one more worker (and the server that it may need) and one more server; its gain is
    /// not positive if neither helps.
    fn step(&self) -> Step {
        let to = |workers: u32, servers: u32| Step {
            workers: workers - self.workers,
            servers: servers - self.servers,
            gain: self.time(self.workers, self.servers) - self.time(workers, servers),
        };
        let mut best = Step { workers: 0, servers: 0, gain: 0.0 };
        if self.workers < self.job.workers.max {
            let workers = self.workers + 1;
            best = to(workers, self.job.servers_for(workers).max(self.servers));
        }
        if self.servers > 0 && self.servers < self.workers {
            let served = to(self.workers, self.servers + 1);
            best = if served.gain > best.gain { served } else { best };
        }
        best
    }
}

impl Optimus {
    /// Notes how fast the running jobs are.
    fn watch(&mut self, state: &State) {
        for job in state.active().filter(|job| job.status == Status::Running && job.rate > 0.0) {
            let (workers, servers) = (job.placement.workers(), job.placement.servers());
            let samples = self.seen.entry(job.job.id).or_default();
            samples.retain(|seen| (seen.workers, seen.servers) != (workers, servers));
            samples.push(Observation { workers, servers, rate: job.rate });
            if samples.len() > SAMPLES {
                samples.remove(0);
            }
        }
    }

    /// The fitted speed of a job; before its first start from trials.
    fn model(&mut self, state: &State, job: &JobState) -> Option<SpeedModel> {
        let samples = self.seen.entry(job.job.id).or_default();
        if samples.is_empty() {
            *samples = trials(state, &job.job);
        }
        SpeedModel::fit(job.job.batch, samples)
    }

    /// How many workers and servers each active job gets, by the room of the whole cluster.
    fn promise<'a>(&mut self, state: &'a State) -> Vec<Share<'a>> {
        let mut free = state.capacities().iter().fold(Resources::default(), |sum, free| sum.plus(free));
        let mut waiting: Vec<Share> = Vec::new();
        for job in state.active() {
            // A gang that fits nowhere now has no speed yet and waits.
            let Some(model) = self.model(state, job) else { continue };
            let (workers, left) = (job.job.workers.min, job.believed_left());
            let servers = job.job.servers_for(workers);
            waiting.push(Share { job: &job.job, left, model, workers, servers });
        }
        let alone = |share: &Share| share.time(share.workers, share.servers);
        waiting.sort_by(|a, b| alone(a).total_cmp(&alone(b)));
        let mut shares: Vec<Share> = Vec::new();
        for share in waiting {
            let gang = demand(share.job, share.workers, share.servers);
            if free.fits(&gang) {
                free.add(&gang, -1.0);
                shares.push(share);
            }
        }
        grow(&mut shares, free);
        shares
    }
}

/// Hands out what is free, the greatest gain first.
fn grow(shares: &mut [Share], mut free: Resources) {
    let mut steps: Vec<Step> = shares.iter().map(Share::step).collect();
    while let Some(best) = (0..steps.len())
        .max_by(|&a, &b| steps[a].gain.total_cmp(&steps[b].gain))
        .filter(|&at| steps[at].gain > 0.0)
    {
        let (share, step) = (&mut shares[best], steps[best]);
        let need = demand(share.job, step.workers, step.servers);
        if free.fits(&need) {
            free.add(&need, -1.0);
            share.workers += step.workers;
            share.servers += step.servers;
            steps[best] = share.step();
        } else {
            steps[best].gain = 0.0;
        }
    }
}

/// Speeds of a few gang sizes on the fewest machines of the empty cluster.
fn trials(state: &State, job: &Job) -> Vec<Observation> {
    let capacities = state.capacities();
    let empty = state.cluster.mask(job, &capacities);
    let (least, most) = (f64::from(job.workers.min), f64::from(job.workers.max));
    let size = |trial| least * (most / least).powf(f64::from(trial) / f64::from(TRIALS - 1));
    let sizes = (0..TRIALS).map(|trial| size(trial).round() as u32);
    let mut samples: Vec<Observation> = Vec::new();
    for workers in sizes {
        let servers = job.servers_for(workers);
        if samples.iter().any(|seen| seen.workers == workers) {
            continue;
        }
        let Some(placement) = compact(&empty, job, workers, servers) else { break };
        let rate = state.cluster.rate(job, &placement);
        samples.push(Observation { workers, servers, rate });
    }
    samples
}

/// Places a promise, or as much of it as the pieces of room hold.
fn place(allocation: &mut Allocation, share: &Share) {
    let job = share.job;
    let (mut workers, mut servers) = (share.workers, share.servers);
    while workers >= job.workers.min {
        let placed = compact(&allocation.free_for(job), job, workers, servers);
        if let Some(placement) = placed {
            allocation.place(job, &placement);
            return;
        }
        if workers == job.workers.min {
            return;
        }
        workers = (workers * 3 / 4).max(job.workers.min);
        servers = job.servers_for(workers);
    }
}

impl Policy for Optimus {
    fn name(&self) -> &'static str {
        "optimus"
    }

    fn decide(&mut self, state: &State, _events: &[Event]) -> Vec<Decision> {
        self.watch(state);
        self.seen.retain(|id, _| state.job(*id).is_active());
        let mut allocation = Allocation::empty(state);
        for share in self.promise(state) {
            let kept = &state.job(share.job.id).placement;
            let same = (kept.workers(), kept.servers()) == (share.workers, share.servers);
            if same && allocation.fits(share.job, kept) {
                allocation.place(share.job, kept);
            } else if share.job.workers.min == share.job.workers.max {
                Packing::Sticky.place(&mut allocation, share.job, share.workers);
            } else {
                place(&mut allocation, &share);
            }
        }
        allocation.decisions(state)
    }

    fn save(&self) -> Result<Value> {
        saved::save(&self.seen)
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        self.seen = saved::load(saved)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        model::{Cluster, Utility, WorkerRange},
        state::Physics,
    };

    fn job(id: u32, workload: f64) -> Arc<Job> {
        let text = r#"{"workload": 1, "batch": 8, "seconds_per_sample": 1, "worker": {"gpu": 1},
                       "workers": {"min": 1, "max": 8}}"#;
        let job: Job = serde_json::from_str(text).unwrap();
        let utility = Utility::Constant { value: 1.0 };
        Arc::new(Job { id: JobId(id), workload, utility, workers: WorkerRange { min: 1, max: 8 }, ..job })
    }

    fn workers(gpus: f64, workloads: &[f64]) -> Vec<u32> {
        let cluster = Arc::new(Cluster::uniform(1, Resources::gpus(gpus)).unwrap());
        let mut state = State::new(cluster, Physics::default());
        for (id, workload) in workloads.iter().enumerate() {
            state.observe(&Event::Arrival { job: job(id as u32, *workload) });
        }
        let decisions = Optimus::default().decide(&state, &[]);
        state.apply("optimus", &decisions).unwrap();
        state.active().map(|job| job.placement.workers()).collect()
    }

    /// 100 and 60 seconds alone. The third worker saves the first job 50 seconds and the second 30; the fourth
    /// 16.7 against 30; the fifth 16.7 against 10.
    #[test]
    fn the_next_worker_goes_where_it_saves_most() {
        assert_eq!(workers(3.0, &[100.0, 60.0]), [2, 1]);
        assert_eq!(workers(4.0, &[100.0, 60.0]), [2, 2]);
        assert_eq!(workers(5.0, &[100.0, 60.0]), [3, 2]);
    }

    /// One worker each, the shortest first; the longest waits.
    #[test]
    fn the_longest_waits_when_there_is_no_room() {
        assert_eq!(workers(2.0, &[100.0, 60.0, 30.0]), [0, 1, 1]);
    }

    #[test]
    fn tasks_are_spread_evenly_over_the_fewest_machines() {
        let job =
            Job { workers_per_server: Some(2.0), server: Resources::gpus(1.0), ..Job::clone(&job(0, 1.0)) };
        // Four workers and two servers need six places: two machines of four, three tasks each.
        let placement = compact(&[Resources::gpus(4.0); 3], &job, 4, 2).unwrap();
        let shares: Vec<_> = placement.shares().iter().map(|share| (share.workers, share.servers)).collect();
        assert_eq!(shares, [(2, 1), (2, 1)]);
    }
}
