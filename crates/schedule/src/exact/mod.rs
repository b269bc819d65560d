//! The offline optimum of a small instance: what somebody who knows all jobs in advance could reach.
//!
//! Two ways that share nothing but the model: [`by_program`] hands the whole integer program to a solver;
//! [`by_completions`] decides who completes when, and asks whether that can be had. With the feature `highs`
//! the first is the faster; without it the second is. Tests hold them against each other.

mod completions;
mod program;

use std::time::Duration;

use crate::{
    bound::{Window, without_rules},
    error::{Error, Result},
    lp::LpSolver,
    model::{Cluster, Job},
    pricing::{SlotGrid, Times},
    setting::Setting,
    sim::Stopwatch,
};

pub use completions::by_completions;

/// Instances that can be solved to optimality in seconds and are still contended: five jobs of the calibrated
/// setting with a fifth of its work, on two of its machines, in five slots.
pub fn small() -> Setting {
    let grid = SlotGrid::paper(3600.0, 5);
    Setting { grid, machines: 2, jobs: 5, samples: 1e3..=1e4, name: "small", ..Setting::calibrated() }
}

/// What is to be scheduled, all of it known.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// The machines.
    pub cluster: &'a Cluster,
    /// The jobs.
    pub jobs: &'a [Job],
    /// The slots.
    pub grid: &'a SlotGrid,
}

/// How long to search. The library reads no clock of its own.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// Give up after this long.
    pub limit: Duration,
    /// Time on some clock.
    pub clock: Stopwatch<'a>,
}

/// The greatest total utility of any schedule, by the best means that is built in, where some schedule is
/// known to reach `reached` (zero is always safe).
///
/// # Errors
/// The optimum was not proved in time; a cluster that the program does not describe: devices of different
/// speed or oversubscribed racks.
pub fn optimum(instance: &Instance, reached: f64, patience: &Patience) -> Result<f64> {
    #[cfg(feature = "highs")]
    let best = by_program(instance, &crate::lp::Highs { time_limit: patience.limit })?.max(reached);
    #[cfg(not(feature = "highs"))]
    let best = by_completions(instance, reached, patience)?;
    Ok(best)
}

/// The greatest total utility of any schedule, as one integer program.
///
/// # Errors
/// As [`optimum`].
pub fn by_program(instance: &Instance, solver: &dyn LpSolver) -> Result<f64> {
    check(instance)?;
    let anywhere = vec![Window::default(); instance.jobs.len()];
    Ok(program::solve(instance, instance.jobs, &anywhere, solver)?.unwrap_or(0.0))
}

/// Whether the program describes the cluster.
fn check(Instance { cluster, jobs, grid }: &Instance) -> Result<()> {
    let invalid = |field: &str, found: String, wanted: &'static str| {
        Err(Error::Invalid { subject: "the exact optimum".into(), field: field.into(), found, wanted })
    };
    without_rules(cluster, jobs)?;
    if grid.times != Times::Paper {
        let wanted = "it counts whole slots, as the papers do: `--times paper`";
        return invalid("times", "real".into(), wanted);
    }
    if cluster.oversubscription() > 1.0 {
        let wanted = "it knows one bandwidth between machines: oversubscription 1";
        return invalid("oversubscription", cluster.oversubscription().to_string(), wanted);
    }
    if let Some(job) = jobs.iter().find(|job| !job.needs.is_empty()) {
        let wanted = "it knows no labels: leave them out";
        return invalid("needs", format!("some of job {}", job.label()), wanted);
    }
    if let Some(job) = jobs.iter().find(|job| job.speeds.iter().any(|speed| *speed != 1.0)) {
        let wanted = "it knows one speed: no `speeds`, or 1 on every device";
        return invalid("speeds", format!("{:?} of job {}", job.speeds, job.id), wanted);
    }
    Ok(())
}
