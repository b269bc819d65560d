//! What this crate says to a row: by formula, by simulation, or both.

use rand::RngExt;
use rand::seq::index;
use syncline_coded::time::{ShiftedExponential, mds_of};
use syncline_coded::{
    Code, Cyclic, Generator, Mds, Repetition, exact_probability, expected_answers, planner, polynomial,
};
use syncline_queueing::Distribution;

use crate::effort::Effort;
use crate::row::{Printed, Row};
use crate::sample::{Statistic, job, mean_and_error, simulate, smallest};
use crate::sent;

/// Our values of a row.
pub struct Ours {
    pub formula: Option<f64>,
    pub simulation: Option<Printed>,
    pub tolerance: Tolerance,
}

/// How near ours must be to the file's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// The formula to this relative error; a simulation to 4 combined standard errors or 1 %.
    Relative(f64),
    /// The simulation to this relative error, the formula as usual.
    Sent(f64),
}

impl Ours {
    fn exact(formula: f64) -> Self {
        Self { formula: Some(formula), simulation: None, tolerance: Tolerance::Relative(1e-6) }
    }

    fn both(formula: f64, simulation: Printed) -> Self {
        Self { simulation: Some(simulation), ..Self::exact(formula) }
    }
}

pub fn evaluate(row: &Row, effort: Effort) -> Result<Ours, String> {
    match row.model.as_str() {
        "uncoded" | "replication" | "mds" => round_time(row, effort),
        "mds planner" => planner_row(row),
        "mds planner asymptotic" => asymptotic(row),
        "mds planner from times" => from_times(row),
        "mds, general tasks" => general(row, effort),
        "mds, systematic" => parity_answers(row, effort),
        "conditioning" => {
            let worst = generator(row)?.worst_condition();
            Ok(Ours { tolerance: Tolerance::Relative(1e-4), ..Ours::exact(worst) })
        }
        "conditioning, random" => random_conditioning(row, effort),
        "encode" => encode(row),
        "decode" => decode_weight(row),
        "gradient code, repetition" | "gradient code, cyclic" => gradient_time(row, effort),
        "gradient code, cyclic matrix" => cyclic_matrix(row),
        "draco, repetition" => liars(row, effort),
        "recovery threshold" => threshold(row),
        model if model.starts_with("shuffle") => sent::evaluate(row, effort),
        model => Err(format!("model '{model}' is not known")),
    }
}

/// An error of the crate as the reason why a row cannot be evaluated.
pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub fn unknown_metric<T>(row: &Row) -> Result<T, String> {
    Err(format!("metric '{}' is not known for {}", row.metric, row.model))
}

fn law(row: &Row) -> Result<ShiftedExponential, String> {
    ShiftedExponential::new(row.number("mu")?).map_err(text)
}

fn round_time(row: &Row, effort: Effort) -> Result<Ours, String> {
    let (law, mu, n) = (law(row)?, row.number("mu")?, row.count("n")?);
    let (r, k) = match row.model.as_str() {
        "uncoded" => (1, n),
        "replication" => (row.count("r")?, n / row.count("r")?.max(1)),
        _ => (1, row.count("k")?),
    };
    let (formula, statistic) = match row.metric.as_str() {
        "E[T]" if r > 1 => (law.replicated(n, r), Statistic::Mean),
        "E[T]" => (law.mds(n, k), Statistic::Mean),
        "Var[T]" if r == 1 => (law.mds_variance(n, k), Statistic::Variance),
        "q95[T]" if r == 1 => (law.mds_quantile(n, k, 0.95), Statistic::Quantile(0.95)),
        _ => return unknown_metric(row),
    };
    let formula = formula.map_err(text)?;
    let simulation = simulate(statistic, effort, &mut |rng| {
        // Of r copies of a block the first counts.
        let block = |rng: &mut _| (0..r).map(|_| job(rng, mu)).fold(f64::INFINITY, f64::min);
        smallest(rng, k, n / r, block) / k as f64
    });
    Ok(Ours::both(formula, simulation))
}

fn planner_row(row: &Row) -> Result<Ours, String> {
    let (law, n) = (law(row)?, row.count("n")?);
    let best = law.best(n).map_err(text)?;
    Ok(Ours::exact(match row.metric.as_str() {
        "k*" => best.needed as f64,
        "n E[T] at k*" => n as f64 * best.mean,
        "speed-up over uncoded" => law.uncoded(n).map_err(text)? / best.mean,
        _ => return unknown_metric(row),
    }))
}

