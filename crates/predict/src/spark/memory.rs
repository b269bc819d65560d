//! Memory of executors: what tasks of a log needed, what they would spill with more or less of it, and what that costs.
//!
//! Spark gives the tasks of an executor the unified memory, (heap - 300 MiB) x `spark.memory.fraction`, in equal shares while all
//! slots are busy. A task that has had all that it could get has spilled the rest; with k times the share it gets k times as
//! much. What a spilled byte costs stands in the log where tasks of one stage spilled and others did not: the coefficient of the
//! spilled bytes beside that of the bytes needed, within stages. Elsewhere it cannot be told.

use super::work::{Group, SparkProfile, TaskWork};
use crate::{Error, Interval};

/// What Spark keeps of every heap for itself.
const RESERVED: f64 = 300.0 * 1024.0 * 1024.0;
/// Tasks that spilled, and that did not, before a spilled byte has a price, and how many standard errors it is from nothing.
const EVIDENCE: (usize, f64) = (8, 3.0);

/// Memory for the tasks of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Bytes of a JVM that runs tasks.
    pub executor_b: u64,
    /// Bytes that each slot's task may take of it while all are busy.
    pub slot_b: f64,
    /// What the neediest task took or spilled, in bytes; 0 where tasks measured nothing.
    pub largest_need_b: f64,
    /// Bytes that were spilled, as large as they were in memory.
    pub spilled_b: f64,
    /// The share of run time that went to collecting garbage.
    pub gc_share: f64,
}

impl Memory {
    /// Bytes of an executor of so many slots with which no task of the log would have spilled.
    pub fn enough_b(&self, slots: usize, fraction: f64) -> f64 {
        RESERVED + self.largest_need_b * slots as f64 / fraction
    }
}

/// The same work with other memory.
pub(super) struct Changed {
    pub groups: Vec<Group>,
    /// Bytes spilled then.
    pub spilled_b: f64,
    /// By how much the time of all tasks together may be off, in seconds.
    pub doubt_s: f64,
}

/// What a slot's task may take.
pub(super) fn share_b(memory: f64, fraction: f64, slots: usize) -> f64 {
    ((memory - RESERVED) * fraction).max(0.0) / slots.max(1) as f64
}

impl SparkProfile {
    /// What memory the log's tasks had and needed.
    pub fn memory(&self) -> Memory {
        let tasks = || self.groups.iter().flat_map(|group| &group.stages).flat_map(|stage| &stage.tasks);
        let kind = &self.executor;
        Memory {
            executor_b: kind.memory,
            slot_b: share_b(kind.memory as f64, kind.fraction, self.slots_each()),
            largest_need_b: tasks().map(need_b).fold(0.0, f64::max),
            spilled_b: tasks().map(|task| f64::from(task.spilled_b)).sum(),
            gc_share: kind.gc_share,
        }
    }

    /// `spark.memory.fraction` of the log.
    pub fn memory_fraction(&self) -> f64 {
        self.executor.fraction
    }

    /// The work where each slot's task may take so many bytes.
    pub(super) fn with_share(&self, share_b: f64) -> Result<Changed, Error> {
        let now = self.memory();
        let ratio = share_b / now.slot_b;
        let then = |task: &TaskWork| spilled_b(task, ratio, share_b);
        let tasks = || self.groups.iter().flat_map(|group| &group.stages).flat_map(|stage| &stage.tasks);
        let spilled_then: f64 = tasks().map(then).sum();
        let more: f64 = tasks().map(|task| (then(task) - f64::from(task.spilled_b)).abs()).sum();
        if more < 1.0 {
            return Ok(Changed { groups: self.groups.clone(), spilled_b: spilled_then, doubt_s: 0.0 });
        }
        let price = self.spill_price(spilled_then)?;
        let mut groups = self.groups.clone();
        for task in groups.iter_mut().flat_map(|group| &mut group.stages).flat_map(|stage| &mut stage.tasks) {
            let spilled = then(task);
            let longer = price.value * (spilled - f64::from(task.spilled_b));
            // What does not spill still does its work.
            let longer = longer.max(-0.9 * task.work_s);
            task.work_s += longer;
            task.run_s = (task.run_s + longer).max(0.0);
            task.spilled_b = spilled as f32;
        }
        Ok(Changed { groups, spilled_b: spilled_then, doubt_s: more * (price.high - price.value) })
    }

    /// Seconds for a spilled byte.
    fn spill_price(&self, spilled_then: f64) -> Result<Interval, Error> {
        let now = self.memory();
        let stages = || self.groups.iter().flat_map(|group| &group.stages);
        let both = |tasks: &&[TaskWork]| {
            let spilled = tasks.iter().filter(|task| task.spilled_b > 0.0).count();
            spilled > 0 && spilled < tasks.len()
        };
        let mixed: Vec<&[TaskWork]> = stages().map(|stage| &stage.tasks[..]).filter(both).collect();
        let spilled = mixed.iter().flat_map(|tasks| *tasks).filter(|task| task.spilled_b > 0.0).count();
        let kept = mixed.iter().flat_map(|tasks| *tasks).count() - spilled;
        let found = if spilled >= EVIDENCE.0 && kept >= EVIDENCE.0 { price_within(&mixed) } else { None };
        found.filter(|(price, error)| *price > EVIDENCE.1 * error).map_or_else(
            || {
                let which = match () {
                    () if now.spilled_b == 0.0 => "no task of the log spilled",
                    () if spilled == 0 => "of the stages that spill, every task did",
                    () => "tasks that spilled and tasks that did not differ no more than by chance, or are too few",
                };
                let why = format!(
                    "{:.0} MB would be spilled, {:.0} MB were, and what that costs is not in the log: {which}",
                    spilled_then / 1e6,
                    now.spilled_b / 1e6
                );
                Err(Error::CannotTell { why })
            },
            |(price, error)| Ok(Interval::around(price, 2.0 * error)),
        )
    }

