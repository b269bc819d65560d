//! The plain single-threaded training loop: gradient of a mini-batch, then one step of gradient descent in place.
//!
//! It is what a good engineer would write without a parameter server, and so the peer that the parameter server is
//! measured against in the same process. Batches follow the order of the rows.

use crate::{LinearModel, Loss, Model, Score};
use std::ops::Range;
use syncline_data::Dataset;

/// How long and how fast to learn.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rows of a batch; the last one of an epoch may be smaller.
    pub batch: usize,
    /// Times that all rows are seen.
    pub epochs: usize,
    /// Factor of the gradient in each step.
    pub learning_rate: f32,
    /// Draws the first parameters.
    pub seed: u64,
}

/// Trains any model; returns its parameters.
///
/// # Panics
/// If the batch is of no rows.
pub fn train(model: &mut impl Model, data: &Dataset, settings: Settings) -> Vec<f32> {
    let mut parameters = model.initialise(settings.seed);
    let mut gradient = vec![0.0; parameters.len()];
    for _ in 0..settings.epochs {
        for rows in batches(data.rows(), settings.batch) {
            model.gradient(&parameters, &data.batch(rows), &mut gradient);
            crate::vector::axpy(&mut parameters, -settings.learning_rate, &gradient);
        }
    }
    parameters
}

/// Trains a linear model over sparse rows, reading and writing only the parameters that a batch touches; over dense
/// rows it is [`train`].
///
/// # Panics
/// If the batch is of no rows.
pub fn train_linear<L: Loss>(model: &mut LinearModel<L>, data: &Dataset, settings: Settings) -> Vec<f32> {
    if !data.batch(0..0).features.is_sparse() {
        return train(model, data, settings);
    }
    let mut parameters = model.initialise(settings.seed);
    for _ in 0..settings.epochs {
        for rows in batches(data.rows(), settings.batch) {
            model.descend(&mut parameters, &data.batch(rows), settings.learning_rate);
        }
    }
    parameters
}

/// The score of all rows, in batches.
///
/// # Panics
/// If the batch is of no rows.
pub fn score(model: &mut impl Model, parameters: &[f32], data: &Dataset, batch: usize) -> Score {
    batches(data.rows(), batch).map(|rows| model.score(parameters, &data.batch(rows))).sum()
}

fn batches(rows: usize, batch: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(batch).map(move |start| start..rows.min(start + batch))
}
