//! How sure the gain of a code is: the times are drawn anew from themselves, and the gain computed again.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use syncline_queueing::{Distribution, Empirical, OrderStatistic};

use super::{Fit, Reading};
use crate::Result;

/// Draws: 2.5 % of them lie on either side of the interval.
const DRAWS: usize = 400;

/// The 95 % interval of E\[T uncoded\] / E\[T\] for a code of which `needed` of `workers` answers are needed.
pub(super) fn interval(
    times: &[f64],
    reading: Reading,
    workers: usize,
    needed: usize,
    decode: f64,
    seed: u64,
) -> Result<(f64, f64)> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut gains = (0..DRAWS)
        .map(|_| {
            let again: Vec<f64> = times.iter().map(|_| times[rng.random_range(0..times.len())]).collect();
            gain(&again, reading, workers, needed, decode)
        })
        .collect::<Result<Vec<f64>>>()?;
    gains.sort_by(f64::total_cmp);
    let at = |share: f64| gains[(share * (DRAWS - 1) as f64).round() as usize];
    Ok((at(0.025), at(0.975)))
}

fn gain(times: &[f64], reading: Reading, workers: usize, needed: usize, decode: f64) -> Result<f64> {
    let fit = Fit::of(times)?;
    // A draw may hold one time again and again: then there is no law but the time itself.
    let law = match reading {
        Reading::ShiftedExponential if fit.rate.is_finite() => fit.law()?,
        _ => Distribution::empirical(Empirical::new(times.to_vec())?),
    };
    let mean = |needed: usize| Ok(OrderStatistic::new(&law, needed, workers)?.mean()? / needed as f64);
    let decode = if needed == workers { 0.0 } else { decode };
    let (uncoded, coded): (Result<f64>, Result<f64>) = (mean(workers), mean(needed));
    Ok(uncoded? / (coded? + decode))
}
