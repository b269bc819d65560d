//! Pushes and pulls that are sent shorter: COMP-1 and COMP-2 as a run shows them, on threads and in virtual time. On processes they
//! are tested through the command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{fs, path::PathBuf};

use support::{bits, sim};
use syncline_data::{Dataset, Dense, Features, Targets, synthetic};
use syncline_learn::{Linear, Logistic, Mlp};
use syncline_paramserv::{
    Checkpoints, Compression, Optimizer, ParamServ, Policy, Rule, Trained, WorkerReport,
};
use syncline_program::{Cost, Executor};

const DENSE: [&str; 6] =
    ["bf16", "f16", "int8", "push=topk:0.05", "push=topk:0.1,pull=bf16", "push=int8,pull=f16"];
const SPARSE: [&str; 4] = ["bf16", "f16", "push=topk:0.3", "push=topk:0.5,pull=bf16"];

fn compression(text: &str) -> Compression {
    if text == "none" { Compression::default() } else { text.parse().unwrap() }
}

/// A network over dense rows, with more parameters than a line of a shard.
fn dense(compress: &str) -> ParamServ {
    let (train, held_out) = synthetic::blobs(700, 6, 3, 7).split(0.2, 7).unwrap();
    let run = ParamServ::new(Mlp::new(&[6, 24, 3]), train).validation(held_out);
    run.optimizer(Optimizer::new(Rule::Sgd, 0.1).unwrap())
        .workers(3)
        .batch(21)
        .epochs(6)
        .compress(compression(compress))
}

/// A linear model over sparse rows.
fn sparse(compress: &str) -> ParamServ {
    let (train, held_out) = synthetic::sparse_logistic(700, 3000, 8, 5).split(0.2, 7).unwrap();
    let run = ParamServ::new(Logistic::new(3000), train).validation(held_out);
    run.optimizer(Optimizer::plain(Rule::Adagrad))
        .workers(3)
        .batch(21)
        .epochs(6)
        .compress(compression(compress))
}

fn last_loss(trained: &Trained) -> f64 {
    trained.report().epochs.last().unwrap().train_loss
}

fn sum(trained: &Trained, of: impl Fn(&WorkerReport) -> u64) -> u64 {
    trained.report().workers.iter().map(of).sum()
}

#[test]
fn comp_1_bsp_gives_the_same_bits_everywhere_and_comes_to_nearly_the_same_loss() {
    for (kind, training, codecs) in
        [("dense", dense as fn(&str) -> ParamServ, &DENSE[..]), ("sparse", sparse, &SPARSE[..])]
    {
        let plain = training("none").train(Executor::threads()).unwrap();
        let first = plain.report().epochs[0].train_loss;
        for compress in codecs {
            let about = format!("{kind} {compress}");
            let threads = training(compress).train(Executor::threads()).unwrap();
            for servers in [1, 2, 3] {
                let elsewhere = training(compress).servers(servers).train(sim(servers as u64)).unwrap();
                assert_eq!(bits(&elsewhere), bits(&threads), "{about}, {servers} servers");
            }
            assert_ne!(bits(&threads), bits(&plain), "{about} has an effect");
            // A twentieth of the way that the uncompressed run comes. Top-k lags behind by what it has not sent yet, which over sparse rows
            // waits until a round reads the coordinate again.
            let way = first - last_loss(&plain);
            let share = match (compress.contains("topk"), kind) {
                (false, _) => 0.05,
                (true, "dense") => 0.25,
                (true, _) => 0.5,
            };
            let off = last_loss(&threads) - last_loss(&plain);
            assert!(off < share * way, "{about}: {} and {}", last_loss(&threads), last_loss(&plain));
        }
    }
}

#[test]
fn bytes_are_those_of_the_format() {
    let plain = dense("none").train(Executor::threads()).unwrap();
    let parameters = plain.parameters.len() as u64;
    let pushes: u64 = plain.report().servers[0].pushes;
    let whole = 4 * parameters * pushes;
    assert_eq!(sum(&plain, |worker| worker.pushed_bytes), whole, "every push stood on samples");
    assert_eq!(sum(&plain, |worker| worker.uncompressed_pushed_bytes), whole);
    let lines = parameters.div_ceil(16);
    let chosen = (0.1f64 * parameters as f64).ceil() as u64;
    for (compress, push, pull) in [
        ("bf16", 2 * parameters, 2 * parameters),
        ("push=f16", 2 * parameters, 4 * parameters),
        ("int8", parameters + 2 * lines, parameters + 2 * lines),
        ("push=topk:0.1,pull=bf16", 8 * chosen, 2 * parameters),
    ] {
        for executor in [Executor::threads(), sim(1)] {
            let run = dense(compress).servers(2).train(executor).unwrap();
            assert_eq!(sum(&run, |worker| worker.pushed_bytes), push * pushes, "{compress}");
            assert_eq!(sum(&run, |worker| worker.uncompressed_pushed_bytes), whole, "{compress}");
            let pulls = sum(&run, |worker| worker.uncompressed_pulled_bytes) / (4 * parameters);
            assert_eq!(sum(&run, |worker| worker.pulled_bytes), pull * pulls, "{compress}");
            let told = compression(compress).to_string();
            let found = run.report().findings.iter().find(|finding| finding.contains("pushes were"));
            assert!(found.is_some_and(|finding| finding.starts_with(&told)), "{compress}: {found:?}");
        }
    }
}

