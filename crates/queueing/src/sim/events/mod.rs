//! Systems in which a job's departure depends on what happens after it has begun: priorities, preemption, workers of
//! different speed, workers that fail and come back. They need a list of future events, and cost a few times what a
//! recursion does; a system without any of these is better off with a [`super::System`].
//!
//! ```
//! use syncline_queueing::{Workload, sim::{Plan, events::{Pool, Preemption, simulate_pool}}};
//!
//! // One worker, half of the jobs urgent: preemptive priority gives the urgent ones an M/M/1 queue of their own.
//! let pool = Pool::new(vec![1.0], 1)?.with_classes(vec![0.5, 0.5])?.with_preemption(Preemption::Resume);
//! let report = simulate_pool(&pool, &Workload::markov(0.8, 1.0)?, &Plan { jobs: 200_000, ..Plan::default() }, &|_| {})?;
//! let urgent = report.classes[0].mean;
//! assert!((urgent.value - 1.0 / 0.6).abs() < 5.0 * urgent.error);
//! # Ok::<(), syncline_queueing::Error>(())
//! ```

mod agenda;
mod jobs;
mod pool;
mod ready;
mod run;

pub use pool::{Failures, Loss, Pool, Preemption, Queues};

use self::run::PoolRun;
use super::replicate::replicate;
use super::{Plan, Progress, Report};
use crate::error::stable;
use crate::{Error, Result, Workload};

/// Simulates a pool; `progress` is called after each replication.
///
/// # Errors
/// [`Error::Unstable`] if more work arrives than the workers can do while they are up, or than the simulation shows them
/// to do once work is lost; [`Error::Parameter`] if tasks are lost again and again so that none ends, [`Error::TooFewSamples`] if the plan is too small for a quantile.
pub fn simulate_pool(
    pool: &Pool,
    workload: &Workload,
    plan: &Plan,
    progress: &dyn Fn(Progress),
) -> Result<Report> {
    stable(workload.rate(), pool.largest_rate(workload.size.mean()))?;
    let report = replicate(&|random| PoolRun::new(pool, workload, random), plan, progress)?;
    if report.mean.value.is_nan() {
        return Err(stuck(pool));
    }
    // What restarts cost is in no formula, but jobs that leave more slowly than they come pile up.
    // Student's t, because the error of a few replications may be small by chance.
    let done = report.throughput;
    if done.value + done.half_width(0.999_99) < workload.rate() {
        stable(workload.rate(), done.value)?;
    }
    Ok(report)
}

/// Why no job ends.
fn stuck(pool: &Pool) -> Error {
    match pool.failures() {
        Some(failures) => Error::parameter(
            "mean time to failure",
            failures.mean_up(),
            "long enough for a task, or a checkpoint, to be completed between failures",
        ),
        None => Error::parameter(
            "shares of the classes",
            format!("{:?}", pool.shares()),
            "such that tasks which begin again after each preemption come to an end",
        ),
    }
}
