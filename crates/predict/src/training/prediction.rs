//! The answer to "what if": the live gate over what the trace allows.
//!
//! Each replication resamples the trace (what it did not show), runs as many rounds as are asked for (what a single run
//! shows by chance), and gives one value; their spread is the interval.

use syncline_queueing::sim::{Random, stream};
use syncline_round::{Clock, WorkerId};

use super::setup::Injected;
use super::simulation::{Progress, Surroundings, simulate};
use super::variation::{Resample, normal};
use super::world::{Case, Without, World};
use crate::{Error, Interval, JobProfile, Machine, Machines, Question};

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
