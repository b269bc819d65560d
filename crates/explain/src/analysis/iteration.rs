//! Iterations: the same pattern of stages again and again.
//!
//! Spark does not know about iterations. A program that iterates shows as jobs that run the same stages, or as one job
//! whose stages repeat (ALS). Both are found as cycles in a sequence of symbols.

use std::collections::BTreeMap;

use serde::Serialize;

use super::numbers::median;
use crate::spark::{Application, Stage, Window};

/// A pattern that repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Iterations {
    /// The stages of one iteration with their numbers of tasks: `treeAggregate[4] > treeAggregate[1]`.
    pub pattern: String,
    /// `jobs` if every iteration is one or more jobs, `stages` if they are stages of one job, `rounds` for workers'
    /// clocks.
    pub of: &'static str,
    /// How many iterations.
    pub count: u64,
    /// When the first began and the last ended, in ms of the run.
    pub from_ms: f64,
    /// See `from_ms`.
    pub to_ms: f64,
    /// Median time from one iteration's start to the next one's.
    pub median_ms: f64,
    /// Synchronisation points in one iteration: one a stage, and the driver's gap where the iteration is a job.
    pub sync_points: u64,
    /// The times from one start to the next; for comparisons.
    #[serde(skip)]
    pub samples: Vec<f64>,
}

/// A cycle in a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cycle {
    start: usize,
    period: usize,
    repeats: usize,
}

/// The longest pattern that is looked for.
const LONGEST: usize = 24;

/// Fewer repetitions may be chance.
const FEWEST: usize = 3;

/// Finds cycles from left to right; where several fit, the one that covers most, then the shortest.
fn cycles(sequence: &[u32]) -> Vec<Cycle> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < sequence.len() {
        let best = (1..=LONGEST.min((sequence.len() - start) / FEWEST))
            .map(|period| Cycle { start, period, repeats: repeats(&sequence[start..], period) })
            .filter(|cycle| cycle.repeats >= FEWEST)
            .max_by_key(|cycle| (cycle.period * cycle.repeats, std::cmp::Reverse(cycle.period)));
        start += best.map_or(1, |cycle| cycle.period * cycle.repeats);
        found.extend(best);
    }
    found
}

/// How often the first `period` symbols stand in a row.
fn repeats(sequence: &[u32], period: usize) -> usize {
    let (first, _) = sequence.split_at(period);
    sequence.chunks_exact(period).take_while(|chunk| *chunk == first).count()
}

/// Something that may be part of an iteration.
#[derive(Clone, Copy, Debug)]
struct Step {
    pattern: u32,
    started: f64,
    ended: f64,
}

/// Collects the steps of a run.
#[derive(Debug, Default)]
pub(crate) struct IterationFinder {
    names: BTreeMap<String, u32>,
    jobs: Vec<Step>,
    inside: Vec<Iterations>,
    /// When the last of the jobs so far ended; one that seems to start before is no iteration of theirs.
    reached: i64,
}

impl IterationFinder {
    /// Takes the next window.
    pub fn take(&mut self, application: &Application, window: &Window) {
        let origin = application.start();
        let since = |at: i64| (at - origin) as f64;
        // By their starts: threads may submit them in another order than that of their numbers.
        let mut order: Vec<usize> = (0..window.jobs.len()).collect();
        order.sort_by_key(|&at| (window.jobs[at].started, at));
        let overlapping = overlapping(window, application.end());
        for number in order {
            let job = &window.jobs[number];
            let stages: Vec<&Stage> =
                window.stages.iter().filter(|stage| stage.job == Some(number)).collect();
            if stages.is_empty() {
                continue;
            }
            let steps: Vec<Step> = stages
                .iter()
                .map(|stage| {
                    let ended = stage.completed.or(stage.last_finish()).unwrap_or(stage.submitted);
                    Step {
                        pattern: self.symbol(symbol(stage)),
                        started: since(stage.submitted),
                        ended: since(ended),
                    }
                })
                .collect();
            let pattern: Vec<String> = stages.iter().map(|stage| symbol(stage)).collect();
            // Jobs that run side by side are no iterations: each is a pattern of its own.
            let is_late = job.started < self.reached;
            self.reached = self.reached.max(job.ended.unwrap_or(application.end()));
            let pattern = match overlapping[number] || is_late {
                true => self.unique(),
                false => self.symbol(pattern.join(" > ")),
            };
            let inside = self.found(&steps, "stages");
            self.inside.extend(inside);
            let ended = since(job.ended.unwrap_or(job.started));
            self.jobs.push(Step { pattern, started: since(job.started), ended });
        }
    }

