//! Modules of burn.

use std::sync::{Arc, Mutex, PoisonError};

use burn_core::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn_core::tensor::{Device, Gradients, Tensor, TensorData};
use syncline_learn::Loss;

use crate::{Adapted, Error, Layout, Network, Result};

/// The outputs of a module for rows.
type Forward<M> = Arc<dyn Fn(&M, Tensor<2>) -> Tensor<2> + Send + Sync>;

/// Burn's generator belongs to a device, and so to all who use it: whoever seeds it draws before anyone else.
static DRAWING: Mutex<()> = Mutex::new(());

/// A module of burn with the function that makes its outputs.
///
/// ```
/// use burn_core as burn;
/// use burn_core::module::Module;
/// use burn_core::tensor::{Device, Tensor, activation::relu};
/// use burn_nn::{Linear, LinearConfig};
/// use syncline_adapters::Burn;
/// use syncline_learn::{CrossEntropy, Model};
///
/// #[derive(Module, Debug)]
/// struct Two { hidden: Linear, out: Linear }
///
/// let make = |device: &Device| Two { hidden: LinearConfig::new(4, 8).init(device), out: LinearConfig::new(8, 3).init(device) };
/// let network = Burn::new(Device::flex(), make, 4, |module: &Two, rows: Tensor<2>| {
///     module.out.forward(relu(module.hidden.forward(rows)))
/// });
/// let model = network.under(CrossEntropy)?;
/// let names: Vec<_> = model.layout().tensors().iter().map(|tensor| tensor.name.as_str()).collect();
/// assert_eq!(names, ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]);
/// # Ok::<(), syncline_adapters::Error>(())
/// ```
pub struct Burn<M> {
    device: Device,
    make: Arc<dyn Fn(&Device) -> M + Send + Sync>,
    forward: Forward<M>,
    /// Numbers of a row.
    inputs: usize,
    module: M,
    layout: Layout,
    /// What the last forward pass in training put out, with its graph.
    outputs: Option<Tensor<2>>,
}

impl<M: Module + Sync + 'static> Burn<M> {
    /// The module that `make` makes on a device, over rows of `inputs` numbers; `forward` is given them as `[rows, inputs]`, and gives
    /// `[rows, outputs]`. Trained are the parameters that require gradients.
    pub fn new<B, F>(device: Device, make: B, inputs: usize, forward: F) -> Self
    where
        B: Fn(&Device) -> M + Send + Sync + 'static,
        F: Fn(&M, Tensor<2>) -> Tensor<2> + Send + Sync + 'static,
    {
        Self::of(device.autodiff(), Arc::new(make), inputs, Arc::new(forward))
    }

    fn of(
        device: Device,
        make: Arc<dyn Fn(&Device) -> M + Send + Sync>,
        inputs: usize,
        forward: Forward<M>,
    ) -> Self {
        let (module, read) = drawn(&device, &*make, 0);
        Self { device, make, forward, inputs, module, layout: read.layout, outputs: None }
    }

    /// The model that this module is under a loss.
    ///
    /// # Errors
    /// When the outputs are not one row for each row, there are no parameters, or the module keeps something beside them.
    ///
    /// # Panics
    /// As burn does, where shapes do not fit.
    pub fn under<L: Loss>(self, loss: L) -> Result<Adapted<L>> {
        let inputs = self.inputs;
        Adapted::new(Box::new(self), loss, inputs)
    }

    /// The module with these parameters, to be saved or used without us.
    ///
    /// # Errors
    /// When they are not as many as the module's.
    pub fn module(&self, parameters: &[f32]) -> Result<M> {
        if parameters.len() != self.layout.parameters() {
            return Err(Error::Parameters { found: parameters.len(), expected: self.layout.parameters() });
        }
        Ok(self.module.clone().map(&mut Put { parameters, at: 0 }))
    }
}

/// A module drawn by a seed, and what is in it. Its parameters may be drawn when they are first looked at.
fn drawn<M: Module>(device: &Device, make: &(dyn Fn(&Device) -> M + Send + Sync), seed: u64) -> (M, Read) {
    let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    let module = make(device).train();
    let mut read = Read::default();
    module.visit(&mut read);
    (module, read)
}

