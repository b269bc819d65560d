//! A loss or a gradient that is no number ends the run, and says where and why.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_data::{Batch, Dataset, Dense, Features, Targets, synthetic};
use syncline_learn::{Linear, Mlp, Model, Score};
use syncline_paramserv::{Error, Optimizer, ParamServ, Partition, Rule};
use syncline_program::Executor;

/// 400 rows whose row 250 has a price that is far off.
fn spoilt() -> Dataset {
    let data = synthetic::linear(400, 3, 0.1, 1);
    let Features::Dense(dense) = data.features() else { panic!("dense") };
    let mut values = dense.values().to_vec();
    values[250 * 3 + 1] = 3e30;
    let features = Features::Dense(Dense::new(values, 3).unwrap());
    let data = Dataset::new(features, data.targets().clone()).unwrap();
    data.named(vec!["rooms".into(), "price".into(), "age".into()], "rent".into()).unwrap()
}

fn sgd(rate: f32) -> Optimizer {
    Optimizer::new(Rule::Sgd, rate).unwrap()
}

#[test]
fn the_worker_the_batch_and_the_column_are_named() {
    for (sync, executor) in
        [("bsp", Executor::threads()), ("asp", Executor::sim(1)), ("hogwild", Executor::threads())]
    {
        let run = ParamServ::new(Mlp::regression(&[3, 16]), spoilt())
            .partition(Partition::Contiguous)
            .workers(2)
            .batch(20);
        let run = run.without_shuffling().optimizer(sgd(0.01)).sync(sync.parse().unwrap());
        let error = run.train(executor).unwrap_err();
        let said = error.to_string();
        // Worker 1 has rows 200 to 399: row 250 is in its third batch, round 2.
        let expected =
            ["became infinite or not a number in epoch 1 (round 2, worker 1)", "column `price` holds 3e30"];
        expected.iter().for_each(|part| assert!(said.contains(part), "{sync}: {said}"));
        assert!(said.contains("in this batch") && said.contains("lower --lr (now 0.01)"), "{sync}: {said}");
    }
}

#[test]
fn steps_that_are_too_large_are_told_from_data_that_are_wrong() {
    let run =
        ParamServ::new(Linear::new(3), synthetic::linear(400, 3, 0.1, 1)).optimizer(sgd(100.0)).epochs(100);
    let said = run.train(Executor::threads()).unwrap_err().to_string();
    assert!(said.contains("the steps are too large; lower --lr (now 100)"), "{said}");
}

/// A model of one's own whose loss says nothing of its gradient.
#[derive(Clone)]
struct Quiet;

impl Model for Quiet {
    fn parameters(&self) -> usize {
        7
    }
    fn initialise(&self, _seed: u64) -> Vec<f32> {
        vec![0.0; 7]
    }
    fn gradient(&mut self, _: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        gradient.fill(0.0);
        gradient[5] = f32::NEG_INFINITY;
        Score { rows: batch.rows() as u64, loss: 1.0, ..Score::default() }
    }
    fn score(&mut self, _: &[f32], batch: &Batch<'_>) -> Score {
        Score { rows: batch.rows() as u64, ..Score::default() }
    }
    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
}

#[test]
fn a_gradient_is_looked_at_too() {
    let data =
        Dataset::new(Features::Dense(Dense::new(vec![1.0; 30], 1).unwrap()), Targets::Real(vec![1.0; 30]));
    let error = ParamServ::new(Quiet, data.unwrap()).workers(3).train(Executor::threads()).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("the gradient became infinite or not a number in epoch 1 (round 0, worker"),
        "{said}"
    );
    assert!(!error.is_usage() && !matches!(error, Error::Contradiction(_)));
}
