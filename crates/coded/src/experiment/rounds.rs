//! C1: the time of a round against the number of workers, by workers that take as long as is drawn: in virtual time, and for
//! eight workers on threads of this machine. (Lee et al., arXiv 1512.02673, section III.)

use std::sync::Arc;
use std::time::Duration;

use syncline_experiment::{Curve, Outcome, Rule, Size, mean, median};
use syncline_program::{Executor, Program, launch};

use super::titles;
use crate::product::{Delays, Product, hold};
use crate::time::ShiftedExponential;
use crate::{Code, Error, Mds, Result, RowBlocks};

/// A task of an uncoded round lasts so long at least.
const TASK: Duration = Duration::from_millis(30);
const ROUNDS: u64 = 200;
/// Rounds on threads, which take the time that they take.
const LIVE: u64 = 60;
const WORKERS: [usize; 5] = [4, 8, 16, 32, 64];
const MUS: [f64; 3] = [0.5, 1.0, 2.0];

/// What a run came to, in seconds.
struct Figures {
    /// Mean time of a round.
    round: f64,
    /// Mean of the k-th least of the delays that were drawn.
    drawn: f64,
    /// Median of what a round took longer than that.
    overhead: f64,
}

fn run(code: Mds, mu: f64, rounds: u64, seed: u64, on: Executor) -> Result<Figures> {
    let (workers, needed) = (code.workers(), code.parts());
    let blocks = Arc::new(RowBlocks::new(vec![1.0; 4 * needed], 4, needed)?);
    let delays = Delays { unit: TASK * workers as u32, mu, seed };
    let mut program = Program::new("rounds");
    let coded = hold(&mut program, "worker", code, blocks, Some(delays));
    let program = program.driver(async move |ctx| {
        let products = coded.at(&ctx).await?;
        let mut made: Vec<Product> = Vec::new();
        for _ in 0..rounds {
            made.push(products.multiply(vec![1.0; 4]).await?);
        }
        products.end().await?;
        Ok(made)
    });
    let failed = |error: syncline_program::Error| Error::Program(error.to_string());
    let made = launch(program, on).map_err(failed)?.wait().map_err(failed)?;
    let drawn: Vec<f64> = (0..rounds)
        .map(|round| {
            let mut times: Vec<f64> =
                (0..workers).map(|worker| delays.draw(worker, round, needed).as_secs_f64()).collect();
            times.sort_by(f64::total_cmp);
            times[needed - 1]
        })
        .collect();
    let taken: Vec<f64> =
        made.iter().map(|product| (product.waited + product.decode).as_secs_f64()).collect();
    let overheads: Vec<f64> = taken.iter().zip(&drawn).map(|(taken, drawn)| taken - drawn).collect();
    Ok(Figures { round: mean(&taken), drawn: mean(&drawn), overhead: median(&overheads) })
}

/// The speed-up of the best code.
pub(super) fn times(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut rows, mut curves) = (Vec::new(), Vec::new());
    let (mut off, mut grows) = (0.0f64, true);
    for mu in MUS {
        let law = ShiftedExponential::new(mu)?;
        let (mut measured, mut formula) = (Vec::new(), Vec::new());
        for workers in WORKERS {
            tell(&format!("mu {mu}, {workers} workers"));
            let needed = law.best(workers)?.needed;
            let seeds = 1..=size.seeds;
            let of = |needed: usize| {
                let code = Mds::systematic(workers, needed, 1)?;
                seeds
                    .clone()
                    .map(|seed| run(code.clone(), mu, ROUNDS, seed, Executor::sim(seed)))
                    .collect::<Result<Vec<Figures>>>()
            };
            let (plain, coded) = (of(workers)?, of(needed)?);
            let time = |list: &[Figures]| mean(&list.iter().map(|run| run.round).collect::<Vec<f64>>());
            for run in plain.iter().chain(&coded) {
                off = off.max((run.round / run.drawn - 1.0).abs());
            }
            let (gain, expected) =
                (time(&plain) / time(&coded), law.uncoded(workers)? / law.mds(workers, needed)?);
            measured.push([workers as f64, gain]);
            formula.push([workers as f64, expected]);
            rows.push(vec![
                mu.to_string(),
                workers.to_string(),
                needed.to_string(),
                format!("{:.1}", 1e3 * time(&plain)),
                format!("{:.1}", 1e3 * time(&coded)),
                format!("{gain:.3}"),
                format!("{expected:.3}"),
                format!("{:.3}", law.uncoded(workers)? / law.replicated(workers, 2)?),
            ]);
        }
        grows &= measured.windows(2).all(|pair| pair[0][1] < pair[1][1]);
        curves.push(Curve { name: format!("mu {mu}, run"), points: measured });
        curves.push(Curve { name: format!("mu {mu}, formula"), points: formula });
    }
    tell("8 workers on threads");
    let on_threads = |needed| run(Mds::systematic(8, needed, 1)?, 1.0, LIVE, 1, Executor::threads());
    let live = [on_threads(8)?, on_threads(6)?];
    let overhead = live.iter().map(|run| run.overhead).fold(0.0, f64::max);
    let slower = live.iter().map(|run| run.round / run.drawn - 1.0).fold(0.0, f64::max);
    for (needed, run) in [8, 6].into_iter().zip(&live) {
        rows.push(vec![
            "1, threads".to_owned(),
            "8".to_owned(),
            needed.to_string(),
            format!("{:.1}", 1e3 * live[0].round),
            format!("{:.1}", 1e3 * run.round),
            format!("{:.3}", live[0].round / run.round),
            format!("{:.3}", live[0].drawn / run.drawn),
            String::new(),
        ]);
    }
    Ok(Outcome {
        title: format!(
            "C1: a round of workers that take 30 ms x (1 + Exp(mu)) x n / k, {ROUNDS} rounds, {} seeds",
            size.seeds
        ),
        columns: titles(&[
            "mu",
            "workers",
            "k",
            "uncoded, ms",
            "coded, ms",
            "speed-up",
            "expected",
            "2 copies, expected",
        ]),
        rows,
        axes: ["workers".to_owned(), "speed-up over waiting for all".to_owned()],
        curves,
        rules: vec![
            Rule::new(
                format!(
                    "in virtual time rounds take what their own delays say ({:.2} % off at most)",
                    100.0 * off
                ),
                off < 0.03,
            ),
            Rule::new("the speed-up grows with the number of workers", grows),
            Rule::new(
                format!("on threads the median overhead of a round is below 3 ms ({:.2} ms)", 1e3 * overhead),
                overhead < 3e-3,
            ),
            Rule::new(
                format!(
                    "on threads the mean is within 3 % of the drawn order statistic ({:.2} %)",
                    100.0 * slower
                ),
                slower < 0.03,
            ),
        ],
    })
}
