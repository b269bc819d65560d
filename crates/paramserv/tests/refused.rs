//! What a program of a user can get wrong is a typed error before anything starts, and never a panic in a worker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_data::{Batch, Csr, Dataset, Dense, Features, TargetScale, Targets, synthetic};
use syncline_learn::{Linear, Logistic, Mlp, Model, Score, Softmax, Svm};
use syncline_paramserv::{Optimizer, ParamServ, Rule};
use syncline_program::Executor;

fn refused(run: ParamServ, said: &str) {
    let error = run.train(Executor::threads()).unwrap_err();
    assert!(error.to_string().contains(said), "`{said}` is missing in: {error}");
    assert!(error.is_usage(), "{error}");
}

#[test]
fn a_model_that_does_not_fit_its_data() {
    let (classes, real) = (|| synthetic::blobs(30, 4, 3, 1), || synthetic::linear(30, 4, 0.1, 1));
    refused(ParamServ::new(Softmax::new(5, 3), classes()), "made for 5 columns, the data have 4");
    refused(ParamServ::new(Mlp::new(&[3, 8, 3]), classes()), "made for 3 columns, the data have 4");
    refused(ParamServ::new(Softmax::new(4, 2), classes()), "tells 2 classes apart, the data have 3");
    refused(ParamServ::new(Mlp::new(&[4, 8, 2]), classes()), "tells 2 classes apart, the data have 3");
    refused(ParamServ::new(Logistic::new(4), classes()), "tells 2 classes apart, the data have 3");
    refused(ParamServ::new(Svm::new(4, 2), classes()), "tells 2 classes apart, the data have 3");
    refused(ParamServ::new(Linear::new(4), classes()), "predicts real numbers, the targets are classes");
    refused(ParamServ::new(Mlp::regression(&[4, 8]), classes()), "predicts real numbers");
    for model in [Box::new(Softmax::new(4, 3)) as Box<dyn Model>, Box::new(Mlp::new(&[4, 8, 2]))] {
        refused(ParamServ::new(model, real()), "predicts classes, the targets are real numbers");
    }
    let sparse = synthetic::sparse_logistic(30, 100, 5, 1);
    refused(ParamServ::new(Logistic::new(99), sparse), "made for 99 columns, the data have 100");
}

#[test]
fn data_without_rows_or_with_what_is_no_number() {
    refused(ParamServ::new(Linear::new(4), synthetic::linear(30, 4, 0.1, 1).select(&[])), "only 0 rows");
    let data =
        |features: Features, targets: Vec<f32>| Dataset::new(features, Targets::Real(targets)).unwrap();
    let dense = |values: Vec<f32>| Features::Dense(Dense::new(values, 2).unwrap());
    let nan = data(dense(vec![1.0, 2.0, 3.0, f32::NAN]), vec![1.0, 2.0]);
    refused(ParamServ::new(Linear::new(2), nan), "row 1, column `2` is NaN");
    let infinite = data(dense(vec![1.0; 4]), vec![1.0, f32::INFINITY]);
    refused(ParamServ::new(Linear::new(2), infinite), "the target of row 1 is inf");
    let csr = Csr::new(vec![0, 1, 2], vec![0, 1], vec![1.0, f32::NAN], 2).unwrap();
    refused(
        ParamServ::new(Linear::new(2), data(Features::Sparse(csr), vec![0.0; 2])),
        "stored value 1 is NaN",
    );
}

#[test]
fn validation_data_of_another_kind() {
    let run = || ParamServ::new(Softmax::new(4, 3), synthetic::blobs(30, 4, 3, 1));
    refused(
        run().validation(synthetic::blobs(10, 5, 3, 1)),
        "validation data have 5 columns, the training data 4",
    );
    refused(run().validation(synthetic::blobs(10, 4, 2, 1)), "the validation data have the classes");
    refused(run().validation(synthetic::linear(10, 4, 0.1, 1)), "has classes, the other numbers");
    let run = || ParamServ::new(Linear::new(4), synthetic::linear(30, 4, 0.1, 1));
    let scaled =
        synthetic::linear(10, 4, 0.1, 1).rescale_targets(TargetScale { centre: 1.0, deviation: 2.0 });
    refused(run().validation(scaled), "at different scales");
}

/// A model that says what a test lets it say.
#[derive(Clone)]
struct Odd {
    initial: usize,
    regularised: usize,
}

impl Model for Odd {
    fn parameters(&self) -> usize {
        5
    }
    fn initialise(&self, _seed: u64) -> Vec<f32> {
        vec![0.0; self.initial]
    }
    fn gradient(&mut self, _: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        gradient.fill(0.0);
        Score { rows: batch.rows() as u64, ..Score::default() }
    }
    fn score(&mut self, _: &[f32], batch: &Batch<'_>) -> Score {
        Score { rows: batch.rows() as u64, ..Score::default() }
    }
    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
    fn regularised(&self) -> Vec<std::ops::Range<usize>> {
        std::iter::once(0..self.regularised).collect()
    }
}

#[test]
fn a_model_of_ones_own_that_contradicts_itself() {
    let data = || synthetic::linear(30, 4, 0.1, 1);
    refused(ParamServ::new(Odd { initial: 4, regularised: 5 }, data()), "initial parameters are 4, not 5");
    refused(ParamServ::new(Odd { initial: 5, regularised: 6 }, data()), "not all among its 5");
    let fits = Odd { initial: 5, regularised: 0 };
    let weighted = data().weighted(vec![1.0; 30]).unwrap();
    refused(ParamServ::new(fits.clone(), weighted), "does not heed the weights of rows");
    let l2 = Optimizer::plain(Rule::Sgd).with_l2(0.1).unwrap();
    refused(ParamServ::new(fits.clone(), data()).optimizer(l2), "no parameters that penalties act on");
    assert!(ParamServ::new(fits, data()).train(Executor::threads()).is_ok());
}

#[test]
fn settings_without_sense() {
    let run = || ParamServ::new(Linear::new(4), synthetic::linear(30, 4, 0.1, 1));
    refused(run().patience(3), "patience is 3: without validation rows");
    refused(run().patience(0), "patience is 0");
    refused(run().clip(0.0), "clip is 0");
    refused(run().clip(f32::NAN), "clip is NaN");
    refused(run().epochs(3).schedule("warmup:3".parse().unwrap()), "warmup is 3: the run has 3 epochs");
    refused(run().class_weight("balanced".parse().unwrap()), "the target is a number");
}
