//! What other policies would do with the same queue.
//!
//! Nodes, or the quotas of queues, become machines; jobs keep their sizes, run as long as jobs have run, and cannot be
//! stopped, as under Slurm. Those that run go on where they are; policies decide from now on. What is lost: a cohort's queues
//! are one machine each for what the cohort has, jobs on chosen nodes may go to others of their partition, and reservations.

use std::{collections::BTreeMap, sync::Arc};

use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::{Amounts, Job as Queued, Request, Snapshot, Standing, forecast::Lengths};
use crate::{
    error::{Error, Result},
    event::{Decision, Event},
    model::{
        Cluster, DeviceId, Job, JobId, Machine, MachineId, Placement, Resources, Utility, Values, WorkerRange,
    },
    policy::{PolicyName, Setup},
    pricing::SlotGrid,
    state::{Physics, State, Status},
};

/// What a policy made of the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    /// Which.
    pub policy: PolicyName,
    /// Jobs that it ran to their end.
    pub done: usize,
    /// Jobs that it did not.
    pub left: usize,
    /// Mean seconds from now to the start of waiting jobs that were done.
    pub mean_wait: f64,
    /// Mean seconds from now to their end.
    pub mean_end: f64,
    /// Seconds until the last was done.
    pub last_end: f64,
    /// Seconds until the job starts that was asked for.
    pub asked: Option<f64>,
}

/// The queue as other policies see it.
pub struct Rivals {
    cluster: Arc<Cluster>,
    running: Vec<(Arc<Job>, Placement)>,
    waiting: Vec<(usize, Job)>,
    /// Waiting jobs that do not fit these machines, or are kept by something else.
    pub left_out: usize,
}

/// Jobs are too many to be decided over for ever.
const MOST_EVENTS: usize = 100_000;

impl Rivals {
    /// Of a snapshot, with lengths drawn by the seed. `line` are the jobs that nothing but others keeps.
    ///
    /// # Errors
    /// A snapshot without machines.
    pub fn of(snapshot: &Snapshot, line: &[usize], seed: u64) -> Result<Self> {
        let kinds = Kinds::of(snapshot);
        let machines = snapshot.places.iter().map(|place| {
            let capacity =
                if place.closed.is_some() { Amounts::new() } else { finite(&place.capacity, snapshot) };
            let labels = place.queues.iter().map(|queue| (format!("queue-{queue}"), "yes".to_owned()));
            Machine {
                name: place.name.clone(),
                capacity: kinds.resources(&capacity),
                rack: 0,
                device: DeviceId(0),
                labels: labels.collect(),
            }
        });
        let cluster = Arc::new(Cluster::new(machines.collect(), vec!["node".into()], 1.0)?);
        let lengths = Lengths::of(snapshot).draw(snapshot, &mut ChaCha8Rng::seed_from_u64(seed));
        let mut rivals = Self { cluster, running: Vec::new(), waiting: Vec::new(), left_out: 0 };
        for (at, queued) in snapshot.jobs.iter().enumerate() {
            match &queued.standing {
                Standing::Running { since, holds, .. } => {
                    let left = (since + lengths[at] - snapshot.now).max(1.0);
                    rivals.runs(queued, &kinds, holds, left, snapshot);
                }
                Standing::Waiting(_) if line.contains(&at) => {
                    match kinds.job(queued, lengths[at], snapshot) {
                        Some(job) if rivals.cluster.admits(&job).is_ok() => rivals.waiting.push((at, job)),
                        _ => rivals.left_out += 1,
                    }
                }
                Standing::Waiting(_) => rivals.left_out += 1,
            }
        }
        // In their order, which is what policies take for the order of arrival.
        rivals.waiting.sort_by_key(|(at, _)| line.iter().position(|other| other == at));
        Ok(rivals)
    }

