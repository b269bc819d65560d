//! Jobs like the traced one that arrive as a stream.

use serde::Serialize;
use syncline_predict::{JobProfile, Question, Stream};

use super::{Args, three};
use crate::failure::Failure;

/// What a stream meets.
#[derive(Serialize)]
pub struct Jobs {
    pub rounds: u64,
    pub tail_share: f64,
    pub job_s: [f64; 3],
    pub largest_rate: [f64; 3],
    pub rates: Vec<AtRate>,
}

/// At one arrival rate; nothing where it is too large.
#[derive(Serialize)]
pub struct AtRate {
    pub rate: f64,
    pub sojourn_s: Option<[f64; 3]>,
    pub tail_s: Option<[f64; 3]>,
}

/// The answer, if it was asked for: at the given rates, else at 50, 80 and 90 % of the largest stable one.
pub fn answer(args: &Args, profile: &JobProfile, own: &Question) -> Result<Option<Jobs>, Failure> {
    let Some(rounds) = args.training.job_rounds else {
        return match args.streams.arrival_rate {
            Some(_) => Err(Failure::Usage("--arrival-rate: say with --job-rounds how long a job is".into())),
            None => Ok(None),
        };
    };
    let exceedance = args.streams.tail;
    let ask = |rate: f64| profile.stream(own, &Stream { rate, rounds, exceedance }).map_err(Failure::failed);
    let round_s = profile.predict(own).map_err(Failure::failed)?.round_s.value;
    let largest = 1.0 / (round_s * rounds as f64);
    let given = args.streams.arrival_rate.clone();
    let rates = given.unwrap_or_else(|| [0.5, 0.8, 0.9].map(|share| share * largest).into());
    let mut jobs = None;
    for rate in rates {
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(Failure::Usage(format!("--arrival-rate {rate}: jobs a second must be more than 0")));
        }
        let told = ask(rate)?;
        let at = AtRate { rate, sojourn_s: told.sojourn_s.map(three), tail_s: told.tail_s.map(three) };
        let jobs = jobs.get_or_insert_with(|| Jobs {
            rounds,
            tail_share: exceedance.get(),
            job_s: three(told.job_s),
            largest_rate: three(told.largest_rate),
            rates: Vec::new(),
        });
        jobs.rates.push(at);
    }
    Ok(jobs)
}
