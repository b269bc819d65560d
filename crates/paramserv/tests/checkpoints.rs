//! Runs that are cut and go on: CKPT-1 to CKPT-4, on threads and in virtual time. On processes they are tested through the
//! command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{fs, path::Path, time::Duration};

use support::{bits, every, files, losses, sim};
use syncline_data::{Dataset, synthetic};
use syncline_learn::{Logistic, Mlp, Model, Softmax};
use syncline_paramserv::{Checkpoints, Error, Every, Optimizer, ParamServ, Policy, Rule};
use syncline_program::{Cost, Executor};

/// What is trained: 4 epochs of 8 rounds and a shorter one.
fn training(name: &str) -> ParamServ {
    let dense = || synthetic::blobs(700, 6, 3, 7).split(0.2, 7).unwrap();
    let sparse = || synthetic::sparse_logistic(700, 3000, 8, 5).split(0.2, 7).unwrap();
    let run =
        |model: Box<dyn Model>, data: (Dataset, Dataset)| ParamServ::new(model, data.0).validation(data.1);
    let (run, rule) = match name {
        "softmax" => (run(Box::new(Softmax::new(6, 3)), dense()), Rule::Momentum { beta: 0.9 }),
        "local" | "diloco" => {
            let model = Mlp::new(&[6, 8, 3]).with_dropout(0.2);
            let run = run(Box::new(model), dense()).sync(format!("{name}:2").parse().unwrap());
            (run, if name == "local" { Rule::Momentum { beta: 0.9 } } else { Rule::Adam })
        }
        "mlp" => {
            let model = Mlp::new(&[6, 8, 3]).with_dropout(0.2);
            (run(Box::new(model), dense()), Rule::Adam)
        }
        "sparse" => (run(Box::new(Logistic::new(3000)), sparse()), Rule::Adagrad),
        _ => (run(Box::new(Logistic::new(3000)), sparse()).every("batches:2".parse().unwrap()), Rule::Sgd),
    };
    run.optimizer(Optimizer::plain(rule)).workers(3).batch(21).epochs(4)
}

#[test]
fn ckpt_4_a_run_that_goes_on_ends_with_the_same_bits_wherever_it_was_cut() {
    for name in ["softmax", "mlp", "sparse", "sparse batches:2", "local", "diloco"] {
        let whole = training(name).train(Executor::threads()).unwrap();
        for (servers, step) in [(1, 3), (2, 7)] {
            let folder = tempfile::tempdir().unwrap();
            let run = training(name).servers(servers).checkpoint(every(folder.path(), step));
            let run = run.train(Executor::threads()).unwrap();
            assert_eq!(bits(&run), bits(&whole), "{name}: checkpoints change nothing");
            let files = files(folder.path());
            assert!(files.len() >= 2, "{name}: {} checkpoints", files.len());
            for (number, file) in files.iter().enumerate() {
                // It goes on elsewhere: on other servers, and every other time in virtual time.
                let again = training(name).servers(1 + number % 3).resume(file);
                let executor = if number % 2 == 0 { sim(number as u64) } else { Executor::threads() };
                let again = again.train(executor).unwrap();
                assert_eq!(bits(&again), bits(&whole), "{name} from {}", file.display());
                assert_eq!(losses(&again), losses(&whole), "{name} from {}", file.display());
            }
        }
    }
}

#[test]
fn ckpt_4_also_when_it_was_cut_several_times_and_by_the_clock() {
    for (name, rounds) in [("mlp", 20), ("local", 8), ("diloco", 8)] {
        goes_on_by_the_clock(name, rounds);
    }
}

