//! Networks of candle as models: gradients, training, and what cannot be one.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod images;
mod training;

use candle_core::Tensor;
use candle_nn::{
    BatchNormConfig, Conv2dConfig, Module, ModuleT, VarBuilder, batch_norm, conv2d, group_norm, linear,
};
use images::{CLASSES, SIDE};
use syncline_adapters::{Adapted, Candle, Error};
use syncline_data::{Dataset, Features, Targets, synthetic};
use syncline_learn::{CrossEntropy, Model, Softmax, Squared};
use syncline_paramserv::Policy;
use syncline_program::Executor;
use training::{accuracy, trained};

fn cnn() -> Adapted<CrossEntropy> {
    let build = |variables: VarBuilder<'_>| {
        let near = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
        let first = conv2d(1, 8, 3, near, variables.pp("first"))?;
        let norm = group_norm(2, 8, 1e-5, variables.pp("norm"))?;
        let out = linear(8 * SIDE * SIDE / 4, CLASSES, variables.pp("out"))?;
        Ok(move |images: &Tensor| {
            let images = norm.forward(&first.forward(images)?)?.relu()?.max_pool2d(2)?;
            out.forward(&images.flatten_from(1)?)
        })
    };
    Candle::new([1, SIDE, SIDE], build).unwrap().under(CrossEntropy).unwrap()
}

/// One layer, whose gradient our own softmax model has by a formula.
fn softmax(columns: usize, classes: usize) -> Adapted<CrossEntropy> {
    let build = move |variables: VarBuilder<'_>| linear(columns, classes, variables.pp("out"));
    Candle::new([columns], build).unwrap().under(CrossEntropy).unwrap()
}

#[test]
fn one_layer_has_the_gradient_of_softmax() {
    let data = synthetic::blobs(40, 5, 3, 3);
    let weights = (0..40).map(|row| 1.0 + row as f32 % 3.0).collect();
    for data in [data.clone(), data.weighted(weights).unwrap()] {
        let (mut theirs, mut ours) = (softmax(5, 3), Softmax::new(5, 3));
        let parameters = theirs.initialise(4);
        // Theirs are the three biases, then a row of weights for each output; ours weights by feature, then biases.
        let turned = |theirs: &[f32]| -> Vec<f32> {
            let weight = |at: usize| theirs[3 + (at % 3) * 5 + at / 3];
            (0..15).map(weight).chain(theirs[..3].iter().copied()).collect()
        };
        let (mut gradient, mut expected) = (vec![7.0; 18], vec![0.0; 18]);
        let score = theirs.gradient(&parameters, &data.batch(0..40), &mut gradient);
        let known = ours.gradient(&turned(&parameters), &data.batch(0..40), &mut expected);
        assert!((score.loss - known.loss).abs() < 1e-4 && score.correct == known.correct);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(turned(&gradient).iter().zip(&expected).all(near), "{gradient:?} {expected:?}");
    }
}

#[test]
fn a_convolutional_network_learns_stripes_with_the_same_bits_on_every_executor() {
    let threads = trained(cnn(), Policy::Bsp, 1, Executor::threads());
    assert!(accuracy(&threads) > 0.9, "{}", accuracy(&threads));
    assert_eq!(trained(cnn(), Policy::Bsp, 2, Executor::sim(1)).parameters, threads.parameters);
    assert!(accuracy(&trained(cnn(), Policy::Asp, 1, Executor::threads())) > 0.8);
}

#[test]
fn parameters_are_drawn_by_the_seed_and_told_by_name() {
    let model = cnn();
    assert_eq!(model.initialise(5), cnn().initialise(5));
    assert_ne!(model.initialise(5), model.initialise(6));
    let names: Vec<_> = model.layout().tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    let expected = ["first.bias", "first.weight", "norm.bias", "norm.weight", "out.bias", "out.weight"];
    assert_eq!((names.as_slice(), model.outputs()), (&expected[..], CLASSES));
    let parameters = model.initialise(5);
    let tensors = Candle::tensors(model.layout(), &parameters).unwrap();
    assert_eq!(tensors["first.weight"].dims(), [8, 1, 3, 3]);
    let short = Candle::tensors(model.layout(), &parameters[1..]);
    assert!(matches!(short, Err(Error::Parameters { found, expected }) if found + 1 == expected));
}

#[test]
fn what_cannot_be_a_model_is_refused_with_the_reason() {
    let refused = |network: Result<Candle, Error>| {
        network
            .and_then(|network| network.under(CrossEntropy))
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    struct Normalised(candle_nn::BatchNorm);
    impl ModuleT for Normalised {
        fn forward_t(&self, rows: &Tensor, train: bool) -> candle_core::Result<Tensor> {
            self.0.forward_t(rows, train)
        }
    }
    let stateful = |variables: VarBuilder<'_>| {
        Ok(Normalised(batch_norm(4, BatchNormConfig::default(), variables.pp("norm"))?))
    };
    let told = refused(Candle::new([4], stateful));
    assert!(told.contains("norm.running") && told.contains("group or layer"), "{told}");
    let ill = |variables: VarBuilder<'_>| linear(5, 3, variables);
    assert!(refused(Candle::new([4], ill)).contains("does not compute"));
    let none = |_: VarBuilder<'_>| Ok(|rows: &Tensor| Ok(rows.clone()));
    assert!(refused(Candle::new([4], none)).contains("no parameters"));
    let flat = |variables: VarBuilder<'_>| {
        let layer = linear(4, 3, variables)?;
        Ok(move |rows: &Tensor| layer.forward(rows)?.flatten_all())
    };
    assert!(refused(Candle::new([4], flat)).contains("one row of numbers for each"));
}

#[test]
fn data_that_do_not_fit_are_refused_before_anything_starts() {
    let blobs = synthetic::blobs(20, 4, 3, 1);
    let check = |model: Adapted<CrossEntropy>, data: &Dataset| model.check(data).unwrap_err().to_string();
    assert!(check(softmax(5, 3), &blobs).contains("made for 5 columns, the data have 4"));
    assert!(check(softmax(4, 2), &blobs).contains("tells 2 classes apart, the data have 3"));
    let sparse = synthetic::sparse_logistic(20, 4, 2, 1);
    assert!(matches!(sparse.features(), Features::Sparse(_)));
    assert!(check(softmax(4, 2), &sparse).contains("dense rows"));
    let one = |variables: VarBuilder<'_>| linear(4, 1, variables);
    let regression = Candle::new([4], one).unwrap().under(Squared).unwrap();
    assert!(regression.check(&blobs).is_err());
    let numbers = Targets::Real((0..20).map(|row| row as f32).collect());
    assert!(regression.check(&Dataset::new(blobs.features().clone(), numbers).unwrap()).is_ok());
}
