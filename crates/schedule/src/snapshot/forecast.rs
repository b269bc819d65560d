//! When waiting jobs will start, if nobody new comes before them.
//!
//! Two answers. *By the limits* all jobs run as long as they may, and every waiting job in its order is put where it fits
//! first beside those before it: what Slurm's backfill plans, and `squeue --start` prints. *Likely* is what comes of it when
//! jobs end as early as jobs have ended: each is given a length, drawn from what ended jobs used of their limits, given how
//! long it has run; the scheduler, which knows only limits, then decides whenever a job ends. Many draws make an interval.
//!
//! Kueue starts what fits, and reserves nothing for what does not: there both answers are played through event by event.

mod length;
mod plan;
mod play;

use rand::{SeedableRng, rngs::ChaCha8Rng};

pub(super) use self::{length::Lengths, plan::is_of};
use self::{plan::Plan, play::play};
use super::{
    Job, Place, Request, Snapshot, System, Waiting,
    timeline::{Timeline, Wish},
};

/// The most draws of lengths.
const MOST_DRAWS: usize = 64;

/// The fewest draws that make an interval.
const FEWEST_DRAWS: usize = 12;

/// Jobs times places times draws that are played: a second or two.
const BUDGET: usize = 3_000_000;

/// The ends of the interval: nine draws of ten lie within.
const LOW: f64 = 0.05;
const HIGH: f64 = 0.95;

/// When one waiting job starts, in seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The job, as a place of [`Snapshot::jobs`].
    pub job: usize,
    /// By the limits; none: some job before it has no limit.
    pub by_limits: Option<f64>,
    /// Low end, middle and high end; none: nothing is known of how long jobs run.
    pub likely: Option<[f64; 3]>,
    /// Why it will not start by itself, in words.
    pub never: Option<String>,
}

/// When all waiting jobs start.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// In the order in which they are thought of.
    pub starts: Vec<Start>,
    /// What the likely times rest on, in words.
    pub basis: String,
    /// What is planned for each job by the limits.
    pub(super) plan: Plan,
}

impl Forecast {
    /// Of a snapshot. The same seed draws the same.
    pub fn of(snapshot: &Snapshot, seed: u64) -> Self {
        Self::for_job(snapshot, seed, None)
    }

    /// The same for one job only, which ends as soon as that one has started.
    pub fn for_job(snapshot: &Snapshot, seed: u64, only: Option<usize>) -> Self {
        let line = snapshot.line();
        let never: Vec<Option<String>> = line.iter().map(|at| stuck(snapshot, &snapshot.jobs[*at])).collect();
        let free: Vec<usize> =
            line.iter().zip(&never).filter(|(_, never)| never.is_none()).map(|(at, _)| *at).collect();
        let lengths = Lengths::of(snapshot);
        let plan = match snapshot.system {
            System::Slurm => plan::by_limits(snapshot, &free),
            System::Kueue => Plan::played(snapshot, &play(snapshot, &free, &lengths.limits(snapshot), None)),
        };
        let draws = draws(snapshot, free.len());
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn: Vec<Vec<f64>> = vec![Vec::new(); snapshot.jobs.len()];
        for _ in 0..if lengths.is_known() { draws } else { 0 } {
            let starts = play(snapshot, &free, &lengths.draw(snapshot, &mut random), only);
            for (job, start) in starts.iter().enumerate() {
                drawn[job].extend(start.as_ref().map(|start| start.0));
            }
        }
        let start = |(job, never): (usize, Option<String>)| Start {
            job,
            by_limits: plan.of(job).map(|start| start.0).filter(|start| start.is_finite()),
            likely: interval(&mut drawn[job], draws),
            never,
        };
        let starts = line.into_iter().zip(never).map(start).collect();
        Self { starts, basis: lengths.basis(), plan }
    }

    /// When a job starts; none: it does not wait.
    pub fn start(&self, job: usize) -> Option<&Start> {
        self.starts.iter().find(|start| start.job == job)
    }
}

fn draws(snapshot: &Snapshot, waiting: usize) -> usize {
    let one = (waiting + 1) * (snapshot.places.len() + 20);
    (BUDGET / one).clamp(FEWEST_DRAWS, MOST_DRAWS)
}

/// Where most draws lie. A job that did not start in some of them has no high end.
fn interval(drawn: &mut [f64], draws: usize) -> Option<[f64; 3]> {
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn.get(((draws as f64 - 1.0) * share).round() as usize).copied();
    Some([at(LOW)?, at(0.5)?, at(HIGH)?])
}

/// Where a job may run at all.
pub(super) fn allowed(snapshot: &Snapshot, job: &Job) -> Vec<bool> {
    let reserved = job.waiting().and_then(|waiting| waiting.reservation.as_deref());
    let within = |place: usize| {
        reserved.is_none_or(|name| {
            snapshot.closures.iter().any(|closure| closure.name == name && closure.places.contains(&place))
        })
    };
    let places = snapshot.places.iter().enumerate().map(|(at, place)| {
        if place.closed.is_some() || !within(at) {
            return false;
        }
        match &job.request {
            Request::Quota(_) => true,
            Request::Nodes(tasks) => {
                let has = |any: &Vec<String>| any.iter().any(|feature| place.features.contains(feature));
                job.queues.iter().any(|queue| place.queues.contains(queue))
                    && tasks.features.iter().all(has)
                    && !tasks.excluded.contains(&at)
            }
        }
    });
    places.collect()
}