    /// Jobs that run take their room until they end, whatever they consist of: one worker on each place.
    fn runs(
        &mut self,
        queued: &Queued,
        kinds: &Kinds,
        holds: &[(usize, Amounts)],
        left: f64,
        snapshot: &Snapshot,
    ) {
        for (place, amounts) in holds.iter().filter(|(place, _)| !snapshot.places[*place].shared) {
            let worker = kinds.resources(amounts);
            if worker.is_zero() {
                continue;
            }
            let job = Job { worker, ..plain(format!("{} on {}", queued.id, place), left) };
            self.running.push((Arc::new(job), Placement::single(MachineId(*place as u32), 1, 0)));
        }
    }

    /// What a policy makes of it; `asked` is the waiting job whose start is wanted.
    ///
    /// # Errors
    /// A defect of the policy.
    pub fn under(&self, policy: PolicyName, asked: Option<usize>) -> Result<Rival> {
        let mut numbered: Vec<Arc<Job>> = Vec::new();
        let all = self
            .running
            .iter()
            .map(|(job, _)| Job::clone(job))
            .chain(self.waiting.iter().map(|(_, job)| job.clone()));
        for (number, job) in all.enumerate() {
            numbered.push(Arc::new(Job { id: JobId(number as u32), ..job }));
        }
        let expected: Vec<Job> = numbered.iter().map(|job| Job::clone(job)).collect();
        let longest = expected.iter().map(Job::shortest).sum::<f64>();
        // Planners look as far as all jobs one after the other would take, in a hundred steps.
        let grid = SlotGrid::new((longest / 100.0).max(60.0), 200);
        let mut decider = policy.build(&Setup::new(&self.cluster, grid, &expected));
        let mut state = State::new(Arc::clone(&self.cluster), Physics::default());
        let mut events: Vec<Event> = Vec::new();
        for (job, (_, placement)) in numbered.iter().zip(&self.running) {
            state.observe(&Event::Arrival { job: Arc::clone(job) });
            state.apply("snapshot", &[Decision::Place { job: job.id, placement: placement.clone() }])?;
        }
        for job in &numbered[self.running.len()..] {
            let event = Event::Arrival { job: Arc::clone(job) };
            state.observe(&event);
            events.push(event);
        }
        for _ in 0..MOST_EVENTS {
            let decisions = decider.decide(&state, &events);
            state.apply(policy.as_str(), &decisions)?;
            let wake = decisions.iter().rev().find_map(|decision| match decision {
                Decision::WakeAt { time } => Some(time.max(state.now)),
                _ => None,
            });
            let due = state.active().map(|job| job.due(state.now)).fold(f64::INFINITY, f64::min);
            let next = due.min(wake.unwrap_or(f64::INFINITY)).max(state.now);
            if !next.is_finite() {
                break;
            }
            let running = state.active().filter(|job| job.status == Status::Running);
            let done: Vec<JobId> = running
                .filter(|job| job.due(state.now) <= next * (1.0 + 1e-12))
                .map(|job| job.job.id)
                .collect();
            state.advance(next);
            events = if done.is_empty() {
                vec![Event::Wake]
            } else {
                done.into_iter().map(|job| Event::Completion { job, at: next }).collect()
            };
            events.iter().for_each(|event| state.observe(event));
        }
        Ok(self.result(policy, &state, asked))
    }

    fn result(&self, policy: PolicyName, state: &State, asked: Option<usize>) -> Rival {
        let own = &state.jobs[self.running.len()..];
        let ends: Vec<f64> = own.iter().filter_map(|job| job.finished).collect();
        let starts = own.iter().filter(|job| job.finished.is_some()).filter_map(|job| job.started);
        let count = ends.len().max(1) as f64;
        let asked = asked
            .and_then(|asked| self.waiting.iter().position(|(at, _)| *at == asked))
            .and_then(|at| own[at].started);
        Rival {
            policy,
            done: ends.len(),
            left: own.len() - ends.len(),
            mean_wait: starts.sum::<f64>() / count,
            mean_end: ends.iter().sum::<f64>() / count,
            last_end: ends.iter().copied().fold(0.0, f64::max),
            asked,
        }
    }
}

