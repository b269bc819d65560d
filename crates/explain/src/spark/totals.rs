//! Figures over a whole log, counted while it streams by.

use std::collections::BTreeMap;

use serde::Serialize;

use super::model::Stage;

/// Counts and exact medians. Whole ms repeat often, so a histogram of them is small however long the log is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub jobs: u64,
    pub failed_jobs: u64,
    pub stages: u64,
    pub retried_stages: u64,
    pub failed_stages: u64,
    pub skipped_stages: u64,
    pub tree_aggregate_stages: u64,
    pub barrier_stages: u64,
    pub tasks: u64,
    pub failed_tasks: u64,
    pub killed_tasks: u64,
    pub unfinished_jobs: u64,
    pub unfinished_stages: u64,
    pub unfinished_tasks: u64,
    /// Jobs without an end in the log of an application that ended.
    pub jobs_without_end: u64,
    pub missing_task_ends: u64,
    /// The first stages with missing ends, in words.
    pub missing: Vec<String>,
    pub speculative_tasks: u64,
    pub tasks_without_metrics: u64,
    pub run_ms: i64,
    pub shuffle_written_bytes: i64,
    pub remote_read_bytes: i64,
    pub spilled_bytes: i64,
    pub scheduler_delay: Histogram,
    pub stage_launch: Histogram,
    /// Start and end of each job, in order of job id.
    pub job_times: BTreeMap<i64, (i64, i64)>,
}

/// Stages with missing ends that are described.
const MISSING: usize = 3;

impl Totals {
    /// Notes when a job ran; a job that is handed on in parts runs from the first to the last.
    pub fn job(&mut self, id: i64, started: i64, ended: i64) {
        let times = self.job_times.entry(id).or_insert((started, ended));
        *times = (times.0.min(started), times.1.max(ended));
    }

    /// Counts what of a stage is not in the log.
    pub fn take(&mut self, stage: &Stage) {
        self.unfinished_stages += u64::from(stage.is_unfinished);
        self.unfinished_tasks += stage.running.len() as u64;
        self.missing_task_ends += u64::from(stage.missing_tasks);
        if stage.missing_tasks > 0 && self.missing.len() < MISSING {
            let (missing, planned) = (stage.missing_tasks, stage.planned_tasks);
            self.missing
                .push(format!("{missing} of {planned} tasks of stage {} `{}`", stage.key.id, stage.name));
        }
    }

    /// What of the run did not end well.
    pub fn failures(&self, lost_executors: u64) -> FailureCounts {
        FailureCounts {
            failed_jobs: self.failed_jobs,
            failed_stages: self.failed_stages,
            retried_stages: self.retried_stages,
            failed_tasks: self.failed_tasks,
            killed_tasks: self.killed_tasks,
            lost_executors,
            unfinished_jobs: self.unfinished_jobs,
            missing_task_ends: self.missing_task_ends,
        }
    }

    /// Time in which at least one job was open, in ms.
    pub fn in_jobs_ms(&self) -> i64 {
        let mut times: Vec<(i64, i64)> = self.job_times.values().copied().collect();
        times.sort_unstable();
        let (mut total, mut covered) = (0, i64::MIN);
        for (start, end) in times {
            total += (end - start.max(covered)).max(0);
            covered = covered.max(end);
        }
        total
    }

    /// Median time from a job's end to the next job's start; negative where jobs overlap.
    pub fn median_job_gap_ms(&self) -> i64 {
        let mut gaps = Histogram::default();
        for (before, after) in self.job_times.values().zip(self.job_times.values().skip(1)) {
            gaps.add(after.0 - before.1);
        }
        gaps.median()
    }
}

/// What of a run did not end well: whoever models it should say that it is no clean run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FailureCounts {
    /// Jobs whose result was a failure.
    pub failed_jobs: u64,
    /// Stages that failed.
    pub failed_stages: u64,
    /// Further attempts at stages.
    pub retried_stages: u64,
    /// Attempts at tasks that failed or were killed.
    pub failed_tasks: u64,
    /// Of them, killed.
    pub killed_tasks: u64,
    /// Executors that went although nobody had asked them to.
    pub lost_executors: u64,
    /// Jobs that were open when a log without an end ended.
    pub unfinished_jobs: u64,
    /// Tasks whose ends are not in the log although their stage was completed.
    pub missing_task_ends: u64,
}

/// How often each whole number of ms was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: BTreeMap<i64, u64>,
    total: u64,
}

impl Histogram {
    /// Counts `ms`.
    pub fn add(&mut self, ms: i64) {
        *self.counts.entry(ms).or_default() += 1;
        self.total += 1;
    }

    /// The median in whole ms; of an even number of values the mean of the middle two, cut to whole ms. 0 without values.
    pub fn median(&self) -> i64 {
        if self.total == 0 {
            return 0;
        }
        let (low, high) = (self.nth((self.total - 1) / 2), self.nth(self.total / 2));
        (low + high) / 2
    }

    fn nth(&self, index: u64) -> i64 {
        let mut seen = 0;
        for (&ms, &count) in &self.counts {
            seen += count;
            if seen > index {
                return ms;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_cut_to_whole_ms() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.median(), 0);
        [3, 1, 2, 9].into_iter().for_each(|ms| histogram.add(ms));
        assert_eq!(histogram.median(), 2);
        histogram.add(9);
        assert_eq!(histogram.median(), 3);
    }

    #[test]
    fn overlapping_jobs_are_counted_once() {
        let job_times = [(0, (10, 20)), (1, (15, 40)), (2, (16, 18)), (3, (50, 60))].into();
        let totals = Totals { job_times, ..Totals::default() };
        assert_eq!(totals.in_jobs_ms(), 40);
        assert_eq!(totals.median_job_gap_ms(), -5);
    }
}
