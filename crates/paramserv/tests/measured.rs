//! Rows by how fast workers are found to be (`--partition weight:measured`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use support::{bits, every, faulty, files};
use syncline_data::synthetic;
use syncline_learn::Softmax;
use syncline_paramserv::{OnWorkerLoss, Optimizer, ParamServ, Policy, Rule, Trained};
use syncline_program::Executor;

const ROWS: u64 = 2000;
const EPOCHS: u32 = 4;

fn training(sync: &str) -> ParamServ {
    let run = ParamServ::new(Softmax::new(6, 3), synthetic::blobs(ROWS as usize, 6, 3, 7));
    let run = run.optimizer(Optimizer::new(Rule::Sgd, 0.05).unwrap()).workers(4).batch(10).epochs(EPOCHS);
    let sync: Policy = sync.parse().unwrap();
    run.sync(sync).partition("weight:measured".parse().unwrap())
}

fn samples(trained: &Trained) -> Vec<u64> {
    trained.report().workers.iter().map(|worker| worker.samples).collect()
}

/// A batch takes a millisecond, and messages no time.
fn even(seed: u64) -> Executor {
    Executor::sim(seed).compute("1ms".parse().unwrap())
}

#[test]
fn an_epoch_with_one_that_takes_three_times_as_long_comes_near_the_best_division() {
    for sync in ["bsp", "local:5", "allreduce", "allreduce:direct", "hierarchical:2,3"] {
        let run = || training(sync).inject("worker=3:3x".parse().unwrap()).train(even(1)).unwrap();
        let trained = run();
        assert_eq!(bits(&trained), bits(&run()), "{sync}: in virtual time times are the same each time");
        let epochs = &trained.report().epochs;
        // With equal shares the slow one's 500 rows decide: 3 x 500. At best all take as long: 2000 / (3 + 1/3).
        let equal = epochs[0].duration_s;
        let best = equal * (2000.0 / (3.0 + 1.0 / 3.0)) / 1500.0;
        for epoch in &epochs[1..] {
            assert!(epoch.duration_s < 1.1 * best, "{sync}: {} of {equal}, at best {best}", epoch.duration_s);
        }
        let done = samples(&trained);
        assert_eq!(done.iter().sum::<u64>(), ROWS * u64::from(EPOCHS), "{sync}: each row once an epoch");
        // A tenth of the rows in three epochs of four, and a quarter in the first.
        assert!((1050..=1150).contains(&done[3]), "{sync}: {done:?}");
        assert!(epochs[3].train_loss < epochs[0].train_loss, "{sync}");
        let random = training(sync).partition("random".parse().unwrap());
        let random = random.inject("worker=3:3x".parse().unwrap()).train(even(1)).unwrap();
        let ratio = trained.report().wall_s / random.report().wall_s;
        assert!(ratio < 0.62, "{sync}: {ratio} of the time with equal shares");
        // What is learnt is the same but for whose rows come in which round.
        let off = epochs[3].train_loss / random.report().epochs[3].train_loss;
        assert!((off - 1.0).abs() < 0.05, "{sync}: {off}");
    }
}

#[test]
fn workers_that_are_alike_keep_equal_shares() {
    let trained = training("bsp").train(even(2)).unwrap();
    assert_eq!(samples(&trained), [2000; 4]);
    let random = training("bsp").partition("random".parse().unwrap()).train(even(2)).unwrap();
    assert_eq!(bits(&trained), bits(&random), "then it is a random partition");
}

#[test]
fn a_slow_thread_gets_less() {
    let slow = training("bsp").epochs(3).inject("worker=1:2ms".parse().unwrap());
    let done = samples(&slow.train(Executor::threads()).unwrap());
    assert_eq!(done.iter().sum::<u64>(), 3 * ROWS, "each row once an epoch");
    let others = (done[0] + done[2] + done[3]) / 3;
    assert!(2 * done[1] < others, "{done:?}");
}

#[test]
fn whatever_is_lost_no_row_is_lost_or_twice_in_an_epoch() {
    let mut struck = 0;
    for number in 0..20u64 {
        let sync = ["bsp", "local:5", "allreduce", "hierarchical:2,3"][number as usize % 4];
        let folder = tempfile::tempdir().unwrap();
        let fault = format!("kill worker/{} {}us", number / 4 % 4, 20_000 + number * 7919 % 230_000);
        let about = format!("{fault}, {sync}");
        let run = training(sync).inject("worker=3:3x".parse().unwrap()).on_worker_loss(OnWorkerLoss::Restart);
        let run = if number % 3 == 0 { run } else { run.checkpoint(every(folder.path(), 15)) };
        let run = run.train(faulty(number, &[fault])).unwrap_or_else(|error| panic!("{about}: {error}"));
        let done = samples(&run);
        assert_eq!(done.iter().sum::<u64>(), ROWS * u64::from(EPOCHS), "{about}: {done:?}");
        assert!(run.report().epochs.iter().all(|epoch| epoch.complete), "{about}");
        struck += u32::from(run.report().wall_s > 0.25);
    }
    assert!(struck > 5, "only {struck} of 20 were long enough");
}

#[test]
fn a_run_goes_on_with_the_shares_that_it_had() {
    let run = || training("bsp").inject("worker=3:3x".parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let whole = run().checkpoint(every(folder.path(), 35)).train(even(1)).unwrap();
    for file in files(folder.path()) {
        let again = run().resume(&file).train(even(1)).unwrap();
        assert_eq!(samples(&again), samples(&whole), "{}", file.display());
        assert_eq!(bits(&again), bits(&whole), "{}", file.display());
    }
}

#[test]
fn where_it_makes_no_sense_it_is_refused_with_the_reason() {
    let refused = |run: ParamServ, part: &str| {
        let error = run.check().unwrap_err();
        let said = error.to_string();
        assert!(error.is_usage() && said.contains("weight:measured") && said.contains(part), "{said}");
    };
    for sync in ["asp", "ssp:2", "hogwild", "backup:1", "quorum:2"] {
        refused(training(sync), "weights of your own");
    }
    refused(training("bsp").workers(1), "one worker alone");
    refused(training("bsp").epochs(1), "from the second epoch on");
    refused(training("bsp").elastic(2), "leave out --elastic");
    refused(training("bsp").on_worker_loss(OnWorkerLoss::Redistribute), "--on-worker-loss redistribute");
}
