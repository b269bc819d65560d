//! Mode x frequency x architecture x place: what makes sense trains, and what does not is refused with the reason. Processes are
//! tested through the command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_data::synthetic;
use syncline_learn::{Logistic, Mlp, Softmax};
use syncline_paramserv::{Every, Fold, Optimizer, ParamServ, Policy, Rule, Trained};
use syncline_program::Executor;

const MODES: [&str; 14] = [
    "bsp",
    "asp",
    "ssp:0",
    "ssp:2",
    "backup:1",
    "quorum:2",
    "quorum:2,5s",
    "local:3",
    "diloco:3",
    "hogwild",
    "allreduce",
    "allreduce:tree",
    "hierarchical:2",
    "hierarchical:2,3",
];
const FREQUENCIES: [&str; 3] = ["batch", "batches:3", "epoch"];
/// Workers and servers.
const ARCHITECTURES: [(usize, usize); 5] = [(3, 1), (3, 2), (4, 1), (4, 3), (5, 1)];
const EPOCHS: u32 = 4;

fn sim(seed: u64) -> Executor {
    Executor::sim(seed).network("1Gbit/50us/10us".parse().unwrap()).compute("exp:1ms".parse().unwrap())
}

/// Dense rows and sparse ones by turns, and each rule.
fn training(number: usize, sync: Policy) -> ParamServ {
    let rules = match sync {
        Policy::Hogwild => [Rule::Sgd; 3],
        _ => [Rule::Sgd, Rule::Adam, Rule::Momentum { beta: 0.5 }],
    };
    let rule = rules[number % rules.len()];
    let rate = if rule == Rule::Adam { 0.01 } else { 0.02 };
    let optimizer = Optimizer::new(rule, rate).unwrap().with_l2(1e-4).unwrap();
    let run = match number % 4 {
        0 | 1 => ParamServ::new(Softmax::new(6, 3), synthetic::blobs(367, 6, 3, 7)),
        2 => ParamServ::new(Mlp::new(&[6, 8, 3]), synthetic::blobs(367, 6, 3, 7)),
        _ => ParamServ::new(Logistic::new(300), synthetic::sparse_logistic(367, 300, 8, 5)),
    };
    run.optimizer(optimizer).sync(sync).batch(16).epochs(EPOCHS)
}

fn bits(trained: &Trained) -> Vec<u32> {
    trained.parameters.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn what_makes_sense_trains_on_threads_and_in_virtual_time() {
    let (mut number, mut trained) = (0, 0);
    for mode in MODES {
        let sync: Policy = mode.parse().unwrap();
        for frequency in FREQUENCIES {
            let every: Every = frequency.parse().unwrap();
            // A policy that says it itself has one.
            if sync.every().is_some() && every != Every::Batch {
                continue;
            }
            for (workers, servers) in ARCHITECTURES {
                number += 1;
                let has_one = sync.heeds_arrival() || sync.collective().is_some();
                if has_one && servers > 1 || sync.check(workers).is_err() {
                    continue;
                }
                let run = || {
                    let run = training(number, sync).workers(workers);
                    let run = if sync.collective().is_some() { run } else { run.servers(servers) };
                    if sync.every().is_some() { run } else { run.every(every) }
                };
                let about = format!("{mode} {frequency} {workers} x {servers}, training {number}");
                let of = [Executor::threads(), sim(number as u64)]
                    .map(|executor| run().train(executor).unwrap_or_else(|error| panic!("{about}: {error}")));
                for done in &of {
                    let report = done.report();
                    let losses: Vec<f64> = report.epochs.iter().map(|epoch| epoch.train_loss).collect();
                    assert!(losses.len() == EPOCHS as usize && losses[3] < losses[0], "{about}: {losses:?}");
                    let samples: u64 = report.workers.iter().map(|worker| worker.samples).sum();
                    if !sync.heeds_arrival() {
                        assert_eq!(samples, 367 * u64::from(EPOCHS), "{about}: each row once an epoch");
                    }
                }
                if sync.waits_for_all() {
                    assert_eq!(bits(&of[0]), bits(&of[1]), "{about}");
                }
                trained += 1;
            }
        }
    }
    assert!(trained > 60, "only {trained} combinations");
}

#[test]
fn what_makes_none_is_refused_with_the_reason() {
    let run = |sync: &str| training(1, sync.parse().unwrap()).workers(3);
    let refused = |run: ParamServ, executor: Executor, parts: &[&str]| {
        let error = run.train(executor).unwrap_err();
        let said = error.to_string();
        assert!(error.is_usage(), "{said}");
        parts.iter().for_each(|part| assert!(said.contains(part), "`{part}` is missing in: {said}"));
    };
    let threads = Executor::threads;
    for mode in ["local:3", "diloco:3"] {
        let every = run(mode).every("batches:2".parse().unwrap());
        refused(every, threads(), &["every is batches:2", "says itself", "batches:3", "leave --every out"]);
        refused(run(mode).every(Every::Epoch), threads(), &["every is epoch"]);
        refused(run(mode).every(Every::Batch), threads(), &["every is batch"]);
        refused(run(mode).fold(Fold::Sum), threads(), &["fold is sum", "average", "leave --fold out"]);
        assert!(run(mode).fold(Fold::Average).check().is_ok(), "the same is no contradiction");
        assert!(run(mode).every("batches:3".parse().unwrap()).check().is_ok());
    }
    let rules = [Rule::Adam, Rule::Adagrad, Rule::Momentum { beta: 0.9 }, Rule::Nesterov { beta: 0.9 }];
    for rule in rules {
        let run = run("hogwild").optimizer(Optimizer::plain(rule));
        refused(run, threads(), &[&format!("optimizer is {rule}"), "without a lock", "--optimizer sgd"]);
    }
    let averaged = run("hogwild").optimizer(Optimizer::plain(Rule::Adam)).every(Every::Epoch);
    assert!(averaged.fold(Fold::Average).check().is_ok(), "workers may step as they like");
    refused(run("hogwild"), Executor::processes(), &["share memory", "--sync asp", "--on threads"]);
    for mode in ["backup:1", "quorum:2"] {
        refused(run(mode).servers(2), threads(), &["one server must decide"]);
    }
    refused(run("backup:3"), threads(), &["less than the number of workers"]);
    refused(run("quorum:4"), threads(), &["at most the number of workers"]);
}
