//! Networks of candle.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, ModuleT, Shape, Tensor, Var};
use candle_nn::init::{Init, NormalOrUniform};
use candle_nn::var_builder::{SimpleBackend, VarBuilder};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, Normal, Uniform};
use syncline_learn::Loss;

use crate::{Adapted, Error, Layout, Network, Result};

/// Makes the network's layers, which ask for their variables by name.
type Build = Arc<dyn Fn(VarBuilder<'_>) -> candle_core::Result<Box<dyn ModuleT + Send>> + Send + Sync>;

/// A network of candle, made from its layers by a function.
///
/// ```
/// use candle_nn::{Module, VarBuilder, linear};
/// use syncline_adapters::Candle;
/// use syncline_learn::{CrossEntropy, Model};
///
/// let network = Candle::new([4], |variables: VarBuilder<'_>| {
///     let (hidden, out) = (linear(4, 8, variables.pp("hidden"))?, linear(8, 3, variables.pp("out"))?);
///     Ok(move |rows: &candle_core::Tensor| out.forward(&hidden.forward(rows)?.relu()?))
/// })?;
/// let model = network.under(CrossEntropy)?;
/// let names: Vec<_> = model.layout().tensors().iter().map(|tensor| tensor.name.as_str()).collect();
/// assert_eq!(names, ["hidden.bias", "hidden.weight", "out.bias", "out.weight"]);
/// assert_eq!(model.parameters(), 8 + 4 * 8 + 3 + 8 * 3);
/// # Ok::<(), syncline_adapters::Error>(())
/// ```
pub struct Candle {
    build: Build,
    /// What a row is to the network.
    row: Vec<usize>,
    layers: Box<dyn ModuleT + Send>,
    variables: Variables,
    layout: Layout,
    /// What the last forward pass in training put out, with its graph.
    outputs: Option<Tensor>,
}

impl Candle {
    /// A network whose layers `build` makes, over rows of shape `row` such as `[1, 28, 28]`: it is given tensors of shape
    /// `[rows, 1, 28, 28]`. Variables are those that the layers ask the builder for, drawn as they want them.
    ///
    /// # Errors
    /// What candle refuses.
    pub fn new<B, M>(row: impl Into<Vec<usize>>, build: B) -> Result<Self>
    where
        B: Fn(VarBuilder<'_>) -> candle_core::Result<M> + Send + Sync + 'static,
        M: ModuleT + Send + 'static,
    {
        let build: Build =
            Arc::new(move |variables| Ok(Box::new(build(variables)?) as Box<dyn ModuleT + Send>));
        Self::of(row.into(), build)
    }

    fn of(row: Vec<usize>, build: Build) -> Result<Self> {
        let (layers, variables) = built(&build, 0)?;
        let mut layout = Layout::default();
        for (name, variable) in variables.all() {
            layout.push(name, variable.dims().to_vec());
        }
        Ok(Self { build, row, layers, variables, layout, outputs: None })
    }

    /// The model that this network is under a loss.
    ///
    /// # Errors
    /// When the network cannot be tried on two rows, has no parameters, or keeps something beside them.
    pub fn under<L: Loss>(self, loss: L) -> Result<Adapted<L>> {
        let inputs = self.row.iter().product();
        Adapted::new(Box::new(self), loss, inputs)
    }

    /// These parameters as candle's tensors by name, to be saved or used without us.
    ///
    /// # Errors
    /// When they are not as many as the network's.
    pub fn tensors(layout: &Layout, parameters: &[f32]) -> Result<HashMap<String, Tensor>> {
        if parameters.len() != layout.parameters() {
            return Err(Error::Parameters { found: parameters.len(), expected: layout.parameters() });
        }
        let tensor = |tensor: &crate::NamedTensor| {
            let values = &parameters[tensor.range.clone()];
            Ok((tensor.name.clone(), Tensor::from_slice(values, tensor.shape.clone(), &Device::Cpu)?))
        };
        layout.tensors().iter().map(tensor).collect()
    }

    /// The variables' values, one after the other.
    fn values(variables: &Variables) -> Result<Vec<f32>> {
        let mut values = Vec::new();
        for (_, variable) in variables.all() {
            values.extend(variable.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(values)
    }
}

/// The layers, and the variables that they have asked for.
fn built(build: &Build, seed: u64) -> Result<(Box<dyn ModuleT + Send>, Variables)> {
    let variables = Variables { drawn: Arc::default(), seed };
    let backend: Box<dyn SimpleBackend> = Box::new(variables.clone());
    let layers = build(VarBuilder::from_backend(backend, DType::F32, Device::Cpu))?;
    Ok((layers, variables))
}

impl Network for Candle {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    #[expect(clippy::expect_used, reason = "the same layers were made before")]
    fn draw(&self, seed: u64) -> Vec<f32> {
        let drawn = built(&self.build, seed).and_then(|(_, variables)| Self::values(&variables));
        drawn.expect("what was made once can be made again")
    }

    fn forward(
        &mut self,
        parameters: &[f32],
        features: &[f32],
        rows: usize,
        training: bool,
    ) -> Result<Vec<f32>> {
        for (tensor, (_, variable)) in self.layout.tensors().iter().zip(self.variables.all()) {
            let values = &parameters[tensor.range.clone()];
            variable.set(&Tensor::from_slice(values, tensor.shape.clone(), &Device::Cpu)?)?;
        }
        let shape = [&[rows][..], &self.row].concat();
        let outputs = self.layers.forward_t(&Tensor::from_slice(features, shape, &Device::Cpu)?, training)?;
        let values = outputs.flatten_all()?.to_vec1::<f32>()?;
        if outputs.dims().first() != Some(&rows) || outputs.rank() != 2 {
            return Err(Error::Shape { rows, shape: outputs.dims().to_vec() });
        }
        self.outputs = training.then_some(outputs);
        Ok(values)
    }

    fn backward(&mut self, derivatives: &[f32], gradient: &mut [f32]) -> Result<()> {
        let Some(outputs) = self.outputs.take() else {
            gradient.fill(0.0);
            return Ok(());
        };
        let derivatives = Tensor::from_slice(derivatives, outputs.shape(), &Device::Cpu)?;
        let found = (outputs * derivatives)?.sum_all()?.backward()?;
        for (tensor, (_, variable)) in self.layout.tensors().iter().zip(self.variables.all()) {
            let gradient = &mut gradient[tensor.range.clone()];
            match found.get(variable.as_tensor()) {
                Some(found) => gradient.copy_from_slice(&found.flatten_all()?.to_vec1::<f32>()?),
                // Nothing depends on it.
                None => gradient.fill(0.0),
            }
        }
        Ok(())
    }

    /// A layer of candle keeps such things in variables, as if they were parameters.
    fn kept(&self) -> Vec<(String, Vec<f32>)> {
        let values = |(name, variable): (String, Var)| {
            let values = variable.flatten_all().and_then(|flat| flat.to_vec1::<f32>());
            (name, values.unwrap_or_default())
        };
        self.variables.all().into_iter().map(values).collect()
    }

    #[expect(clippy::expect_used, reason = "the same layers were made before")]
    fn boxed_clone(&self) -> Box<dyn Network> {
        let again = Self::of(self.row.clone(), Arc::clone(&self.build));
        Box::new(again.expect("what was made once can be made again"))
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        // Without the back trace that its `Debug` may have.
        Self::Library(error.to_string())
    }
}

/// Variables by name, drawn when a layer asks for them: the same for the same seed, whoever else draws.
#[derive(Clone)]
struct Variables {
    /// Shared with the builder that the layers ask, which candle wants to be usable by several threads; only one ever is at it.
    drawn: Arc<Mutex<BTreeMap<String, Var>>>,
    seed: u64,
}

impl Variables {
    /// All of them, by name.
    fn all(&self) -> Vec<(String, Var)> {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.iter().map(|(name, variable)| (name.clone(), variable.clone())).collect()
    }

    /// Values for a variable of this shape.
    fn values(&self, shape: &Shape, name: &str, init: Init) -> candle_core::Result<Vec<f32>> {
        let generator = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ fnv1a(name));
        let count = shape.elem_count();
        match init {
            Init::Const(value) => Ok(vec![value as f32; count]),
            Init::Uniform { lo, up } => evenly(generator, count, lo, up),
            Init::Randn { mean, stdev } => normally(generator, count, mean, stdev),
            // He, Zhang, Ren and Sun 2015; an even distribution of this deviation reaches sqrt(3) times as far.
            Init::Kaiming { dist, fan, non_linearity } => {
                let deviation = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
                let bound = 3f64.sqrt() * deviation;
                match dist {
                    NormalOrUniform::Normal => normally(generator, count, 0.0, deviation),
                    NormalOrUniform::Uniform => evenly(generator, count, -bound, bound),
                }
            }
        }
    }
}

/// So many numbers between two, all as likely.
fn evenly(generator: Xoshiro256PlusPlus, count: usize, low: f64, high: f64) -> candle_core::Result<Vec<f32>> {
    let even = Uniform::new_inclusive(low, high).map_err(candle_core::Error::wrap)?;
    Ok(even.sample_iter(generator).take(count).map(|value| value as f32).collect())
}

/// So many numbers of a normal distribution.
fn normally(
    generator: Xoshiro256PlusPlus,
    count: usize,
    mean: f64,
    deviation: f64,
) -> candle_core::Result<Vec<f32>> {
    let bell = Normal::new(mean, deviation).map_err(candle_core::Error::wrap)?;
    Ok(bell.sample_iter(generator).take(count).map(|value| value as f32).collect())
}

impl SimpleBackend for Variables {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        if dtype != DType::F32 {
            candle_core::bail!("variable `{name}` is of {dtype:?}: numbers of 32 bits are trained");
        }
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(variable) = drawn.get(name) {
            // Two layers that share it.
            if variable.shape() != &shape {
                candle_core::bail!(
                    "variable `{name}` is asked for as {shape:?} and as {:?}",
                    variable.shape()
                );
            }
            return Ok(variable.as_tensor().clone());
        }
        let variable = Var::from_vec(self.values(&shape, name, init)?, shape, device)?;
        let tensor = variable.as_tensor().clone();
        drawn.insert(name.to_owned(), variable);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> candle_core::Result<Tensor> {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        match drawn.get(name) {
            Some(variable) => Ok(variable.as_tensor().clone()),
            None => candle_core::bail!("variable `{name}` is asked for without its shape"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }
}

/// A number from a name (FNV-1a of 64 bits).
fn fnv1a(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
