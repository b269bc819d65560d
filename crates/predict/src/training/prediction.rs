//! The answer to "what if": the live gate over what the trace allows.
//!
//! Each replication resamples the trace (what it did not show), runs as many rounds as are asked for (what a single run
//! shows by chance), and gives one value; their spread is the interval. Where the trace can be carried to the question in
//! several ways, the interval holds them all.

use syncline_queueing::sim::{Random, stream};
use syncline_round::{Member, Policy, Round};

use super::setup::Injected;
use super::simulation::{Outcome, Progress, Surroundings, simulate};
use super::variation::{Resample, normal};
use super::world::{Carried, Case, Without, World};
use crate::{Error, Interval, JobProfile, Machine, Machines, Question};

const REPLICATIONS: u64 = 40;
/// Replications of another way to carry the trace, of which only the mean counts.
const OF_OTHERS: u64 = 10;
/// Gradients that a replication simulates at most, unless that is fewer than [`FEWEST`] rounds: what a longer run's chance
/// is follows from the parts of the simulated one.
const GRADIENTS: u64 = 8000;
const FEWEST: u64 = 200;
const SEED: u64 = 4;
/// By how much two equal runs that compute differ (a standard deviation): what the machine makes of a program's place in
/// memory and of its neighbours changes from start to start and shows in no single trace.
const RUN_TO_RUN: f64 = 0.015;
/// How far off it is to say how workers share a machine from another number of them (a standard deviation): who shares
/// a cache with whom, and whom the system puts on which core, is not in the calibration. Found on pairs of runs, see
/// docs/book/predicting.md. Ranks are such workers, too.
pub(crate) const SHARING: f64 = 0.045;

/// What would happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Seconds per round's worth of gradients, as many as there are workers, while all of them work.
    pub round_s: Interval,
    /// Seconds from the start until the last worker is through, without evaluations.
    pub run_s: Interval,
    /// Samples a second that count, over the whole run: as `syncline train` tells it.
    pub samples_per_s: Interval,
    /// The share of gradients that come too late.
    pub late: f64,
}

/// The values of replications.
#[derive(Default)]
struct Values {
    round_s: Vec<f64>,
    run_s: Vec<f64>,
    /// The variance of the first that the length of the run explains.
    chance: f64,
    late: u64,
    folded: u64,
}

impl JobProfile {
    /// Answers a question.
    ///
    /// # Errors
    /// [`Error::TooFar`] beyond eight times the workers of the trace, [`Error::CannotTell`] where the trace does not
    /// hold what the question needs.
    pub fn predict(&self, question: &Question) -> Result<Prediction, Error> {
        self.check_exchange(question)?;
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
        let ways = self.ways(question);
        let asked = question.rounds.max(1);
        let rounds = asked.min((GRADIENTS / question.workers as u64).max(FEWEST));
        let values = self.replicate(case, &ways[0], rounds, REPLICATIONS)?;
        // A run of all rounds shows less chance than the simulated part of it.
        let unseen = 1.0 - rounds as f64 / asked as f64;
        let longer = asked as f64 / rounds as f64;
        let mut round_s = Interval::of(&values.round_s, values.chance * unseen);
        let per_round = mean_of(&values.run_s) / mean_of(&values.round_s).max(f64::MIN_POSITIVE);
        let mut run_s = Interval::of(&values.run_s, values.chance * unseen * per_round.powi(2));
        for way in &ways[1..] {
            let other = self.replicate(case, way, rounds, OF_OTHERS)?;
            round_s = round_s.containing_like(mean_of(&other.round_s));
            run_s = run_s.containing_like(mean_of(&other.run_s));
        }
        let run_s = run_s.scaled(longer);
        let samples = self.samples(question, values.folded as f64 / REPLICATIONS as f64 / rounds as f64);
        let pushed = values.late + values.folded;
        Ok(Prediction {
            round_s,
            run_s,
            samples_per_s: run_s.map_inverse(samples),
            late: values.late as f64 / pushed.max(1) as f64,
        })
    }

