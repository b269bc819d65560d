//! Standardised targets are told of in the user's units.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_data::{Dataset, Features, TargetScale, Targets, synthetic};
use syncline_learn::Linear;
use syncline_paramserv::{EpochReport, ParamServ};
use syncline_program::Executor;

/// A data set whose targets are those of another one times a factor, far from zero, and then standardised.
fn prices(data: &Dataset, factor: f32) -> Dataset {
    let Targets::Real(values) = data.targets() else { panic!("a regression") };
    let prices = values.iter().map(|value| 50.0 * factor + factor * value).collect();
    let Features::Dense(dense) = data.features() else { panic!("dense") };
    let data = Dataset::new(Features::Dense(dense.clone()), Targets::Real(prices)).unwrap();
    let scale = TargetScale::fit(data.targets());
    data.rescale_targets(scale)
}

fn last(data: Dataset) -> EpochReport {
    let (train, held_out) = data.split(0.2, 1).unwrap();
    let run = ParamServ::new(Linear::new(4), train).validation(held_out).workers(2).epochs(60);
    run.train(Executor::threads()).unwrap().report().epochs[59].clone()
}

#[test]
fn losses_and_errors_of_standardised_targets_are_in_the_units_of_the_data() {
    let data = synthetic::linear(2000, 4, 0.1, 1);
    let (small, large) = (last(prices(&data, 1.0)), last(prices(&data, 1000.0)));
    let near = |large: f64, small: f64| (large / small - 1.0).abs() < 0.02;
    assert!(near(large.validation_rmse.unwrap(), 1000.0 * small.validation_rmse.unwrap()));
    assert!(near(large.train_rmse.unwrap(), 1000.0 * small.train_rmse.unwrap()));
    assert!(near(large.train_loss, 1e6 * small.train_loss));
    assert!((90.0..130.0).contains(&large.validation_rmse.unwrap()), "the noise is 100: {large:?}");
}
