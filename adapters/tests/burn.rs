//! Modules of burn as models: gradients, training, and what cannot be one.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod images;
mod training;

use burn_core as burn;
use burn_core::module::Module;
use burn_core::tensor::{Device, Tensor, activation::relu};
use burn_nn::{
    BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
    pool::{MaxPool2d, MaxPool2dConfig},
};
use images::{CLASSES, SIDE};
use syncline_adapters::{Adapted, Burn, Error};
use syncline_data::synthetic;
use syncline_learn::{CrossEntropy, Model, Softmax};
use syncline_paramserv::Policy;
use syncline_program::Executor;
use training::{accuracy, trained};

#[derive(Module, Debug)]
struct Stripes {
    first: Conv2d,
    pool: MaxPool2d,
    out: Linear,
}

impl Stripes {
    fn new(device: &Device) -> Self {
        Self {
            first: Conv2dConfig::new([1, 8], [3, 3]).with_padding(PaddingConfig2d::Same).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            out: LinearConfig::new(8 * SIDE * SIDE / 4, CLASSES).init(device),
        }
    }

    fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let images = rows.reshape([-1, 1, SIDE as i32, SIDE as i32]);
        self.out.forward(self.pool.forward(relu(self.first.forward(images))).flatten(1, 3))
    }
}

fn cnn() -> Adapted<CrossEntropy> {
    network().under(CrossEntropy).unwrap()
}

fn network() -> Burn<Stripes> {
    Burn::new(Device::flex(), Stripes::new, SIDE * SIDE, Stripes::forward)
}

fn softmax(columns: usize, classes: usize) -> Adapted<CrossEntropy> {
    let make = move |device: &Device| LinearConfig::new(columns, classes).init(device);
    Burn::new(Device::flex(), make, columns, |layer: &Linear, rows| layer.forward(rows))
        .under(CrossEntropy)
        .unwrap()
}

#[test]
fn one_layer_has_the_gradient_of_softmax() {
    let data = synthetic::blobs(40, 5, 3, 3);
    // Both have the weights by feature, then the biases.
    let (mut theirs, mut ours) = (softmax(5, 3), Softmax::new(5, 3));
    let parameters = theirs.initialise(4);
    let (mut gradient, mut expected) = (vec![7.0; 18], vec![0.0; 18]);
    let score = theirs.gradient(&parameters, &data.batch(0..40), &mut gradient);
    let known = ours.gradient(&parameters, &data.batch(0..40), &mut expected);
    assert!((score.loss - known.loss).abs() < 1e-4 && score.correct == known.correct);
    let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
    assert!(gradient.iter().zip(&expected).all(near), "{gradient:?} {expected:?}");
}

#[test]
fn a_convolutional_network_learns_stripes_with_the_same_bits_on_every_executor() {
    let threads = trained(cnn(), Policy::Bsp, 1, Executor::threads());
    assert!(accuracy(&threads) > 0.9, "{}", accuracy(&threads));
    assert_eq!(trained(cnn(), Policy::Bsp, 2, Executor::sim(1)).parameters, threads.parameters);

    let module = network().module(&threads.parameters).unwrap();
    let first: Vec<f32> = module.out.bias.unwrap().val().into_data().try_to_vec().unwrap();
    assert_eq!(first, threads.parameters[threads.parameters.len() - CLASSES..]);
    let short = network().module(&threads.parameters[1..]);
    assert!(matches!(short, Err(Error::Parameters { found, expected }) if found + 1 == expected));
}

#[test]
fn parameters_are_drawn_by_the_seed_and_told_by_name() {
    let model = cnn();
    assert_eq!(model.initialise(5), cnn().initialise(5));
    assert_ne!(model.initialise(5), model.initialise(6));
    let names: Vec<_> = model.layout().tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["first.weight", "first.bias", "out.weight", "out.bias"]);
    assert_eq!(model.layout().tensors()[0].shape, [8, 1, 3, 3]);
}

#[derive(Module, Debug)]
struct Normalised {
    norm: BatchNorm,
}

#[test]
fn a_layer_with_a_state_is_refused_by_name() {
    let make = |device: &Device| Normalised { norm: BatchNormConfig::new(4).init(device) };
    let network = Burn::new(Device::flex(), make, 4, |module: &Normalised, rows: Tensor<2>| {
        let [count, width] = rows.dims();
        module.norm.forward(rows.reshape([count, width, 1])).flatten(1, 2)
    });
    let told = network.under(CrossEntropy).err().unwrap().to_string();
    assert!(told.contains("norm.running") && told.contains("group or layer"), "{told}");
}

#[test]
fn data_that_do_not_fit_are_refused_before_anything_starts() {
    let told = softmax(5, 3).check(&synthetic::blobs(20, 4, 3, 1)).unwrap_err().to_string();
    assert!(told.contains("made for 5 columns, the data have 4"), "{told}");
}
