//! Traces of the simulators of Tiresias (NSDI 2019) and Muri (SIGCOMM 2022).
//!
//! In Muri's, times are in milliseconds, a job runs `iterations` of `iteration_time` each, and profiling
//! makes an iteration 1.5 % longer. Restart times were measured per model and number of GPUs and are charged
//! in every interval between two events ([`Overhead::PerEvent`](crate::state::Overhead::PerEvent)).

use std::{collections::BTreeMap, path::Path};

use super::{
    Trace,
    gang::{SHORTEST, gang},
    table::Table,
};
use crate::{error::Result, jobs_file::unique_names, model::Job};

/// How much longer an iteration takes while it is measured.
const PROFILING: f64 = 1.015;

/// Restart seconds by model for 1, 2, 4, 8, 16 and 32 GPUs, from Muri's artifact.
const RESTARTS: [(&str, [f64; 6]); 8] = [
    ("vgg16", [7.0, 7.0, 8.0, 9.0, 9.0, 10.0]),
    ("vgg19", [7.0, 7.0, 8.0, 9.0, 10.0, 10.0]),
    ("resnet18", [4.0, 5.0, 5.0, 7.0, 7.0, 7.0]),
    ("shufflenet_v2_x1_0", [4.0, 4.0, 5.0, 5.0, 7.0, 8.0]),
    ("bert", [10.0; 6]),
    ("gpt2", [10.0; 6]),
    ("a2c", [38.0, 39.0, 39.0, 46.0, 46.0, 46.0]),
    ("dqn", [5.0, 5.0, 6.0, 6.0, 8.0, 8.0]),
];

/// Restart seconds of a model on so many GPUs; 10 for a model that was not measured.
pub fn restart_seconds(model: &str, gpus: u32) -> f64 {
    let column = (gpus.max(1).ilog2() as usize).min(5);
    RESTARTS.iter().find(|(name, _)| *name == model).map_or(10.0, |(_, seconds)| seconds[column])
}

/// Reads a Muri trace.
///
/// # Errors
/// A missing column or a field that is not what it should be.
pub fn read(path: &Path) -> Result<Trace> {
    let table = Table::read(path, &["num_gpu", "submit_time", "iterations", "model_name", "iteration_time"])?;
    let job = |row: super::table::Row| {
        let gpus = row.count("num_gpu")?;
        let model = row.text("model_name").to_owned();
        let iteration = row.amount("iteration_time")? * PROFILING / 1000.0;
        let job = gang(
            row.text("job_id"),
            row.amount("submit_time")? / 1000.0,
            gpus,
            row.amount("iterations")?,
            iteration,
        );
        let job = Job { restart: restart_seconds(&model, gpus), group: model, ..job };
        job.validate().map_err(|error| row.fault("iterations", error.detail()))?;
        Ok(job)
    };
    let jobs: Vec<Job> = table.rows().map(job).collect::<Result<_>>()?;
    unique_names(path, &jobs)?;
    Trace::of(path, jobs, BTreeMap::new())
}

/// Reads a Tiresias trace: seconds and a duration. Jobs of no length are given one second.
///
/// # Errors
/// As [`read`].
pub fn read_tiresias(path: &Path) -> Result<Trace> {
    let table = Table::read(path, &["num_gpu", "submit_time", "duration"])?;
    let job = |row: super::table::Row| {
        let gpus = row.count("num_gpu")?;
        let job = gang(
            row.text("job_id"),
            row.amount("submit_time")?,
            gpus,
            row.amount("duration")?.max(SHORTEST),
            1.0,
        );
        let job = Job { group: row.text("model_name").to_owned(), ..job };
        job.validate().map_err(|error| row.fault("duration", error.detail()))?;
        Ok(job)
    };
    let jobs: Vec<Job> = table.rows().map(job).collect::<Result<_>>()?;
    unique_names(path, &jobs)?;
    Trace::of(path, jobs, BTreeMap::new())
}
