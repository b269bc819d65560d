//! What running costs beyond the work: constants that a model of the system needs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::numbers::{mean, quantile};
use crate::spark::Window;

/// Times kept of each kind; enough for a median that does not move.
const KEPT: usize = 1 << 16;

/// A cost, over all its occurrences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// How often it was paid.
    pub count: u64,
    /// Median in ms.
    pub median_ms: f64,
    /// 90 % were at most this, in ms.
    pub p90_ms: f64,
    /// Mean in ms.
    pub mean_ms: f64,
}

/// The overheads of a system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Overheads {
    /// From launch to finish, less the task's own run time.
    pub per_task: Cost,
    /// From a task's finish to the next launch on the same core, within a stage.
    pub slot_gap: Cost,
    /// From a stage's submission to its first launch.
    pub stage_launch: Cost,
    /// From the last task of the parents to the submission of the child.
    pub stage_boundary: Cost,
    /// From a stage's last task to its completion, as the driver notes it.
    pub stage_completion: Cost,
    /// Within a job, before the first launch and after the last finish.
    pub per_job: Cost,
}

/// Collects overheads window by window.
#[derive(Debug, Default)]
pub(crate) struct OverheadSums {
    kinds: BTreeMap<&'static str, (u64, Vec<f64>)>,
}

impl OverheadSums {
    /// Takes the next window.
    pub fn take(&mut self, window: &Window) {
        for stage in &window.stages {
            for task in &stage.tasks {
                if task.metrics.is_some() {
                    self.add("task", task.duration() - task.run());
                }
            }
            if let Some(first) = stage.first_launch() {
                self.add("launch", first - stage.submitted);
            }
            if let (Some(last), Some(completed)) = (stage.last_finish(), stage.completed) {
                self.add("completion", completed - last);
            }
            let parents = window.stages.iter().filter(|parent| stage.parents.contains(&parent.key.id));
            if let Some(last) = parents.filter_map(|parent| parent.last_finish()).max() {
                self.add("boundary", stage.submitted - last);
            }
        }
        self.slot_gaps(window);
        self.jobs(window);
    }

    fn slot_gaps(&mut self, window: &Window) {
        for stage in &window.stages {
            let mut on_slot: BTreeMap<(u32, u32), Vec<(i64, i64)>> = BTreeMap::new();
            for task in &stage.tasks {
                on_slot.entry((task.executor, task.slot)).or_default().push((task.launched, task.finished));
            }
            for tasks in on_slot.values_mut() {
                tasks.sort_unstable();
                tasks.windows(2).for_each(|pair| self.add("slot", pair[1].0 - pair[0].1));
            }
        }
    }

    fn jobs(&mut self, window: &Window) {
        for (number, job) in window.jobs.iter().enumerate() {
            let stages = || window.stages.iter().filter(|stage| stage.job == Some(number));
            let first = stages().filter_map(|stage| stage.first_launch()).min();
            let last = stages().filter_map(|stage| stage.last_finish()).max();
            if let (Some(first), Some(last), Some(ended)) = (first, last, job.ended) {
                self.add("job", (first - job.started).max(0) + (ended - last).max(0));
            }
        }
    }

    fn add(&mut self, kind: &'static str, ms: i64) {
        let (count, kept) = self.kinds.entry(kind).or_default();
        *count += 1;
        if kept.len() < KEPT {
            kept.push(ms.max(0) as f64);
        }
    }

    /// The overheads of the run.
    pub fn finish(mut self) -> Overheads {
        let mut cost = |kind: &str| {
            let (count, mut kept) = self.kinds.remove(kind).unwrap_or_default();
            kept.sort_by(f64::total_cmp);
            Cost {
                count,
                median_ms: quantile(&kept, 0.5),
                p90_ms: quantile(&kept, 0.9),
                mean_ms: mean(&kept),
            }
        };
        Overheads {
            per_task: cost("task"),
            slot_gap: cost("slot"),
            stage_launch: cost("launch"),
            stage_boundary: cost("boundary"),
            stage_completion: cost("completion"),
            per_job: cost("job"),
        }
    }
}