    /// Slots of one executor.
    pub(super) fn slots_each(&self) -> usize {
        self.slots.div_ceil(self.executors.max(1)).max(1)
    }
}

fn need_b(task: &TaskWork) -> f64 {
    f64::from(task.peak_b) + f64::from(task.spilled_b)
}

/// What a task would spill with `ratio` times its share of the memory, which is then `share_b`.
fn spilled_b(task: &TaskWork, ratio: f64, share_b: f64) -> f64 {
    match () {
        () if (ratio - 1.0).abs() < 1e-9 => f64::from(task.spilled_b),
        // What it had was all that it could get.
        () if task.spilled_b > 0.0 => (need_b(task) - f64::from(task.peak_b) * ratio).max(0.0),
        () if ratio > 1.0 => 0.0,
        () => (need_b(task) - share_b).max(0.0),
    }
}

/// Least squares of times on bytes needed and spilled, within stages: the price of a spilled byte and its standard error.
fn price_within(stages: &[&[TaskWork]]) -> Option<(f64, f64)> {
    let mut rows: Vec<[f64; 3]> = Vec::new();
    for tasks in stages {
        let of = |task: &TaskWork| [task.work_s, need_b(task) / 1e6, f64::from(task.spilled_b) / 1e6];
        let all: Vec<[f64; 3]> = tasks.iter().map(of).collect();
        let mean = |at: usize| all.iter().map(|row| row[at]).sum::<f64>() / all.len() as f64;
        let means = [mean(0), mean(1), mean(2)];
        rows.extend(all.iter().map(|row| [row[0] - means[0], row[1] - means[1], row[2] - means[2]]));
    }
    let sum = |a: usize, b: usize| rows.iter().map(|row| row[a] * row[b]).sum::<f64>();
    let (nn, ns, ss, ny, sy) = (sum(1, 1), sum(1, 2), sum(2, 2), sum(1, 0), sum(2, 0));
    let determinant = nn * ss - ns * ns;
    // Needs that are all spilled alike tell the two apart by rounding only.
    if determinant <= 1e-6 * nn * ss {
        return None;
    }
    let (need, spill) = ((ny * ss - sy * ns) / determinant, (sy * nn - ny * ns) / determinant);
    let left: f64 = rows.iter().map(|row| (row[0] - need * row[1] - spill * row[2]).powi(2)).sum();
    let free = rows.len().checked_sub(stages.len() + 2).filter(|free| *free > 0)?;
    let error = (left / free as f64 * nn / determinant).sqrt();
    // Rows are in MB.
    Some((spill * 1e-6, error * 1e-6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(work_s: f64, peak_b: f32, spilled_b: f32) -> TaskWork {
        TaskWork { work_s, run_s: work_s, peak_b, spilled_b, ..TaskWork::default() }
    }

    #[test]
    fn more_memory_is_less_spilled_and_less_memory_more() {
        let (spiller, fits) = (task(1.0, 4e6, 2e6), task(1.0, 3e6, 0.0));
        assert_eq!(spilled_b(&spiller, 1.25, 5e6), 1e6);
        assert_eq!((spilled_b(&spiller, 2.0, 8e6), spilled_b(&fits, 2.0, 8e6)), (0.0, 0.0));
        assert_eq!((spilled_b(&fits, 0.5, 2e6), spilled_b(&fits, 0.9, 3.6e6)), (1e6, 0.0));
    }

    #[test]
    fn a_spilled_byte_has_a_price_where_some_tasks_spill_and_others_do_not() {
        // 0.1 s a MB of data, 0.5 s more for each MB beyond 10.
        let stage: Vec<TaskWork> = (1..=40)
            .map(|at| {
                let need = f64::from(at) * 0.5;
                let spilled = (need - 10.0).max(0.0);
                let noise = 0.01 * f64::from(at % 3 - 1);
                task(
                    0.1 * need + 0.5 * spilled + noise,
                    ((need - spilled) * 1e6) as f32,
                    (spilled * 1e6) as f32,
                )
            })
            .collect();
        let (price, error) = price_within(&[&stage]).unwrap();
        assert!((price * 1e6 - 0.5).abs() < 0.01 && error * 1e6 < 0.01, "{price} {error}");
        let all_spill: Vec<TaskWork> = (1..40).map(|at| task(f64::from(at), 1e6, 1e6 * at as f32)).collect();
        assert_eq!(price_within(&[&all_spill]), None);
    }
}
