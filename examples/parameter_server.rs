//! A parameter server from plain services: shards that hold the weights of a linear model, workers that pull them, compute
//! a gradient on their rows and push it, and a barrier that makes the rounds synchronous.

use std::sync::{Mutex, PoisonError};

use syncline::prelude::*;

const FEATURES: usize = 8;
const SHARDS: usize = 2;
const WORKERS: usize = 4;
const ROWS: usize = 64;
const ROUNDS: usize = 200;
const RATE: f32 = 0.1;

/// A part of the weights.
#[service]
trait Shard {
    async fn pull(&self) -> Tensor<f32>;
    /// Goes a step against a worker's gradient.
    async fn push(&self, gradient: Tensor<f32>);
}

struct Weights(Mutex<Vec<f32>>);

#[service]
impl Shard for Weights {
    async fn pull(&self) -> Tensor<f32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().into()
    }

    async fn push(&self, gradient: Tensor<f32>) {
        let mut weights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slopes = gradient.iter().map(|slope| slope / WORKERS as f32);
        weights.iter_mut().zip(slopes).for_each(|(weight, slope)| *weight -= RATE * slope);
    }
}

/// The row of this number, made up, and what a model with the weights 0, 1, 2 .. says of it.
fn row(number: usize) -> (Vec<f32>, f32) {
    let row: Vec<f32> = (0..FEATURES).map(|column| ((number * (column + 3)) as f32).sin()).collect();
    let target = row.iter().enumerate().map(|(weight, value)| weight as f32 * value).sum();
    (row, target)
}

/// The gradient of half the mean squared error on a worker's rows.
fn gradient(weights: &[f32], worker: usize) -> Vec<f32> {
    let mut gradient = vec![0.0; FEATURES];
    for number in (worker * ROWS)..((worker + 1) * ROWS) {
        let (row, target) = row(number);
        let error = row.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f32>() - target;
        gradient.iter_mut().zip(&row).for_each(|(slope, value)| *slope += error * value / ROWS as f32);
    }
    gradient
}

async fn work(ctx: Context, shards: &[Handle<Weights>], barrier: &Barrier) -> NodeResult<()> {
    let barrier = barrier.at(&ctx);
    let mut clients = Vec::new();
    for shard in shards {
        clients.push(shard.connect(&ctx).await?);
    }
    for _ in 0..ROUNDS {
        let mut weights = Vec::new();
        for client in &clients {
            weights.extend_from_slice(&client.pull().await?);
        }
        // All have pulled before anybody pushes.
        barrier.wait().await?;
        let gradient = ctx.compute(Cost::Measured, || gradient(&weights, ctx.rank())).await;
        for (client, part) in clients.iter().zip(gradient.chunks(FEATURES / SHARDS)) {
            client.push(part.to_vec().into()).await?;
        }
        barrier.wait().await?;
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("parameter-server");
    let shards =
        program.group("shard", SHARDS).serve(|_| Ok(Weights(Mutex::new(vec![0.0; FEATURES / SHARDS]))));
    let barrier = program.barrier("barrier", WORKERS);
    let from_workers = shards.clone();
    program.nodes("worker", WORKERS, async move |ctx| work(ctx, &from_workers, &barrier).await);
    let program = program.driver(async move |ctx| {
        ctx.finished("worker").await?;
        let mut weights = Vec::new();
        for shard in &shards {
            weights.extend_from_slice(&shard.connect(&ctx).await?.pull().await?);
        }
        Ok(weights)
    });
    let weights = launch(program, Executor::from_args()?)?.wait()?;
    println!("weights {:?}", weights.iter().map(|weight| weight.round() as i32).collect::<Vec<_>>());
    Ok(())
}
