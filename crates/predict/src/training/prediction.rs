//! The answer to "what if": the live gate over what the trace allows.
//!
//! Each replication resamples the trace (what it did not show), runs as many rounds as are asked for (what a single run
//! shows by chance), and gives one value; their spread is the interval.

use rand::RngExt;
use syncline_queueing::sim::{Random, stream};
use syncline_round::{Clock, Every, Sync, WorkerId};

use super::question::Epoch;
use super::setup::Injected;
use super::simulation::{Progress, Surroundings, Update, simulate};
use super::variation::{Resample, TailUse, normal};
use crate::{Error, Interval, JobProfile, Machine, Machines, Question};

/// More workers than this many times the trace's are not predicted.
const FARTHEST: usize = 8;
const REPLICATIONS: u64 = 40;
/// Rounds simulated at most: a longer run would only be more certain.
const LONGEST: u64 = 2000;
const SEED: u64 = 4;
/// By how much two equal runs that compute differ (a standard deviation): what the machine makes of a program's place in
/// memory and of its neighbours changes from start to start and shows in no single trace.
const RUN_TO_RUN: f64 = 0.015;
/// How far off it is to say how workers share a machine from another number of them (a standard deviation): who shares
/// a cache with whom, and whom the system puts on which core, is not in the calibration. Found on pairs of runs, see
/// docs/queueing.md.
const SHARING: f64 = 0.045;
/// Draws that a round of many batches is the sum of, at most.
const MOST_DRAWS: u64 = 64;

/// What would happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Seconds per round's worth of gradients: as many as there are workers.
    pub round_s: Interval,
    /// Samples per second over all workers.
    pub samples_per_s: Interval,
    /// The share of gradients that come too late.
    pub late: f64,
}

/// A cost that is imagined away, to see what it was the price of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// Nothing: all is as it is.
    Nothing,
    /// Fetching parameters.
    Pull,
    /// Handing gradients over.
    Push,
    /// Folding and the optimiser's step.
    Update,
}

/// A question with what is imagined away or added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub question: &'a Question,
    pub without: Without,
    /// Seconds on the network in each round, beside what pull and push took when they were measured.
    pub network_s: f64,
}

impl<'a> Case<'a> {
    pub(crate) fn of(question: &'a Question) -> Self {
        Self { question, without: Without::Nothing, network_s: 0.0 }
    }
}

impl JobProfile {
    /// Answers a question.
    ///
    /// # Errors
    /// [`Error::TooFar`] beyond eight times the workers of the trace, [`Error::CannotTell`] where the trace does not
    /// hold what the question needs.
    pub fn predict(&self, question: &Question) -> Result<Prediction, Error> {
        self.predict_without(question, Without::Nothing)
    }

    /// Answers a question about a world without one of the costs.
    ///
    /// # Errors
    /// As for [`JobProfile::predict`].
    pub fn predict_without(&self, question: &Question, without: Without) -> Result<Prediction, Error> {
        self.check_batch(question)?;
        self.answer(&Case { without, ..Case::of(question) })
    }

    pub(crate) fn answer(&self, case: &Case<'_>) -> Result<Prediction, Error> {
        let question = case.question;
        self.check_question(question)?;
        let (mut times, mut late, mut pushed) = (Vec::new(), 0, 0);
        for replication in 0..REPLICATIONS {
            let mut random = stream(SEED, replication);
            let mut machines = stream(SEED + 2, replication);
            let of = self.variation.resample(&mut random);
            let machine = self.machine.as_ref().map(|machine| machine.but(normal(&mut machines)));
            let progress = self.run(case, of, machine, question.rounds.clamp(1, LONGEST), random)?;
            late += progress.late;
            pushed += progress.late + progress.folded;
            let unknown = (1.0 + self.unknown(question) * normal(&mut machines)).max(0.0);
            times.push(unknown * progress.time_s * question.workers as f64 / progress.folded.max(1) as f64);
        }
        let round_s = Interval::of(&times);
        let samples = self.samples_per_cycle(question) * question.workers as f64;
        let samples_per_s = round_s.map_inverse(samples);
        Ok(Prediction { round_s, samples_per_s, late: late as f64 / pushed.max(1) as f64 })
    }

    /// The standard deviation of what no trace of a run that computes can tell about another.
    fn unknown(&self, question: &Question) -> f64 {
        let own = self.measured.workers;
        let shared =
            question.machines == Machines::One && question.workers != own && question.workers.max(own) > 1;
        match self.measured.injected {
            Injected::Delays => 0.0,
            Injected::Nothing | Injected::Times if shared => RUN_TO_RUN.hypot(SHARING),
            Injected::Nothing | Injected::Times => RUN_TO_RUN,
        }
    }

