//! Jobs like the traced one that arrive as a stream at one cluster.

use serde::Serialize;
use syncline_predict::{JobProfile, Question, Sojourn, Stream, StreamAnswer};

use super::{Args, Told, three};
use crate::failure::Failure;

/// What a stream meets.
#[derive(Serialize)]
pub struct Jobs {
    pub rounds: u64,
    pub tail_share: f64,
    pub clusters: Vec<Cluster>,
}

/// A cluster of so many workers.
#[derive(Serialize)]
pub struct Cluster {
    pub workers: usize,
    #[serde(flatten)]
    pub answer: Told<Values>,
}

/// What jobs meet there.
#[derive(Serialize, Clone)]
pub struct Values {
    pub job_s: [f64; 3],
    pub largest_jobs_per_s: [f64; 3],
    pub rates: Vec<AtRate>,
}

/// At one arrival rate; nothing where it is too large.
#[derive(Serialize, Clone)]
pub struct AtRate {
    pub jobs_per_s: f64,
    pub sojourn_s: Option<[f64; 3]>,
    pub tail_s: Option<[f64; 3]>,
}

/// What stream was asked for, if any.
pub fn asked(args: &Args) -> Result<Option<Stream>, Failure> {
    let given = args.streams.arrival_rate.as_ref().map(|rates| &rates.0[..]);
    let Some(rounds) = args.training.job_rounds else {
        return match given {
            Some(_) => Err(Failure::Usage("--arrival-rate: say with --job-rounds how long a job is".into())),
            None => Ok(None),
        };
    };
    let rates = given.unwrap_or_default().to_vec();
    Ok(Some(Stream { rates, rounds, exceedance: args.streams.tail }))
}

/// The answer for clusters of so many workers under the question's policy.
pub fn answer(stream: Stream, profile: &JobProfile, question: &Question, workers: &[usize]) -> Jobs {
    let one = |&workers: &usize| {
        let told = profile.stream(&Question { workers, ..*question }, &stream);
        Cluster { workers, answer: Told::of(told) }
    };
    let clusters = workers.iter().map(one).collect();
    Jobs { rounds: stream.rounds, tail_share: stream.exceedance.get(), clusters }
}

impl From<StreamAnswer> for Values {
    fn from(StreamAnswer { job_s, largest_rate, rates }: StreamAnswer) -> Self {
        let at = |Sojourn { rate, mean_s, tail_s }: Sojourn| AtRate {
            jobs_per_s: rate,
            sojourn_s: mean_s.map(three),
            tail_s: tail_s.map(three),
        };
        let rates = rates.into_iter().map(at).collect();
        Self { job_s: three(job_s), largest_jobs_per_s: three(largest_rate), rates }
    }
}