/// What is unlimited is bounded by what everybody asks for.
fn finite(capacity: &Amounts, snapshot: &Snapshot) -> Amounts {
    let all = |kind: usize| snapshot.jobs.iter().map(|job| job.total(snapshot)[kind]).sum::<f64>();
    capacity
        .iter()
        .enumerate()
        .map(|(kind, amount)| if amount.is_finite() { *amount } else { all(kind) })
        .collect()
}

/// Which kinds of a snapshot are which of ours; others are not told apart.
struct Kinds(BTreeMap<usize, usize>);

impl Kinds {
    fn of(snapshot: &Snapshot) -> Self {
        let ours = |name: &String| match name.as_str() {
            "gpu" => Some(0),
            gpu if gpu.ends_with("/gpu") => Some(0),
            "cpu" => Some(1),
            "memory" => Some(2),
            "storage" | "ephemeral-storage" => Some(3),
            _ => None,
        };
        Self(snapshot.kinds.iter().enumerate().filter_map(|(at, name)| Some((at, ours(name)?))).collect())
    }

    fn resources(&self, amounts: &[f64]) -> Resources {
        let mut all = [0.0; crate::model::KINDS];
        for (at, ours) in &self.0 {
            all[*ours] += amounts.get(*at).copied().unwrap_or(0.0);
        }
        Resources::from_array(all)
    }

    /// A waiting job; none if it asks for nothing that we know.
    fn job(&self, queued: &Queued, length: f64, snapshot: &Snapshot) -> Option<Job> {
        let (worker, count) = match &queued.request {
            Request::Nodes(tasks) => {
                let nodes = f64::from(tasks.fewest.max(1));
                let part = nodes / f64::from(tasks.count.max(1));
                let amounts: Amounts =
                    tasks.task.iter().zip(&tasks.node).map(|(task, node)| task + node * part).collect();
                (self.resources(&amounts), tasks.count.max(1))
            }
            Request::Quota(_) => (self.resources(&queued.total(snapshot)), 1),
        };
        if worker.is_zero() || !length.is_finite() {
            return None;
        }
        let mut needs = BTreeMap::new();
        if let Request::Nodes(_) = queued.request {
            needs.insert(format!("queue-{}", queued.queues[0]), Values::One("yes".into()));
        }
        let limit = queued.limit.map(|limit| limit * f64::from(count));
        let job = plain(queued.id.clone(), length * f64::from(count));
        Some(Job {
            worker,
            workers: WorkerRange::exactly(count),
            batch: count,
            needs,
            estimate: limit,
            ..job
        })
    }
}

/// A job of one worker that cannot be stopped, `work` seconds long with one.
fn plain(name: String, work: f64) -> Job {
    Job {
        id: JobId(0),
        name,
        arrival: 0.0,
        workload: work,
        estimate: None,
        batch: 1,
        noise_scale: None,
        most_batch: None,
        seconds_per_sample: 1.0,
        gradient_mb: 0.0,
        workers_per_server: None,
        worker: Resources::default(),
        server: Resources::default(),
        internal_gbps: 100.0,
        external_gbps: 100.0,
        utility: Utility::default(),
        workers: WorkerRange::exactly(1),
        speeds: Vec::new(),
        needs: BTreeMap::new(),
        restart: 0.0,
        resume: false,
        group: String::new(),
        queue: String::new(),
        priority: None,
        limit: None,
        after: Vec::new(),
        after_any: Vec::new(),
        requeue: false,
    }
}

impl Rivals {
    /// How many waiting jobs take part.
    ///
    /// # Errors
    /// None does.
    pub fn some(&self) -> Result<usize> {
        if self.waiting.is_empty() {
            Err(Error::Empty { what: "waiting job that machines could run" })
        } else {
            Ok(self.waiting.len())
        }
    }
}
