//! The same stage cut into another number of tasks.
//!
//! k tasks on s slots take m(k) = L/s + (L/k)(E\[X_{s:s}\]/E X - 1) + o k/s + c (queueing's [`Granularity`]): L the stage's
//! work without overhead, o what a task costs beyond its work, c what the job costs beyond its tasks. Of o, what lies
//! between the tasks is measured directly. What lies inside (a Python worker's set-up) shows only where the log has the
//! stage in several numbers of tasks: then the sum of run times grows by it with every task. With one number of tasks it
//! is somewhere between nothing and the shortest run time: the answer counts what was measured between the tasks, its
//! interval the rest, and no best number is told.
//!
//! All of this takes the jobs to do the same work. More tasks of the same work are shorter ones; where they are not, each
//! brings work of its own, and nothing can be told.

use std::collections::BTreeMap;

use rand::RngExt;
use syncline_queueing::overhead::Granularity;
use syncline_queueing::sim::{Overhead, stream};
use syncline_queueing::{Distribution, Empirical};

use super::replay::FARTHEST;
use super::work::{Group, SparkProfile, StageWork};
use crate::sample::median;
use crate::{Error, Interval};

/// Tasks below which the shape of their times is not known.
const FEWEST: usize = 20;
/// Runs that are compared with each other at most.
const COMPARED: usize = 2000;

/// A stage of the application that may be cut otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// The operation, and its place in the program.
    pub stage: String,
    /// Slots that it runs on.
    pub slots: usize,
    /// Numbers of tasks that the log has it in, and the mean time of its jobs.
    pub measured: Vec<(usize, f64)>,
    /// Work without overhead, in seconds.
    pub work_s: f64,
    /// Overhead of a task beyond its work, in seconds.
    pub overhead_s: Interval,
    /// Of the job beyond its tasks, in seconds.
    pub job_s: f64,
    /// The largest of as many tasks as slots, over the mean.
    shape: Distribution,
    /// Relative deviation of measured jobs from the formula, beyond what chance explains.
    scatter: f64,
}

/// One run of the stage.
struct Run {
    tasks: usize,
    run_s: f64,
    job_s: f64,
    beyond_s: f64,
}

impl SparkProfile {
    /// The stage that most of the work is done in, without the jobs of `left_out` tasks: those can be predicted then.
    ///
    /// # Errors
    /// [`Error::CannotTell`] if its jobs have other stages too, or too few tasks.
    pub fn cut(&self, left_out: Option<usize>) -> Result<Cut, Error> {
        let alone: Vec<&Group> = self.groups.iter().skip(1).filter(|group| is_single(group)).collect();
        let mut work = BTreeMap::<&str, f64>::new();
        for stage in alone.iter().map(|group| &group.stages[0]) {
            *work.entry(&stage.name).or_default() += stage.tasks.iter().map(|task| task.run_s).sum::<f64>();
        }
        let most = work.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(name, _)| name);
        let stage = most.ok_or_else(|| Error::CannotTell {
            why: "the log has no job of one stage alone after its first, whose overhead could be told apart"
                .into(),
        })?;
        let own = |group: &&&Group| group.stages[0].name == stage && Some(tasks_of(group)) != left_out;
        let groups: Vec<&Group> = alone.iter().filter(own).copied().collect();
        self.fit_cut(stage, &groups)
    }

    fn fit_cut(&self, stage: &str, groups: &[&Group]) -> Result<Cut, Error> {
        let runs: Vec<Run> = groups.iter().map(|group| run(group)).collect();
        let stages = || groups.iter().map(|group| &group.stages[0]);
        let tasks: usize = runs.iter().map(|run| run.tasks).sum();
        if tasks < FEWEST {
            let why = format!(
                "{tasks} tasks of '{stage}' are too few to know how their times vary; {FEWEST} are needed"
            );
            return Err(Error::CannotTell { why });
        }
        check_same_work(stage, &runs)?;
        let beyond_s = runs.iter().map(|run| run.beyond_s).sum::<f64>() / tasks as f64;
        let inside = inside(&runs, stages());
        let work_s = median(runs.iter().map(|run| run.run_s - run.tasks as f64 * inside.value));
        let work_s = work_s.unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let job_s = median(groups.iter().map(|group| job_overhead(group))).unwrap_or(0.0);
        let mut cut = Cut {
            stage: stage.to_owned(),
            slots: self.slots,
            measured: measured(&runs),
            work_s,
            overhead_s: inside.shifted(beyond_s),
            job_s,
            shape: shape(stages(), inside.value)?,
            scatter: 0.0,
        };
        let beyond = |run: &Run| {
            let value = cut.makespan(run.tasks).ok()?;
            Some(((run.job_s - value).powi(2) - cut.chance(run.tasks).powi(2)).max(0.0) / (value * value))
        };
        let excess: Vec<f64> = runs.iter().filter_map(beyond).collect();
        cut.scatter = (excess.iter().sum::<f64>() / excess.len().max(1) as f64).sqrt();
        Ok(cut)
    }
}

