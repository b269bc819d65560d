//! The answer to "what if": the live gate over bootstrapped work.
//!
//! Each replication resamples the residuals (what the trace did not show), runs as many rounds as the trace has (what a
//! single run shows by chance), and gives one value; their spread is the interval. Workers beyond those of the trace
//! repeat its workers' persistent differences in turn.

use rand::RngExt;
use syncline_queueing::sim::{Random, TrainingLoop, stream};
use syncline_round::{Clock, Sync, WorkerId};
use syncline_trace::Run;

use crate::{Error, Interval, JobProfile};

/// More workers than this many times the trace's are not predicted.
const FARTHEST: usize = 8;
const REPLICATIONS: u64 = 40;
const SEED: u64 = 4;

/// A number of workers and a policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question {
    /// How many workers.
    pub workers: usize,
    /// Under which policy.
    pub sync: Sync,
}

impl Question {
    /// What a run was.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`] where its trace does not say so in known words.
    pub fn of(run: &Run) -> Result<Self, Error> {
        let sync = run.info.sync.parse().map_err(|_| Error::UnknownSetting {
            what: "synchronisation policy",
            found: run.info.sync.clone(),
        })?;
        Ok(Self { workers: run.info.workers as usize, sync })
    }
}

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
    /// Answers a question; every worker is taken to have a machine of its own.
    ///
    /// # Errors
    /// [`Error::TooFar`] beyond eight times the workers of the trace.
    pub fn predict(&self, question: &Question) -> Result<Prediction, Error> {
        if question.workers > FARTHEST * self.workers {
            let (asked, measured) = (question.workers, self.workers);
            return Err(Error::TooFar { asked, measured, limit: FARTHEST });
        }
        let (mut times, mut late, mut pushed) = (Vec::new(), 0, 0);
        for replication in 0..REPLICATIONS {
            let mut random = stream(SEED, replication);
            let progress = self.run(question, &mut random)?;
            late += progress.late;
            pushed += progress.late + progress.folded;
            let folded = progress.folded.max(1) as f64 / question.workers as f64;
            times.push(self.with_servers(question, progress.time / folded));
        }
        let round_s = Interval::of(times);
        let samples = self.samples_per_cycle * question.workers as f64;
        let rate = |round_s: f64| samples / round_s;
        let samples_per_s =
            Interval { value: rate(round_s.value), low: rate(round_s.high), high: rate(round_s.low) };
        Ok(Prediction { round_s, samples_per_s, late: late as f64 / pushed.max(1) as f64 })
    }

    fn run(
        &self,
        question: &Question,
        random: &mut Random,
    ) -> Result<syncline_queueing::sim::LoopProgress, Error> {
        let drawn: Vec<f64> = (0..self.residual_s.len())
            .map(|_| self.residual_s[random.random_range(0..self.residual_s.len())])
            .collect();
        let work = |worker: WorkerId, _: Clock| {
            let persistent = self.persistent_s[worker.index() % self.persistent_s.len()];
            let residual = drawn[random.random_range(0..drawn.len())];
            (self.work_s + persistent + residual).max(0.0)
        };
        let pushes = (self.rounds * question.workers) as u64;
        Ok(TrainingLoop::new(question.sync, question.workers)?.advance(pushes, work))
    }

    /// A round that closes for all adds the servers' time once; where gradients are folded alone, the servers are a
    /// resource that everybody passes and that limits the throughput.
    fn with_servers(&self, question: &Question, round_s: f64) -> f64 {
        match question.sync {
            Sync::Bsp | Sync::Backup { .. } => round_s + self.server_s,
            Sync::Asp | Sync::Ssp { .. } => round_s.max(self.server_s * question.workers as f64),
        }
    }
}
