//! The same jobs on another number of slots, and first on their own.

use rand::RngExt;
use syncline_queueing::sim::{Random, stream};

use super::Size;
use super::contention::Contention;
use super::pool::Pool;
use super::schedule::{Schedule, Slots, Timer, schedule, schedule_on};
use super::work::{Group, SparkProfile, TaskWork};
use crate::{Error, Interval};

/// More or fewer slots than this many times those of the log are not predicted, nor more tasks.
pub(super) const FARTHEST: usize = 8;
const REPLICATIONS: usize = 40;
/// Tasks that are replayed over all replications: a log of millions is asked less often, and shows less chance.
const REPLAYED: usize = 1_000_000;
const SEED: u64 = 4;
/// The share of jobs that overlap others by themselves, from which on all jobs are taken to arrive, and from which on they may.
const STREAM: f64 = 0.5;
const MAYBE_STREAM: f64 = 0.1;
/// `spark.scheduler.revive.interval`, by default.
pub(super) const REVIVE_S: f64 = 1.0;

/// Whether windows of jobs come at their own times, rather than one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrivals {
    None,
    Maybe,
    Stream,
}

/// What a size would give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparkForecast {
    /// Tasks that can run at once.
    pub slots: usize,
    /// Time in jobs.
    pub job_s: Interval,
    /// Time of the whole application: in jobs and in the driver.
    pub wall_s: Interval,
    /// Time in jobs by Sparklens' method: the run times alone, list-scheduled.
    pub sparklens_s: f64,
    /// Share of the slots' time in jobs that tasks hold.
    pub busy_share: f64,
}

/// How far off the replay is for the log itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparkCheck {
    /// Measured time in jobs.
    pub measured_s: f64,
    /// The same, replayed.
    pub predicted_s: f64,
    /// The same by Sparklens' method.
    pub sparklens_s: f64,
}

impl SparkCheck {
    /// Replayed over measured, less one.
    pub fn error(&self) -> f64 {
        self.predicted_s / self.measured_s - 1.0
    }

    /// The same for Sparklens' method.
    pub fn sparklens_error(&self) -> f64 {
        self.sparklens_s / self.measured_s - 1.0
    }
}

impl SparkProfile {
    /// Asks the log about itself.
    pub fn check(&self) -> SparkCheck {
        SparkCheck {
            measured_s: self.job_s(),
            predicted_s: self.total(&self.groups),
            sparklens_s: self.sparklens(self.slots),
        }
    }

    /// The time of some groups on the log's own slots.
    pub(super) fn total(&self, groups: &[Group]) -> f64 {
        self.total_on(groups, self.slots, 0)
    }

    /// The time of the same jobs on another number of slots. The interval holds what another draw of the tasks would
    /// change, what a machine as busy as in another quarter of the log would, the error on the log itself, and twice what
    /// the slots' own contention is thought to change.
    ///
    /// # Errors
    /// [`Error::CannotTell`] beyond eight times (or below an eighth of) the slots of the log, or if a barrier stage does
    /// not fit.
    pub fn at(&self, size: Size) -> Result<SparkForecast, Error> {
        match &self.elastic {
            // A number of slots that is asked for is there all the time.
            Some(_) => Self { elastic: None, ..self.clone() }.play(size),
            None => self.play(size),
        }
    }

    /// The groups as they would be on a machine of another size.
    pub(super) fn groups_at(&self, size: Size) -> Vec<Group> {
        let contention =
            Contention { cores: size.machine_cores.or(self.contention.cores), ..self.contention };
        let base = size.pressure.unwrap_or(contention.pressure);
        let stretch = contention.stretch(self.slots, size.slots, base, size.hardware);
        self.groups.iter().map(|group| group.stretched(stretch)).collect()
    }

    /// The same, whether slots are there all the time or not.
    pub(super) fn play(&self, size: Size) -> Result<SparkForecast, Error> {
        self.check_size(size.slots)?;
        let groups = self.groups_at(size);
        let read = self.arrivals();
        let groups = if read == Arrivals::Stream { merged(&groups) } else { groups };
        let own = if read == Arrivals::Stream { merged(&self.groups) } else { self.groups.clone() };
        let (value, calm) = (self.total_on(&groups, size.slots, 0), self.total_on(&own, size.slots, 0));
        let half = self
            .chance(&groups, size)
            .hypot(2.0 * (value - calm).abs())
            .hypot(self.drift(&groups, size))
            .hypot(self.own_error * value);
        let mut job_s = Interval::around(value, half).positive();
        if self.threads.doubtful {
            let otherwise: Vec<Group> = groups.iter().map(Group::read_otherwise).collect();
            job_s = job_s.containing_like(self.total_on(&otherwise, size.slots, 0));
        }
        if read == Arrivals::Maybe {
            job_s = job_s.containing_like(self.total_on(&merged(&groups), size.slots, 0));
        }
        let busy: f64 = groups.iter().map(Group::busy_s).sum();
        Ok(SparkForecast {
            slots: size.slots,
            job_s,
            wall_s: job_s.shifted(self.idle_s(&groups, size.slots, read)),
            sparklens_s: self.sparklens(size.slots),
            busy_share: busy / (value * size.slots as f64),
        })
    }

