//! Monte Carlo: a statistic of independent draws, and its standard error from batches.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{effort::Effort, row::Printed};

const SEED: u64 = 20_261_129;
/// Batches whose spread gives the error.
const BATCHES: usize = 25;

impl Effort {
    /// Draws of a quantity that is quickly drawn.
    pub fn draws(self) -> usize {
        match self {
            Self::Full => 250_000,
            Self::Quick => 25_000,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Statistic {
    Mean,
    Variance,
    Quantile(f64),
}

/// A random time or count, drawn with uniform numbers.
pub type Draw<'a> = dyn FnMut(&mut Xoshiro256PlusPlus) -> f64 + 'a;

pub fn simulate(statistic: Statistic, effort: Effort, draw: &mut Draw<'_>) -> Printed {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let size = effort.draws() / BATCHES;
    let values: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let batch: Vec<f64> = (0..size).map(|_| draw(&mut rng)).collect();
            statistic.of(batch)
        })
        .collect();
    mean_and_error(&values)
}

pub fn mean_and_error(values: &[f64]) -> Printed {
    let count = values.len() as f64;
    let value = mean(values);
    let variance = values.iter().map(|x| (x - value).powi(2)).sum::<f64>() / (count - 1.0);
    Printed { value, error: (variance / count).sqrt() }
}

impl Statistic {
    fn of(self, mut batch: Vec<f64>) -> f64 {
        match self {
            Self::Mean => mean(&batch),
            Self::Variance => {
                let centre = mean(&batch);
                batch.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (batch.len() - 1) as f64
            }
            Self::Quantile(u) => {
                batch.sort_by(f64::total_cmp);
                batch[((u * batch.len() as f64) as usize).min(batch.len() - 1)]
            }
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// 1 + Exp(mu).
pub fn job(rng: &mut Xoshiro256PlusPlus, mu: f64) -> f64 {
    1.0 - (-rng.random::<f64>()).ln_1p() / mu
}

/// The k-th smallest of n draws.
pub fn smallest(
    rng: &mut Xoshiro256PlusPlus,
    k: usize,
    n: usize,
    mut one: impl FnMut(&mut Xoshiro256PlusPlus) -> f64,
) -> f64 {
    let mut times: Vec<f64> = (0..n).map(|_| one(rng)).collect();
    *times.select_nth_unstable_by(k - 1, f64::total_cmp).1
}
