//! Rows are gone through in another order in every epoch, and each counts the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use syncline_data::{Dataset, Dense, Features, Partition, Targets, synthetic};
use syncline_learn::{Linear, Logistic, Softmax};
use syncline_paramserv::{ClassWeight, Every, Optimizer, ParamServ, Policy, Rule, Schedule};
use syncline_program::Executor;

/// 33 rows whose feature says nothing: 17 of one class, 16 of the other, and one row more than a batch of 32.
fn one_row_too_many() -> Dataset {
    let features = (0..33).map(|row| if row % 2 == 0 { -1.0 } else { 1.0 }).collect();
    let labels = (0..33).map(|row| u32::from(row % 4 >= 2)).collect();
    let names = vec!["n".to_owned(), "p".to_owned()];
    let features = Features::Dense(Dense::new(features, 1).unwrap());
    Dataset::new(features, Targets::Class { labels, names }).unwrap()
}

fn sgd(rate: f32) -> Optimizer {
    Optimizer::new(Rule::Sgd, rate).unwrap()
}

fn parameters(run: ParamServ) -> Vec<f32> {
    run.train(Executor::threads()).unwrap().parameters
}

#[test]
fn a_last_batch_of_one_row_does_not_count_as_a_whole_one() {
    for shuffled in [true, false] {
        let run = ParamServ::new(Logistic::new(1), one_row_too_many());
        let run = run.partition(Partition::Contiguous).batch(32).epochs(3000).optimizer(sgd(0.1));
        let run = run.schedule(Schedule::default());
        let run = if shuffled { run } else { run.without_shuffling() };
        let report = run.train(Executor::threads()).unwrap().report().clone();
        let loss = report.epochs.last().unwrap().train_loss;
        assert!((loss - 0.6927).abs() < 0.01, "shuffled: {shuffled}: {loss}");
    }
}

#[test]
fn a_file_sorted_by_target_is_learnt_as_one_that_is_not() {
    let data = synthetic::linear(1000, 3, 0.1, 1);
    let Targets::Real(targets) = data.targets() else { panic!("real targets") };
    let mut order: Vec<usize> = (0..1000).collect();
    order.sort_by(|&a, &b| targets[a].total_cmp(&targets[b]));
    let sorted = Arc::new(data.select(&order));
    let rmse = |shuffled: bool| {
        let run = ParamServ::new(Linear::new(3), Arc::clone(&sorted)).partition(Partition::Contiguous);
        let run = run.batch(10).epochs(3).optimizer(sgd(0.2)).schedule(Schedule::default());
        let run = if shuffled { run } else { run.without_shuffling() };
        let trained = run.validation(Arc::clone(&sorted)).train(Executor::threads()).unwrap();
        trained.report().epochs.last().unwrap().validation_rmse.unwrap()
    };
    assert!(rmse(true) < 0.13, "{}", rmse(true));
    assert!(rmse(false) > 1.2 * rmse(true), "{} {}", rmse(false), rmse(true));
}

#[test]
fn a_shuffled_run_repeats_by_seed_and_is_another_than_one_in_order() {
    let data = Arc::new(synthetic::sparse_logistic(300, 2000, 8, 1));
    for every in [Every::Batch, Every::Epoch] {
        let run = || {
            let run = ParamServ::new(Softmax::new(2000, 2), Arc::clone(&data)).workers(2).batch(16).epochs(2);
            run.every(every)
        };
        assert_eq!(parameters(run()), parameters(run()));
        assert_eq!(parameters(run()), parameters(run().servers(3)));
        assert_ne!(parameters(run()), parameters(run().without_shuffling()));
    }
    let run = || ParamServ::new(Softmax::new(2000, 2), Arc::clone(&data)).batch(16).epochs(2);
    assert_eq!(parameters(run()), parameters(run().sync(Policy::Asp)), "one worker makes policies the same");
}

#[test]
fn a_row_of_weight_two_is_two_rows() {
    let data = synthetic::blobs(60, 3, 3, 1);
    let twice: Vec<usize> = (0..60).chain(0..20).collect();
    let weights = (0..60).map(|row| if row < 20 { 2.0 } else { 1.0 }).collect();
    let weighted = data.clone().weighted(weights).unwrap();
    // All rows in one batch, so that the steps are those of the whole loss.
    let run = |data: Dataset| {
        let run = ParamServ::new(Softmax::new(3, 3), data).batch(100).epochs(20).optimizer(sgd(0.1));
        parameters(run.partition(Partition::Contiguous))
    };
    let (weighted, repeated, plain) = (run(weighted), run(data.select(&twice)), run(data));
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart(&weighted, &repeated) < 1e-5, "{}", apart(&weighted, &repeated));
    assert!(apart(&weighted, &plain) > 1e-3);
}

#[test]
fn class_weights_move_the_decision_to_the_rare_class() {
    // One row in ten is of class 1, and the features hardly tell.
    let features: Vec<f32> = (0..1000).map(|row| (row % 10) as f32 * 0.01 + (row as f32).sin()).collect();
    let labels: Vec<u32> = (0..1000).map(|row| u32::from(row % 10 == 9)).collect();
    let targets = Targets::Class { labels, names: vec!["common".to_owned(), "rare".to_owned()] };
    let features = Features::Dense(Dense::new(features, 1).unwrap());
    let data = Arc::new(Dataset::new(features, targets).unwrap());
    let recall = |weight: Option<&str>| {
        let run = ParamServ::new(Logistic::new(1), Arc::clone(&data)).epochs(20).optimizer(sgd(0.5));
        let run = match weight {
            Some(text) => run.class_weight(text.parse::<ClassWeight>().unwrap()),
            None => run,
        };
        let trained = run.train(Executor::threads()).unwrap();
        match trained.report().metrics.train.clone().unwrap() {
            syncline_learn::Metrics::Classes(metrics) => metrics.classes[1].recall,
            syncline_learn::Metrics::Numbers(_) => panic!("classes"),
        }
    };
    assert_eq!(recall(None), 0.0);
    assert!(recall(Some("balanced")) > 0.4, "{}", recall(Some("balanced")));
    assert!(recall(Some("rare=100")) > 0.95, "{}", recall(Some("rare=100")));
}