    /// The time without an open job: the driver's, and between jobs that start at their own times.
    fn idle_s(&self, groups: &[Group], slots: usize, read: Arrivals) -> f64 {
        let played = self.played(groups, slots, 0);
        let between: f64 = played.iter().map(|played| played.end_s() - played.open_s()).sum();
        let gaps: f64 = self.groups.iter().skip(1).map(|group| group.gap_s).sum();
        let counted = if read == Arrivals::Stream { gaps } else { 0.0 };
        self.driver_s - counted + between
    }

    /// Whether the log's jobs arrive as a stream: those that overlap another one and do not follow from any say so.
    fn arrivals(&self) -> Arrivals {
        let by_itself = |group: &Group| {
            (group.jobs.len() - 1).saturating_sub(group.jobs.iter().filter(|job| job.after.is_some()).count())
        };
        let overlapping: usize = self.groups.iter().map(by_itself).sum();
        let share = overlapping as f64 / self.jobs.saturating_sub(1).max(1) as f64;
        match () {
            () if self.threads.believed || self.groups.len() < 2 => Arrivals::None,
            () if share > STREAM => Arrivals::Stream,
            () if share > MAYBE_STREAM => Arrivals::Maybe,
            () => Arrivals::None,
        }
    }

    /// The time of some groups on so many slots; the timer of a log of many executors has its `index`-th phase.
    pub(super) fn total_on(&self, groups: &[Group], slots: usize, index: u64) -> f64 {
        self.played(groups, slots, index).iter().map(Schedule::open_s).sum()
    }

    /// The schedules of some groups, one after the other.
    fn played(&self, groups: &[Group], slots: usize, index: u64) -> Vec<Schedule> {
        match &self.elastic {
            Some(elastic) => through(groups, &mut Pool::new(elastic)).0,
            None => groups.iter().map(|group| schedule(group, self.slots_of(slots, index))).collect(),
        }
    }

    /// What another draw of every stage's tasks would change: two standard deviations.
    fn chance(&self, groups: &[Group], size: Size) -> f64 {
        2.0 * deviation(&redrawn(groups, self.tasks, |groups, index| {
            self.total_on(groups, size.slots, index)
        }))
    }

    /// What a machine that is busier than in the log changes: two standard deviations.
    fn drift(&self, groups: &[Group], size: Size) -> f64 {
        let busier: Vec<Group> =
            groups.iter().map(|group| group.stretched(1.0 + self.contention.drift)).collect();
        // The means of two runs, each of four such quarters: sqrt(2/4) of the deviation of one.
        2.0 * 0.5f64.sqrt()
            * (self.total_on(&busier, size.slots, 0) - self.total_on(groups, size.slots, 0)).abs()
    }

    /// What some figure is when every stage's tasks are drawn again, once for each replication.
    pub(super) fn redrawn(&self, figure: impl Fn(&[Group], u64) -> f64) -> Vec<f64> {
        redrawn(&self.groups, self.tasks, figure)
    }

    fn check_size(&self, slots: usize) -> Result<(), Error> {
        if slots == 0 || slots > FARTHEST * self.slots || FARTHEST * slots < self.slots {
            let why = format!(
                "{slots} slots are more than {FARTHEST} times away from the {} of the log; record a run of another size",
                self.slots
            );
            return Err(Error::CannotTell { why });
        }
        let barriers = self.groups.iter().flat_map(|group| &group.stages).filter(|stage| stage.barrier);
        let widest = barriers.map(|stage| stage.tasks.len()).max().unwrap_or(0);
        if widest > slots {
            let why = format!(
                "a barrier stage of {widest} tasks never starts on {slots} slots: Spark fails the job"
            );
            return Err(Error::CannotTell { why });
        }
        Ok(())
    }

    /// Slots of the log's kind; where the end of a task offers only its executor's, the timer's phase is drawn.
    pub(super) fn slots_of(&self, number: usize, index: u64) -> Slots {
        let phase_s = REVIVE_S * stream(SEED ^ 0x7469_636b, index).random::<f64>();
        let timer = (self.executors > 1).then_some(Timer { period_s: REVIVE_S, phase_s });
        Slots { number, timer }
    }