impl<M: Module + Sync + 'static> Network for Burn<M> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn draw(&self, seed: u64) -> Vec<f32> {
        drawn(&self.device, &*self.make, seed).1.trained
    }

    fn forward(
        &mut self,
        parameters: &[f32],
        features: &[f32],
        rows: usize,
        training: bool,
    ) -> Result<Vec<f32>> {
        self.module = self.module(parameters)?;
        let data = TensorData::new(features.to_vec(), [rows, self.inputs]);
        let outputs = if training {
            (self.forward)(&self.module, Tensor::from_data(data, &self.device))
        } else {
            let device = self.device.clone().without_autodiff();
            (self.forward)(&self.module.valid(), Tensor::from_data(data, &device))
        };
        if outputs.dims()[0] != rows {
            return Err(Error::Shape { rows, shape: outputs.dims().to_vec() });
        }
        let values = numbers(outputs.clone().into_data())?;
        self.outputs = training.then_some(outputs);
        Ok(values)
    }

    fn backward(&mut self, derivatives: &[f32], gradient: &mut [f32]) -> Result<()> {
        let Some(outputs) = self.outputs.take() else {
            gradient.fill(0.0);
            return Ok(());
        };
        let data = TensorData::new(derivatives.to_vec(), outputs.dims());
        let derivatives = Tensor::<2>::from_data(data, &self.device);
        let found = (outputs * derivatives).sum().backward();
        let mut take = Take { found, gradient, at: 0, failed: None };
        self.module.visit(&mut take);
        take.failed.map_or(Ok(()), Err)
    }

    fn kept(&self) -> Vec<(String, Vec<f32>)> {
        let mut read = Read::default();
        // What layers keep for each thread is brought together when the module is made one for use.
        self.module.valid().visit(&mut read);
        read.beside
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        let (make, forward) = (Arc::clone(&self.make), Arc::clone(&self.forward));
        Box::new(Self::of(self.device.clone(), make, self.inputs, forward))
    }
}

fn numbers(data: TensorData) -> Result<Vec<f32>> {
    data.try_to_vec::<f32>().map_err(|error| Error::Library(format!("{error:?}")))
}

/// Reads a module: its tensors' names, and their values.
#[derive(Default)]
struct Read {
    path: Vec<String>,
    layout: Layout,
    trained: Vec<f32>,
    /// Tensors that are not trained.
    beside: Vec<(String, Vec<f32>)>,
}

impl ModuleVisitor for Read {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let (tensor, name) = (parameter.val(), self.path.join("."));
        // A tensor of another type than f32 cannot be trained here; burn makes none unless asked.
        let values = numbers(tensor.clone().into_data()).unwrap_or_default();
        if tensor.is_require_grad() {
            self.layout.push(name, tensor.dims().to_vec());
            self.trained.extend(values);
        } else {
            self.beside.push((name, values));
        }
    }
}

/// Gives trained tensors their values.
struct Put<'a> {
    parameters: &'a [f32],
    at: usize,
}

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, before, mapper) = parameter.consume();
        if !before.is_require_grad() {
            return Param::from_mapped_value(id, before, mapper);
        }
        let shape = before.dims();
        let count: usize = shape.iter().product();
        let values = self.parameters[self.at..self.at + count].to_vec();
        self.at += count;
        let tensor = Tensor::from_data(TensorData::new(values, shape), &before.device()).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// Takes the derivatives of trained tensors.
struct Take<'a> {
    found: Gradients,
    gradient: &'a mut [f32],
    at: usize,
    failed: Option<Error>,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensor = parameter.val();
        if !tensor.is_require_grad() {
            return;
        }
        let count: usize = tensor.dims().iter().product();
        let gradient = &mut self.gradient[self.at..self.at + count];
        self.at += count;
        match tensor.grad(&self.found).map(|found| numbers(found.into_data())) {
            Some(Ok(found)) => gradient.copy_from_slice(&found),
            Some(Err(error)) => self.failed = Some(error),
            // Nothing depends on it.
            None => gradient.fill(0.0),
        }
    }
}