    /// The iterations of the run, in order of time.
    pub fn finish(self) -> Vec<Iterations> {
        let mut all = self.found(&self.jobs, "jobs");
        all.extend(self.inside);
        all.sort_by(|a, b| a.from_ms.total_cmp(&b.from_ms));
        all
    }

    fn symbol(&mut self, name: String) -> u32 {
        let next = self.names.len() as u32;
        *self.names.entry(name).or_insert(next)
    }

    /// A symbol that nothing else has.
    fn unique(&mut self) -> u32 {
        self.symbol(format!("side by side {}", self.names.len()))
    }

    fn found(&self, steps: &[Step], of: &'static str) -> Vec<Iterations> {
        let names: BTreeMap<u32, &str> =
            self.names.iter().map(|(name, &symbol)| (symbol, name.as_str())).collect();
        let sequence: Vec<u32> = steps.iter().map(|step| step.pattern).collect();
        let describe = |cycle: Cycle| {
            let range = &steps[cycle.start..cycle.start + cycle.period * cycle.repeats];
            let starts: Vec<f64> = range.iter().step_by(cycle.period).map(|step| step.started).collect();
            let between: Vec<f64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let pattern: Vec<&str> = range[..cycle.period].iter().map(|step| names[&step.pattern]).collect();
            let pattern = pattern.join(if of == "jobs" { " | " } else { " > " });
            let stages = pattern.split(" > ").flat_map(|part| part.split(" | ")).count();
            let gaps = if of == "jobs" { cycle.period } else { 0 };
            Iterations {
                sync_points: (stages + gaps) as u64,
                pattern,
                of,
                count: cycle.repeats as u64,
                from_ms: starts[0],
                to_ms: range.iter().map(|step| step.ended).fold(0.0, f64::max),
                median_ms: median(&between),
                samples: between,
            }
        };
        cycles(&sequence).into_iter().map(describe).collect()
    }
}

/// Which jobs of a window ran while another one did.
fn overlapping(window: &Window, now: i64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..window.jobs.len()).collect();
    order.sort_by_key(|&at| (window.jobs[at].started, at));
    let mut overlaps = vec![false; window.jobs.len()];
    let mut open: Option<(usize, i64)> = None;
    for at in order {
        let (started, ended) = (window.jobs[at].started, window.jobs[at].ended.unwrap_or(now));
        if let Some((other, until)) = open
            && started < until
        {
            (overlaps[at], overlaps[other]) = (true, true);
        }
        if open.is_none_or(|(_, until)| ended > until) {
            open = Some((at, ended));
        }
    }
    overlaps
}

/// The operation of a stage, without the place in the program, and its number of tasks.
fn symbol(stage: &Stage) -> String {
    let operation = stage.name.split(" at ").next().unwrap_or(&stage.name);
    format!("{operation}[{}]", stage.planned_tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_repeats() {
        let cycle = |start, period, repeats| Cycle { start, period, repeats };
        assert_eq!(cycles(&[9, 1, 1, 1, 1, 8]), [cycle(1, 1, 4)]);
        assert_eq!(cycles(&[1, 2, 1, 2, 1, 2, 1, 3]), [cycle(0, 2, 3)]);
        assert_eq!(cycles(&[1, 2, 3, 1, 2]), []);
        assert_eq!(cycles(&[5, 5, 5, 6, 7, 6, 7, 6, 7]), [cycle(0, 1, 3), cycle(3, 2, 3)]);
    }
}
