//! How good predictions are, in the measures that people compare models by; defined as scikit-learn defines them, with its
//! `sample_weight` where rows have weights. Only what is counted (rows, the confusion table) is not weighted.
//!
//! With `n` rows, of which `m_ij` of class `i` are predicted as class `j`:
//! - precision of a class `m_kk / sum_i m_ik`, recall `m_kk / sum_j m_kj`, F1 their harmonic mean, each 0 where it would
//!   be 0 / 0; F1 macro is the mean over the classes that occur (in rows or predictions), micro that of the sums, which is
//!   the accuracy.
//! - log loss: the mean of `-ln p` of the true class, only where the model gives probabilities.
//! - AUC of two classes: the probability that a random row of class 1 gets a larger score than one of class 0, ties half
//!   (Mann and Whitney 1947); of more, the mean over the classes, each against the rest.
//! - R2: `1 - sum of squared errors / sum of squared deviations from the mean`.

mod auc;
mod tally;

use crate::Model;
use serde::Serialize;
use syncline_data::{Batch, Dataset};
use tally::Tally;

/// The metrics of a model on some rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Metrics {
    /// Of predicted classes.
    Classes(ClassMetrics),
    /// Of predicted numbers.
    Numbers(NumberMetrics),
}

/// How well real numbers are predicted, in the units of the user's data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NumberMetrics {
    /// Rows looked at.
    pub rows: u64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean of the errors' magnitudes.
    pub mae: f64,
    /// Share of the variance that is explained; nothing where the targets do not vary.
    pub r2: Option<f64>,
    /// Standard deviation of the targets: the RMSE of predicting their mean.
    pub target_deviation: f64,
}

/// How well classes are predicted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// Rows looked at.
    pub rows: u64,
    /// Share predicted right.
    pub accuracy: f64,
    /// Mean of `-ln p` of the true class; nothing for a model without probabilities.
    pub log_loss: Option<f64>,
    /// Area under the receiver's curve; nothing where only one class occurs, or scores of all rows and classes are too
    /// many to keep (2^25).
    pub auc: Option<f64>,
    /// Mean of the classes' F1.
    pub f1_macro: f64,
    /// F1 of all decisions together.
    pub f1_micro: f64,
    /// Share of the largest class: the accuracy of always naming it.
    pub largest_class_share: f64,
    /// Each class by itself.
    pub classes: Vec<ClassMetric>,
    /// Rows by true class (outer) and predicted class (inner); empty for more than 100 classes.
    pub confusion: Vec<Vec<u64>>,
}

/// How well one class is told from the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassMetric {
    /// Its name.
    pub class: String,
    /// Rows that are of it.
    pub rows: u64,
    /// Of the rows that are said to be of it, the share that is.
    pub precision: f64,
    /// Of the rows that are of it, the share that is said to be.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

/// Rows predicted at a time.
const BLOCK: usize = 1024;

impl Metrics {
    /// Applies a model to all rows, on as many threads. Nothing for no rows, and for a model that does not
    /// [`predict`](Model::predict) or whose predictions are not of the data's kind.
    ///
    /// ```
    /// use syncline_data::synthetic;
    /// use syncline_learn::{Linear, Metrics};
    ///
    /// let data = synthetic::linear(200, 3, 0.1, 1);
    /// let Some(Metrics::Numbers(metrics)) = Metrics::of(&Linear::new(3), &[0.0; 4], &data, 2) else { panic!("numbers") };
    /// assert!(metrics.r2.is_some_and(|r2| r2 <= 0.0), "it predicts 0");
    /// ```
    pub fn of(model: &dyn Model, parameters: &[f32], data: &Dataset, threads: usize) -> Option<Metrics> {
        Metrics::weighted(model, parameters, data, data.weights(), threads)
    }

    /// As [`Metrics::of`], but rows count by these weights, one each, or all the same.
    pub fn weighted(
        model: &dyn Model,
        parameters: &[f32],
        data: &Dataset,
        weights: Option<&[f32]>,
        threads: usize,
    ) -> Option<Metrics> {
        let threads = threads.clamp(1, data.rows().div_ceil(BLOCK).max(1));
        let cut = |thread: usize| data.rows() * thread / threads;
        let part = |mut model: Box<dyn Model>, thread: usize| {
            let mut tally = Tally::new(data, weights.is_some());
            for start in (cut(thread)..cut(thread + 1)).step_by(BLOCK) {
                let rows = start..cut(thread + 1).min(start + BLOCK);
                let batch = Batch { weights: weights.map(|all| &all[rows.clone()]), ..data.batch(rows) };
                tally.add(&model.predict(parameters, &batch.features)?, &batch)?;
            }
            Some(tally)
        };
        let tallies: Vec<Option<Tally>> = std::thread::scope(|scope| {
            let part = &part;
            let models = (0..threads).map(|_| model.boxed_clone());
            let running: Vec<_> =
                models.enumerate().map(|(thread, model)| scope.spawn(move || part(model, thread))).collect();
            running.into_iter().map(|thread| thread.join().ok().flatten()).collect()
        });
        let tallies = tallies.into_iter().collect::<Option<Vec<_>>>()?;
        tallies.into_iter().reduce(Tally::and)?.finish(data)
    }

    /// Rows looked at.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Classes(metrics) => metrics.rows,
            Self::Numbers(metrics) => metrics.rows,
        }
    }

    /// Whether all rows have one target, so that a constant predicts them and they do not tell how good a model is.
    pub fn targets_do_not_vary(&self) -> bool {
        match self {
            Self::Classes(metrics) => metrics.largest_class_share >= 1.0,
            Self::Numbers(metrics) => metrics.r2.is_none(),
        }
    }

    /// Whether always predicting the mean, or the largest class, would do as well: an RMSE of at least 0.95 deviations of
    /// the targets, an accuracy of at most the largest class's share.
    pub fn is_no_better_than_constant(&self) -> bool {
        match self {
            Self::Classes(metrics) => metrics.accuracy <= metrics.largest_class_share,
            Self::Numbers(metrics) => metrics.rmse >= 0.95 * metrics.target_deviation,
        }
    }
}
