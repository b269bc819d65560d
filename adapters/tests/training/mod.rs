//! Training a network on generated images.

use syncline_adapters::Adapted;
use syncline_learn::CrossEntropy;
use syncline_paramserv::{ParamServ, Policy, Trained};
use syncline_program::Executor;

use crate::images::stripes;

/// Two workers go through 450 images three times; the rest of 600 is held out.
pub fn trained(network: Adapted<CrossEntropy>, sync: Policy, servers: usize, executor: Executor) -> Trained {
    let (train, held_out) = stripes(600, 3).unwrap().split(0.25, 3).unwrap();
    let run = ParamServ::new(network, train).validation(held_out).sync(sync);
    run.workers(2).servers(servers).batch(15).epochs(3).train(executor).unwrap()
}

/// Share of the images held out that are told at the end.
pub fn accuracy(trained: &Trained) -> f64 {
    trained.report().epochs[2].validation_accuracy.unwrap()
}
