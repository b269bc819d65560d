//! Who ran when in a window: sorted times, so that each question costs a search and not a pass over all tasks.

use syncline_explain::spark::{Stage, Task};

/// How long the executor held the task: ms. All of its time where it measured nothing.
pub(super) fn slot_ms(task: &Task) -> i64 {
    let measured = task.metrics.map(|metrics| metrics.deserialise + metrics.run + metrics.serialise);
    measured.unwrap_or(task.duration()).min(task.duration()).max(0)
}

/// When the executor was through with it.
pub(super) fn end_ms(task: &Task) -> i64 {
    task.launched + slot_ms(task)
}

/// The times of a window, each list in ascending order.
#[derive(Debug)]
pub(super) struct Timeline {
    launched: Vec<i64>,
    ended: Vec<i64>,
    /// When the driver noted the ends, in the order of the launches.
    noted: Vec<i64>,
    submitted: Vec<i64>,
    first_launched: Vec<i64>,
    last_ended: Vec<i64>,
}

impl Timeline {
    /// The times of some stages and their tasks.
    pub fn of(stages: &[&Stage]) -> Self {
        let mut tasks: Vec<&Task> = stages.iter().flat_map(|stage| &stage.tasks).collect();
        tasks.sort_by_key(|task| (task.launched, task.id));
        let began = |stage: &&&Stage| stage.first_launch().is_some();
        let last = |stage: &&Stage| stage.tasks.iter().map(end_ms).max();
        Self {
            launched: tasks.iter().map(|task| task.launched).collect(),
            ended: sorted(tasks.iter().map(|task| end_ms(task))),
            noted: tasks.iter().map(|task| task.finished).collect(),
            submitted: sorted(stages.iter().filter(began).map(|stage| stage.submitted)),
            first_launched: sorted(stages.iter().filter_map(|stage| stage.first_launch())),
            last_ended: sorted(stages.iter().filter_map(last)),
        }
    }

    /// Tasks that run at `now`; one that is launched at this very time does not yet.
    pub fn running(&self, now: i64) -> usize {
        before(&self.launched, now).saturating_sub(upto(&self.ended, now))
    }

    /// Stages that were submitted before `now` and wait for their first launch.
    pub fn waiting(&self, now: i64) -> usize {
        before(&self.submitted, now).saturating_sub(upto(&self.first_launched, now))
    }

    /// Stages whose tasks ran at some time from `first` to `last`.
    pub fn stages_between(&self, first: i64, last: i64) -> usize {
        before(&self.first_launched, last).saturating_sub(upto(&self.last_ended, first))
    }

    /// From when, as far as the driver knew, at most `busy` of the tasks launched before `now` still ran.
    pub fn at_most(&self, busy: usize, now: i64) -> Option<i64> {
        let upto = before(&self.launched, now);
        // Older tasks than these ended long ago, since only so many can run at once.
        let from = upto.saturating_sub(8 * (busy + 8));
        let mut noted: Vec<i64> = self.noted[from..upto].iter().map(|at| (*at).min(now)).collect();
        noted.sort_unstable_by(|a, b| b.cmp(a));
        noted.get(busy).copied()
    }
}

fn sorted(times: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut times: Vec<i64> = times.collect();
    times.sort_unstable();
    times
}

fn before(times: &[i64], now: i64) -> usize {
    times.partition_point(|at| *at < now)
}

fn upto(times: &[i64], now: i64) -> usize {
    times.partition_point(|at| *at <= now)
}
