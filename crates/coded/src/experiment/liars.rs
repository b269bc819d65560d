//! C6: gradient descent whose workers lie, against DRACO. (Chen et al., arXiv 1803.09877.)

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;
use syncline_experiment::{Curve, Outcome, Rule, Size, mean};

use super::titles;
use crate::{Answer, Code, Draco, Precision, Result};

const WORKERS: usize = 15;
const ROWS: usize = 30;
const COLUMNS: usize = 8;
const STEPS: usize = 200;

const ATTACKS: [&str; 3] = ["sign flip", "random", "constant"];

/// Rows of every part, and their targets.
struct Data(Vec<(Vec<f64>, f64)>);

impl Data {
    fn drawn(seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        let weights: Vec<f64> = (0..COLUMNS).map(|_| normal()).collect();
        let row = |_| {
            let x: Vec<f64> = (0..COLUMNS).map(|_| normal()).collect();
            let y = x.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>() + 0.1 * normal();
            (x, y)
        };
        Self((0..WORKERS * ROWS).map(row).collect())
    }

    /// The gradient of a part's squared errors.
    fn gradient(&self, part: usize, parameters: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; COLUMNS];
        for (x, y) in &self.0[part * ROWS..(part + 1) * ROWS] {
            let off = x.iter().zip(parameters).map(|(x, w)| x * w).sum::<f64>() - y;
            sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += off * x);
        }
        sum
    }

    fn loss(&self, parameters: &[f64]) -> f64 {
        let off = |(x, y): &(Vec<f64>, f64)| {
            (x.iter().zip(parameters).map(|(x, w)| x * w).sum::<f64>() - y).powi(2)
        };
        self.0.iter().map(off).sum::<f64>() / self.0.len() as f64
    }
}

/// What a liar sends in place of its answer.
fn lie(attack: usize, answer: &mut [f64], rng: &mut Xoshiro256PlusPlus) {
    match attack {
        0 => answer.iter_mut().for_each(|value| *value *= -10.0),
        1 => answer.iter_mut().for_each(|value| *value = 100.0 * rng.sample::<f64, _>(StandardNormal)),
        _ => answer.fill(50.0),
    }
}

/// The parameters at the end. `liars` workers lie, other ones in every step; without a code their answers are summed.
fn train(data: &Data, code: Option<Draco>, liars: &[usize], attack: usize, seed: u64) -> Result<Vec<f64>> {
    let mut code = code;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x11e5);
    let mut parameters = vec![0.0; COLUMNS];
    for _ in 0..STEPS {
        let mut answers: Vec<Vec<f64>> = (0..WORKERS)
            .map(|worker| {
                let mut sum = vec![0.0; COLUMNS];
                let parts: Vec<usize> = match &code {
                    Some(code) => code.assignment(worker).iter().map(|share| share.part).collect(),
                    None => vec![worker],
                };
                for part in parts {
                    sum.iter_mut().zip(data.gradient(part, &parameters)).for_each(|(sum, g)| *sum += g);
                }
                sum
            })
            .collect();
        for liar in liars {
            lie(attack, &mut answers[*liar], &mut rng);
        }
        let gradient = match &mut code {
            Some(code) => {
                let list: Vec<Answer<'_>> =
                    answers.iter().enumerate().map(|(worker, values)| Answer { worker, values }).collect();
                code.decode(&list, Precision::Double)?.values
            }
            None => answers.iter().fold(vec![0.0; COLUMNS], |mut sum, answer| {
                sum.iter_mut().zip(answer).for_each(|(sum, g)| *sum += g);
                sum
            }),
        };
        let rate = 0.5 / (WORKERS * ROWS) as f64;
        parameters.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= rate * g);
    }
    Ok(parameters)
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// One liar and two in every group that stands them, wherever they sit.
pub(super) fn attacks(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut rows, mut exact, mut stands, mut curves) = (Vec::new(), true, true, Vec::new());
    let mut fails = f64::INFINITY;
    for (attack, name) in ATTACKS.iter().enumerate() {
        tell(name);
        let mut points = Vec::new();
        for liars in [0, 1, 2] {
            let (mut clean, mut coded, mut plain) = (Vec::new(), Vec::new(), Vec::new());
            for seed in 1..=size.seeds {
                let data = Data::drawn(seed);
                let code = Draco::new(WORKERS, liars)?;
                let group = 2 * liars + 1;
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
                // In every group as many as it stands, at places that differ.
                let lying: Vec<usize> = (0..WORKERS / group)
                    .flat_map(|at| {
                        let first = rng.random_range(0..group);
                        (0..liars).map(move |next| at * group + (first + next) % group)
                    })
                    .collect();
                let without = train(&data, Some(code), &[], attack, seed)?;
                let with = train(&data, Some(code), &lying, attack, seed)?;
                exact &= same_bits(&without, &with);
                let fooled = train(&data, None, &lying[..liars.min(lying.len())], attack, seed)?;
                clean.push(data.loss(&without));
                coded.push(data.loss(&with));
                plain.push(data.loss(&fooled).min(1e9));
                if liars > 0 {
                    fails = fails.min(data.loss(&fooled) / data.loss(&without));
                    // One more in a group, of one mind, are no longer outvoted: an error, or another result.
                    let more: Vec<usize> = (0..=liars).collect();
                    let beaten = train(&data, Some(code), &more, attack, seed);
                    stands &= !beaten.is_ok_and(|beaten| same_bits(&beaten, &without));
                }
            }
            rows.push(vec![
                (*name).to_owned(),
                liars.to_string(),
                (WORKERS / (2 * liars + 1) * liars).to_string(),
                format!("{:.5}", mean(&clean)),
                format!("{:.5}", mean(&coded)),
                format!("{:.2e}", mean(&plain)),
            ]);
            points.push([liars as f64, mean(&plain).log10() + 3.0]);
        }
        curves.push(Curve { name: format!("sum, {name}"), points });
    }
    Ok(Outcome {
        title: format!(
            "C6: squared error of {WORKERS} workers after {STEPS} steps, some of whom lie, {} seeds",
            size.seeds
        ),
        columns: titles(&[
            "attack",
            "liars a group",
            "of all",
            "nobody lies",
            "DRACO",
            "sum, as many as a group's",
        ]),
        rows,
        axes: ["workers that lie".to_owned(), "3 + log10 of the squared error".to_owned()],
        curves,
        rules: vec![
            Rule::new(
                "DRACO ends at the same bits as without liars, with as many in every group as it stands",
                exact,
            ),
            Rule::new(
                format!("the sum of the same answers fails: {fails:.1} times the error at least"),
                fails > 2.0,
            ),
            Rule::new(
                "one liar more in a group is an error or another result, never the same by luck",
                stands,
            ),
        ],
    })
}
