//! Barrier stages as ordinary ones, and the other way round.
//!
//! `BarrierTaskContext.barrier()` looks every second whether all tasks have arrived (Spark 4.3: `Thread.sleep(1000)`), so
//! a task that is not the last to arrive pays whole seconds. The log does not tell of the call, but its mark is
//! clear: of each stage that calls it the longest task takes a second at least. A family of barrier stages that has one
//! without this mark does not call it. One call a task is assumed, and one poll a call: more need arrivals that are more
//! than a second apart. Beside the sleep the call asks the driver and hears from it: two messages, each taken to last as
//! long as the driver takes to hear of a task's end.

use super::replay::own_room;
use super::work::{Group, SparkProfile, StageWork, TaskWork};
use crate::sample::median;
use crate::{Error, Interval};

/// The sleep between two looks.
const POLL_S: f64 = 1.0;

/// The same application with its stages' barriers changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarrierForecast {
    /// Stages that change.
    pub stages: usize,
    /// Polls of `barrier()` that are taken out, or put in.
    pub polls: usize,
    /// Time in jobs.
    pub job_s: Interval,
}

impl SparkProfile {
    /// How many barrier stages the log has.
    pub fn barrier_stages(&self) -> usize {
        self.stages().filter(|stage| stage.barrier).count()
    }

    /// Whether tasks of the barrier stages called `barrier()`, as far as the log shows.
    pub fn polls(&self) -> bool {
        let mut barriers = self.stages().filter(|stage| stage.barrier).peekable();
        barriers.peek().is_some() && barriers.all(|stage| longest_s(stage) >= POLL_S)
    }

    /// The time in jobs if barrier stages were ordinary ones.
    ///
    /// # Errors
    /// [`Error::CannotTell`] if there is none.
    pub fn without_barrier(&self) -> Result<BarrierForecast, Error> {
        if self.barrier_stages() == 0 {
            return Err(Error::CannotTell { why: "no stage of the log has a barrier".into() });
        }
        let most = |task: &TaskWork| (task.run_s / POLL_S).floor();
        let (groups, polls) = self.plain(&self.groups, |task| most(task).min(1.0));
        let (fewest, _) = self.plain(&self.groups, most);
        let stages = self.barrier_stages();
        self.compared(&groups, &fewest).map(|job_s| BarrierForecast { stages, polls, job_s })
    }

    /// The time in jobs if every stage started together and its tasks called `barrier()` once.
    ///
    /// # Errors
    /// [`Error::CannotTell`] if a stage has more tasks than there are slots, or all have barriers already.
    pub fn with_barrier(&self) -> Result<BarrierForecast, Error> {
        let plain = || self.stages().filter(|stage| !stage.barrier && !stage.tasks.is_empty());
        let widest = plain().map(|stage| stage.tasks.len()).max();
        let why = match widest {
            None => "all stages of the log have a barrier".into(),
            Some(widest) if widest > self.slots => {
                format!("a stage of {widest} tasks cannot start together on {} slots", self.slots)
            }
            Some(_) => {
                let all = self.with_polls(|_, _| POLL_S);
                // Whoever arrives last need not poll; that may be the longest task.
                let spared =
                    self.with_polls(|task, longest| if task.work_s < longest { POLL_S } else { 0.0 });
                let stages = plain().count();
                let polls = plain().map(|stage| stage.tasks.len()).sum();
                return self.compared(&all, &spared).map(|job_s| BarrierForecast { stages, polls, job_s });
            }
        };
        Err(Error::CannotTell { why })
    }

    pub(super) fn stages(&self) -> impl Iterator<Item = &StageWork> {
        self.groups.iter().flat_map(|group| &group.stages)
    }

    /// Groups of this log without barriers, and how many polls went.
    pub(super) fn plain(&self, groups: &[Group], polls: impl Fn(&TaskWork) -> f64) -> (Vec<Group>, usize) {
        let (mut gone, calls) = (0.0, self.polls());
        let message_s = self.message_s();
        let mut groups = groups.to_vec();
        for stage in groups.iter_mut().flat_map(|group| &mut group.stages).filter(|stage| stage.barrier) {
            stage.barrier = false;
            for task in stage.tasks.iter_mut().filter(|_| calls) {
                let slept = POLL_S * polls(task);
                gone += slept / POLL_S;
                let waited = slept + (2.0 * message_s).min(task.run_s - slept);
                task.run_s -= waited;
                task.work_s -= waited;
            }
        }
        (groups, gone.round() as usize)
    }

    /// How long the driver takes to hear of a task's end.
    fn message_s(&self) -> f64 {
        median(self.stages().flat_map(|stage| &stage.tasks).map(|task| task.notice_s)).unwrap_or(0.0)
    }

    fn with_polls(&self, poll_s: impl Fn(&TaskWork, f64) -> f64) -> Vec<Group> {
        let message_s = self.message_s();
        let mut groups = self.groups.clone();
        for stage in groups.iter_mut().flat_map(|group| &mut group.stages).filter(|stage| !stage.barrier) {
            let longest = stage.tasks.iter().map(|task| task.work_s).fold(0.0, f64::max);
            stage.barrier = true;
            for task in &mut stage.tasks {
                let waits = poll_s(task, longest) + 2.0 * message_s;
                task.run_s += waits;
                task.work_s += waits;
            }
        }
        groups
    }

    /// The time of some groups on the log's own slots; `other` is what it might also be.
    fn compared(&self, groups: &[Group], other: &[Group]) -> Result<Interval, Error> {
        let (value, other) = (self.total(groups), self.total(other));
        Ok(own_room(self, groups, value).containing(other))
    }
}

fn longest_s(stage: &StageWork) -> f64 {
    stage.tasks.iter().map(|task| task.run_s).fold(0.0, f64::max)
}
