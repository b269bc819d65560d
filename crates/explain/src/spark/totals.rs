//! Figures over a whole log, counted while it streams by.

use std::collections::BTreeMap;

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

impl Totals {
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
