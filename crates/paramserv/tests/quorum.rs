//! Training under a quorum: rounds that end at a deadline.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use syncline_data::synthetic;
use syncline_learn::Softmax;
use syncline_paramserv::{ParamServ, Trained};
use syncline_program::{Cost, Executor};

fn training(policy: &str) -> ParamServ {
    let run = ParamServ::new(Softmax::new(8, 3), synthetic::blobs(960, 8, 3, 7));
    run.workers(4).sync(policy.parse().unwrap()).batch(16).epochs(2)
}

/// Every batch takes a millisecond.
fn sim() -> Executor {
    Executor::sim(1).compute(Cost::Given(Duration::from_millis(1)).into())
}

fn bits(trained: &Trained) -> Vec<u32> {
    trained.parameters.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_deadline_that_nobody_misses_trains_the_model_of_bsp() {
    let bsp = bits(&training("bsp").train(sim()).unwrap());
    assert_eq!(bits(&training("quorum:3,500ms").train(sim()).unwrap()), bsp, "in virtual time");
    assert_eq!(bits(&training("quorum:4,30s").train(Executor::threads()).unwrap()), bsp, "on threads");
    assert_eq!(bits(&training("quorum:4").train(sim()).unwrap()), bsp, "a quorum of all");
}

#[test]
fn rounds_end_at_the_deadline_without_the_one_that_is_slow() {
    let slow = || "worker=2:50ms".parse().unwrap();
    let report = |policy| training(policy).inject(slow()).train(sim()).unwrap().report().clone();
    let (bsp, quorum) = (report("bsp"), report("quorum:3,5ms"));
    let rounds = bsp.workers[0].rounds;
    // A round lasts 5 ms and the time of its messages; the slow one takes 51.
    assert!(bsp.wall_s > 0.051 * rounds as f64, "{}", bsp.wall_s);
    assert!(quorum.wall_s < 0.2 * bsp.wall_s, "{} of {}", quorum.wall_s, bsp.wall_s);
    assert_eq!(quorum.servers[0].updates, rounds, "every round had its quorum");
    assert!(quorum.servers[0].late > 0);
    let losses: Vec<f64> = quorum.epochs.iter().map(|epoch| epoch.train_loss).collect();
    assert!(losses[1] < losses[0], "{losses:?}");
}

#[test]
fn rounds_that_never_have_their_quorum_end_the_run_with_the_reason() {
    let run = training("quorum:2,5ms").inject("all:50ms".parse().unwrap());
    let said = run.train(sim()).unwrap_err().to_string();
    assert!(said.contains("10 rounds in a row ended without the work of 2 workers"), "{said}");
    assert!(said.contains("longer deadline"), "{said}");
}

#[test]
fn one_server_decides_whose_gradients_count() {
    let error = training("quorum:2,5ms").servers(2).train(sim()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("one server must decide"), "{error}");
    assert!(training("quorum:5,5ms").train(sim()).unwrap_err().is_usage());
}