fn asymptotic(row: &Row) -> Result<Ours, String> {
    Ok(Ours::exact(match row.metric.as_str() {
        "alpha*" => law(row)?.best_share(),
        "gamma*" => law(row)?.best_work(),
        _ => return unknown_metric(row),
    }))
}

fn from_times(row: &Row) -> Result<Ours, String> {
    let (n, fit) = (row.count("n")?, planner::Fit::of(&row.list("times")?).map_err(text)?);
    let plan = planner::from_distribution(&fit.law().map_err(text)?, n, &|_| 0.0).map_err(text)?;
    Ok(Ours::exact(match row.metric.as_str() {
        "shift" => fit.shift,
        "rate" => fit.rate,
        "k*" => plan.best as f64,
        "E[T] at k*" => plan.choices[plan.best - 1].mean,
        _ => return unknown_metric(row),
    }))
}

fn general(row: &Row, effort: Effort) -> Result<Ours, String> {
    let size: Distribution = row.text("S")?.parse().map_err(text)?;
    let (n, k) = (row.count("n")?, row.count("k")?);
    if row.metric != "E[T]" {
        return unknown_metric(row);
    }
    let formula = mds_of(&size, n, k).map_err(text)?;
    let simulation = simulate(Statistic::Mean, effort, &mut |rng| {
        smallest(rng, k, n, |rng| size.quantile(rng.random())) / k as f64
    });
    Ok(Ours::both(formula, simulation))
}

/// Of the first k of n in random order, how many are not among the k plain ones.
fn parity_answers(row: &Row, effort: Effort) -> Result<Ours, String> {
    let (n, k) = (row.count("n")?, row.count("k")?);
    if k > n || n == 0 {
        return Err(format!("k = {k} of n = {n}"));
    }
    let code = Mds::new(Generator::gaussian(n, k, 1).map_err(text)?);
    let parity: Vec<bool> = (0..n).map(|worker| code.generator().plain(worker).is_none()).collect();
    let simulation = simulate(Statistic::Mean, effort, &mut |rng| {
        index::sample(rng, n, k).iter().filter(|worker| parity[*worker]).count() as f64
    });
    Ok(Ours::both((k * (n - k)) as f64 / n as f64, simulation))
}

fn generator(row: &Row) -> Result<Generator, String> {
    let (n, k) = (row.count("n")?, row.count("k")?);
    match row.text("code")? {
        "vandermonde" => Generator::vandermonde(n, k),
        "chebyshev" => Generator::chebyshev(n, k),
        "cauchy" => Generator::cauchy(n, k),
        "systematic-gaussian" => Generator::gaussian(n, k, 1),
        code => return Err(format!("code '{code}' is not known")),
    }
    .map_err(text)
}

fn random_conditioning(row: &Row, effort: Effort) -> Result<Ours, String> {
    let (n, k) = (row.count("n")?, row.count("k")?);
    let seeds = if effort == Effort::Full { 400 } else { 60 };
    let worst = |seed| Ok(Generator::gaussian(n, k, seed).map_err(text)?.worst_condition().log10());
    let logarithms: Vec<f64> = (0..seeds).map(worst).collect::<Result<_, String>>()?;
    let simulation = Some(mean_and_error(&logarithms));
    Ok(Ours { formula: None, simulation, tolerance: Tolerance::Relative(1e-6) })
}

/// The number after the last underscore or space of a metric such as `y_3` or `weight of y_4 in block 0`.
fn subscript(word: &str) -> Result<usize, String> {
    let digits = word.trim().rsplit(['_', ' ']).next().unwrap_or_default();
    digits.parse().map_err(|_| format!("'{word}' names no number"))
}

fn encode(row: &Row) -> Result<Ours, String> {
    let (code, blocks, worker) = (Mds::new(generator(row)?), row.list("blocks")?, subscript(&row.metric)?);
    if blocks.len() != code.parts() || worker >= code.workers() {
        return Err(format!("{} blocks, worker {worker}", blocks.len()));
    }
    let shares = code.assignment(worker);
    Ok(Ours::exact(shares.iter().map(|share| share.coefficient * blocks[share.part]).sum()))
}

