//! C2: least squares by gradient descent. A step needs two products, A x and A^T r, each with a code of its own; all ways meet
//! the same delays. (Lee et al., arXiv 1512.02673, section IV.)

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;
use syncline_experiment::{Curve, Outcome, Rule, Size, mean};

use super::titles;
use crate::{Answer, Code, Mds, Precision, Replicate, Result, RowBlocks, encode};

const WORKERS: usize = 10;
/// The best k of ten workers at mu 1.
const NEEDED: usize = 7;
const MU: f64 = 1.0;
const ROWS: usize = 420;
const COLUMNS: usize = 20;
const STEPS: usize = 150;
/// Near enough to the least loss, relative to the first excess.
const ENOUGH: f64 = 1e-6;

/// The problem |A x - b|^2 / 2 of a seed.
struct Problem {
    a: Vec<f64>,
    transposed: Vec<f64>,
    b: Vec<f64>,
    rate: f64,
}

impl Problem {
    fn drawn(seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        let a: Vec<f64> = (0..ROWS * COLUMNS).map(|_| normal()).collect();
        let b: Vec<f64> = (0..ROWS).map(|_| normal()).collect();
        let transposed = (0..COLUMNS * ROWS).map(|at| a[(at % ROWS) * COLUMNS + at / ROWS]).collect();
        // The largest eigenvalue of A^T A is about (sqrt rows + sqrt columns)^2.
        let largest = ((ROWS as f64).sqrt() + (COLUMNS as f64).sqrt()).powi(2);
        Self { a, transposed, b, rate: 1.0 / largest }
    }

    fn loss(&self, x: &[f64]) -> f64 {
        self.residual(&times(&self.a, COLUMNS, x)).iter().map(|r| r * r).sum::<f64>() / 2.0
    }

    fn residual(&self, product: &[f64]) -> Vec<f64> {
        product.iter().zip(&self.b).map(|(z, b)| z - b).collect()
    }
}

fn times(matrix: &[f64], columns: usize, x: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(columns).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
}

/// A coded matrix whose workers answer at once.
struct Held<C> {
    code: C,
    blocks: RowBlocks,
    coded: Vec<Vec<f64>>,
}

impl<C: Code> Held<C> {
    fn new(code: C, matrix: &[f64], columns: usize) -> Result<Self> {
        let blocks = RowBlocks::new(matrix.to_vec(), columns, code.parts())?;
        let coded =
            (0..code.workers()).map(|worker| encode(&code, &blocks, worker)).collect::<Result<_>>()?;
        Ok(Self { code, blocks, coded })
    }

    /// The product, and when it is there; `order` are the workers by when a task of the whole job would end.
    fn product(&mut self, x: &[f64], order: &[(f64, usize)]) -> Result<(Vec<f64>, f64)> {
        let mut heard = Vec::new();
        for (whole, worker) in order {
            heard.push(*worker);
            if self.code.decodable(&heard) {
                let columns = self.blocks.columns();
                let values: Vec<Vec<f64>> =
                    heard.iter().map(|worker| times(&self.coded[*worker], columns, x)).collect();
                let answers: Vec<Answer<'_>> =
                    heard.iter().zip(&values).map(|(&worker, values)| Answer { worker, values }).collect();
                let decoded = self.code.decode(&answers, Precision::Double)?;
                return Ok((self.blocks.trim(decoded.values, 1), whole / self.code.parts() as f64));
            }
        }
        let (answered, needed) = (heard, "all workers were heard".to_owned());
        Err(crate::Error::NotDecodable { answered, needed })
    }
}

/// Workers by the time 1 + Exp(mu) that the whole job would take each.
fn order(rng: &mut Xoshiro256PlusPlus) -> Vec<(f64, usize)> {
    let mut drawn: Vec<(f64, usize)> =
        (0..WORKERS).map(|worker| (1.0 - (1.0 - rng.random::<f64>()).ln() / MU, worker)).collect();
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
    drawn
}

/// A way through: the parameters and the time after each step.
#[derive(Default)]
struct Path {
    x: Vec<Vec<f64>>,
    time: Vec<f64>,
}

fn descend<C: Code + Clone>(problem: &Problem, code: C, seed: u64) -> Result<Path> {
    let mut rows = Held::new(code.clone(), &problem.a, COLUMNS)?;
    let mut columns = Held::new(code, &problem.transposed, ROWS)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0xde1a);
    let (mut x, mut time, mut path) = (vec![0.0; COLUMNS], 0.0, Path::default());
    for _ in 0..STEPS {
        let (product, first) = rows.product(&x, &order(&mut rng))?;
        let (gradient, second) = columns.product(&problem.residual(&product), &order(&mut rng))?;
        x.iter_mut().zip(&gradient).for_each(|(x, g)| *x -= problem.rate * g);
        time += first + second;
        path.x.push(x.clone());
        path.time.push(time);
    }
    Ok(path)
}

