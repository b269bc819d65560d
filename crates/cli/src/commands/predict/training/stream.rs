//! Jobs like the traced one that arrive as a stream.

use serde::Serialize;
use syncline_predict::{JobProfile, Question, Stream};

use super::{Options, three};
use crate::failure::Failure;

/// What the stream meets.
#[derive(Serialize)]
pub struct Jobs {
    pub rate: f64,
    pub rounds: u64,
    pub tail_share: f64,
    pub job_s: [f64; 3],
    pub largest_rate: [f64; 3],
    /// Nothing where the rate is too large.
    pub sojourn_s: Option<[f64; 3]>,
    pub tail_s: Option<[f64; 3]>,
}

/// The answer, if it was asked for.
pub fn answer(options: &Options, profile: &JobProfile, own: &Question) -> Result<Option<Jobs>, Failure> {
    let (Some(rate), Some(rounds)) = (options.lambda, options.job_rounds) else { return Ok(None) };
    if !(rate > 0.0 && rate.is_finite()) {
        return Err(Failure::Usage(format!("--lambda {rate}: jobs a second must be more than 0")));
    }
    let stream = Stream { rate, rounds, exceedance: options.tail };
    let told = profile.stream(own, &stream).map_err(Failure::failed)?;
    Ok(Some(Jobs {
        rate,
        rounds,
        tail_share: options.tail.get(),
        job_s: three(told.job_s),
        largest_rate: three(told.largest_rate),
        sojourn_s: told.sojourn_s.map(three),
        tail_s: told.tail_s.map(three),
    }))
}