#[test]
fn a_run_that_goes_on_has_what_its_pushes_left_out() {
    type Make = fn(&str) -> ParamServ;
    let kinds: [(&str, Make, &str); 6] = [
        ("bsp", dense, "push=topk:0.05,pull=bf16"),
        ("bsp", dense, "int8"),
        ("bsp", dense, "bf16"),
        ("bsp", sparse, "push=topk:0.1"),
        ("local:2", dense, "push=topk:0.1"),
        ("diloco:2", dense, "push=int8"),
    ];
    for (sync, training, compress) in kinds {
        let about = format!("{sync} {compress}");
        let training = || {
            let run = training(compress).sync(sync.parse().unwrap()).epochs(3);
            if sync == "diloco:2" { run.optimizer(Optimizer::plain(Rule::Adam)) } else { run }
        };
        let whole = training().train(Executor::threads()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let often = Checkpoints::in_folder(folder.path()).every("rounds:4".parse().unwrap()).keeping(1000);
        let run = training().servers(2).checkpoint(often).train(sim(3)).unwrap();
        assert_eq!(bits(&run), bits(&whole), "{about}: checkpoints change nothing");
        let files = checkpoints(folder.path());
        assert!(files.len() >= 2, "{about}: {files:?}");
        for (number, file) in files.iter().enumerate() {
            let executor = if number % 2 == 0 { Executor::threads() } else { sim(number as u64) };
            let again = training().servers(1 + number % 3).resume(file).train(executor).unwrap();
            assert_eq!(bits(&again), bits(&whole), "{about} from {}", file.display());
            let pushed = |run: &Trained| sum(run, |worker| worker.pushed_bytes);
            assert_eq!(pushed(&again), pushed(&whole), "{about} from {}", file.display());
        }
    }
}

fn checkpoints(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "checkpoint"));
    files.sort();
    files
}

#[test]
fn another_compression_is_another_training() {
    let folder = tempfile::tempdir().unwrap();
    let often = Checkpoints::in_folder(folder.path()).every("rounds:4".parse().unwrap());
    dense("int8").epochs(1).checkpoint(often).train(Executor::threads()).unwrap();
    let error = dense("bf16").epochs(1).resume(folder.path()).train(Executor::threads()).unwrap_err();
    let said = error.to_string();
    assert!(error.is_usage() && said.contains("compress was push=int8,pull=int8 and is push=bf16"), "{said}");
}

#[test]
fn every_policy_trains_with_each_codec() {
    let policies = ["asp", "ssp:1", "backup:1", "quorum:2,5s", "repetition:2", "local:3", "diloco:3"];
    for (number, sync) in policies.into_iter().enumerate() {
        for (executor, compress) in
            [(Executor::threads(), DENSE[number % 6]), (sim(7), DENSE[(number + 3) % 6])]
        {
            let policy: Policy = sync.parse().unwrap();
            let run = dense(compress).sync(policy).train(executor);
            let run = run.unwrap_or_else(|error| panic!("{sync} {compress}: {error}"));
            let epochs = &run.report().epochs;
            assert!(epochs[5].train_loss < epochs[0].train_loss, "{sync} {compress}: {epochs:?}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |run: ParamServ, part: &str| {
        let error = run.train(Executor::threads()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(part), "`{part}`: {error}");
    };
    let sgd = Optimizer::plain(Rule::Sgd);
    refused(dense("bf16").sync(Policy::Hogwild).optimizer(sgd), "between which nothing travels");
    refused(sparse("int8"), "neighbours share a scale");
    refused(sparse("pull=int8"), "use bf16, f16 or push=topk:SHARE");
}

#[test]
fn a_gradient_that_is_too_large_for_f16_ends_the_run_with_a_remedy() {
    let features = Features::Dense(Dense::new(vec![3e4; 64], 2).unwrap());
    let data = || Dataset::new(features.clone(), Targets::Real(vec![50.0; 32])).unwrap();
    let run = |compress: &str| {
        let sgd = Optimizer::new(Rule::Sgd, 1e-12).unwrap();
        ParamServ::new(Linear::new(2), data()).optimizer(sgd).epochs(2).compress(compression(compress))
    };
    let error = run("push=f16").train(Executor::threads()).unwrap_err();
    assert!(error.to_string().contains("f16 holds none beyond 65504: use --compress push=bf16"), "{error}");
    run("push=bf16").train(Executor::threads()).unwrap();
    let large = || run("pull=f16").optimizer(Optimizer::new(Rule::Sgd, 1.0).unwrap()).clip(1e6);
    let error = large().train(Executor::threads()).unwrap_err();
    assert!(error.to_string().contains("use --compress pull=bf16"), "{error}");
    assert!(!error.is_usage(), "it is found out on the way");
}

#[test]
fn virtual_time_charges_what_is_sent() {
    // A line so slow that a round is little but messages.
    let seconds = |compress: &str| {
        let executor = Executor::sim(1).network("1Mbit/50us".parse().unwrap());
        let executor = executor.compute(Cost::Given(std::time::Duration::from_micros(10)).into());
        let trained = dense(compress).workers(1).epochs(2).train(executor).unwrap();
        trained.report().wall_s
    };
    let plain = seconds("none");
    for (compress, share) in [("bf16", 0.5), ("int8", 0.28), ("push=topk:0.05,pull=bf16", 0.3)] {
        let ratio = seconds(compress) / plain;
        assert!(
            (share..share + 0.3).contains(&ratio),
            "{compress}: {ratio} of the time, {share} of the bytes"
        );
    }
}
