//! Attempts that did not count, and what they cost.
//!
//! An attempt counts if it succeeded and its output was used. What failed, was killed, or had its output lost with its
//! executor did not; its slot time is lost, and so is the time of those who could only wait for it or for its repetition.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spark::Window;

/// What attempts cost that did not count.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Failures {
    /// Slot time of attempts that did not count, in ms.
    pub lost_task_ms: i64,
    /// Slot time of all attempts, in ms.
    pub task_ms: i64,
    /// Slot time in which others waited for attempts that did not count, or for their repetition, in core-seconds.
    pub waited_core_s: f64,
    /// Slot time of tasks after their stage and jobs were over, in ms: work that nobody needed.
    pub unneeded_task_ms: i64,
    /// Why attempts did not count, most slot time first.
    pub reasons: Vec<LostWork>,
    /// The first jobs that failed.
    pub jobs: Vec<FailedJob>,
}

/// Attempts at the tasks of one stage that did not count for one reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LostWork {
    /// The stage's name.
    pub stage: String,
    /// The exception's class, or Spark's reason.
    pub why: String,
    /// How many attempts.
    pub attempts: u64,
    /// Their slot time in ms.
    pub ms: i64,
}

/// A job that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedJob {
    /// Its id.
    pub job: i64,
    /// The first line of the message, as far as the log has one.
    pub why: String,
}

/// Reasons and jobs that are kept.
const KEPT: usize = 20;

/// Pairs of stage and reason that are told apart while the log streams by.
const PAIRS: usize = 4096;

/// Collects what was lost window by window.
#[derive(Debug, Default)]
pub(crate) struct FailureSums {
    lost_ms: i64,
    task_ms: i64,
    unneeded_ms: i64,
    reasons: BTreeMap<(String, String), (u64, i64)>,
    jobs: Vec<FailedJob>,
}

impl FailureSums {
    /// Takes the next window.
    pub fn take(&mut self, window: &Window) {
        for stage in &window.stages {
            for task in &stage.tasks {
                self.task_ms = self.task_ms.saturating_add(task.duration());
                self.unneeded_ms = self.unneeded_ms.saturating_add(stage.unneeded_ms(task));
                if !task.succeeded {
                    self.lose(&stage.name, task.why.as_deref().unwrap_or_default(), task.duration());
                }
            }
        }
        let failed = window.jobs.iter().filter(|job| !job.succeeded);
        for job in failed.take(KEPT.saturating_sub(self.jobs.len())) {
            // The message of a job repeats what its stage says, where it has none.
            let of_job = |stage: &&crate::spark::Stage| job.stage_ids.contains(&stage.key.id);
            let of_stage = window.stages.iter().filter(of_job).find_map(|stage| stage.failure.clone());
            let why = job.failure.clone().filter(|why| !why.is_empty()).or(of_stage).unwrap_or_default();
            self.jobs.push(FailedJob { job: job.id, why });
        }
    }

    fn lose(&mut self, stage: &str, why: &str, ms: i64) {
        self.lost_ms = self.lost_ms.saturating_add(ms);
        let key = (stage.to_owned(), why.to_owned());
        if self.reasons.len() < PAIRS || self.reasons.contains_key(&key) {
            let (attempts, sum) = self.reasons.entry(key).or_default();
            *attempts += 1;
            *sum = sum.saturating_add(ms);
        }
    }

    /// What was lost over the run.
    pub fn finish(self, failure_wait_ms: f64) -> Failures {
        let lost = |((stage, why), (attempts, ms))| LostWork { stage, why, attempts, ms };
        let mut reasons: Vec<LostWork> = self.reasons.into_iter().map(lost).collect();
        reasons.sort_by_key(|lost| std::cmp::Reverse((lost.ms, lost.attempts)));
        reasons.truncate(KEPT);
        Failures {
            lost_task_ms: self.lost_ms,
            task_ms: self.task_ms,
            waited_core_s: failure_wait_ms / 1000.0,
            unneeded_task_ms: self.unneeded_ms,
            reasons,
            jobs: self.jobs,
        }
    }
}
