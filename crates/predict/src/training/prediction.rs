//! The answer to "what if": the live gate over what the trace allows.
//!
//! Each replication resamples the trace (what it did not show), runs as many rounds as are asked for (what a single run
//! shows by chance), and gives one value; their spread is the interval.

use syncline_queueing::sim::{Random, stream};
use syncline_round::{Clock, Sync, WorkerId};

use super::setup::Injected;
use super::simulation::{Progress, Surroundings, simulate};
use super::variation::{Resample, normal};
use super::world::{Case, Without, World};
use crate::{Error, Interval, JobProfile, Machine, Machines, Question};

const REPLICATIONS: u64 = 40;
/// Gradients that a replication simulates at most, unless that is fewer than [`FEWEST`] rounds: what a longer run's chance
/// is follows from the parts of the simulated one.
const GRADIENTS: u64 = 8000;
const FEWEST: u64 = 200;
const PARTS: u64 = 8;
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
    pub(crate) fn predict_without(&self, question: &Question, without: Without) -> Result<Prediction, Error> {
        self.check_batch(question)?;
        self.answer(&Case { without, ..Case::of(question) })
    }

    pub(crate) fn answer(&self, case: &Case<'_>) -> Result<Prediction, Error> {
        let question = case.question;
        self.check_question(question)?;
        let workers = question.workers as u64;
        let asked = question.rounds.max(1);
        let rounds = asked.min((GRADIENTS / workers).max(FEWEST));
        let (mut times, mut chance, mut late, mut pushed) = (Vec::new(), 0.0, 0, 0);
        for replication in 0..REPLICATIONS {
            let mut random = stream(SEED, replication);
            let mut machines = stream(SEED + 2, replication);
            let of = self.variation.resample(&mut random);
            let machine = self.machine.as_ref().map(|machine| machine.but(normal(&mut machines)));
            let parts = self.run(case, of, machine, &cut(rounds * workers), random)?;
            let whole = parts.last().copied().unwrap_or_default();
            late += whole.late;
            pushed += whole.late + whole.folded;
            let unknown = (1.0 + self.unknown(question) * normal(&mut machines)).max(0.0);
            times.push(unknown * whole.pace_since(&Progress::default()) * workers as f64);
            chance += variance_of_mean(&parts) * (workers * workers) as f64 / REPLICATIONS as f64;
        }
        // A run of all rounds shows less chance than the simulated part of it.
        let round_s = Interval::of(&times, chance * (1.0 - rounds as f64 / asked as f64));
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
            let pushes = rounds.saturating_mul(question.workers as u64);
            let run = self.run(&Case::of(question), of, self.machine.clone(), &[pushes], random)?;
            Ok(run.last().copied().unwrap_or_default().time_s)
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

    /// Seconds of an update that folds so many gradients while nobody computes.
    pub(crate) fn update_s(&self, workers: usize, gradients: usize) -> f64 {
        let slower = self.machine.as_ref().map_or(1.0, |machine| machine.update_slowdown);
        self.serving.update_s(gradients, Sync::Bsp, workers, slower)
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
        parts: &[u64],
        random: Random,
    ) -> Result<Vec<Progress>, Error> {
        let Question { sync, workers, .. } = *case.question;
        simulate(sync, workers, parts, &mut World::new(self, case, of, machine, random))
    }
}

/// A run's gradients in parts of about the same size.
fn cut(pushes: u64) -> Vec<u64> {
    (0..PARTS).map(|part| pushes * (part + 1) / PARTS - pushes * part / PARTS).collect()
}

/// The variance of a run's mean time a gradient, from the spread of its parts.
fn variance_of_mean(parts: &[Progress]) -> f64 {
    let starts = std::iter::once(Progress::default()).chain(parts.iter().copied());
    let paces: Vec<f64> = starts.zip(parts).map(|(before, part)| part.pace_since(&before)).collect();
    let count = paces.len() as f64;
    let mean = paces.iter().sum::<f64>() / count;
    paces.iter().map(|pace| (pace - mean).powi(2)).sum::<f64>() / (count * (count - 1.0)).max(1.0)
}
