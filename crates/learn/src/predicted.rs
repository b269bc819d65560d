//! What a saved model says of new rows, in the words and units of its user.

use crate::matrix::{Matrix, product};
use crate::{Error, ModelSpec, Result, SavedModel, affine, vector};
use syncline_data::Features;

/// Predictions for some rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicted {
    /// A number each, in the units of the target.
    Numbers(Vec<f64>),
    /// A score for each class, row after row.
    Classes {
        /// Number of classes.
        classes: usize,
        /// Probabilities that add up to 1 in each row, or else margins: the larger, the likelier.
        scores: Vec<f32>,
        /// Whether they are probabilities.
        probabilities: bool,
    },
}

impl Predicted {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Predicted::Numbers(numbers) => numbers.len(),
            Predicted::Classes { classes, scores, .. } => scores.len() / classes,
        }
    }

    /// The likeliest class of each row, the first of equals; none for numbers.
    pub fn likeliest(&self) -> Vec<usize> {
        let Predicted::Classes { classes, scores, .. } = self else { return Vec::new() };
        let best =
            |row: &[f32]| (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        scores.chunks_exact(*classes).map(best).collect()
    }
}

impl SavedModel {
    /// What the model says of rows that were read under its schema.
    ///
    /// # Errors
    /// When the rows have another number of features.
    pub fn predict(&self, features: &Features) -> Result<Predicted> {
        let (columns, width) = (features.columns(), self.schema.width());
        if columns != width {
            return Err(Error::Mismatch(format!("it was trained on {width} features, these have {columns}")));
        }
        let outputs = self.outputs(features);
        let classes = self.schema.target.classes().len();
        let (scores, probabilities) = match self.spec {
            _ if classes == 0 => {
                let scale = self.schema.target.scale();
                return Ok(Predicted::Numbers(
                    outputs.into_iter().map(|output| scale.undo(output)).collect(),
                ));
            }
            ModelSpec::Logistic => (outputs.into_iter().flat_map(both_sides).collect(), true),
            ModelSpec::Svm if classes == 2 => (outputs.into_iter().flat_map(|z| [-z, z]).collect(), false),
            ModelSpec::Svm => (outputs, false),
            _ => (softmax(outputs, classes), true),
        };
        Ok(Predicted::Classes { classes, scores, probabilities })
    }

    /// What the last layer puts out.
    fn outputs(&self, features: &Features) -> Vec<f32> {
        let (rows, layers) = (features.rows(), self.layers());
        let mut values = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let mut out = vec![0.0; rows * layer.outputs];
            let (weights, bias) =
                (&self.parameters[layer.weights.clone()], &self.parameters[layer.biases.clone()]);
            match number {
                0 => affine::multiply(&features.view(0..rows), weights, layer.outputs, &mut out),
                _ => {
                    product(Matrix::new(&values, layer.inputs), Matrix::new(weights, layer.outputs), &mut out)
                }
            }
            match number + 1 == layers.len() {
                true => vector::add_bias(&mut out, bias),
                false => vector::add_bias_and_rectify(&mut out, bias),
            }
            values = out;
        }
        values
    }
}

/// The probabilities of the first and the second class, of the logit of the second.
fn both_sides(logit: f32) -> [f32; 2] {
    [1.0 / (1.0 + logit.exp()), 1.0 / (1.0 + (-logit).exp())]
}

fn softmax(mut outputs: Vec<f32>, classes: usize) -> Vec<f32> {
    for row in outputs.chunks_exact_mut(classes) {
        // The largest is taken off, so that no exponential is infinite.
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|z| *z = (*z - largest).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= sum);
    }
    outputs
}
