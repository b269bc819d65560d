//! Evolution strategies (Salimans et al., 2017): workers try the parameters with noise that they draw from a seed, and send
//! back only the seed and the reward; the driver, who draws the same noise again, goes where the rewards are.

use serde::{Deserialize, Serialize};
use syncline::prelude::*;

const SIZE: usize = 6;
const WORKERS: usize = 4;
const TRIALS: u64 = 40;
const GENERATIONS: u64 = 150;
const SPREAD: f64 = 0.2;
const RATE: f64 = 0.1;

/// Tries of the parameters with these seeds, and their rewards.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trial {
    parameters: Vec<f64>,
    seed: u64,
}

/// What is to be found: the parameters 0, 1, 2 ..
fn reward(parameters: &[f64]) -> f64 {
    -parameters.iter().enumerate().map(|(at, value)| (value - at as f64).powi(2)).sum::<f64>()
}

/// Noise that depends on the seed only (SplitMix64, by Steele, Lea and Flood, 2014), roughly normal.
fn noise(seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d);
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    // The sum of twelve uniform numbers has the variance 1.
    (0..SIZE).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect()
}

fn moved(parameters: &[f64], noise: &[f64], by: f64) -> Vec<f64> {
    parameters.iter().zip(noise).map(|(value, noise)| value + by * noise).collect()
}

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("evolution");
    let trials = program.queue::<Trial>("trials", 2 * WORKERS);
    let rewards = program.queue::<(u64, f64)>("rewards", TRIALS as usize);
    let (to_try, to_tell) = (trials.clone(), rewards.clone());
    program.nodes("worker", WORKERS, async move |ctx| {
        let (trials, rewards) = (to_try.at(&ctx), to_tell.at(&ctx));
        while let Some(Trial { parameters, seed }) = trials.pop().await? {
            let noise = noise(seed);
            let better =
                reward(&moved(&parameters, &noise, SPREAD)) - reward(&moved(&parameters, &noise, -SPREAD));
            rewards.push((seed, better)).await?;
        }
        Ok(())
    });
    let program = program.driver(async move |ctx| {
        let (trials, rewards) = (trials.at(&ctx), rewards.at(&ctx));
        let mut parameters = vec![0.0; SIZE];
        for generation in 0..GENERATIONS {
            let (source, base) = (trials.clone(), parameters.clone());
            let sending = ctx.spawn(async move {
                for trial in 0..TRIALS {
                    source
                        .push(Trial { parameters: base.clone(), seed: generation * TRIALS + trial })
                        .await?;
                }
                Ok::<_, Error>(())
            });
            let mut told = Vec::new();
            while (told.len() as u64) < TRIALS {
                told.extend(rewards.pop().await?);
            }
            sending.await??;
            // In the order of the seeds, so that a run does not depend on who was quicker.
            told.sort_by_key(|(seed, _)| *seed);
            for (seed, better) in told {
                let step = RATE * better / (2.0 * SPREAD * TRIALS as f64);
                parameters = moved(&parameters, &noise(seed), step);
            }
        }
        trials.close().await?;
        Ok(parameters)
    });
    let parameters = launch(program, Executor::from_args()?)?.wait()?;
    println!("parameters {parameters:.2?}, reward {:.3}", reward(&parameters));
    Ok(())
}