impl Cut {
    /// The number of tasks with the shortest job, a real number; nothing from a log that has the stage in one number of
    /// tasks, which does not show what each of them costs.
    pub fn optimal(&self) -> Option<Interval> {
        if self.measured.len() < 2 {
            return None;
        }
        let at = |overhead_s: f64| self.granularity(overhead_s).map_or(f64::NAN, |formula| formula.optimal());
        let Interval { value, low, high } = self.overhead_s;
        Some(Interval { value: at(value), low: at(high), high: at(low.max(1e-6)) })
    }

    /// The time of a job of so many tasks, with room for what jobs of the log scatter around the formula.
    ///
    /// # Errors
    /// [`Error::CannotTell`] for fewer tasks than slots, or more than eight times the most of the log.
    pub fn job_s(&self, tasks: usize) -> Result<Interval, Error> {
        let most = self.measured.iter().map(|(tasks, _)| *tasks).max().unwrap_or(1);
        if tasks > FARTHEST * most {
            let why = format!("{tasks} tasks are more than {FARTHEST} times the {most} of the log");
            return Err(Error::CannotTell { why });
        }
        if tasks < self.slots {
            let why =
                format!("{tasks} tasks leave some of {} slots empty: the formula starts there", self.slots);
            return Err(Error::CannotTell { why });
        }
        let value = self.makespan(tasks)?;
        let at = |overhead_s: f64| self.granularity(overhead_s).and_then(|formula| formula.makespan(tasks));
        let room = Interval::around(value, 2.0 * (self.scatter * value).hypot(self.chance(tasks))).positive();
        // Only with one number of tasks is the overhead inside of them open; then the work is, too.
        let inside = self.overhead_s.low.max(0.0)..=self.overhead_s.high;
        Ok(room
            .containing(at(*inside.start()).unwrap_or(value))
            .containing(at(*inside.end()).unwrap_or(value)))
    }

    /// The standard deviation of a job's time that the task times alone cause: of the sum over the slots, and of the
    /// last task.
    fn chance(&self, tasks: usize) -> f64 {
        let (k, s) = (tasks as f64, self.slots as f64);
        self.work_s * self.shape.scv().sqrt() * (1.0 / (s * k.sqrt())).hypot(1.0 / k)
    }

    fn makespan(&self, tasks: usize) -> Result<f64, Error> {
        Ok(self.granularity(self.overhead_s.value)?.makespan(tasks)?)
    }

    fn granularity(&self, overhead_s: f64) -> Result<Granularity, syncline_queueing::Error> {
        let overhead = Overhead { task: overhead_s, job: self.job_s, ..Overhead::default() };
        Granularity::new(self.slots, self.work_s, overhead)?.with_shape(&self.shape)
    }
}

fn is_single(group: &Group) -> bool {
    let [stage] = &group.stages[..] else { return false };
    group.jobs.len() == 1 && !stage.barrier && !stage.tasks.is_empty()
}

fn tasks_of(group: &Group) -> usize {
    group.stages[0].tasks.len()
}

fn run(group: &Group) -> Run {
    let stage = &group.stages[0];
    let sum = |of: &dyn Fn(&super::work::TaskWork) -> f64| stage.tasks.iter().map(of).sum::<f64>();
    Run {
        tasks: stage.tasks.len(),
        run_s: sum(&|task| task.run_s),
        job_s: group.measured_s,
        beyond_s: sum(&|task| task.work_s - task.run_s + stage.turn_s),
    }
}

/// What a job takes beyond its tasks: its start, the notice of its last task without the turn that is counted there, its
/// end.
fn job_overhead(group: &Group) -> f64 {
    let stage = &group.stages[0];
    let notice = median(stage.tasks.iter().map(|task| task.notice_s)).unwrap_or(0.0);
    stage.delay_s + stage.lead_s + (notice - stage.turn_s).max(0.0) + group.jobs[0].tail_s
}

