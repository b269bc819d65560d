//! A model that is not computed.

use std::ops::Range;

use syncline_data::{Batch, Dataset};

use crate::{Compact, Model, Result, Score};

/// Stands for a model where nobody wants what it says, in a simulation that charges computing and does not do it: it has the other's
/// parameters and reads the same ones, so that as many bytes travel, but its gradients are zero and so are its losses.
pub struct Skipped {
    model: Box<dyn Model>,
    /// Derivatives of a batch.
    zeros: Vec<f32>,
}

impl Skipped {
    /// In place of this model.
    pub fn new(model: Box<dyn Model>) -> Self {
        Self { model, zeros: Vec::new() }
    }
}

impl Model for Skipped {
    fn parameters(&self) -> usize {
        self.model.parameters()
    }

    fn initialise(&self, seed: u64) -> Vec<f32> {
        self.model.initialise(seed)
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        gradient.fill(0.0);
        self.score(parameters, batch)
    }

    /// Whether a gradient has this form, and how long it is, only the model knows, from the outputs of the rows.
    fn factors(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Option<(Score, &[f32])> {
        let (_, derivatives) = self.model.factors(parameters, batch)?;
        self.zeros.clear();
        self.zeros.resize(derivatives.len(), 0.0);
        Some((Score { rows: batch.rows() as u64, ..Score::default() }, &self.zeros))
    }

    fn score(&mut self, _parameters: &[f32], batch: &Batch<'_>) -> Score {
        Score { rows: batch.rows() as u64, ..Score::default() }
    }

    fn check(&self, data: &Dataset) -> Result<()> {
        self.model.check(data)
    }

    fn weighs_rows(&self) -> bool {
        self.model.weighs_rows()
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(Self::new(self.model.boxed_clone()))
    }

    fn regularised(&self) -> Vec<Range<usize>> {
        self.model.regularised()
    }

    fn compact(&self, batch: &Batch<'_>) -> Option<Compact> {
        self.model.compact(batch)
    }
}