/// The first k of n plain blocks of rows count, the others' rows are left out of the step.
fn descend_dropping(problem: &Problem, seed: u64) -> Path {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0xde1a);
    let each = ROWS / WORKERS;
    let (mut x, mut time, mut path) = (vec![0.0; COLUMNS], 0.0, Path::default());
    for _ in 0..STEPS {
        let (order, second) = (order(&mut rng), order(&mut rng));
        let mut gradient = vec![0.0; COLUMNS];
        for (_, worker) in &order[..NEEDED] {
            let range = worker * each..(worker + 1) * each;
            for row in range {
                let of_row = &problem.a[row * COLUMNS..][..COLUMNS];
                let residual = of_row.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>() - problem.b[row];
                gradient.iter_mut().zip(of_row).for_each(|(g, a)| *g += residual * a);
            }
        }
        // As if the rows left out were like the others.
        let scale = problem.rate * WORKERS as f64 / NEEDED as f64;
        x.iter_mut().zip(&gradient).for_each(|(x, g)| *x -= scale * g);
        // The same two products of a step.
        time += (order[NEEDED - 1].0 + second[NEEDED - 1].0) / WORKERS as f64;
        path.x.push(x.clone());
        path.time.push(time);
    }
    path
}

/// |x - y| over |y|.
fn apart(x: &[f64], y: &[f64]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    (squares(&mut x.iter().zip(y).map(|(x, y)| x - y)) / squares(&mut y.iter().copied())).sqrt()
}

/// When the excess over the least loss is small enough, if it ever is.
fn reached(problem: &Problem, path: &Path, least: f64, first: f64) -> Option<f64> {
    let at = path.x.iter().position(|x| problem.loss(x) - least <= ENOUGH * (first - least))?;
    Some(path.time[at])
}

/// The four ways.
pub(super) fn descents(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let names = ["uncoded", "first 7 of 10, rows dropped", "2 copies", "MDS (10, 7)"];
    let (mut times, mut ends): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (vec![Vec::new(); 4], vec![Vec::new(); 4]);
    let (mut follows, mut never, mut curves) = (0.0f64, 0, Vec::new());
    for seed in 1..=size.seeds {
        tell(&format!("seed {seed}"));
        let problem = Problem::drawn(seed);
        let exact = descend(&problem, Replicate::uncoded(WORKERS)?, seed)?;
        let paths = [
            None,
            Some(descend_dropping(&problem, seed)),
            Some(descend(&problem, Replicate::new(WORKERS, 2)?, seed)?),
            Some(descend(&problem, Mds::systematic(WORKERS, NEEDED, seed)?, seed)?),
        ];
        let optimum = optimum(&problem);
        let (least, first) = (problem.loss(&optimum), problem.loss(&[0.0; COLUMNS]));
        for (way, path) in paths.iter().enumerate() {
            let path = path.as_ref().unwrap_or(&exact);
            ends[way].push(apart(path.x.last().unwrap_or(&optimum), &optimum));
            match reached(&problem, path, least, first) {
                Some(time) => times[way].push(time),
                None if way == 1 => never += 1,
                None => {}
            }
            if way == 3 {
                let worst = path.x.iter().zip(&exact.x).map(|(x, y)| apart(x, y)).fold(0.0, f64::max);
                follows = follows.max(worst);
            }
            if seed == 1 {
                let excess = |x: &[f64]| ((problem.loss(x) - least) / (first - least)).max(1e-16).log10();
                let points = path.time.iter().zip(&path.x).map(|(time, x)| [*time, excess(x) + 16.0]);
                curves.push(Curve { name: names[way].to_owned(), points: points.collect() });
            }
        }
    }
    let rows = names
        .iter()
        .enumerate()
        .map(|(way, name)| {
            let time =
                if times[way].is_empty() { "never".to_owned() } else { format!("{:.2}", mean(&times[way])) };
            vec![(*name).to_owned(), time, format!("{:.1e}", mean(&ends[way]))]
        })
        .collect();
    let faster = times[3].iter().zip(&times[0]).all(|(coded, plain)| coded < plain);
    let dropped = ends[1].iter().cloned().fold(f64::INFINITY, f64::min);
    Ok(Outcome {
        title: format!(
            "C2: least squares by {STEPS} steps of gradient descent, {WORKERS} workers, mu 1, {} seeds",
            size.seeds
        ),
        columns: titles(&["way", "time to an excess of 1e-6", "distance to the optimum at the end"]),
        rows,
        axes: [
            "time, in whole jobs of one worker".to_owned(),
            "16 + log10 of the excess loss, seed 1".to_owned(),
        ],
        curves,
        rules: vec![
            Rule::new(format!("MDS follows the exact way to 1e-9 ({follows:.1e} at most)"), follows < 1e-9),
            Rule::new(
                format!(
                    "dropping rows ends elsewhere: {dropped:.1e} away at least, and never near enough in {never} of {} seeds",
                    size.seeds
                ),
                dropped > 1e-3,
            ),
            Rule::new(
                "MDS is near enough sooner than uncoded in every seed",
                faster && times[3].len() == times[0].len(),
            ),
        ],
    })
}

/// The optimum, by far more steps than any way makes.
fn optimum(problem: &Problem) -> Vec<f64> {
    let mut x = vec![0.0; COLUMNS];
    for _ in 0..20 * STEPS {
        let residual = problem.residual(&times(&problem.a, COLUMNS, &x));
        let gradient = times(&problem.transposed, ROWS, &residual);
        x.iter_mut().zip(&gradient).for_each(|(x, g)| *x -= problem.rate * g);
    }
    x
}
