//! The one small trait that a user implements to train a model of their own.

use crate::{Compact, Error, Loss, Predictions, Result, Score};
use std::ops::Range;
use syncline_data::{Batch, Dataset, FeaturesView};

/// A model whose parameters are one flat vector.
///
/// Each worker owns its own copy, so a model keeps its workspace inside and need not allocate after the first batch.
/// For reproducible training it must give the same bits for the same inputs.
///
/// ```
/// use syncline_data::{Batch, FeaturesView, TargetsView};
/// use syncline_learn::{Model, Score};
///
/// /// Predicts the same number for every row: the mean of the targets, once trained.
/// #[derive(Clone)]
/// struct Constant;
///
/// impl Model for Constant {
///     fn parameters(&self) -> usize {
///         1
///     }
///     fn initialise(&self, _seed: u64) -> Vec<f32> {
///         vec![0.0]
///     }
///     fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
///         let TargetsView::Real(targets) = batch.targets else { panic!("real targets are needed") };
///         gradient[0] = targets.iter().map(|y| parameters[0] - y).sum::<f32>() / targets.len() as f32;
///         self.score(parameters, batch)
///     }
///     fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
///         let TargetsView::Real(targets) = batch.targets else { panic!("real targets are needed") };
///         let squared_error: f64 = targets.iter().map(|y| f64::from(parameters[0] - y).powi(2)).sum();
///         Score { rows: targets.len() as u64, loss: squared_error / 2.0, squared_error, ..Score::default() }
///     }
///     fn boxed_clone(&self) -> Box<dyn Model> {
///         Box::new(self.clone())
///     }
/// }
/// ```
pub trait Model: Send + 'static {
    /// Length of the flat vector of parameters.
    fn parameters(&self) -> usize;

    /// The parameters to start from, drawn by `seed`.
    fn initialise(&self, seed: u64) -> Vec<f32>;

    /// Overwrites `gradient` with the gradient of the batch's *mean* loss; returns the batch's score before any step.
    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score;

    /// The gradient in another form, for a model that is linear in sparse features: the score as of [`Model::gradient`],
    /// and the derivatives of the batch's mean loss by each row's outputs, row after row. With the rows they are the
    /// gradient's [`Factors`](crate::Factors). `None`: the gradient is no such product, or has fewer values than the
    /// batch; whether it is so must not depend on the parameters.
    fn factors(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Option<(Score, &[f32])> {
        let _ = (parameters, batch);
        None
    }

    /// How many outputs a row has, for a model that is an affine map of the features under a loss: parameters are a row of so many
    /// weights for each feature, and then a row of biases. Whoever has the outputs by other means asks
    /// [`derive`](Model::derive) for the rest. `None`: it is no such model.
    fn affine_outputs(&self) -> Option<usize> {
        None
    }

    /// Turns the outputs of all rows of a batch, row after row, into the derivatives of the batch's mean loss by them; the score
    /// as of [`Model::gradient`]. `None` where there are no [such outputs](Model::affine_outputs).
    fn derive(&mut self, outputs: &mut [f32], batch: &Batch<'_>) -> Option<Score> {
        let _ = (outputs, batch);
        None
    }

    /// The score of a batch, without a gradient.
    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score;

    /// What the model says of rows; nothing for a model that does not tell. Where it does, a report has metrics.
    fn predict(&mut self, parameters: &[f32], features: &FeaturesView<'_>) -> Option<Predictions> {
        let _ = (parameters, features);
        None
    }

    /// Whether the model can be trained and tested on these data: asked before anything starts, so that
    /// [`Model::gradient`] need not. By default they are taken as they are.
    ///
    /// # Errors
    /// [`Error::Check`] with what does not fit: the number of columns, the kind of target, the number of classes.
    fn check(&self, data: &Dataset) -> Result<()> {
        let _ = data;
        Ok(())
    }

    /// Whether [`Model::gradient`] heeds the weights of a [`Batch`]. Data with weights are refused for other models.
    fn weighs_rows(&self) -> bool {
        false
    }

    /// Called before each round with a seed of its own: what a model draws while it computes gradients (dropout), it draws
    /// by this, so that a run can be repeated whoever computes what.
    fn reseed(&mut self, seed: u64) {
        let _ = seed;
    }

    /// Called by a worker before it asks for the gradient of a round, with the round's number in the run.
    fn begin(&mut self, round: u64) {
        let _ = round;
    }

    /// Called where a worker's share of the work has no further round, with all parameters as they are then, where it has them:
    /// not when the run was ended early.
    fn end(&mut self, parameters: Option<&[f32]>) {
        let _ = parameters;
    }

    /// Called once by a worker's node that has nothing more to do: the run is over, or what it did has passed to others. The node
    /// ends when it returns.
    fn leave(&mut self) {}

    /// Whether gradients may be computed apart from a run, to measure what they cost. A model whose gradients come from
    /// outside has none then.
    fn may_be_tried(&self) -> bool {
        true
    }

    /// Whether every score has a loss, so that one that is no number means that the run has diverged. Otherwise it means that
    /// nobody told one, and it is shown as not known.
    fn tells_loss(&self) -> bool {
        true
    }

    /// A copy for another worker.
    fn boxed_clone(&self) -> Box<dyn Model>;

    /// The parameters on which the L1 and L2 penalties act: weights, not biases. All, unless told otherwise.
    fn regularised(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.parameters()).collect()
    }

    /// The batch over only those parameters that it reads, if that is worth while: [`Model::gradient`] and
    /// [`Model::score`] then take the compact batch with those parameters only. `None`: the batch reads them all.
    fn compact(&self, batch: &Batch<'_>) -> Option<Compact> {
        let _ = batch;
        None
    }
}

