//! Whether a code pays, and which: from measured times of a task, or a distribution.
//!
//! The times are those of one task of an uncoded round of n workers, scaled to the whole job; a task of an (n, k)
//! code is 1 / k of the job. Two readings of them are compared: shift + Exp(rate), which knows what lies beyond the
//! slowest task seen, and the times themselves. The better one by Kolmogorov's distance is used. The gain has an
//! interval from resampling the times, and when that holds 1 the answer is not to code; a worker that is slow in
//! every round is no noise, and leaving it out beats coding around it.

mod fit;
mod gain;
mod workers;

pub use fit::{Fit, Reading};
pub use workers::{Slowness, slowness};

use syncline_queueing::{Distribution, Empirical, OrderStatistic};

use crate::error::within;
use crate::{Error, Result};

/// What one number of needed answers gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Answers needed, k; n of n is the uncoded round.
    pub needed: usize,
    /// E\[T\] of a round, the decode included, in the unit of the times.
    pub mean: f64,
    /// The time that 95 % of rounds stay below.
    pub quantile95: f64,
    /// How many times the uncoded work is done: n / k.
    pub work: f64,
    /// The decode's share of the mean.
    pub decode: f64,
}

/// What should be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Advice {
    /// Code, so that this many answers are needed.
    Code {
        /// Answers needed, k.
        needed: usize,
    },
    /// Do not code: no k is better than waiting for all, or not surely.
    DoNotCode {
        /// Why.
        reason: String,
    },
}

/// The answer of the planner.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What fitted the times; none for a distribution that was given.
    pub fit: Option<Fit>,
    /// One choice for every k from 1 to n.
    pub choices: Vec<Choice>,
    /// The k of least mean.
    pub best: usize,
    /// Mean of the uncoded round over that of the best.
    pub gain: f64,
    /// 95 % interval of the gain of this k, from resampling the times; none for a distribution.
    pub gain_interval: Option<(f64, f64)>,
    /// What to do.
    pub advice: Advice,
}

/// Plans for times of the whole job on one worker.
///
/// `decode` is the time that a decode takes when k answers are needed, in the same unit, as measured.
///
/// # Errors
/// When there are no workers, or the times are fewer than two or not positive numbers.
pub fn from_times(times: &[f64], workers: usize, decode: impl Fn(usize) -> f64, seed: u64) -> Result<Plan> {
    within("the number of workers", workers, 1, 1 << 16)?;
    let fit = Fit::of(times)?;
    let law = match fit.better {
        Reading::ShiftedExponential => fit.law()?,
        Reading::Times => Distribution::empirical(Empirical::new(times.to_vec())?),
    };
    let mut plan = from_distribution(&law, workers, &decode)?;
    let interval = gain::interval(times, fit.better, workers, plan.best, decode(plan.best), seed)?;
    if matches!(plan.advice, Advice::Code { .. }) && interval.0 <= 1.0 {
        let reason = format!(
            "the gain of {} of {workers} could be anything from {:.3} to {:.3}: the times do not show that it pays",
            plan.best, interval.0, interval.1
        );
        plan.advice = Advice::DoNotCode { reason };
    }
    (plan.fit, plan.gain_interval) = (Some(fit), Some(interval));
    Ok(plan)
}

/// Plans from an uncoded run: the times of each worker's tasks, round by round. A worker that is slow in every round is no noise:
/// where the times differ mostly by worker, the advice is to leave the slowest out.
///
/// # Errors
/// As of [`from_times`] and [`slowness`]; of rounds that not all workers have the last are passed over.
pub fn from_run(times: &[Vec<f64>], decode: impl Fn(usize) -> f64, seed: u64) -> Result<(Plan, Slowness)> {
    let workers = times.len();
    let rounds = times.iter().map(Vec::len).min().unwrap_or(0);
    let even: Vec<Vec<f64>> = times.iter().map(|of| of[..rounds].to_vec()).collect();
    let slow = slowness(&even)?;
    // A task is 1 / n of the job.
    let whole: Vec<f64> = even.iter().flatten().map(|time| time * workers as f64).collect();
    let mut plan = from_times(&whole, workers, decode, seed)?;
    if slow.leave_out(workers) {
        let reason = format!(
            "worker {} is slow in every round, {:.2} times as slow as the others: leave it out",
            slow.slowest, slow.ratio
        );
        plan.advice = Advice::DoNotCode { reason };
    }
    Ok((plan, slow))
}

/// Plans for a law of the whole job's time on one worker.
///
/// # Errors
/// When there are no workers, or the mean of the slowest worker's time is infinite for every k.
pub fn from_distribution(
    whole_job: &Distribution,
    workers: usize,
    decode: &impl Fn(usize) -> f64,
) -> Result<Plan> {
    within("the number of workers", workers, 1, 1 << 16)?;
    let choices: Vec<Choice> = (1..=workers)
        .map(|needed| choice(whole_job, workers, needed, decode(needed)))
        .collect::<Result<_>>()?;
    let best = choices.iter().fold(&choices[0], |best, next| if next.mean < best.mean { next } else { best });
    let (best, mean) = (best.needed, best.mean);
    let gain = choices[workers - 1].mean / mean;
    let advice = if best < workers {
        Advice::Code { needed: best }
    } else {
        Advice::DoNotCode { reason: "waiting for all is fastest: the tail of the times is too light".into() }
    };
    Ok(Plan { fit: None, choices, best, gain, gain_interval: None, advice })
}

fn choice(whole_job: &Distribution, workers: usize, needed: usize, decode: f64) -> Result<Choice> {
    if !(decode.is_finite() && decode >= 0.0) {
        let must = "a time of at least 0".into();
        return Err(Error::OutOfRange { what: "the time of a decode", got: decode.to_string(), must });
    }
    // All blocks are plain where nobody is spare.
    let decode = if needed == workers { 0.0 } else { decode };
    let order = OrderStatistic::new(whole_job, needed, workers)?;
    let share = needed as f64;
    let mean = match order.mean() {
        Ok(mean) => mean / share + decode,
        // The slowest of a tail this heavy has no mean; a code that leaves some out has.
        Err(syncline_queueing::Error::InfiniteMoment { .. }) => f64::INFINITY,
        Err(error) => return Err(error.into()),
    };
    let quantile95 = quantile(&order, whole_job, 0.95) / share + decode;
    Ok(Choice { needed, mean, quantile95, work: workers as f64 / share, decode })
}

/// The time that an order statistic stays below with probability u: by bisection between quantiles of one task.
fn quantile(order: &OrderStatistic<'_>, one: &Distribution, u: f64) -> f64 {
    let (mut low, mut high) = (0.0, one.quantile(1e-15));
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if 1.0 - order.survival(middle) < u {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
