//! A network of another library under one of our losses, as a model.

use syncline_data::{Batch, Dataset, Features, FeaturesView};
use syncline_learn::{Error as ModelError, Loss, Model, Predictions, Result as ModelResult, Score};

use crate::{Error, Layout, Result};

/// What a library has to do: outputs from rows, and derivatives by the parameters from derivatives by the outputs.
pub trait Network: Send + 'static {
    /// The network's tensors, in the order of the flat parameters.
    fn layout(&self) -> &Layout;

    /// The parameters to start from, drawn by `seed` as the network's layers want them.
    fn draw(&self, seed: u64) -> Vec<f32>;

    /// The outputs of `rows` rows, row after row. With `training`, layers behave as in training, and
    /// [`Network::backward`] may follow.
    ///
    /// # Errors
    /// What the library refuses.
    fn forward(
        &mut self,
        parameters: &[f32],
        features: &[f32],
        rows: usize,
        training: bool,
    ) -> Result<Vec<f32>>;

    /// Overwrites `gradient` with the derivatives by the parameters of the sum of the outputs of the last forward pass, each
    /// times its value in `derivatives`.
    ///
    /// # Errors
    /// What the library refuses.
    fn backward(&mut self, derivatives: &[f32], gradient: &mut [f32]) -> Result<()>;

    /// What a layer keeps beside the trained parameters, by name, after the last forward pass.
    fn kept(&self) -> Vec<(String, Vec<f32>)>;

    /// The same network for another worker.
    fn boxed_clone(&self) -> Box<dyn Network>;
}

/// A network under a loss: a [`Model`].
pub struct Adapted<L> {
    network: Box<dyn Network>,
    loss: L,
    /// Numbers of a row.
    inputs: usize,
    /// Outputs for a row.
    outputs: usize,
}

impl<L: Loss> Adapted<L> {
    /// Tries the network on two rows of `inputs` numbers, forth and back.
    pub(crate) fn new(mut network: Box<dyn Network>, loss: L, inputs: usize) -> Result<Self> {
        const ROWS: usize = 2;
        if network.layout().parameters() == 0 {
            return Err(Error::NoParameters);
        }
        let parameters = network.draw(0);
        let rows = vec![0.5; ROWS * inputs];
        let before = network.kept();
        let outputs = network.forward(&parameters, &rows, ROWS, true)?;
        network.backward(&outputs, &mut vec![0.0; parameters.len()])?;
        let after = network.kept();
        if let Some((_, (name, _))) = before.iter().zip(&after).find(|(before, after)| before != after) {
            return Err(Error::Stateful(name.clone()));
        }
        let outputs = outputs.len() / ROWS;
        Ok(Self { network, loss, inputs, outputs })
    }

    /// Which of the parameters are which tensor.
    pub fn layout(&self) -> &Layout {
        self.network.layout()
    }

    /// Numbers that the network puts out for a row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The outputs for rows that [`Model::check`] has let pass.
    ///
    /// # Panics
    /// If the library refuses rows of which it has computed two: it has no memory left, or the network's shapes depend on how many rows
    /// there are. A worker that panics is a failed node, with these words.
    #[expect(clippy::panic, reason = "a model cannot say that a batch does not compute; its node fails")]
    fn forward(&mut self, parameters: &[f32], features: &FeaturesView<'_>, training: bool) -> Vec<f32> {
        let FeaturesView::Dense(dense) = features else { panic!("a network needs dense rows") };
        let rows = features.rows();
        match self.network.forward(parameters, dense.values, rows, training) {
            Ok(outputs) if outputs.len() == rows * self.outputs => outputs,
            Ok(outputs) => panic!("the network makes {rows} rows into {} numbers", outputs.len()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The score of outputs, which become the derivatives of the batch's mean loss.
    fn differentiate(&self, outputs: &mut [f32], batch: &Batch<'_>) -> Score {
        match batch.weights {
            None => self.loss.differentiate(outputs, self.outputs, &batch.targets),
            Some(weights) => self.loss.differentiate_weighted(outputs, self.outputs, &batch.targets, weights),
        }
    }
}

impl<L: Loss> Model for Adapted<L> {
    fn parameters(&self) -> usize {
        self.layout().parameters()
    }

    fn initialise(&self, seed: u64) -> Vec<f32> {
        self.network.draw(seed)
    }

    #[expect(clippy::panic, reason = "see `forward`")]
    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        let mut outputs = self.forward(parameters, &batch.features, true);
        let score = self.differentiate(&mut outputs, batch);
        if let Err(error) = self.network.backward(&outputs, gradient) {
            panic!("{error}");
        }
        score
    }

    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        let mut outputs = self.forward(parameters, &batch.features, false);
        self.differentiate(&mut outputs, batch)
    }

    fn predict(&mut self, parameters: &[f32], features: &FeaturesView<'_>) -> Option<Predictions> {
        let outputs = self.forward(parameters, features, false);
        self.loss.predictions(&outputs, self.outputs)
    }

    fn check(&self, data: &Dataset) -> ModelResult<()> {
        if !matches!(data.features(), Features::Dense(_)) {
            return Err(ModelError::Check(
                "a network of another library needs dense rows, these are sparse".into(),
            ));
        }
        if data.columns() != self.inputs {
            let (inputs, columns) = (self.inputs, data.columns());
            return Err(ModelError::Check(format!(
                "it is made for {inputs} columns, the data have {columns}"
            )));
        }
        self.loss.check(self.outputs, data.targets()).map_err(ModelError::Check)
    }

    fn weighs_rows(&self) -> bool {
        true
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        let network = self.network.boxed_clone();
        Box::new(Self { network, loss: self.loss, inputs: self.inputs, outputs: self.outputs })
    }
}
