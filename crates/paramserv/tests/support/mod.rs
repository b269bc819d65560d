//! What tests of whole runs look at, and where they run.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use syncline_data::synthetic;
use syncline_learn::Softmax;
use syncline_paramserv::{Checkpoints, OnWorkerLoss, Optimizer, ParamServ, Rule, Trained};
use syncline_program::Executor;

/// Epochs of a [`short_run`].
pub const EPOCHS: u32 = 3;

/// Three workers on 240 rows, 60 held out, by Adam.
pub fn short_run() -> ParamServ {
    let (train, held_out) = synthetic::blobs(300, 6, 3, 7).split(0.2, 7).unwrap();
    let run = ParamServ::new(Softmax::new(6, 3), train).validation(held_out);
    run.optimizer(Optimizer::plain(Rule::Adam)).workers(3).batch(16).epochs(EPOCHS)
}

/// Trains with a fault, which is to change no bit of the `whole` run; with checkpoints every so many rounds, but now and then, by the
/// number, without, so that all go back to the beginning.
pub fn struck_by(run: ParamServ, whole: &Trained, number: u64, rounds: u64, fault: String) -> Trained {
    let folder = tempfile::tempdir().unwrap();
    let about = format!("{fault}, {}", whole.report().settings.sync);
    let run = run.on_worker_loss(OnWorkerLoss::Restart);
    let run = if number.is_multiple_of(5) { run } else { run.checkpoint(every(folder.path(), rounds)) };
    let run = run.train(faulty(number, &[fault])).unwrap_or_else(|error| panic!("{about}: {error}"));
    assert_eq!((bits(&run), losses(&run)), (bits(whole), losses(whole)), "{about}");
    run
}

/// Whether a worker was lost while there was something to take back.
pub fn went_back(run: &Trained) -> bool {
    run.report().losses.iter().any(|loss| loss.contains("went back to round"))
}

/// A simulation in which a batch takes a millisecond on average.
pub fn sim(seed: u64) -> Executor {
    Executor::sim(seed).network("1Gbit/50us/10us".parse().unwrap()).compute("exp:1ms".parse().unwrap())
}

/// The same, in which this happens.
pub fn faulty(seed: u64, faults: &[String]) -> Executor {
    let executor = sim(seed).on_output(|_, _| {});
    faults.iter().fold(executor, |executor, fault| executor.fault(fault.parse().unwrap()))
}

/// At how many moments something is killed: usually so many, and as many as the second in the long tests (`SYNCLINE_LONG`).
pub fn moments(usual: u64, long: u64) -> u64 {
    if std::env::var_os("SYNCLINE_LONG").is_some() { long } else { usual }
}

/// The parameters, to the last bit.
pub fn bits(trained: &Trained) -> Vec<u32> {
    trained.parameters.iter().map(|value| value.to_bits()).collect()
}

/// The losses of all epochs, to the last bit.
pub fn losses(trained: &Trained) -> Vec<(u64, Option<u64>)> {
    let epochs = trained.report().epochs.iter();
    epochs.map(|epoch| (epoch.train_loss.to_bits(), epoch.validation_loss.map(f64::to_bits))).collect()
}

/// Checkpoints every so many rounds, of which all are kept.
pub fn every(folder: &Path, rounds: u64) -> Checkpoints {
    Checkpoints::in_folder(folder).every(format!("rounds:{rounds}").parse().unwrap()).keeping(1000)
}

/// The checkpoints in a folder, oldest first.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "checkpoint"));
    files.sort();
    files
}