/// Overhead inside the run times: by how much their sum grows with a task, the median over all pairs of runs
/// (Theil and Sen), which a slow first run does not move. Its range of 95 % is Sen's (1968): of n runs, with t of each
/// number of tasks, the slopes at the ranks (N - 1.96 sqrt(V)) / 2 and (N + 1.96 sqrt(V)) / 2 of all N, where 18 V =
/// n (n - 1) (2 n + 5) - sum of t (t - 1) (2 t + 5).
fn inside<'a>(runs: &[Run], stages: impl Iterator<Item = &'a StageWork>) -> Interval {
    let runs = &some(runs);
    let mut slopes = Vec::new();
    for (at, one) in runs.iter().enumerate() {
        for other in runs[..at].iter().filter(|other| other.tasks != one.tasks) {
            slopes.push((one.run_s - other.run_s) / (one.tasks as f64 - other.tasks as f64));
        }
    }
    let shortest = stages.flat_map(|stage| &stage.tasks).map(|task| task.run_s).fold(f64::INFINITY, f64::min);
    if slopes.is_empty() {
        return Interval { value: 0.0, low: 0.0, high: shortest };
    }
    let Interval { value, low, high } = theil_sen(slopes, runs);
    Interval { value: value.max(0.0), low: low.max(0.0), high: high.max(0.0) }
}

/// The median of the slopes between all pairs of runs, and Sen's range of 95 %.
fn theil_sen(mut slopes: Vec<f64>, runs: &[&Run]) -> Interval {
    slopes.sort_by(f64::total_cmp);
    let term = |count: usize| (count * count.saturating_sub(1) * (2 * count + 5)) as f64;
    let ties: f64 = by_tasks(runs.iter().copied()).values().map(|alike| term(alike.len())).sum();
    let off = 0.98 * ((term(runs.len()) - ties) / 18.0).sqrt() / slopes.len() as f64;
    let last = (slopes.len() - 1) as f64;
    let at = |share: f64| slopes[(share.clamp(0.0, 1.0) * last).round() as usize];
    Interval { value: at(0.5), low: at(0.5 - off), high: at(0.5 + off) }
}

/// Refuses jobs of which those with more tasks have no shorter ones: the mean run time of a task must grow with one over
/// their number, surely so, and by enough to be the work that is cut.
fn check_same_work(stage: &str, runs: &[Run]) -> Result<(), Error> {
    /// The share of a task's time, where tasks are fewest, that must be work that gets shorter.
    const CUT: f64 = 0.25;
    let runs = &some(runs);
    let each = |run: &Run| run.run_s / run.tasks as f64;
    let mut slopes = Vec::new();
    for (at, one) in runs.iter().enumerate() {
        for other in runs[..at].iter().filter(|other| other.tasks != one.tasks) {
            slopes.push((each(one) - each(other)) / (1.0 / one.tasks as f64 - 1.0 / other.tasks as f64));
        }
    }
    let Some(fewest) = runs.iter().min_by_key(|run| run.tasks).filter(|_| !slopes.is_empty()) else {
        return Ok(());
    };
    let work_s = theil_sen(slopes, runs);
    if work_s.low > 0.0 && work_s.value >= CUT * fewest.run_s {
        return Ok(());
    }
    let why = format!(
        "a task of '{stage}' takes as long however many a job has, so the jobs do not do the same work in other cuts but each \
         task brings its own; run the same work in several numbers of partitions"
    );
    Err(Error::CannotTell { why })
}

/// The runs, or a draw of them where their pairs would be too many.
fn some(runs: &[Run]) -> Vec<&Run> {
    if runs.len() <= COMPARED {
        return runs.iter().collect();
    }
    let mut random = stream(23, 0);
    (0..COMPARED).map(|_| &runs[random.random_range(0..runs.len())]).collect()
}

/// The times of the jobs of each number of tasks.
fn by_tasks<'a>(runs: impl IntoIterator<Item = &'a Run>) -> BTreeMap<usize, Vec<f64>> {
    let mut times = BTreeMap::<usize, Vec<f64>>::new();
    runs.into_iter().for_each(|run| times.entry(run.tasks).or_default().push(run.job_s));
    times
}

fn measured(runs: &[Run]) -> Vec<(usize, f64)> {
    let mean = |times: Vec<f64>| times.iter().sum::<f64>() / times.len() as f64;
    by_tasks(runs).into_iter().map(|(tasks, times)| (tasks, mean(times))).collect()
}

/// How task times vary within a stage, the mean taken as 1, over all runs.
fn shape<'a>(stages: impl Iterator<Item = &'a StageWork>, inside_s: f64) -> Result<Distribution, Error> {
    let mut sizes = Vec::new();
    for stage in stages {
        let own: Vec<f64> = stage.tasks.iter().map(|task| (task.run_s - inside_s).max(0.0)).collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        sizes.extend(own.iter().filter(|_| mean > 0.0).map(|size| size / mean));
    }
    if sizes.is_empty() {
        sizes.push(1.0);
    }
    Ok(Distribution::empirical(Empirical::new(sizes)?))
}
