//! A multi-layer perceptron: affine layers with ReLU between them (Rumelhart, Hinton and Williams 1986; ReLU after
//! Nair and Hinton 2010), over dense or sparse rows.
//!
//! Parameters, layer after layer: `W1` (row-major, inputs x hidden), `b1`, `W2`, `b2` ... Row `i` of `W1` holds what
//! feature `i` adds to each hidden unit, so a sparse batch reads whole rows of it.

use crate::loss::{CrossEntropy, Loss, Squared};
use crate::matrix::{Matrix, product};
use crate::{Compact, Model, Score, affine, vector};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, StandardNormal};
use std::ops::Range;
use syncline_data::Batch;

/// A network of ReLU layers, under softmax and cross-entropy unless made by [`Mlp::regression`].
#[derive(Clone, Debug)]
pub struct Mlp<L = CrossEntropy> {
    /// Inputs, hidden units of each layer, outputs.
    sizes: Vec<usize>,
    loss: L,
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
            outputs: buffers(sizes.len() - 1),
            derivatives: buffers(sizes.len() - 2),
        }
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
    fn forward(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        let last = self.depth() - 1;
        let columns = batch.columns();
        assert_eq!(
            parameters.len(),
            self.layer(last, columns).biases.end,
            "the parameters fit the batch's columns"
        );
        for index in 0..=last {
            let layer = self.layer(index, columns);
            let (before, rest) = self.outputs.split_at_mut(index);
            let out = &mut rest[0];
            out.resize(batch.rows() * layer.width, 0.0);
            let weights = &parameters[layer.weights];
            match before.last() {
                None => affine::multiply(&batch.features, weights, layer.width, out),
                Some(inputs) => {
                    product(Matrix::new(inputs, self.sizes[index]), Matrix::new(weights, layer.width), out)
                }
            }
            let bias = &parameters[layer.biases];
            if index < last { vector::add_bias_and_rectify(out, bias) } else { vector::add_bias(out, bias) }
        }
        self.loss.differentiate(&mut self.outputs[last], self.sizes[last + 1], &batch.targets)
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
            vector::mask(below, inputs);
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

    /// Weights `N(0, 2 / inputs of the layer)` after He, Zhang, Ren and Sun (2015), biases zero.
    fn initialise(&self, seed: u64) -> Vec<f32> {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut parameters = vec![0.0; self.parameters()];
        for index in 0..self.depth() {
            let deviation = (2.0 / self.sizes[index] as f32).sqrt();
            for weight in &mut parameters[self.layer(index, self.sizes[0]).weights] {
                let normal: f32 = StandardNormal.sample(&mut generator);
                *weight = normal * deviation;
            }
        }
        parameters
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        assert_eq!(parameters.len(), gradient.len(), "one derivative per parameter");
        let score = self.forward(parameters, batch);
        self.backward(parameters, batch, gradient);
        score
    }

    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        self.forward(parameters, batch)
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(Self::with_loss(&self.sizes, self.loss))
    }

    fn regularised(&self) -> Vec<Range<usize>> {
        (0..self.depth()).map(|index| self.layer(index, self.sizes[0]).weights).collect()
    }

    fn compact(&self, batch: &Batch<'_>) -> Option<Compact> {
        Compact::of(batch, self.sizes[1], self.parameters())
    }
}
