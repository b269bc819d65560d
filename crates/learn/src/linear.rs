//! Linear models: an affine map of the features and a loss. They differ in the loss only.
//!
//! Parameters: `W`, row-major, one row of `outputs` weights per feature; then the `outputs` biases. So feature `i`'s
//! weight for output `k` is at `i * outputs + k`, and a sparse batch reads whole rows.

use crate::loss::{CrossEntropy, Hinge, Logit, Loss, Squared};
use crate::{Compact, Model, Predictions, Result, Score, affine, model, vector};
use std::ops::Range;
use syncline_data::{Batch, Dataset, FeaturesView};

/// `x W + b` under a loss.
#[derive(Clone, Debug)]
pub struct LinearModel<L> {
    features: usize,
    outputs: usize,
    loss: L,
    /// Workspace: outputs, then their derivatives.
    buffer: Vec<f32>,
}

/// Linear regression by least squares.
pub type Linear = LinearModel<Squared>;
/// Logistic regression of two classes.
pub type Logistic = LinearModel<Logit>;
/// Softmax (multinomial logistic) regression.
pub type Softmax = LinearModel<CrossEntropy>;
/// A linear support vector machine; more than two classes one against the rest.
pub type Svm = LinearModel<Hinge>;

impl Linear {
    /// Least squares over this number of features.
    pub fn new(features: usize) -> Linear {
        Linear::with_loss(features, 1, Squared)
    }
}

impl Logistic {
    /// Two classes over this number of features.
    pub fn new(features: usize) -> Logistic {
        Logistic::with_loss(features, 1, Logit)
    }
}

impl Softmax {
    /// A number of classes, at least two, over this number of features.
    pub fn new(features: usize, classes: usize) -> Softmax {
        Softmax::with_loss(features, classes, CrossEntropy)
    }
}

impl Svm {
    /// A number of classes, at least two, over this number of features.
    pub fn new(features: usize, classes: usize) -> Svm {
        Svm::with_loss(features, if classes == 2 { 1 } else { classes }, Hinge)
    }
}

impl<L: Loss> LinearModel<L> {
    /// A number of outputs over this number of features, under a loss of your own.
    pub fn with_loss(features: usize, outputs: usize, loss: L) -> LinearModel<L> {
        LinearModel { features, outputs, loss, buffer: Vec::new() }
    }

    /// Computes the outputs.
    fn outputs(&mut self, parameters: &[f32], features: &FeaturesView<'_>) {
        let weights = features.columns() * self.outputs;
        assert_eq!(parameters.len(), weights + self.outputs, "the parameters fit the batch's columns");
        let (w, b) = parameters.split_at(weights);
        self.buffer.resize(features.rows() * self.outputs, 0.0);
        affine::multiply(features, w, self.outputs, &mut self.buffer);
        vector::add_bias(&mut self.buffer, b);
    }

    /// Computes the outputs, then their derivatives in the same place.
    fn forward(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        self.outputs(parameters, &batch.features);
        model::differentiate(self.loss, &mut self.buffer, self.outputs, batch)
    }

    /// One step of plain gradient descent in place over sparse rows: what `parameters -= learning_rate * gradient`
    /// would do, but only the touched parameters are read and written. `None` for dense rows.
    pub(crate) fn descend(
        &mut self,
        parameters: &mut [f32],
        batch: &Batch<'_>,
        learning_rate: f32,
    ) -> Option<Score> {
        let FeaturesView::Sparse(csr) = &batch.features else { return None };
        let score = self.forward(parameters, batch);
        affine::descend_sparse(csr, &self.buffer, self.outputs, learning_rate, parameters);
        Some(score)
    }
}

impl<L: Loss> Model for LinearModel<L> {
    fn parameters(&self) -> usize {
        (self.features + 1) * self.outputs
    }

    /// Zeros: the loss is convex, so every start leads to the same minimum.
    fn initialise(&self, _seed: u64) -> Vec<f32> {
        vec![0.0; self.parameters()]
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        let score = self.forward(parameters, batch);
        affine::gradient(&batch.features, &self.buffer, self.outputs, gradient);
        score
    }

    fn factors(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Option<(Score, &[f32])> {
        let FeaturesView::Sparse(csr) = &batch.features else { return None };
        if csr.values().len() > self.features {
            return None;
        }
        let score = self.forward(parameters, batch);
        Some((score, &self.buffer))
    }

    fn affine_outputs(&self) -> Option<usize> {
        Some(self.outputs)
    }

    fn derive(&mut self, outputs: &mut [f32], batch: &Batch<'_>) -> Option<Score> {
        Some(model::differentiate(self.loss, outputs, self.outputs, batch))
    }

    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        self.forward(parameters, batch)
    }

    fn predict(&mut self, parameters: &[f32], features: &FeaturesView<'_>) -> Option<Predictions> {
        self.outputs(parameters, features);
        self.loss.predictions(&self.buffer, self.outputs)
    }

    fn check(&self, data: &Dataset) -> Result<()> {
        model::check(self.loss, self.features, self.outputs, data)
    }

    fn weighs_rows(&self) -> bool {
        true
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(Self::with_loss(self.features, self.outputs, self.loss))
    }

    fn regularised(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.features * self.outputs).collect()
    }

    fn compact(&self, batch: &Batch<'_>) -> Option<Compact> {
        Compact::of(batch, self.outputs, self.parameters())
    }
}
