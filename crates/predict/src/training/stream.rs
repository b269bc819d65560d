//! Jobs that arrive one after another and each train for a while on the same cluster: a queue with one server, whose
//! service is a whole run.

use syncline_queueing::models::SplitMerge;
use syncline_queueing::sim::{Plan, simulate};
use syncline_queueing::{Arrivals, Distribution, Empirical, Exceedance, Model, Workload};

use crate::{Error, Interval, JobProfile, Question};

/// Simulated runs that make up the distribution of a job's length.
const RUNS: u64 = 200;
/// Arriving jobs simulated.
const JOBS: u64 = 400_000;
/// Rounds of a job that are simulated; longer jobs are made of as many such parts as fit.
const PART: u64 = 200;

/// Rates that are told unless some are given: shares of the largest stable one.
const LOADS: [f64; 3] = [0.5, 0.8, 0.9];

/// A stream of jobs, one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Jobs a second that arrive, independent of each other (Poisson); none: half, four fifths and nine tenths of the
    /// largest stable rate.
    pub rates: Vec<f64>,
    /// Rounds of each.
    pub rounds: u64,
    /// Its tail is told at this share of jobs that take longer.
    pub exceedance: Exceedance,
}

/// What such a stream meets. Times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamAnswer {
    /// How long a job runs by itself.
    pub job_s: Interval,
    /// Jobs a second from which on the queue grows without end.
    pub largest_rate: Interval,
    /// At each rate.
    pub rates: Vec<Sojourn>,
}

/// What a stream of one rate meets.
#[derive(Debug, Clone, PartialEq)]
pub struct Sojourn {
    /// Jobs a second.
    pub rate: f64,
    /// From a job's arrival to its end, on average; nothing at or beyond the largest rate.
    pub mean_s: Option<Interval>,
    /// The time that only the given share of jobs exceed.
    pub tail_s: Option<Interval>,
}

impl JobProfile {
    /// Answers for jobs like `question` that arrive as a stream, first come, first served.
    ///
    /// # Errors
    /// As for [`JobProfile::predict`], and [`Error::Queueing`] for a rate or share that cannot be.
    pub fn stream(&self, question: &Question, stream: &Stream) -> Result<StreamAnswer, Error> {
        let rounds = stream.rounds.max(1);
        let job_s = self.predict(&Question { rounds, ..*question })?.run_s;
        let largest_rate = job_s.map_inverse(1.0);
        let loads = LOADS.map(|load| load * largest_rate.value);
        let rates = if stream.rates.is_empty() { &loads } else { &stream.rates[..] };
        let lengths = self.lengths(question, stream.rounds, job_s.value)?;
        let size = Distribution::empirical(Empirical::new(lengths)?);
        let one = |&rate: &f64| {
            let arrivals = Arrivals::poisson(rate)?;
            if rate >= largest_rate.value {
                return Ok(Sojourn { rate, mean_s: None, tail_s: None });
            }
            let sojourn = sojourn(rate, Workload { arrivals, size: size.clone() }, stream.exceedance)?;
            Ok(sojourn.widened(job_s.relative() / (1.0 - rate / largest_rate.value)))
        };
        let rates = rates.iter().map(one).collect::<Result<_, Error>>()?;
        Ok(StreamAnswer { job_s, largest_rate, rates })
    }

    /// Lengths of jobs, with the spread that rounds give them: of parts of a few rounds each, because the variance of
    /// many rounds is the sum of theirs, around the predicted length.
    fn lengths(&self, question: &Question, rounds: u64, job_s: f64) -> Result<Vec<f64>, Error> {
        let part = rounds.clamp(1, PART);
        let lengths = self.durations(question, part, RUNS)?;
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        let parts = rounds.max(1) as f64 / part as f64;
        Ok(lengths.into_iter().map(|length| (job_s + (length - mean) * parts.sqrt()).max(0.0)).collect())
    }
}

impl Sojourn {
    /// With room for a relative error of the job's length r, which a queue of this load makes r / (1 - load).
    fn widened(self, relative: f64) -> Self {
        let widen = |interval: Interval| interval.widened(relative).positive();
        Self { mean_s: self.mean_s.map(widen), tail_s: self.tail_s.map(widen), ..self }
    }
}

/// The mean by formula, the tail by simulation.
fn sojourn(rate: f64, workload: Workload, exceedance: Exceedance) -> Result<Sojourn, Error> {
    let queue = SplitMerge::new(workload, 1)?;
    let plan = Plan { jobs: JOBS, quantiles: vec![exceedance], ..Plan::default() };
    let report = simulate(&queue, &plan)?;
    let tail = report.quantiles.first();
    let tail_s = tail.map(|(_, tail)| Interval::around(tail.value, tail.half_width(0.95)));
    let mean_s = Some(Interval::around(queue.mean()?.value, report.mean.half_width(0.95)));
    Ok(Sojourn { rate, mean_s, tail_s })
}