    /// Seconds that runs of `rounds` rounds take, one for each of so many draws from the trace as it is.
    pub(crate) fn durations(&self, question: &Question, rounds: u64, runs: u64) -> Result<Vec<f64>, Error> {
        self.check_question(question)?;
        self.check_batch(question)?;
        let one = |run: u64| {
            let random = stream(SEED + 1, run);
            let of = self.variation.as_measured();
            Ok(self.run(&Case::of(question), of, self.machine.clone(), rounds, random)?.time_s)
        };
        (0..runs).map(one).collect()
    }

    /// Seconds of work of a worker's round, drawn from the trace as it is.
    pub(crate) fn draws<'a>(
        &'a self,
        question: &'a Question,
        seed: u64,
    ) -> impl FnMut(WorkerId, Clock) -> f64 + 'a {
        let of = self.variation.as_measured();
        let mut world = World::new(self, &Case::of(question), of, self.machine.clone(), stream(seed, 0));
        move |worker, clock| world.work_s(worker, clock)
    }

    /// Seconds of an update that folds all workers' gradients.
    pub(crate) fn update_s(&self, question: &Question) -> f64 {
        let slower = self.machine.as_ref().map_or(1.0, |machine| machine.update_slowdown);
        self.serving.update_s(question.workers, question.sync, question.workers, slower)
    }

    /// Samples of a worker's round on average.
    pub(crate) fn samples_per_cycle(&self, question: &Question) -> f64 {
        let epoch = question.epoch(self.measured.rows);
        if question.batch == 0 { self.compute.samples } else { epoch.mean() }
    }

    /// Refuses what the trace cannot tell.
    fn check_question(&self, question: &Question) -> Result<(), Error> {
        let measured = self.measured.workers;
        if question.workers > FARTHEST * measured {
            return Err(Error::TooFar { asked: question.workers, measured, limit: FARTHEST });
        }
        if matches!(question.sync, Sync::Backup { .. }) && question.servers > 1 {
            let why = "with backup workers one server decides which gradients a round takes: ask for one"
                .to_owned();
            return Err(Error::CannotTell { why });
        }
        if question.workers == 0 || question.servers == 0 {
            return Err(Error::CannotTell { why: "there is at least one worker and one server".to_owned() });
        }
        if self.variation.needs_tail(question.workers) && self.variation.tail.is_none() {
            let why = format!(
                "{} rounds in all are too few for the slowest of {} workers, and too few to fit a tail",
                self.variation.samples, question.workers
            );
            return Err(Error::CannotTell { why });
        }
        if question.machines == Machines::One
            && self.machine.is_none()
            && question.workers > 1
            && measured == 1
        {
            let why = "one worker shows nothing of how workers share a machine, and the trace was not calibrated; record it \
                       with this version, or ask for machines of their own"
                .to_owned();
            return Err(Error::CannotTell { why });
        }
        Ok(())
    }

    /// Refuses another batch where what a sample costs is not known.
    fn check_batch(&self, question: &Question) -> Result<(), Error> {
        let own = self.question()?;
        let as_measured = (question.batch, question.every) == (own.batch, own.every)
            && (question.every != Every::Epoch || question.workers == own.workers);
        let full = question.epoch(self.measured.rows).full;
        let same = as_measured || (full as f64 / self.compute.samples.max(1.0) - 1.0).abs() < 0.02;
        if question.batch > 0 && !same && self.compute.per_sample_s.is_none() {
            let why = format!(
                "all rounds had {} samples, so that what a sample costs cannot be told from what a round costs; record a \
                 run whose epochs end with a shorter batch, or with another --batch",
                self.compute.samples
            );
            return Err(Error::CannotTell { why });
        }
        Ok(())
    }

    fn run(
        &self,
        case: &Case<'_>,
        of: Resample<'_>,
        machine: Option<Machine>,
        rounds: u64,
        random: Random,
    ) -> Result<Progress, Error> {
        let question = case.question;
        let pushes = rounds.saturating_mul(question.workers as u64);
        let mut world = World::new(self, case, of, machine, random);
        simulate(question.sync, question.workers, pushes, &mut world)
    }
}

/// What one replication draws from.
struct World<'a> {
    profile: &'a JobProfile,
    question: &'a Question,
    of: Resample<'a>,
    machine: Option<Machine>,
    random: Random,
    epoch: Epoch,
    tail: TailUse,
    /// What a core that computes alone needs, over what was measured.
    alone: f64,
    exchange_s: f64,
    update: Update,
    /// By how much the servers' time differs from the profile's.
    slower: f64,
}

