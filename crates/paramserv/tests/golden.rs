//! The models that SystemDS 3.4.0 returns for the same problem, configuration by configuration.
//!
//! They are in `../shared/data/systemds-golden`, outside the repository; without it these tests say so and do nothing.
//! SystemDS computes in f64 and ours in f32, so the weights agree to 1e-4.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use syncline_data::{Batch, Dataset, Dense, Features, Targets};
use syncline_learn::{Mlp, Model, Score};
use syncline_paramserv::{Every, Fold, Optimizer, ParamServ, Partition, Rule, Schedule};
use syncline_program::Executor;

/// The network with the weights that the golden runs start from.
struct Golden {
    network: Mlp,
    start: Vec<f32>,
}

impl Model for Golden {
    fn parameters(&self) -> usize {
        self.network.parameters()
    }
    fn initialise(&self, _seed: u64) -> Vec<f32> {
        self.start.clone()
    }
    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        self.network.gradient(parameters, batch, gradient)
    }
    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        self.network.score(parameters, batch)
    }
    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(Self { network: self.network.clone(), start: self.start.clone() })
    }
}

fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("SYNCLINE_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = shared.join("data/systemds-golden");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn numbers(path: &Path) -> Vec<f32> {
    let text = std::fs::read_to_string(path).unwrap();
    text.split([',', '\n']).filter(|cell| !cell.is_empty()).map(|cell| cell.trim().parse().unwrap()).collect()
}

/// W1, b1, W2, b2 one after the other, as our network lays them out.
fn weights(folder: &Path) -> Vec<f32> {
    ["W1", "b1", "W2", "b2"].iter().flat_map(|name| numbers(&folder.join(format!("{name}.csv")))).collect()
}

fn data(folder: &Path) -> Dataset {
    let features = Dense::new(numbers(&folder.join("X.csv")), 16).unwrap();
    let one_hot = numbers(&folder.join("Y.csv"));
    let labels = one_hot.chunks(4).map(|row| row.iter().position(|&y| y == 1.0).unwrap() as u32).collect();
    let names = (0..4).map(|class| class.to_string()).collect();
    Dataset::new(Features::Dense(features), Targets::Class { labels, names }).unwrap()
}

/// The largest difference from a golden model.
fn difference(folder: &Path, name: &str, change: impl Fn(ParamServ) -> ParamServ) -> f32 {
    let start = weights(&folder.join("data"));
    let run = ParamServ::new(Golden { network: Mlp::new(&[16, 8, 4]), start }, data(&folder.join("data")))
        .workers(2)
        .servers(2)
        .batch(32)
        .epochs(2)
        .fold(Fold::Sum)
        .partition(Partition::Contiguous)
        .optimizer(Optimizer::new(Rule::Sgd, 0.1).unwrap())
        // As SystemDS has it.
        .schedule(Schedule::default())
        .without_shuffling();
    let trained = change(run).train(Executor::threads()).unwrap();
    let golden = weights(&folder.join(name));
    assert_eq!(trained.parameters.len(), golden.len());
    trained.parameters.iter().zip(golden).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max)
}

fn agrees(name: &str, change: impl Fn(ParamServ) -> ParamServ) {
    let Some(folder) = folder() else { return };
    let difference = difference(&folder, name, change);
    assert!(difference < 1e-4, "{name}: off by {difference}");
}

#[test]
fn bsp_batch_contiguous() {
    agrees("tiny_BSP_BATCH_DC", |run| run);
}

#[test]
fn bsp_batch_with_four_workers() {
    agrees("tiny_BSP_BATCH_DC_k4", |run| run.workers(4));
}

#[test]
fn bsp_batch_round_robin() {
    agrees("tiny_BSP_BATCH_DRR", |run| run.partition(Partition::RoundRobin));
}

/// The rate of the golden runs that sum the gradients of several batches, found by emulation to 4e-16.
const SMALL_RATE: f32 = 0.02;

fn slowly(run: ParamServ) -> ParamServ {
    run.optimizer(Optimizer::new(Rule::Sgd, SMALL_RATE).unwrap())
}

#[test]
fn bsp_epoch() {
    agrees("tiny_BSP_EPOCH_DC", |run| slowly(run).every(Every::Epoch));
}

#[test]
fn bsp_four_batches() {
    agrees("tiny_BSP_NBATCHES_DC", |run| slowly(run).every(Every::Batches(4.try_into().unwrap())));
}

#[test]
fn bsp_batch_model_averaging() {
    agrees("tiny_BSP_BATCH_DC_avg", |run| run.fold(Fold::Average));
}

#[test]
fn bsp_epoch_model_averaging() {
    agrees("tiny_BSP_EPOCH_DC_avg", |run| run.fold(Fold::Average).every(Every::Epoch));
}
