//! The mathematics of [`Mlp`] against models trained by SystemDS 3.4.0: bulk-synchronous, one gradient per batch
//! and worker, summed, then one step of gradient descent at 0.1 (its `paramserv` with utype=BSP, freq=BATCH).

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::path::{Path, PathBuf};
use syncline_data::{Dataset, Dense, Features, Partition, Targets};
use syncline_learn::{Mlp, Model};

/// The folder of reference models, if this checkout has it beside it.
fn golden() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("SYNCLINE_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("data/systemds-golden");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there (set SYNCLINE_SHARED)", folder.display());
        return None;
    }
    Some(folder)
}

fn numbers(path: &Path) -> Vec<f32> {
    let text = std::fs::read_to_string(path).unwrap();
    text.split([',', '\n'])
        .filter(|cell| !cell.trim().is_empty())
        .map(|cell| cell.trim().parse().unwrap())
        .collect()
}

/// W1, b1, W2, b2: the order of the flat vector is that of the files.
fn weights(folder: &Path) -> Vec<f32> {
    ["W1.csv", "b1.csv", "W2.csv", "b2.csv"].iter().flat_map(|name| numbers(&folder.join(name))).collect()
}

fn data(folder: &Path) -> Dataset {
    let features = Features::Dense(Dense::new(numbers(&folder.join("X.csv")), 16).unwrap());
    let one_hot = numbers(&folder.join("Y.csv"));
    let labels = one_hot.chunks(4).map(|row| row.iter().position(|&y| y == 1.0).unwrap() as u32).collect();
    let names = (0..4).map(|class| class.to_string()).collect();
    Dataset::new(features, Targets::Class { labels, names }).unwrap()
}

/// BSP with one push per batch and the sum of the workers' gradients.
fn train(folder: &Path, partition: Partition, workers: usize) -> Vec<f32> {
    let data = data(folder);
    let parts: Vec<Dataset> =
        partition.rows(data.targets(), workers, 0).iter().map(|rows| data.select(rows)).collect();
    let mut model = Mlp::new(&[16, 8, 4]);
    let mut parameters = weights(folder);
    let mut gradient = vec![0.0; parameters.len()];
    for _epoch in 0..2 {
        for start in (0..parts[0].rows()).step_by(32) {
            let mut sum = vec![0.0; parameters.len()];
            for part in &parts {
                model.gradient(&parameters, &part.batch(start..start + 32), &mut gradient);
                sum.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += g);
            }
            parameters.iter_mut().zip(&sum).for_each(|(p, g)| *p -= 0.1 * g);
        }
    }
    parameters
}

fn compare(configuration: &str, partition: Partition, workers: usize) {
    let Some(folder) = golden() else { return };
    let expected = weights(&folder.join(configuration));
    let ours = train(&folder.join("data"), partition, workers);
    assert_eq!(ours.len(), expected.len());
    let worst = ours.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "{configuration}: the largest difference is {worst}");
    let start = weights(&folder.join("data"));
    let moved = start.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(moved > 0.1, "training must move the weights, or the comparison says nothing");
}

#[test]
fn two_workers_contiguous() {
    compare("tiny_BSP_BATCH_DC", Partition::Contiguous, 2);
}

#[test]
fn two_workers_round_robin() {
    compare("tiny_BSP_BATCH_DRR", Partition::RoundRobin, 2);
}

#[test]
fn four_workers_contiguous() {
    compare("tiny_BSP_BATCH_DC_k4", Partition::Contiguous, 4);
}