impl<'a> World<'a> {
    fn new(
        profile: &'a JobProfile,
        case: &Case<'a>,
        of: Resample<'a>,
        machine: Option<Machine>,
        random: Random,
    ) -> Self {
        let Case { question, without, network_s } = *case;
        let tail =
            if profile.variation.needs_tail(question.workers) { TailUse::Fitted } else { TailUse::Measured };
        let exchange = &profile.exchange;
        let exchange_s = match without {
            Without::Pull => exchange.push_s,
            Without::Push => exchange.pull_s,
            Without::Nothing | Without::Update => exchange.total_s(),
        };
        let mut world = Self {
            epoch: question.epoch(profile.measured.rows),
            alone: machine.as_ref().map_or(1.0, |machine| machine.speed(profile.concurrency)),
            slower: machine.as_ref().map_or(1.0, |machine| machine.update_slowdown),
            update: Update::default(),
            profile,
            question,
            of,
            machine,
            random,
            tail,
            exchange_s: exchange_s + network_s,
        };
        if without != Without::Update {
            let together = matches!(question.sync, Sync::Bsp | Sync::Backup { .. });
            world.update = world.updates(if together { question.workers } else { 1 });
        }
        world
    }

    /// What an update costs. In one process the worker that closes a round updates all shards itself, and asynchronous
    /// workers pass the shards one after the other; servers in processes of their own work side by side.
    fn updates(&self, gradients: usize) -> Update {
        let Question { sync, workers, servers, .. } = *self.question;
        let all_s = self.profile.serving.update_s(gradients, sync, workers, self.slower);
        let share_s = all_s / servers as f64;
        match (self.profile.measured.shares_memory(), sync) {
            (false, _) => Update { takes_s: share_s, occupies_s: share_s },
            (true, Sync::Bsp | Sync::Backup { .. }) => Update { takes_s: all_s, occupies_s: all_s },
            (true, Sync::Asp | Sync::Ssp { .. }) => Update { takes_s: all_s, occupies_s: share_s },
        }
    }

    /// Seconds of computing a round, by a core that computes alone, before its variation.
    fn compute_s(&self, samples: f64, batches: u64) -> f64 {
        let compute = &self.profile.compute;
        let every = self.question.every;
        let steps = self.profile.serving.local_step_s(every) * batches as f64;
        // Injected delays come once a round; anything else that does not depend on the samples comes with every batch.
        let once = self.profile.measured.injected == Injected::Delays
            || every == Every::Batch
            || compute.fixed_s.is_none();
        if once {
            return compute.of(samples) + steps;
        }
        compute.of(samples / batches as f64) * batches as f64 + steps
    }
}

impl Surroundings for World<'_> {
    fn work_s(&mut self, worker: WorkerId, clock: Clock) -> f64 {
        let (profile, question) = (self.profile, self.question);
        let persistent_s = self.of.persistent(worker.index()) + self.of.shift;
        if question.batch == 0 {
            let residual_s = self.of.draw(&mut self.random, self.tail);
            return self.alone * (profile.compute.full_s + persistent_s + residual_s).max(0.0)
                + self.exchange_s;
        }
        let samples = self.epoch.samples(clock.round()) as f64;
        let batches = (samples / question.batch as f64).ceil().max(1.0) as u64;
        let measured = batches_of(profile);
        let compute_s = self.compute_s(samples, batches);
        // Delays do not grow with the batch; what a machine adds does.
        let (draws, scale) = if profile.measured.injected == Injected::Delays {
            (1, 1.0)
        } else {
            let draws = (batches / measured).clamp(1, MOST_DRAWS);
            (draws, compute_s / draws as f64 / profile.compute.full_s)
        };
        let residual_s: f64 = (0..draws).map(|_| self.of.draw(&mut self.random, self.tail)).sum();
        let varied = compute_s + scale * (draws as f64 * persistent_s + residual_s);
        self.alone * varied.max(0.0) + self.exchange_s
    }

    fn speed(&self, active: usize) -> f64 {
        match (&self.machine, self.question.machines) {
            (Some(machine), Machines::One) => machine.speed(active as f64),
            _ => 1.0,
        }
    }

    fn update(&self, gradients: usize) -> Update {
        // All updates of a loop fold equally many, but for backup workers.
        let share = match self.question.sync {
            Sync::Backup { .. } => (2.0 + gradients as f64) / (2.0 + self.question.workers as f64),
            _ => 1.0,
        };
        let Update { takes_s, occupies_s } = self.update;
        Update { takes_s: takes_s * share, occupies_s: occupies_s * share }
    }

    fn wake_s(&mut self) -> f64 {
        let wakes = &self.profile.serving.wakes_s;
        if wakes.is_empty() { 0.0 } else { wakes[self.random.random_range(0..wakes.len())] }
    }
}

/// Batches in a full round of the traced run.
fn batches_of(profile: &JobProfile) -> u64 {
    let batch = profile.measured.batch.max(1) as f64;
    (profile.compute.samples / batch).ceil().max(1.0) as u64
}
