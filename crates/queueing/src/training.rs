//! Training iterations: a closed system whose workers start the next round at once.
//!
//! BSP takes E\[X_{n:n}\] a round, K-sync (backup workers) E\[X_{n-b:n}\], ASP E\[X\] a worker; SSP has a closed form
//! for two exponential workers and a recursion ([`crate::sim::StaleLoop`]) for everything else. Sizes are
//! independent here: a worker that is always slow gains nothing from staleness, so split persistent differences
//! off before using these (Dutta et al. 2018; Ho et al. 2013).

use crate::error::{count, positive};
use crate::{Distribution, Error, Estimate, OrderStatistic, Result};

/// The mean time of a round that needs the first `workers - backups` of its workers and stops the others. A live
/// backup worker is not stopped: it finishes its lost gradient first, which [`crate::sim::time_per_round`] accounts for.
///
/// # Errors
/// [`Error::Parameter`] unless some worker is needed, [`Error::InfiniteMoment`] for a tail too heavy.
pub fn round_time(size: &Distribution, workers: usize, backups: usize) -> Result<Estimate> {
    count("number of workers", workers, 10_000_000)?;
    if backups >= workers {
        return Err(Error::parameter("backup workers", backups, format!("fewer than the {workers} workers")));
    }
    let value = OrderStatistic::new(size, workers - backups, workers)?.mean()?;
    Ok(Estimate::exact(value, "order statistic", "Dutta et al. 2018"))
}

/// The number of backup workers that maximises the gradients used per unit of time, (n - b) / E\[X_{n-b:n}\].
///
/// # Errors
/// As for [`round_time`].
pub fn best_backups(size: &Distribution, workers: usize) -> Result<usize> {
    let mut best = (0.0, 0);
    for backups in 0..workers {
        let speed = (workers - backups) as f64 / round_time(size, workers, backups)?.value;
        if speed > best.0 {
            best = (speed, backups);
        }
    }
    Ok(best.1)
}

/// SSP with two exponential workers: (2 s + 3) / ((2 s + 2) mu) an iteration, exact.
///
/// # Errors
/// [`Error::Parameter`] unless the rate is positive.
pub fn two_stale_workers(staleness: usize, rate: f64) -> Result<Estimate> {
    let s = staleness as f64;
    let value = (2.0 * s + 3.0) / ((2.0 * s + 2.0) * positive("rate", rate)?);
    Ok(Estimate::exact(value, "two-worker chain", "derived for this project"))
}

/// K-async with exponential tasks: the server applies every K gradients of n workers, one update in K / (n mu).
///
/// # Errors
/// [`Error::Parameter`] unless all are positive.
pub fn asynchronous_update_time(batch: usize, workers: usize, rate: f64) -> Result<Estimate> {
    count("gradients per update K", batch, usize::MAX)?;
    count("number of workers", workers, usize::MAX)?;
    let value = batch as f64 / (workers as f64 * positive("rate", rate)?);
    Ok(Estimate::exact(value, "superposed renewals", "Dutta et al. 2018"))
}