    /// Sparklens' method: run times alone, list-scheduled, at least a ms a task; jobs that overlap all from the start.
    fn sparklens(&self, slots: usize) -> f64 {
        let bare = self.groups.iter().map(|group| group.bare());
        bare.map(|group| schedule(&group, Slots { number: slots, timer: None }).end_s()).sum()
    }
}

impl Group {
    /// Everything that computes takes `factor` times as long.
    pub(super) fn stretched(&self, factor: f64) -> Self {
        let mut group = self.clone();
        group.jobs.iter_mut().for_each(|job| job.tail_s *= factor);
        for stage in &mut group.stages {
            stage.delay_s *= factor;
            stage.lead_s *= factor;
            stage.turn_s *= factor;
            for task in &mut stage.tasks {
                let computes = task.processor_s * factor;
                *task = TaskWork {
                    work_s: task.work_s - task.processor_s + computes,
                    processor_s: computes,
                    notice_s: task.notice_s * factor,
                    ..*task
                };
            }
        }
        group
    }

    /// Each stage with as many tasks, drawn from its own.
    pub(super) fn redrawn(&self, random: &mut Random) -> Self {
        let mut group = self.clone();
        for (stage, own) in group.stages.iter_mut().zip(&self.stages) {
            for task in &mut stage.tasks {
                *task = own.tasks[random.random_range(0..own.tasks.len())];
            }
        }
        group
    }

    /// Without any overhead; Sparklens does not know that an attempt repeats another one.
    fn bare(&self) -> Self {
        let mut group = self.clone();
        // Sparklens knows of no arrivals: what overlaps is there from the start.
        for job in &mut group.jobs {
            (job.start_s, job.tail_s, job.after) = (0.0, 0.0, None);
        }
        for stage in &mut group.stages {
            (stage.delay_s, stage.lead_s, stage.turn_s, stage.barrier) = (0.0, 0.0, 0.0, false);
            for retry in std::mem::take(&mut stage.retries) {
                stage.tasks[retry.task].run_s -= retry.run_s;
                stage.tasks.push(TaskWork { run_s: retry.run_s, ..TaskWork::default() });
            }
            for task in &mut stage.tasks {
                *task = TaskWork { work_s: task.run_s.max(1e-3), notice_s: 0.0, ..*task };
            }
        }
        group
    }

    /// The time that tasks hold slots.
    pub(super) fn busy_s(&self) -> f64 {
        self.stages.iter().flat_map(|stage| &stage.tasks).map(|task| task.work_s).sum()
    }
}

/// All windows as one, whose jobs start when they started.
fn merged(groups: &[Group]) -> Vec<Group> {
    let mut all = Group { gap_s: groups.first().map_or(0.0, |group| group.gap_s), ..Group::empty() };
    let mut start_s = 0.0;
    for (at, group) in groups.iter().enumerate() {
        start_s += if at > 0 { group.gap_s } else { 0.0 };
        all.absorb(group, start_s);
        start_s += group.measured_s;
    }
    vec![all]
}

fn redrawn(groups: &[Group], tasks: usize, figure: impl Fn(&[Group], u64) -> f64) -> Vec<f64> {
    let replications = (REPLAYED / tasks.max(1)).clamp(8, REPLICATIONS) as u64;
    let draw = |index: u64| {
        let mut random = stream(SEED, index);
        let groups: Vec<Group> = groups.iter().map(|group| group.redrawn(&mut random)).collect();
        figure(&groups, index)
    };
    (0..replications).map(draw).collect()
}

/// Plays groups one after the other on executors that come and go; also when the last one ends, since the application's start.
/// A group whose tasks would wait for ever (a log's executors that are gone) is played on one executor.
pub(super) fn through(groups: &[Group], pool: &mut Pool) -> (Vec<Schedule>, f64) {
    let mut now = 0.0;
    let play = |group: &Group| {
        now += group.gap_s;
        let slots = Slots { number: pool.each(), timer: None };
        let played = schedule_on(group, pool, now).unwrap_or_else(|| schedule(group, slots));
        now += played.end_s();
        played
    };
    let played = groups.iter().map(play).collect();
    (played, now)
}

/// A time of changed groups on the log's own slots with room for chance, for a machine that is busier or less busy, and
/// for the error on the log itself.
pub(super) fn own_room(profile: &SparkProfile, groups: &[Group], value: f64) -> Interval {
    let own = profile.own_error * value;
    let size = Size::of(profile.slots);
    Interval::around(value, profile.chance(groups, size).hypot(profile.drift(groups, size)).hypot(own))
        .positive()
}

pub(super) fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt()
}