impl Model for Box<dyn Model> {
    fn parameters(&self) -> usize {
        (**self).parameters()
    }

    fn initialise(&self, seed: u64) -> Vec<f32> {
        (**self).initialise(seed)
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        (**self).gradient(parameters, batch, gradient)
    }

    fn factors(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Option<(Score, &[f32])> {
        (**self).factors(parameters, batch)
    }

    fn affine_outputs(&self) -> Option<usize> {
        (**self).affine_outputs()
    }

    fn derive(&mut self, outputs: &mut [f32], batch: &Batch<'_>) -> Option<Score> {
        (**self).derive(outputs, batch)
    }

    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        (**self).score(parameters, batch)
    }

    fn predict(&mut self, parameters: &[f32], features: &FeaturesView<'_>) -> Option<Predictions> {
        (**self).predict(parameters, features)
    }

    fn check(&self, data: &Dataset) -> Result<()> {
        (**self).check(data)
    }

    fn weighs_rows(&self) -> bool {
        (**self).weighs_rows()
    }

    fn begin(&mut self, round: u64) {
        (**self).begin(round);
    }

    fn end(&mut self, parameters: Option<&[f32]>) {
        (**self).end(parameters);
    }

    fn leave(&mut self) {
        (**self).leave();
    }

    fn may_be_tried(&self) -> bool {
        (**self).may_be_tried()
    }

    fn tells_loss(&self) -> bool {
        (**self).tells_loss()
    }

    fn reseed(&mut self, seed: u64) {
        (**self).reseed(seed);
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        (**self).boxed_clone()
    }

    fn regularised(&self) -> Vec<Range<usize>> {
        (**self).regularised()
    }

    fn compact(&self, batch: &Batch<'_>) -> Option<Compact> {
        (**self).compact(batch)
    }
}

/// The score of a batch whose `outputs` become the derivatives of its mean loss, weighted where its rows are.
pub(crate) fn differentiate<L: Loss>(
    loss: L,
    outputs: &mut [f32],
    columns: usize,
    batch: &Batch<'_>,
) -> Score {
    match batch.weights {
        None => loss.differentiate(outputs, columns, &batch.targets),
        Some(weights) => loss.differentiate_weighted(outputs, columns, &batch.targets, weights),
    }
}

/// Whether data suit a model of `features` inputs and `outputs` outputs under a loss.
pub(crate) fn check<L: Loss>(loss: L, features: usize, outputs: usize, data: &Dataset) -> Result<()> {
    if data.columns() != features {
        let columns = data.columns();
        return Err(Error::Check(format!("it is made for {features} columns, the data have {columns}")));
    }
    loss.check(outputs, data.targets()).map_err(Error::Check)
}
