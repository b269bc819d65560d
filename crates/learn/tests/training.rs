//! Models learn: each built-in one on data that it must be able to learn.

use syncline_data::{Dataset, synthetic};
use syncline_learn::{Linear, Logistic, Mlp, Model, Score, Softmax, Svm, plain};

fn learn(mut model: impl Model, data: Dataset, epochs: usize, learning_rate: f32) -> Score {
    let (training, validation) = data.split(0.25, 3).unwrap_or_else(|error| panic!("{error}"));
    let settings = plain::Settings { batch: 32, epochs, learning_rate, seed: 1 };
    let parameters = plain::train(&mut model, &training, settings);
    plain::score(&mut model, &parameters, &validation, 100)
}

#[test]
fn softmax_separates_what_is_separable() {
    let score = learn(Softmax::new(10, 4), synthetic::separable(4000, 10, 4, 1), 60, 1.0);
    assert!(score.accuracy() > 0.99, "{score:?}");
}

#[test]
fn the_others_learn_too() {
    let two = || synthetic::separable(2000, 10, 2, 1);
    assert!(learn(Logistic::new(10), two(), 20, 1.0).accuracy() > 0.99);
    assert!(learn(Svm::new(10, 2), two(), 20, 0.1).accuracy() > 0.99);
    assert!(learn(Svm::new(10, 4), synthetic::separable(2000, 10, 4, 1), 20, 0.1).accuracy() > 0.9);
    assert!(learn(Mlp::new(&[10, 32, 4]), synthetic::separable(2000, 10, 4, 1), 20, 0.1).accuracy() > 0.95);
    assert!(learn(Linear::new(10), synthetic::linear(2000, 10, 0.1, 1), 20, 0.05).rmse() < 0.11);
    assert!(learn(Mlp::regression(&[10, 32]), synthetic::linear(2000, 10, 0.1, 1), 20, 0.01).rmse() < 0.5);
}

#[test]
fn in_place_and_by_gradient_are_the_same_descent() {
    let data = synthetic::sparse_logistic(300, 2000, 9, 1);
    let settings = plain::Settings { batch: 64, epochs: 3, learning_rate: 0.5, seed: 1 };
    let by_gradient = plain::train(&mut Logistic::new(2000), &data, settings);
    let in_place = plain::train_linear(&mut Logistic::new(2000), &data, settings);
    assert!(by_gradient.iter().any(|w| w.abs() > 0.01));
    for (a, b) in by_gradient.iter().zip(&in_place) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}
