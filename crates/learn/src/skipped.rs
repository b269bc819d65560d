//! A model that is not computed.

use std::ops::Range;

use syncline_data::{Batch, Dataset};

use crate::{Compact, Model, Result, Score};

/// Stands for a model where nobody wants what it says, in a simulation that charges computing and does not do it: it has the other's
/// parameters and reads the same ones, so that as many bytes travel, but its gradients are zero and so are its losses.
pub struct Skipped(Box<dyn Model>);

impl Skipped {
    /// In place of this model.
    pub fn new(model: Box<dyn Model>) -> Self {
        Self(model)
    }
}

impl Model for Skipped {
    fn parameters(&self) -> usize {
        self.0.parameters()
    }

    fn initialise(&self, seed: u64) -> Vec<f32> {
        self.0.initialise(seed)
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        gradient.fill(0.0);
        self.score(parameters, batch)
    }

    fn score(&mut self, _parameters: &[f32], batch: &Batch<'_>) -> Score {
        Score { rows: batch.rows() as u64, ..Score::default() }
    }

    fn check(&self, data: &Dataset) -> Result<()> {
        self.0.check(data)
    }

    fn weighs_rows(&self) -> bool {
        self.0.weighs_rows()
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(Self(self.0.boxed_clone()))
    }

    fn regularised(&self) -> Vec<Range<usize>> {
        self.0.regularised()
    }

    fn compact(&self, batch: &Batch<'_>) -> Option<Compact> {
        self.0.compact(batch)
    }
}
