//! A multi-layer perceptron: affine layers with ReLU between them (Rumelhart, Hinton and Williams 1986; ReLU after
//! Nair and Hinton 2010), over dense or sparse rows.
//!
//! Parameters, layer after layer: `W1` (row-major, inputs x hidden), `b1`, `W2`, `b2` ... Row `i` of `W1` holds what
//! feature `i` adds to each hidden unit, so a sparse batch reads whole rows of it.

use crate::loss::{CrossEntropy, Loss, Squared};
use crate::matrix::{Matrix, product};
use crate::{Compact, Model, Predictions, Result, Score, affine, model, vector};
use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use std::ops::Range;
use syncline_data::{Batch, Dataset, FeaturesView};

/// A network of ReLU layers, under softmax and cross-entropy unless made by [`Mlp::regression`].
#[derive(Clone, Debug)]
pub struct Mlp<L = CrossEntropy> {
    /// Inputs, hidden units of each layer, outputs.
    sizes: Vec<usize>,
    loss: L,
    /// Share of the hidden units that are left out in training, drawn anew for every row.
    dropout: f32,
    /// Draws them.
    generator: Xoshiro256PlusPlus,
    /// Workspace: what each layer puts out; of the last one, after the loss, the derivatives.
    outputs: Vec<Vec<f32>>,
    /// Workspace: the derivatives by what each hidden layer puts out.
    derivatives: Vec<Vec<f32>>,
}

impl Mlp {
    /// A classifier: `[inputs, hidden ..., classes]`.
    ///
    /// # Panics
    /// If there are fewer than two sizes, or one is zero.
    pub fn new(sizes: &[usize]) -> Mlp {
        Mlp::with_loss(sizes, CrossEntropy)
    }
}

impl Mlp<Squared> {
    /// A network for one real target: `[inputs, hidden ...]`.
    ///
    /// # Panics
    /// If there is no size, or one is zero.
    pub fn regression(sizes: &[usize]) -> Mlp<Squared> {
        Mlp::with_loss(&[sizes, &[1]].concat(), Squared)
    }
}

impl<L: Loss> Mlp<L> {
    /// A network `[inputs, hidden ..., outputs]` under a loss of your own.
    ///
    /// # Panics
    /// If there are fewer than two sizes, or one is zero.
    pub fn with_loss(sizes: &[usize], loss: L) -> Mlp<L> {
        assert!(sizes.len() >= 2 && !sizes.contains(&0), "a network has inputs, outputs and no empty layer");
        let buffers = |count| vec![Vec::new(); count];
        Mlp {
            sizes: sizes.to_vec(),
            loss,
            dropout: 0.0,
            generator: Xoshiro256PlusPlus::seed_from_u64(0),
            outputs: buffers(sizes.len() - 1),
            derivatives: buffers(sizes.len() - 2),
        }
    }

    /// Leaves out this share of the hidden units in training, drawn for every row, and makes the others' outputs as much
    /// larger (Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014). Scores and predictions use all units.
    ///
    /// # Panics
    /// If the share is not at least 0 and below 1.
    #[must_use]
    pub fn with_dropout(self, share: f32) -> Mlp<L> {
        assert!((0.0..1.0).contains(&share), "a share of the units, and not all of them");
        Mlp { dropout: share, ..self }
    }

    /// Where the parameters of a layer are, when the inputs are `columns`: a compact batch has fewer than the model.
    fn layer(&self, layer: usize, columns: usize) -> Layer {
        let size = |i: usize| if i == 0 { columns } else { self.sizes[i] };
        let start = (0..layer).map(|before| (size(before) + 1) * size(before + 1)).sum();
        let weights = start..start + size(layer) * size(layer + 1);
        Layer { biases: weights.end..weights.end + size(layer + 1), weights, width: size(layer + 1) }
    }

    fn depth(&self) -> usize {
        self.outputs.len()
    }

    /// Computes what each layer puts out; of the last one, the derivatives of the loss in the same place.
    fn forward(&mut self, parameters: &[f32], batch: &Batch<'_>, dropout: f32) -> Score {
        self.layers(parameters, &batch.features, dropout);
        let last = self.depth() - 1;
        model::differentiate(self.loss, &mut self.outputs[last], self.sizes[last + 1], batch)
    }

    /// Computes what each layer puts out.
    fn layers(&mut self, parameters: &[f32], features: &FeaturesView<'_>, dropout: f32) {
        let last = self.depth() - 1;
        let columns = features.columns();
        assert_eq!(
            parameters.len(),
            self.layer(last, columns).biases.end,
            "the parameters fit the batch's columns"
        );
        for index in 0..=last {
            let layer = self.layer(index, columns);
            let (before, rest) = self.outputs.split_at_mut(index);
            let out = &mut rest[0];
            out.resize(features.rows() * layer.width, 0.0);
            let weights = &parameters[layer.weights];
            match before.last() {
                None => affine::multiply(features, weights, layer.width, out),
                Some(inputs) => {
                    product(Matrix::new(inputs, self.sizes[index]), Matrix::new(weights, layer.width), out)
                }
            }
            let bias = &parameters[layer.biases];
            if index < last {
                vector::add_bias_and_rectify(out, bias)
            } else {
                vector::add_bias(out, bias)
            }
            if index < last && dropout > 0.0 {
                leave_out(out, dropout, &mut self.generator);
            }
        }
    }

