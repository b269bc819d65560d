//! Which job a job's start depends on, where jobs overlap.
//!
//! A program of several threads submits a thread's next job soon after the last one has ended, at whatever size; jobs
//! that arrive from outside come when they come. The log does not name threads, so each start that is not its window's
//! first is held against the latest end before it. How soon is soon depends on the driver, a few ms on an idle machine
//! and a hundred on a busy one, so the gaps themselves decide: of all limits the one is taken under which there are the
//! most starts against what chance would put there, by the likelihood ratio of Poisson numbers n ln(n / m) - (n - m).
//! Where it does not decide, and each start has an end of its own before it, as the jobs of threads have, both readings are
//! kept: one as the answer, the other to be held by its interval.

use std::collections::BTreeSet;

use syncline_explain::spark::{Job, Window};

use super::work::After;

/// The likelihood ratio, as a logarithm, from which on starts follow from ends: that of the best limit of arrivals by
/// themselves is above it in about one log of a hundred.
const SURE: f64 = 5.0;
/// The same, where each start has an end of its own before it; then the interval holds the other reading as well.
const LIKELY: f64 = 2.0;
/// The share of starts within the limit that chance must not explain: to be believed, and to be beyond doubt.
const MOST: f64 = 0.5;
const NEARLY_ALL: f64 = 0.85;
/// A start further behind an end than this, in ms, is no sign of anything.
const FARTHEST: i64 = 2000;

/// What a log tells of the starts of its jobs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Threads {
    /// Whether starts soon after an end are its consequence.
    pub believed: bool,
    /// Whether it may be the other way.
    pub doubtful: bool,
    /// How soon after an end such a start comes at the latest, in ms.
    limit: i64,
}

impl Threads {
    /// Compares the starts of all windows with what chance would make of them.
    pub fn of(windows: &[&Window]) -> Self {
        let mut gaps = Vec::new();
        for window in windows {
            let pace = ends_per_ms(&window.jobs);
            gaps.extend(latest_ends(&window.jobs).into_iter().map(|(start, end)| (start - end, pace)));
        }
        gaps.sort_by_key(|gap| gap.0);
        let (mut score, mut share, mut limit) = (0.0, 0.0, 0);
        // Many windows have about one pace: the mean stands for all, so that a log of many jobs takes no square of them.
        let pace = gaps.iter().map(|gap| gap.1).sum::<f64>() / gaps.len().max(1) as f64;
        for (at, (gap, _)) in gaps.iter().enumerate().take_while(|(_, gap)| gap.0 <= FARTHEST) {
            let close = (at + 1) as f64;
            // Times are whole ms, so that a gap of 0 is one of up to 1.
            let by_chance = gaps.len() as f64 * (1.0 - (-pace * (gap + 1) as f64).exp());
            let ratio = close * (close / by_chance).ln() - (close - by_chance);
            if close > by_chance && ratio > score {
                (score, share, limit) = (ratio, 1.0 - by_chance / close, *gap);
            }
        }
        let possible = !gaps.is_empty() && could_be(windows);
        let believed = share >= MOST && (score >= SURE || (score >= LIKELY && possible));
        let doubtful = if believed { score < SURE || share < NEARLY_ALL } else { possible };
        Self { believed, doubtful, limit: if doubtful && !believed { i64::MAX } else { limit } }
    }
}

/// Whether all starts could be those of threads: but for the first ones, each has an end before it that no other has taken.
fn could_be(windows: &[&Window]) -> bool {
    windows.iter().all(|window| {
        let ends = ends(&window.jobs);
        let first = ends.first().map_or(i64::MAX, |end| end.0);
        let mut later: Vec<i64> =
            window.jobs.iter().map(|job| job.started).filter(|started| *started >= first).collect();
        later.sort_unstable();
        (1..).zip(later).all(|(taken, started)| ends.partition_point(|end| end.0 <= started) >= taken)
    })
}