/// Jobs that hold their places, and times when places are closed for a job that asks.
pub(super) fn taken(snapshot: &Snapshot) -> Timeline {
    let mut timeline = Timeline::new(snapshot);
    for job in &snapshot.jobs {
        if let super::Standing::Running { since, holds, .. } = &job.standing {
            timeline.book(holds, snapshot.now, ends(snapshot.now, *since, job.limit));
        }
    }
    timeline
}

/// When a job that runs since a time is stopped at the latest; one that should be over is about to be.
pub(super) fn ends(now: f64, since: f64, limit: Option<f64>) -> f64 {
    limit.map_or(f64::INFINITY, |limit| (since + limit).max(now + 1.0))
}

/// Closes what is reserved for others than this job.
pub(super) fn closed_for(snapshot: &Snapshot, timeline: &mut Timeline, waiting: Option<&Waiting>) {
    let own = waiting.and_then(|waiting| waiting.reservation.as_deref());
    for closure in snapshot.closures.iter().filter(|closure| Some(closure.name.as_str()) != own) {
        closure.places.iter().for_each(|place| timeline.close(*place, closure.from, closure.until));
    }
}

/// Why a job will not start before somebody does something (SNAPSHOT-2); none: it will.
pub(super) fn stuck(snapshot: &Snapshot, job: &Job) -> Option<String> {
    let waiting = job.waiting()?;
    let queue = |at: &usize| &snapshot.queues[*at];
    let said = if waiting.message.is_empty() { waiting.reason.clone() } else { waiting.message.clone() };
    let limit = |what: &str| {
        Some(format!("{what} ({}); how much of it others use is not in the snapshot", waiting.reason))
    };
    match waiting.reason.as_str() {
        "JobHeldUser" => return Some("its user holds it; `scontrol release` lets it go".into()),
        "JobHeldAdmin" => return Some("an administrator holds it".into()),
        "Deactivated" => return Some("it is deactivated: its `spec.active` is false".into()),
        "DependencyNeverSatisfied" => {
            return Some(format!("what it depends on ({}) can no longer happen", waiting.dependency));
        }
        "BadConstraints" => return Some("no node can have what it asks for (BadConstraints)".into()),
        "Licenses" => return Some("it waits for licences, whose number is not in the snapshot".into()),
        "Unreadable" | "Inadmissible" => return Some(said),
        reason if reason.starts_with("QOS") => return limit("a limit of its quality of service is reached"),
        reason if reason.starts_with("Assoc") => return limit("a limit of its account is reached"),
        _ => {}
    }
    if job.queues.iter().all(|at| queue(at).closed.is_some()) {
        let first = queue(&job.queues[0]);
        return Some(format!(
            "its {} {} is closed: {}",
            word(snapshot),
            first.name,
            first.closed.as_deref().unwrap_or("")
        ));
    }
    if let (Request::Nodes(tasks), Some(most)) =
        (&job.request, job.queues.iter().map(|at| queue(at).most_nodes.unwrap_or(u32::MAX)).max())
        && tasks.fewest > most
    {
        return Some(format!(
            "it asks for {} nodes, and a job of its partition may have {most} at most",
            tasks.fewest
        ));
    }
    let longest = job.queues.iter().map(|at| queue(at).longest.unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
    if job.limit.unwrap_or(0.0) > longest {
        let asked = job.limit.unwrap_or(0.0) / 60.0;
        return Some(format!(
            "it asks for {asked:.0} minutes, and a job of its partition may run for {:.0}",
            longest / 60.0
        ));
    }
    too_large(snapshot, job)
}

/// What a queue is called where this job waits.
pub(super) fn word(snapshot: &Snapshot) -> &'static str {
    match snapshot.system {
        System::Slurm => "partition",
        System::Kueue => "cluster queue",
    }
}

/// Whether a job has no room even when nobody else runs.
fn too_large(snapshot: &Snapshot, job: &Job) -> Option<String> {
    let empty = Timeline::new(snapshot);
    let fits =
        |allowed: &[bool]| empty.fit(&Wish { request: &job.request, allowed, seconds: 1.0 }, 0.0).is_some();
    if fits(&allowed(snapshot, job)) {
        return None;
    }
    let mut open = snapshot.clone();
    open.places.iter_mut().for_each(|place| place.closed = None);
    let closed: Vec<String> = snapshot
        .places
        .iter()
        .filter_map(|place| Some(format!("{} ({})", place.name, place.closed.as_ref()?)))
        .collect();
    if fits(&allowed(&open, job)) {
        return Some(format!("it has no room while nodes are closed: {}", closed.join(", ")));
    }
    let is_its = |place: &Place| place.queues.iter().any(|queue| job.queues.contains(queue));
    Some(match job.request {
        Request::Nodes(_) if !snapshot.places.iter().any(is_its) => "no node is of its partition".into(),
        Request::Nodes(_) => {
            format!("even if nobody else ran, no nodes of its {} would have room for it", word(snapshot))
        }
        Request::Quota(_) => format!("it asks for more than its {} may ever have", word(snapshot)),
    })
}