    fn replicate(
        &self,
        case: &Case<'_>,
        way: &Carried,
        rounds: u64,
        replications: u64,
    ) -> Result<Values, Error> {
        let workers = self.gradients_of_a_step(case.question);
        let mut values = Values::default();
        for replication in 0..replications {
            let mut random = stream(SEED, replication);
            let mut machines = stream(SEED + 2, replication);
            let of = self.variation.resample(&mut random);
            let machine = self.machine.as_ref().map(|machine| machine.but(normal(&mut machines)));
            let run = self.run(case, way, of, machine, rounds, random)?;
            let unknown = (1.0 + self.unknown(case.question) * normal(&mut machines)).max(0.0);
            values.round_s.push(unknown * run.all_worked.pace_since(&Progress::default()) * workers);
            values.run_s.push(unknown * run.end.time_s);
            values.chance += variance_of_mean(&run.parts) * workers * workers / replications as f64;
            values.late += run.end.late;
            values.folded += run.end.folded;
        }
        Ok(values)
    }

    /// Samples of a run of which `folded` gradients a round count.
    fn samples(&self, question: &Question, folded: f64) -> f64 {
        self.samples_per_cycle(question) * folded * question.rounds.max(1) as f64
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
        let way = &self.ways(question)[0];
        let one = |run: u64| {
            let random = stream(SEED + 1, run);
            let of = self.variation.as_measured();
            let run = self.run(&Case::of(question), way, of, self.machine.clone(), rounds, random)?;
            Ok(run.end.time_s)
        };
        (0..runs).map(one).collect()
    }

    /// For so many rounds, the seconds of work of each worker, drawn from the trace as it is.
    pub(crate) fn drawn_rounds(&self, question: &Question, rounds: u64, seed: u64) -> Vec<Vec<f64>> {
        let (of, way) = (self.variation.as_measured(), &self.ways(question)[0]);
        let case = Case::of(question);
        let mut world = World::new(self, &case, way, of, self.machine.clone(), stream(seed, 0));
        let mut of_round = |round: u64| {
            let workers = 0..question.workers as u32;
            workers.map(|worker| world.work_s(Member::new(worker), Round::new(round))).collect()
        };
        (0..rounds).map(&mut of_round).collect()
    }

    /// Seconds of an update that folds so many gradients while nobody computes.
    pub(crate) fn update_s(&self, workers: usize, gradients: usize) -> f64 {
        let slower = self.machine.as_ref().map_or(1.0, |machine| machine.update_slowdown);
        self.serving.update_s(gradients, Policy::Bsp, workers, slower)
    }

    /// Samples of a worker's round on average.
    pub(crate) fn samples_per_cycle(&self, question: &Question) -> f64 {
        let rows = self.measured.rows_of(question.workers);
        let epoch = question.epoch(rows);
        match question.sync.coded() {
            // A step of all rows is two products of so many answers.
            Some(_) => self.measured.rows as f64 / self.gradients_of_a_step(question),
            None if question.batch == 0 => self.compute.samples,
            // Workers' shares differ by a row where they do not come out even.
            None if self.measured.rows > 0 => rows as f64 / (question.workers as f64 * epoch.rounds as f64),
            None => epoch.mean(),
        }
    }

    fn run(
        &self,
        case: &Case<'_>,
        way: &Carried,
        of: Resample<'_>,
        machine: Option<Machine>,
        rounds: u64,
        random: Random,
    ) -> Result<Outcome, Error> {
        let Question { sync, workers, .. } = *case.question;
        let mut world = World::new(self, case, way, of, machine, random).thinned_to(rounds);
        simulate(sync, workers, rounds, &mut world)
    }
}

fn mean_of(values: &[f64]) -> f64 {
    crate::sample::mean(values.iter().copied())
}

/// The variance of a run's mean time a gradient, from the spread of its parts.
fn variance_of_mean(parts: &[Progress]) -> f64 {
    let starts = std::iter::once(Progress::default()).chain(parts.iter().copied());
    let paces: Vec<f64> = starts.zip(parts).map(|(before, part)| part.pace_since(&before)).collect();
    let count = paces.len() as f64;
    let mean = mean_of(&paces);
    paces.iter().map(|pace| (pace - mean).powi(2)).sum::<f64>() / (count * (count - 1.0)).max(1.0)
}