/// For each job of a window the one whose end its start may follow from, and by how much.
pub(super) fn candidates(jobs: &[Job], threads: Threads) -> Vec<Option<After>> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&at| (jobs[at].started, at));
    let ends = ends(jobs);
    let mut coming = ends.iter().peekable();
    // A thread submits one job after another: an end has one consequence.
    let mut free = BTreeSet::new();
    let mut found = vec![None; jobs.len()];
    let mut is_before = vec![false; jobs.len()];
    for at in order {
        let started = jobs[at].started;
        while let Some(end) = coming.next_if(|(end, _)| *end <= started) {
            free.insert(*end);
        }
        // Jobs that take no time at all cannot follow from each other in a circle.
        let latest = free.iter().rev().find(|(_, job)| is_before[*job]).copied();
        is_before[at] = true;
        let Some((end, job)) = latest.filter(|(end, _)| started - end <= threads.limit) else { continue };
        free.remove(&(end, job));
        found[at] = Some(After { job, gap_s: (started - end) as f64 * 1e-3 });
    }
    found
}

/// The ends of jobs in order, and whose they are.
fn ends(jobs: &[Job]) -> Vec<(i64, usize)> {
    let mut ends: Vec<(i64, usize)> =
        jobs.iter().enumerate().filter_map(|(at, job)| Some((job.ended?, at))).collect();
    ends.sort_unstable();
    ends
}

/// The start of each job but the first, and the latest end before it.
fn latest_ends(jobs: &[Job]) -> Vec<(i64, i64)> {
    let first = jobs.iter().map(|job| job.started).min().unwrap_or(0);
    let ends = ends(jobs);
    let latest = |job: &Job| {
        let before = ends.partition_point(|(end, _)| *end <= job.started);
        Some((job.started, ends[before.checked_sub(1)?].0))
    };
    jobs.iter().filter(|job| job.started > first).filter_map(latest).collect()
}

fn ends_per_ms(jobs: &[Job]) -> f64 {
    let ends = || jobs.iter().filter_map(|job| job.ended);
    let first = jobs.iter().map(|job| job.started).min().unwrap_or(0);
    ends().count() as f64 / (ends().max().unwrap_or(0) - first).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: i64, started: i64, ended: i64) -> Job {
        Job {
            id,
            started,
            ended: Some(ended),
            succeeded: true,
            failure: None,
            sql_execution: None,
            stage_ids: Vec::new(),
        }
    }

    fn window(jobs: &[(i64, i64)]) -> Window {
        let jobs = (0..).zip(jobs).map(|(id, (start, end))| job(id, *start, *end)).collect();
        Window { jobs, stages: Vec::new() }
    }

    #[test]
    fn starts_right_after_ends_are_their_consequences() {
        let window = window(&[(0, 1000), (2, 1500), (1003, 2600), (1504, 3000), (2602, 4000), (3003, 4500)]);
        let threads = Threads::of(&[&window]);
        assert!(threads.believed && !threads.doubtful, "{threads:?}");
        let after: Vec<Option<usize>> =
            candidates(&window.jobs, threads).iter().map(|after| Some(after.as_ref()?.job)).collect();
        assert_eq!(after, [None, None, Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn arrivals_stay_arrivals() {
        // Two come while nobody has ended since the last one came.
        let window =
            window(&[(0, 1000), (700, 2500), (1900, 3100), (2000, 4000), (2300, 5000), (4700, 6000)]);
        let threads = Threads::of(&[&window]);
        assert!(!threads.believed && !threads.doubtful, "{threads:?}");
    }

    #[test]
    fn a_busy_driver_takes_its_time() {
        // Recorded under load: three threads of three jobs each on two slots.
        let window = window(&[
            (0, 1328),
            (26, 2982),
            (48, 4742),
            (1450, 6195),
            (3066, 7838),
            (4857, 9486),
            (6340, 10727),
            (8011, 12219),
            (9584, 14026),
        ]);
        let threads = Threads::of(&[&window]);
        assert!(threads.believed && !threads.doubtful, "{threads:?}");
        assert_eq!(candidates(&window.jobs, threads).iter().flatten().count(), 6);
    }
}
