//! Every waiting job in its order where it fits first, as if all ran to their limits: conservative backfill.

use std::collections::BTreeMap;

use super::{allowed, closed_for, ends, taken};
use crate::snapshot::{
    Job, Snapshot, Standing,
    timeline::{Holds, Timeline, Wish},
};

/// Where and from when jobs are planned, by their places in [`Snapshot::jobs`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan(Vec<Option<(f64, Holds)>>);

impl Plan {
    /// What was played.
    pub fn played(snapshot: &Snapshot, starts: &[Option<(f64, Holds)>]) -> Self {
        debug_assert_eq!(starts.len(), snapshot.jobs.len(), "one for each job");
        Self(starts.to_vec())
    }

    /// When a job starts, and what it holds then.
    pub fn of(&self, job: usize) -> Option<&(f64, Holds)> {
        self.0.get(job)?.as_ref()
    }
}

/// The plan for jobs that nothing but others keeps, in this order.
pub fn by_limits(snapshot: &Snapshot, line: &[usize]) -> Plan {
    let mut planner = Planner::new(snapshot);
    let mut left: Vec<usize> = line.to_vec();
    // A job that depends on one behind it comes in a later round.
    loop {
        let before = left.len();
        left.retain(|at| !planner.take(*at, line));
        if left.is_empty() || left.len() == before {
            return Plan(planner.planned);
        }
    }
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    timeline: Timeline,
    planned: Vec<Option<(f64, Holds)>>,
    /// Jobs alike find no room before the last of them has: bookings only take.
    known: BTreeMap<usize, f64>,
    shapes: Vec<usize>,
    /// The ends of the tasks of each array.
    arrays: BTreeMap<String, Vec<f64>>,
}

impl<'a> Planner<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let mut timeline = taken(snapshot);
        closed_for(snapshot, &mut timeline, None);
        let mut arrays: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for job in &snapshot.jobs {
            if let (Standing::Running { since, .. }, Some((array, _))) =
                (&job.standing, job.id.split_once('_'))
            {
                arrays.entry(array.into()).or_default().push(ends(snapshot.now, *since, job.limit));
            }
        }
        Self {
            snapshot,
            timeline,
            planned: vec![None; snapshot.jobs.len()],
            known: BTreeMap::new(),
            shapes: shapes(snapshot),
            arrays,
        }
    }

    /// Plans a job, unless something that it waits for is not planned yet.
    fn take(&mut self, at: usize, line: &[usize]) -> bool {
        let job = &self.snapshot.jobs[at];
        let Some(waiting) = job.waiting() else { return true };
        let mut from = self.snapshot.now.max(waiting.from.unwrap_or(0.0));
        for id in &waiting.after {
            match self.end_of(id, line) {
                Some(end) => from = from.max(end),
                None => return false,
            }
        }
        let array = job.id.split_once('_').map(|(array, _)| array.to_owned());
        if let (Some(most), Some(array)) = (waiting.at_once, &array) {
            let ends = self.arrays.entry(array.clone()).or_default();
            ends.sort_by(f64::total_cmp);
            if let Some(before) = ends.len().checked_sub(most.max(1) as usize) {
                from = from.max(ends[before]);
            }
        }
        let seconds = job.limit.unwrap_or(f64::INFINITY);
        let from_known = self.known.get(&self.shapes[at]).copied().unwrap_or(0.0).max(from);
        let allowed = allowed(self.snapshot, job);
        let wish = Wish { request: &job.request, allowed: &allowed, seconds };
        let found = if waiting.reservation.is_some() {
            let mut own = taken(self.snapshot);
            closed_for(self.snapshot, &mut own, Some(waiting));
            own.earliest(&wish, from)
        } else {
            self.timeline.earliest(&wish, from_known)
        };
        if let Some((start, holds)) = found {
            if from_known <= start && waiting.reservation.is_none() && from <= self.snapshot.now {
                self.known.insert(self.shapes[at], start);
            }
            self.timeline.book(&holds, start, start + seconds);
            if let Some(array) = array {
                self.arrays.entry(array).or_default().push(start + seconds);
            }
            self.planned[at] = Some((start, holds));
        }
        true
    }

    /// When a job that another waits for ends; it has ended if nobody knows it. None: it is not planned yet.
    fn end_of(&self, id: &str, line: &[usize]) -> Option<f64> {
        let mut end = 0.0_f64;
        for (at, job) in self.snapshot.jobs.iter().enumerate().filter(|(_, job)| is_of(job, id)) {
            end = end.max(match &job.standing {
                Standing::Running { since, .. } => ends(self.snapshot.now, *since, job.limit),
                Standing::Waiting(_) if !line.contains(&at) => f64::INFINITY,
                Standing::Waiting(_) => self.planned[at].as_ref()?.0 + job.limit.unwrap_or(f64::INFINITY),
            });
        }
        Some(end)
    }
}

/// Whether a job is the one of this id, or a task of the array of this id.
pub fn is_of(job: &Job, id: &str) -> bool {
    job.id == id || job.id.split_once('_').is_some_and(|(array, _)| array == id)
}

/// Jobs that ask for the same have the same number.
pub fn shapes(snapshot: &Snapshot) -> Vec<usize> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let shape = |job: &Job| {
        let kept = job.waiting().and_then(|waiting| waiting.reservation.as_deref()).unwrap_or("");
        format!("{:?} {:?} {:?} {kept}", job.request, job.queues, job.limit)
    };
    snapshot
        .jobs
        .iter()
        .map(|job| {
            let next = known.len();
            *known.entry(shape(job)).or_insert(next)
        })
        .collect()
}
