//! Pulls that send only what has changed since the worker's last one: over sparse rows, to workers of other processes and in
//! virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use support::{bits, every, faulty, files, losses, sim};
use syncline_data::synthetic;
use syncline_learn::Logistic;
use syncline_paramserv::{OnWorkerLoss, Optimizer, ParamServ, Rule, Trained};
use syncline_program::Executor;

/// 20 000 columns, of which a round of 16 rows touches some hundred. Under `quorum:3` of three workers all is pulled in each
/// round, since one that came late would join another; it is `bsp` to the bit.
fn training(sync: &str) -> ParamServ {
    of_columns(20_000, sync)
}

fn of_columns(columns: usize, sync: &str) -> ParamServ {
    let data = synthetic::sparse_logistic(600, columns, 8, 5).split(0.2, 7).unwrap();
    let adagrad = Optimizer::new(Rule::Adagrad, 0.1).unwrap();
    let run = ParamServ::new(Logistic::new(columns), data.0).validation(data.1).optimizer(adagrad);
    run.workers(3).batch(16).epochs(3).sync(sync.parse().unwrap())
}

/// Bytes that were pulled, and that all parameters would have been.
fn pulled(trained: &Trained) -> (u64, u64) {
    let workers = &trained.report().workers;
    let sum = |of: fn(&syncline_paramserv::WorkerReport) -> u64| workers.iter().map(of).sum();
    (sum(|worker| worker.pulled_bytes), sum(|worker| worker.uncompressed_pulled_bytes))
}

#[test]
fn told_1_the_same_bits_of_a_fourteenth_of_the_bytes() {
    let bsp = training("bsp").train(Executor::threads()).unwrap();
    let threads = training("quorum:3").train(Executor::threads()).unwrap();
    let apart = training("quorum:3").train(sim(1)).unwrap();
    for run in [&threads, &apart] {
        assert_eq!((bits(run), losses(run)), (bits(&bsp), losses(&bsp)));
    }
    let (shared, plain) = pulled(&threads);
    assert_eq!(shared, plain, "between threads nothing travels");
    let (sent, all) = pulled(&apart);
    assert_eq!(all, plain);
    assert!(sent * 14 < all, "{sent} of {all}");
    // Each worker is told all of it once.
    assert!(sent > 3 * 20_000 * 4, "{sent}");
}

#[test]
fn with_several_servers_and_pulls_of_few_columns_in_between_too() {
    for servers in [1, 2, 3] {
        let run = || training("bsp").servers(servers);
        let (threads, apart) = (run().train(Executor::threads()).unwrap(), run().train(sim(2)).unwrap());
        assert_eq!((bits(&apart), losses(&apart)), (bits(&threads), losses(&threads)), "{servers} servers");
        let (sent, all) = pulled(&apart);
        assert!(sent < all, "{servers} servers: {sent} of {all}");
    }
}

#[test]
fn where_all_parameters_move_all_are_sent() {
    // Of 40 columns a round touches all.
    let (sent, all) = pulled(&of_columns(40, "quorum:3").train(sim(3)).unwrap());
    assert_eq!(sent, all);
}

#[test]
fn told_2_who_begins_anew_is_told_everything() {
    let whole = training("quorum:3").train(sim(1)).unwrap();
    for number in 0..40u64 {
        let fault = format!("kill worker/{} {}us", number % 3, number * 7919 % 40_000);
        let run = training("quorum:3").on_worker_loss(OnWorkerLoss::Restart);
        let run = run.train(faulty(number, std::slice::from_ref(&fault)));
        let run = run.unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!((bits(&run), losses(&run)), (bits(&whole), losses(&whole)), "{fault}");
    }
    let folder = tempfile::tempdir().unwrap();
    let cut = training("quorum:3").checkpoint(every(folder.path(), 9)).train(sim(4)).unwrap();
    assert_eq!(bits(&cut), bits(&whole));
    for file in files(folder.path()) {
        let again = training("quorum:3").resume(&file).train(sim(5)).unwrap();
        assert_eq!(bits(&again), bits(&whole), "{}", file.display());
    }
}
