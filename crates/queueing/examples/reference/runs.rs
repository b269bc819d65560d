//! The simulations of a file, each system once for all rows that read something off it, and longer where a row needs it.

use std::collections::HashMap;

use syncline_queueing::Exceedance;
use syncline_queueing::sim::{Interval, Jobs, Plan, Report, simulate_with, stream};

use crate::{
    case::{Case, Reading, Simulation, Start, Traffic},
    effort::Effort,
};

/// A run of the usual length: this many tasks, or so many jobs if that is less.
const USUAL_TASKS: u64 = 80_000_000;
const USUAL_JOBS: u64 = 4_000_000;
/// No run is longer, whatever a row asks for: a file is not to hang its reader.
const MOST_TASKS: u64 = 4_000_000_000;
const FEWEST_JOBS: u64 = 2_000;
/// A run that leaves a verdict open is made four times longer, and once more.
const STEP: u64 = 4;
const LENGTHENINGS: u32 = 2;
const SAMPLES: usize = 1 << 25;

impl Effort {
    /// Jobs of the usual length or a tenth of it; more if a quantile needs it, because its error can only be told from
    /// replications that each hold many jobs beyond it.
    fn jobs(self, width: u64, rarest: f64, replications: usize) -> Result<u64, String> {
        let (share, beyond) = match self {
            Self::Full => (1, 200.0),
            Self::Quick => (10, 60.0),
        };
        let most = (MOST_TASKS / width).max(FEWEST_JOBS);
        let jobs = (usual_jobs(width) / share).max(300_000 / share).min(most);
        if rarest >= 1.0 {
            return Ok(jobs);
        }
        let wanted = (beyond * replications as f64 / rarest).ceil() as u64;
        let jobs = jobs.max(wanted.min(most));
        let least = (20.0 * replications as f64 / rarest).ceil();
        if (jobs as f64) < least {
            return Err(format!("eps={rarest:e} needs {least:.0} simulated jobs, more than {most}"));
        }
        Ok(jobs)
    }
}

fn usual_jobs(width: u64) -> u64 {
    (USUAL_TASKS / width).clamp(FEWEST_JOBS, USUAL_JOBS)
}

/// A value read off a simulation, and the error that a run of the file's length has.
#[derive(Clone, Copy)]
pub struct Simulated {
    pub interval: Interval,
    pub usual_error: f64,
}

struct Run {
    report: Report,
    lengthenings: u32,
    usual_jobs: u64,
}

pub struct Runs {
    effort: Effort,
    quantiles: HashMap<String, Vec<Exceedance>>,
    runs: HashMap<String, Result<Run, String>>,
    /// The errors of runs of the file's length over those of the usual one.
    stretch: f64,
}

impl Runs {
    /// Notes which quantiles will be read off which system.
    pub fn plan<'a>(cases: impl Iterator<Item = &'a Case>, effort: Effort) -> Self {
        let mut runs = Self { effort, quantiles: HashMap::new(), runs: HashMap::new(), stretch: 1.0 };
        for case in cases {
            if let Simulation::System { key, reading: Reading::Quantile(eps), .. } = &case.simulation {
                let list = runs.quantiles.entry(key.clone()).or_default();
                if !list.contains(eps) {
                    list.push(*eps);
                }
            }
        }
        runs
    }

    /// Runs what the rows need, and learns from the errors that they state how long the file's own runs were. The median
    /// of an error that comes from two or three replications is three quarters of the true one.
    pub fn measure_file<'a>(&mut self, rows: impl Iterator<Item = (&'a Case, f64)>) {
        const FEW: usize = 20;
        let ratio = |(case, error): (&Case, f64)| {
            let usual = self.read(case).ok()?.usual_error;
            (usual > 0.0 && usual.is_finite()).then(|| error / usual)
        };
        let mut ratios: Vec<f64> = rows.filter_map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        if ratios.len() >= FEW {
            self.stretch = (ratios[ratios.len() / 2] / 0.75).max(1.0);
        }
    }

    /// The simulated value of a case.
    pub fn read(&mut self, case: &Case) -> Result<Simulated, String> {
        let (key, start, traffic, reading) = match &case.simulation {
            Simulation::Done { simulated, usual_error } => {
                let usual_error = usual_error * self.stretch;
                return Ok(Simulated { interval: *simulated, usual_error });
            }
            Simulation::System { key, start, traffic, reading } => (key, start, traffic, *reading),
        };
        let quantiles = self.quantiles.get(key).cloned().unwrap_or_default();
        let effort = self.effort;
        let run = self.runs.entry(key.clone()).or_insert_with(|| run(start, traffic, quantiles, effort, 0));
        let run = run.as_ref().map_err(Clone::clone)?;
        let report = &run.report;
        let interval = match reading {
            Reading::Mean => report.mean,
            Reading::Wait => report.wait,
            Reading::Throughput => report.throughput,
            Reading::Quantile(wanted) => report
                .quantiles
                .iter()
                .find(|(eps, _)| *eps == wanted)
                .map_or(report.mean, |(_, value)| *value),
        };
        let usual_error = self.stretch * interval.error * (report.jobs as f64 / run.usual_jobs as f64).sqrt();
        Ok(Simulated { interval, usual_error })
    }

    /// Simulates a case's system again and longer; false if that is no longer possible.
    pub fn lengthen(&mut self, case: &Case) -> bool {
        let Simulation::System { key, start, traffic, .. } = &case.simulation else { return false };
        let Some(Ok(old)) = self.runs.get(key) else { return false };
        if old.lengthenings >= LENGTHENINGS || STEP * old.report.tasks > MOST_TASKS {
            return false;
        }
        let quantiles = self.quantiles.get(key).cloned().unwrap_or_default();
        let longer = run(start, traffic, quantiles, self.effort, old.lengthenings + 1);
        self.runs.insert(key.clone(), longer).is_some()
    }
}

/// A run four times longer has twice as many replications, which makes their spread a better estimate of the error,
/// each twice as long, which halves what is left of the transient.
fn run(
    start: &Start,
    traffic: &Traffic,
    quantiles: Vec<Exceedance>,
    effort: Effort,
    lengthenings: u32,
) -> Result<Run, String> {
    let width = start().tasks(&mut stream(1, 0)).max(1) as u64;
    let rarest = quantiles.iter().map(|eps| eps.get()).fold(1.0, f64::min);
    let default = Plan::default();
    let times = STEP.pow(lengthenings);
    let replications = default.replications << lengthenings;
    let jobs = times * effort.jobs(width, rarest, default.replications)?;
    let exact_samples = SAMPLES / replications;
    let plan =
        Plan { jobs, replications, quantiles, exact_samples, seed: 1 + u64::from(lengthenings), ..default };
    let feed = match traffic {
        Traffic::Arriving(arrivals, size) => Jobs::Arriving { arrivals, size },
        Traffic::Backlogged(size) => Jobs::Backlogged { size },
    };
    let report = simulate_with(&**start, feed, &plan, &|_| {}).map_err(|e| e.to_string())?;
    Ok(Run { report, lengthenings, usual_jobs: usual_jobs(width) })
}
