//! What tests of whole runs look at, and where they run.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use syncline_paramserv::{Checkpoints, Trained};
use syncline_program::Executor;

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
