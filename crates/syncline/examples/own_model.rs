//! A model of one's own, trained by a parameter server: Poisson regression, for counts.
//!
//! `cargo run --release --example own_model`, or `-- processes` to give each node a process of its own.

use syncline::prelude::*;

/// Predicts a count: its logarithm is linear in the features. Parameters: one weight a feature, then the bias.
#[derive(Clone)]
struct Poisson {
    features: usize,
}

impl Poisson {
    /// Visits each row with its features, its count and the predicted mean.
    fn visit(&self, parameters: &[f32], batch: &Batch<'_>, mut visit: impl FnMut(&[f32], f32, f32)) {
        let (FeaturesView::Dense(dense), TargetsView::Real(counts)) = (batch.features, batch.targets) else {
            unreachable!("this example trains on dense features and real targets")
        };
        let (weights, bias) = parameters.split_at(self.features);
        for (row, &count) in dense.values.chunks_exact(self.features).zip(counts) {
            let linear: f32 = row.iter().zip(weights).map(|(x, w)| x * w).sum();
            visit(row, count, (linear + bias[0]).exp());
        }
    }
}

impl Model for Poisson {
    fn parameters(&self) -> usize {
        self.features + 1
    }

    fn initialise(&self, _seed: u64) -> Vec<f32> {
        vec![0.0; self.parameters()]
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        gradient.fill(0.0);
        let scale = 1.0 / batch.rows() as f32;
        self.visit(parameters, batch, |row, count, mean| {
            let slope = scale * (mean - count);
            gradient.iter_mut().zip(row.iter().chain([&1.0])).for_each(|(g, x)| *g += slope * x);
        });
        self.score(parameters, batch)
    }

    /// The loss is the negative log-likelihood without its constant: mean - count ln(mean).
    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        let mut score = Score::default();
        self.visit(parameters, batch, |_, count, mean| {
            score.rows += 1;
            score.loss += f64::from(mean - count * mean.ln());
            score.squared_error += f64::from(mean - count).powi(2);
        });
        score
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let executor = std::env::args().nth(1).unwrap_or("threads".to_owned()).parse()?;
    let (train, held_out) = counts(20_000).split(0.2, 1)?;
    let run = ParamServ::new(Poisson { features: 4 }, train)
        .validation(held_out)
        .workers(2)
        .sync("ssp:1".parse()?)
        .optimizer(Optimizer::new(Rule::Adam, 0.01)?)
        .epochs(5)
        .train(executor)?;
    println!("{}", run.report());
    println!(
        "weights and bias: {:.2?}; the counts were made with [0.5, -0.25, 0.1, 0.0] and 1.0",
        run.parameters
    );
    Ok(())
}

/// Counts whose logarithm is linear in four features, up to rounding.
fn counts(rows: usize) -> Dataset {
    let wave = |row: usize, k: usize| ((row * (2 * k + 3)) as f32 * 0.7 + k as f32).sin();
    let features: Vec<f32> = (0..rows * 4).map(|i| wave(i / 4, i % 4)).collect();
    let mean = |row: &[f32]| (0.5 * row[0] - 0.25 * row[1] + 0.1 * row[2] + 1.0).exp();
    // Each count is its mean rounded up or down, so that it is right on average.
    let round = |(row, mean): (usize, f32)| (mean + 0.5 + 0.5 * (row as f32 * 1.618).sin()).floor();
    let targets = features.chunks_exact(4).map(mean).enumerate().map(round).collect();
    dataset(features, targets)
}

fn dataset(features: Vec<f32>, targets: Vec<f32>) -> Dataset {
    use syncline::data::{Dense, Features, Targets};
    let features = Dense::new(features, 4).map(Features::Dense);
    match features.and_then(|features| Dataset::new(features, Targets::Real(targets))) {
        Ok(dataset) => dataset,
        Err(error) => unreachable!("four values a row and a target each: {error}"),
    }
}