    /// From the derivatives of the last layer down to the first one's parameters.
    fn backward(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) {
        let last = self.depth() - 1;
        for index in (1..=last).rev() {
            let layer = self.layer(index, batch.columns());
            let (below, above) = self.derivatives.split_at_mut(index);
            let derivatives = if index == last { &self.outputs[last] } else { &above[0] };
            let derivatives = Matrix::new(derivatives, layer.width);
            let inputs = &self.outputs[index - 1];
            let (weights, biases) =
                gradient[layer.weights.start..layer.biases.end].split_at_mut(layer.weights.len());
            vector::column_sums(derivatives.values(), biases);
            product(Matrix::new(inputs, self.sizes[index]).transposed(), derivatives, weights);
            let below = &mut below[index - 1];
            below.resize(inputs.len(), 0.0);
            product(derivatives, Matrix::new(&parameters[layer.weights], layer.width).transposed(), below);
            // A unit that was left out put out 0, as one that was not positive.
            vector::mask(below, inputs);
            if self.dropout > 0.0 {
                let scale = 1.0 / (1.0 - self.dropout);
                below.iter_mut().for_each(|derivative| *derivative *= scale);
            }
        }
        let derivatives = self.derivatives.first().unwrap_or(&self.outputs[last]);
        let first = self.layer(0, batch.columns());
        affine::gradient(&batch.features, derivatives, first.width, &mut gradient[..first.biases.end]);
    }
}

/// The parameters of one layer.
struct Layer {
    weights: Range<usize>,
    biases: Range<usize>,
    /// Number of units.
    width: usize,
}

impl<L: Loss> Model for Mlp<L> {
    fn parameters(&self) -> usize {
        self.layer(self.depth() - 1, self.sizes[0]).biases.end
    }

    /// Weights and biases of a layer even in `+-sqrt(6 / (inputs + outputs))`, after Glorot and Bengio (2010). The usual
    /// alternative for ReLU, a variance of `2 / inputs` (He, Zhang, Ren and Sun 2015), makes the weights of few features
    /// so large that small tables are learnt by heart; and biases other than zero let the bends of few features lie
    /// elsewhere than at their means (docs/measurements/against-scikit-learn.md).
    fn initialise(&self, seed: u64) -> Vec<f32> {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut parameters = vec![0.0; self.parameters()];
        for index in 0..self.depth() {
            let layer = self.layer(index, self.sizes[0]);
            let bound = (6.0 / (self.sizes[index] + layer.width) as f32).sqrt();
            for parameter in &mut parameters[layer.weights.start..layer.biases.end] {
                *parameter = generator.random_range(-bound..bound);
            }
        }
        parameters
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        assert_eq!(parameters.len(), gradient.len(), "one derivative per parameter");
        let score = self.forward(parameters, batch, self.dropout);
        self.backward(parameters, batch, gradient);
        score
    }

    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        self.forward(parameters, batch, 0.0)
    }

    fn predict(&mut self, parameters: &[f32], features: &FeaturesView<'_>) -> Option<Predictions> {
        self.layers(parameters, features, 0.0);
        let last = self.depth() - 1;
        self.loss.predictions(&self.outputs[last], self.sizes[last + 1])
    }

    fn check(&self, data: &Dataset) -> Result<()> {
        model::check(self.loss, self.sizes[0], self.sizes[self.depth()], data)
    }

    fn weighs_rows(&self) -> bool {
        true
    }

    fn reseed(&mut self, seed: u64) {
        if self.dropout > 0.0 {
            self.generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(Self::with_loss(&self.sizes, self.loss).with_dropout(self.dropout))
    }

    fn regularised(&self) -> Vec<Range<usize>> {
        (0..self.depth()).map(|index| self.layer(index, self.sizes[0]).weights).collect()
    }

    fn compact(&self, batch: &Batch<'_>) -> Option<Compact> {
        Compact::of(batch, self.sizes[1], self.parameters())
    }
}

/// Sets a share of the values to zero, and makes the others as much larger, so that their mean stays.
fn leave_out(values: &mut [f32], share: f32, generator: &mut Xoshiro256PlusPlus) {
    let scale = 1.0 / (1.0 - share);
    // Sixteen bits decide for a value: the share is right to 1.5e-5.
    let threshold = (share * 65536.0) as u16;
    for four in values.chunks_mut(4) {
        let mut bits = generator.next_u64();
        for value in four {
            *value = if (bits as u16) < threshold { 0.0 } else { *value * scale };
            bits >>= 16;
        }
    }
}
