//! When a job would start if it asked for something else, could be stopped, or if there were more machines.
//!
//! Each alternative is a snapshot that is changed in one thing, forecast like the real one.

use syncline_terminal::unit::plural;

use super::{
    Job, Place, Request, Snapshot, Standing, System,
    forecast::{Forecast, allowed, taken},
    timeline::Wish,
};

/// One alternative.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// What would be different, in words.
    pub what: String,
    /// When the job would start by the limits.
    pub by_limits: Option<f64>,
    /// Low end, middle and high end of when it likely would.
    pub likely: Option<[f64; 3]>,
    /// What else is to be known about it, in words.
    pub remark: String,
}

/// What could be different for a waiting job; `nodes` more of the largest kind is one of it.
pub fn alternatives(
    snapshot: &Snapshot,
    forecast: &Forecast,
    at: usize,
    nodes: usize,
    seed: u64,
) -> Vec<Alternative> {
    let job = &snapshot.jobs[at];
    if job.waiting().is_none() {
        return Vec::new();
    }
    let try_with = |what: String, remark: String, changed: &dyn Fn(&mut Snapshot)| {
        let mut other = snapshot.clone();
        changed(&mut other);
        let forecast = Forecast::for_job(&other, seed, Some(at));
        let start = forecast.start(at);
        let remark = start.and_then(|start| start.never.clone()).unwrap_or(remark);
        Alternative {
            what,
            by_limits: start.and_then(|start| start.by_limits),
            likely: start.and_then(|start| start.likely),
            remark,
        }
    };
    let mut all = Vec::new();
    if let Some((what, smaller)) = halved(job) {
        all.push(try_with(what, String::new(), &|other| other.jobs[at].request = smaller.clone()));
    }
    if let Some(limit) = job.limit {
        let half = limit / 2.0;
        let remark = kept_to_half(snapshot, job);
        all.push(try_with(format!("half the time limit ({})", super::why::span(half)), remark, &|other| {
            other.jobs[at].limit = Some(half)
        }));
    }
    all.extend(preemptible(snapshot, forecast, at));
    let what = match snapshot.system {
        System::Slurm => format!("{nodes} more nodes like its largest"),
        System::Kueue => format!("quota for {nodes} more nodes in its first flavor"),
    };
    all.push(try_with(what, String::new(), &|other| add(other, at, nodes)));
    all
}

/// The same with half of its tasks or pods; none if it is one.
fn halved(job: &Job) -> Option<(String, Request)> {
    match &job.request {
        Request::Nodes(tasks) if tasks.count > 1 => {
            let half = |count: u32| count.div_ceil(2).max(1);
            let mut fewer = tasks.clone();
            (fewer.count, fewer.fewest) = (half(tasks.count), half(tasks.fewest));
            let nodes = if tasks.fewest > 1 { format!(" on {} nodes", fewer.fewest) } else { String::new() };
            Some((
                format!("half as large: {} of {} tasks{nodes}", fewer.count, tasks.count),
                Request::Nodes(fewer),
            ))
        }
        Request::Nodes(_) => None,
        Request::Quota(ways) => {
            let mut ways = ways.clone();
            ways.iter_mut().flatten().flat_map(|(_, amounts)| amounts).for_each(|amount| *amount /= 2.0);
            Some(("half of what it asks for".into(), Request::Quota(ways)))
        }
    }
}

/// How many jobs like it would have been stopped at half of their limits.
fn kept_to_half(snapshot: &Snapshot, job: &Job) -> String {
    let own: Vec<f64> =
        snapshot.history.iter().filter(|past| past.user == job.user).filter_map(super::Past::used).collect();
    if own.is_empty() {
        return String::new();
    }
    let within = own.iter().filter(|used| **used <= 0.5).count();
    format!(
        "{within} of {} of {} kept to half of their limits",
        plural(own.len() as u64, "ended job"),
        job.user
    )
}

/// Room that is free now but kept for others is enough for a job that can be stopped when they come.
fn preemptible(snapshot: &Snapshot, forecast: &Forecast, at: usize) -> Option<Alternative> {
    let job = &snapshot.jobs[at];
    if snapshot.system != System::Slurm || forecast.start(at).is_some_and(|start| start.never.is_some()) {
        return None;
    }
    let allowed = allowed(snapshot, job);
    let wish = Wish { request: &job.request, allowed: &allowed, seconds: 1.0 };
    let (start, holds) = taken(snapshot).earliest(&wish, snapshot.now)?;
    let needs = |other: usize| {
        let (from, theirs) = forecast.plan.of(other)?;
        let meets = theirs.iter().any(|(place, _)| holds.iter().any(|(own, _)| own == place));
        (other != at && meets && *from >= start).then_some(*from)
    };
    let stopped = (0..snapshot.jobs.len()).filter_map(needs).fold(f64::INFINITY, f64::min);
    let remark = if stopped.is_finite() {
        format!("others may want its nodes from {} on", super::why::clock(snapshot.now, stopped))
    } else {
        "nobody in the queue wants its nodes".into()
    };
    Some(Alternative {
        what: "preemptible: it may use what is kept for others".into(),
        by_limits: Some(start),
        likely: None,
        remark,
    })
}

/// More room for a job: nodes like the largest that it may use, or as much quota.
fn add(snapshot: &mut Snapshot, at: usize, nodes: usize) {
    let job = snapshot.jobs[at].clone();
    match &job.request {
        Request::Nodes(_) => {
            let largest =
                |a: &&Place, b: &&Place| a.capacity.iter().sum::<f64>().total_cmp(&b.capacity.iter().sum());
            let of = |place: &&Place| job.queues.iter().any(|queue| place.queues.contains(queue));
            let Some(like) = snapshot.places.iter().filter(of).max_by(largest).cloned() else { return };
            for number in 0..nodes {
                let name = format!("new-{number}");
                snapshot.places.push(Place { name, closed: None, ..like.clone() });
            }
        }
        Request::Quota(ways) => {
            let more = snapshot.nodes.as_ref().map(|(largest, _)| largest.clone());
            let total = job.total(snapshot);
            for (place, amounts) in ways.iter().take(1).flatten() {
                // Without a word about nodes: as much as the job itself would fill.
                let each = more.as_ref().unwrap_or(&total);
                for (kind, asked) in amounts.iter().enumerate().filter(|(_, asked)| **asked > 0.0) {
                    let node = if more.is_some() { each[kind] } else { *asked };
                    snapshot.places[*place].capacity[kind] += nodes as f64 * node;
                }
            }
        }
    }
    debug_assert!(
        !matches!(snapshot.jobs[at].standing, Standing::Running { .. }),
        "only waiting jobs are asked about"
    );
}