/// Cut by the clock in virtual time, again after so many rounds, and ended on threads.
fn goes_on_by_the_clock(name: &str, rounds: u64) {
    let whole = training(name).train(Executor::threads()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let by_time = Checkpoints::in_folder(folder.path()).every("seconds:0.01".parse().unwrap()).keeping(1000);
    training(name).servers(2).checkpoint(by_time).train(sim(3)).unwrap();
    let cuts = files(folder.path());
    assert!(cuts.len() > 1, "{name}: {cuts:?}");
    let second = tempfile::tempdir().unwrap();
    training(name).resume(&cuts[1]).checkpoint(every(second.path(), 5)).train(sim(4)).unwrap();
    let last = files(second.path()).pop().unwrap();
    let end = training(name).resume(last).train(Executor::threads()).unwrap();
    assert_eq!((bits(&end), losses(&end)), (bits(&whole), losses(&whole)), "{name}");
    assert!(end.report().resumed_at_round.is_some_and(|round| round > rounds), "{name}");
}

#[test]
fn early_stopping_goes_on_too() {
    let run = || training("mlp").patience(1).epochs(12);
    let whole = run().train(Executor::threads()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    run().checkpoint(every(folder.path(), 4)).train(Executor::threads()).unwrap();
    for file in files(folder.path()) {
        let again = run().resume(&file).train(Executor::threads()).unwrap();
        assert_eq!(bits(&again), bits(&whole), "{}", file.display());
        assert_eq!(again.report().best_epoch, whole.report().best_epoch);
    }
}

/// Nobody's rows are lost or taken twice, under the policies that promise no bits.
#[test]
fn every_policy_goes_on_with_each_row_once_an_epoch() {
    for sync in ["asp", "ssp:0", "ssp:2", "backup:1", "quorum:2,5ms", "hogwild"] {
        let policy: Policy = sync.parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let training = || match policy {
            Policy::Hogwild => training("softmax").optimizer(Optimizer::plain(Rule::Sgd)).sync(policy),
            _ => training("softmax").sync(policy),
        };
        let run = |path: &Path| training().checkpoint(every(path, 5));
        run(folder.path()).train(sim(1)).unwrap();
        for file in files(folder.path()) {
            let again = training().resume(&file).train(sim(2)).unwrap();
            let report = again.report();
            assert!(report.epochs.iter().all(|epoch| epoch.complete) && report.epochs.len() == 4, "{sync}");
            let samples: u64 = report.workers.iter().map(|worker| worker.samples).sum();
            if !policy.heeds_arrival() {
                assert_eq!(samples, 4 * report.settings.rows as u64, "{sync} from {}", file.display());
            }
            assert!(report.epochs[3].train_loss < report.epochs[0].train_loss, "{sync}");
        }
    }
}

#[test]
fn so_many_are_kept_and_the_newest_whole_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let whole = training("softmax").checkpoint(every(path, 4).keeping(3)).train(Executor::threads()).unwrap();
    let kept = files(path);
    assert_eq!(kept.len(), 3);
    assert_eq!(whole.checkpoint.as_ref(), kept.last());

    // The newest one cut short, the one before with one bit changed.
    let bytes = fs::read(&kept[2]).unwrap();
    fs::write(&kept[2], &bytes[..bytes.len() - 5]).unwrap();
    let mut bytes = fs::read(&kept[1]).unwrap();
    let middle = bytes.len() - 40;
    bytes[middle] ^= 1;
    fs::write(&kept[1], &bytes).unwrap();
    let (said, heard) = std::sync::mpsc::channel();
    let run = training("softmax").resume(path).checkpoint(every(path, 4)).on_remark(move |remark| {
        said.send(remark.to_owned()).unwrap();
    });
    let again = run.train(Executor::threads()).unwrap();
    assert_eq!(bits(&again), bits(&whole), "CKPT-2");
    let remarks: Vec<String> = heard.try_iter().collect();
    assert_eq!(remarks.len(), 2, "{remarks:?}");
    assert!(remarks[0].contains("is passed over") && remarks[1].contains("SHA-256"), "{remarks:?}");
    assert!(files(path).len() >= 3, "what was damaged is written anew");

    for file in files(path) {
        fs::write(file, "nothing of the kind").unwrap();
    }
    let said = training("softmax").resume(path).train(Executor::threads()).unwrap_err().to_string();
    assert!(said.contains("no checkpoint here is whole"), "{said}");
}

#[test]
fn every_byte_of_a_checkpoint_counts() {
    let folder = tempfile::tempdir().unwrap();
    training("softmax").epochs(1).checkpoint(every(folder.path(), 4)).train(Executor::threads()).unwrap();
    let file = files(folder.path()).pop().unwrap();
    let bytes = fs::read(&file).unwrap();
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, &damaged).unwrap();
        let run = training("softmax").epochs(1).resume(&file).train(Executor::threads());
        assert!(matches!(run, Err(Error::Checkpoint { .. })), "byte {at}: {:?}", run.map(|_| ()));
    }
}

#[test]
fn ckpt_3_another_training_is_refused_by_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let run = || training("softmax").identified_by("model", "softmax");
    run().checkpoint(every(path, 4)).train(Executor::threads()).unwrap();
    let refused = |run: ParamServ, part: &str| {
        let error = run.resume(path).train(Executor::threads()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(part), "`{part}`: {error}");
    };
    refused(run().seed(2), "seed was 1 and is 2");
    refused(run().workers(2), "workers was 3 and is 2");
    refused(run().batch(20).clip(1.0), "batch was 21 and is 20; clip was nothing and is 1.0");
    refused(run().optimizer(Optimizer::plain(Rule::Adam)), "optimizer was momentum and is adam");
    refused(run().sync(Policy::Asp), "sync was bsp and is asp");
    refused(run().every(Every::Epoch), "every was batch and is epoch");
    refused(run().identified_by("model", "svm"), "model was softmax and is svm");
    let other = ParamServ::new(Softmax::new(6, 3), synthetic::blobs(560, 6, 3, 8));
    refused(other, "the training data are not the same");

    let said = run().checkpoint(every(path, 4)).train(Executor::threads()).unwrap_err().to_string();
    assert!(said.contains("checkpoints of an earlier run") && said.contains("--resume"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let said = run().resume(empty.path()).train(Executor::threads()).unwrap_err().to_string();
    assert!(said.contains("there is no checkpoint here"), "{said}");
    let said = run().resume(path.join("elsewhere")).train(Executor::threads()).unwrap_err().to_string();
    assert!(said.contains("cannot read"), "{said}");
}

#[test]
fn virtual_time_goes_on_where_it_was() {
    let hour = || Executor::sim(1).compute(Cost::Given(Duration::from_secs(3600)).into());
    let whole = training("softmax").train(hour()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    training("softmax").checkpoint(every(folder.path(), 10)).train(hour()).unwrap();
    let again = training("softmax").resume(&files(folder.path())[1]).train(hour()).unwrap();
    let apart = (again.report().wall_s - whole.report().wall_s).abs();
    assert!(apart < 1e-3, "{} s and {} s", again.report().wall_s, whole.report().wall_s);
    assert_eq!(again.report().workers[0].rounds, whole.report().workers[0].rounds);
}