fn decode_weight(row: &Row) -> Result<Ours, String> {
    let code = Mds::new(generator(row)?);
    let answered: Vec<usize> = row.list("answered")?.iter().map(|worker| *worker as usize).collect();
    let Some((answer, block)) = row.metric.split_once(" in block ") else { return unknown_metric(row) };
    let (worker, block) = (subscript(answer)?, subscript(block)?);
    let mut ordered = answered.clone();
    ordered.sort_unstable();
    let column = ordered.iter().position(|other| *other == worker);
    let column = column.ok_or_else(|| format!("worker {worker} did not answer"))?;
    let weights = code.weights(&answered).map_err(text)?;
    let row = weights.get(block).ok_or_else(|| format!("there is no block {block}"))?;
    Ok(Ours::exact(row[column]))
}

fn gradient_time(row: &Row, effort: Effort) -> Result<Ours, String> {
    let (n, s) = (row.count("n")?, row.count("s")?);
    let repetition = row.model.ends_with("repetition");
    if repetition && row.metric == "E[answers until decodable]" {
        let formula = expected_answers(n, s).map_err(text)?;
        let code = Repetition::new(n, s).map_err(text)?;
        let simulation = simulate(Statistic::Mean, effort, &mut |rng| {
            let order = index::sample(rng, n, n).into_vec();
            // The number of answers is found by bisection, since more answers never make a set undecodable.
            (1..=n).collect::<Vec<_>>().partition_point(|&count| !code.decodable(&order[..count])) as f64
                + 1.0
        });
        return Ok(Ours::both(formula, simulation));
    }
    if row.metric != "E[T]" {
        return unknown_metric(row);
    }
    let (law, mu) = (law(row)?, row.number("mu")?);
    let formula = if repetition { law.repetition(n, s) } else { law.cyclic(n, s) }.map_err(text)?;
    let share = (s + 1) as f64 / n as f64;
    let simulation = simulate(Statistic::Mean, effort, &mut |rng| {
        let times: Vec<f64> = (0..n).map(|_| share * job(rng, mu)).collect();
        if repetition {
            let first = |group: &[f64]| group.iter().copied().fold(f64::INFINITY, f64::min);
            return times.chunks(s + 1).map(first).fold(0.0, f64::max);
        }
        let mut times = times;
        *times.select_nth_unstable_by(n - s - 1, f64::total_cmp).1
    });
    Ok(Ours::both(formula, simulation))
}

fn cyclic_matrix(row: &Row) -> Result<Ours, String> {
    let numbers = |row: &str| row.split(',').map(crate::row::number).collect::<Result<Vec<f64>, String>>();
    let h = row.text("H")?.split(';').map(numbers).collect::<Result<Vec<_>, String>>()?;
    let (n, s) = (row.count("n")?, row.count("s")?);
    if h.len() != s || h.iter().any(|row| row.len() != n) {
        return Err(format!("H is not {s} x {n}"));
    }
    let code = Cyclic::from_rows(&h).map_err(text)?;
    if row.metric == "largest decode weight" {
        return Ok(Ours::exact(code.largest_weight()));
    }
    let indices: Option<Vec<usize>> = row
        .metric
        .strip_prefix("B[")
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|rest| rest.split("][").map(|index| index.parse().ok()).collect());
    match indices.as_deref() {
        Some(&[worker, part]) if worker < n && part < n => Ok(Ours::exact(code.coefficient(worker, part))),
        _ => unknown_metric(row),
    }
}

fn liars(row: &Row, effort: Effort) -> Result<Ours, String> {
    let (n, s, q) = (row.count("n")?, row.count("s")?, row.number("liar probability")?);
    let formula = exact_probability(n, s, q).map_err(text)?;
    let simulation = simulate(Statistic::Mean, effort, &mut |rng| {
        let lies: Vec<bool> = (0..n).map(|_| rng.random_bool(q)).collect();
        let exact = lies.chunks(2 * s + 1).all(|group| group.iter().filter(|lie| **lie).count() <= s);
        f64::from(u8::from(exact))
    });
    Ok(Ours::both(formula, simulation))
}

fn threshold(row: &Row) -> Result<Ours, String> {
    let p = row.count("p")?;
    let answers = match row.text("code")? {
        "polynomial" => polynomial::polynomial_threshold(p, row.count("q")?),
        "matdot" => polynomial::matdot_threshold(p),
        code => return Err(format!("code '{code}' is not known")),
    };
    Ok(Ours::exact(answers.map_err(text)? as f64))
}
