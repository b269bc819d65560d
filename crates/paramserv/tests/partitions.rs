//! How rows are dealt out, as a run shows it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use support::{bits, sim};
use syncline_data::{Dataset, synthetic};
use syncline_learn::{Linear, Softmax};
use syncline_paramserv::{Checkpoints, Optimizer, ParamServ, Partition, Policy, Rule, Trained};
use syncline_program::Executor;

const EPOCHS: u32 = 3;

fn training(partition: &str) -> ParamServ {
    let run = ParamServ::new(Softmax::new(6, 3), synthetic::blobs(410, 6, 3, 7));
    let sgd = Optimizer::new(Rule::Sgd, 0.1).unwrap();
    run.optimizer(sgd).workers(3).batch(16).epochs(EPOCHS).partition(partition.parse().unwrap())
}

fn samples(trained: &Trained) -> Vec<u64> {
    trained.report().workers.iter().map(|worker| worker.samples / u64::from(EPOCHS)).collect()
}

#[test]
fn each_gives_the_same_bits_on_every_executor_and_goes_on_to_them() {
    for partition in ["weight:2,1,1", "weight:0.3,1,2.5", "stratified", "overlap-reshuffle"] {
        for shuffle in [true, false] {
            let run = || if shuffle { training(partition) } else { training(partition).without_shuffling() };
            let whole = run().train(Executor::threads()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let often = Checkpoints::in_folder(folder.path()).every("rounds:7".parse().unwrap());
            let elsewhere = run().servers(2).checkpoint(often).train(sim(1)).unwrap();
            assert_eq!(bits(&elsewhere), bits(&whole), "{partition}, shuffled {shuffle}");
            let again = run().resume(folder.path()).train(Executor::threads()).unwrap();
            assert_eq!(bits(&again), bits(&whole), "{partition}, shuffled {shuffle}: gone on");
            let epochs = &whole.report().epochs;
            assert!(epochs[2].train_loss < epochs[0].train_loss, "{partition}: {epochs:?}");
        }
    }
}

#[test]
fn who_has_more_rows_has_larger_batches_and_nobody_runs_out_before_the_others() {
    let run = training("weight:2,1,1").train(Executor::threads()).unwrap();
    assert_eq!(samples(&run), [205, 103, 102]);
    // 24 rows and 12 a batch: 9 rounds.
    assert_eq!(run.report().servers[0].updates, 9 * u64::from(EPOCHS));
    let uneven = training("weight:10,1,1").train(sim(2)).unwrap();
    assert_eq!(samples(&uneven), [342, 34, 34]);
    assert_eq!(samples(&uneven).iter().sum::<u64>(), 410, "each row once an epoch");
    assert_eq!(uneven.report().servers[0].updates, 9 * u64::from(EPOCHS));
}

#[test]
fn equal_weights_are_a_random_partition() {
    let run = |partition: &str| {
        let run = ParamServ::new(Softmax::new(6, 3), synthetic::blobs(408, 6, 3, 7)).workers(3).epochs(2);
        bits(&run.partition(partition.parse().unwrap()).train(Executor::threads()).unwrap())
    };
    assert_eq!(run("weight:5,5,5"), run("random"));
    assert_ne!(run("weight:5,5,6"), run("random"));
}

#[test]
fn an_epoch_of_overlapping_rows_has_them_all_for_every_worker() {
    for sync in [Policy::Bsp, Policy::Asp] {
        for run in [training("overlap-reshuffle"), training("overlap-reshuffle").without_shuffling()] {
            let run = run.sync(sync).train(sim(3)).unwrap();
            assert_eq!(samples(&run), [410, 410, 410], "{sync}");
        }
    }
}

/// Rows by class, most of them of the first.
fn by_class() -> Dataset {
    let data = synthetic::blobs(900, 4, 3, 3);
    let syncline_data::Targets::Class { labels, .. } = data.targets() else { panic!("classes") };
    let mut rows: Vec<usize> = (0..900).filter(|&row| labels[row] == 0 || row % 10 == 0).collect();
    rows.sort_by_key(|&row| labels[row]);
    data.select(&rows)
}

#[test]
fn a_rare_class_is_with_every_worker() {
    // Under contiguous parts the last worker alone has the rare ones, and local steps drift apart.
    let accuracy = |partition: &str| {
        let run = ParamServ::new(Softmax::new(4, 3), by_class())
            .optimizer(Optimizer::new(Rule::Sgd, 0.3).unwrap())
            .workers(4)
            .batch(8)
            .epochs(4)
            .sync("local:8".parse().unwrap())
            .partition(partition.parse().unwrap())
            .train(Executor::threads())
            .unwrap();
        run.report().metrics.train.as_ref().map(|metrics| serde_json::to_value(metrics).unwrap()).unwrap()["accuracy"]
            .as_f64()
            .unwrap()
    };
    let (even, apart) = (accuracy("stratified"), accuracy("contiguous"));
    assert!(even >= apart && even > 0.9, "{even} and {apart}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |run: ParamServ, part: &str| {
        let error = run.train(Executor::threads()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(part), "`{part}`: {error}");
    };
    refused(training("weight:1,1"), "is for 2 workers, and there are 3");
    let numbers = ParamServ::new(Linear::new(4), synthetic::linear(30, 4, 0.1, 1));
    refused(numbers.partition(Partition::Stratified), "the target is a number");
    let coded = training("weight:2,1,1,1").workers(4).sync("repetition:1".parse().unwrap());
    refused(coded, "the workers of a group do the same");
}
