//! The simulations of a file, each system once for all rows that read something off it.

use std::collections::HashMap;

use syncline_queueing::Exceedance;
use syncline_queueing::sim::{Interval, Jobs, Plan, Report, simulate_with};

use crate::case::{Case, Reading, Simulation, Start, Traffic};

/// How much is simulated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    Full,
    Quick,
}

impl Effort {
    /// 80 million tasks per system within limits on the jobs, or fewer; more if a quantile needs it, because its error
    /// can only be told from replications that each hold many jobs beyond it.
    fn jobs(self, width: u64, rarest: f64, replications: usize) -> u64 {
        let (tasks, limits, beyond) = match self {
            Self::Full => (80_000_000, 300_000..=4_000_000, 200.0),
            Self::Quick => (8_000_000, 100_000..=400_000, 60.0),
        };
        let jobs = (tasks / width.max(1)).clamp(*limits.start(), *limits.end());
        if rarest < 1.0 { jobs.max((beyond * replications as f64 / rarest).ceil() as u64) } else { jobs }
    }
}

pub struct Runs {
    effort: Effort,
    quantiles: HashMap<String, Vec<Exceedance>>,
    reports: HashMap<String, Result<Report, String>>,
}

impl Runs {
    /// Notes which quantiles will be read off which system.
    pub fn plan<'a>(cases: impl Iterator<Item = &'a Case>, effort: Effort) -> Self {
        let mut runs = Self { effort, quantiles: HashMap::new(), reports: HashMap::new() };
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

    /// The simulated value of a case.
    pub fn read(&mut self, case: &Case) -> Result<Interval, String> {
        let (key, start, traffic, reading) = match &case.simulation {
            Simulation::Done(interval) => return Ok(*interval),
            Simulation::System { key, start, traffic, reading } => (key, start, traffic, *reading),
        };
        let effort = self.effort;
        let quantiles = self.quantiles.get(key).cloned().unwrap_or_default();
        let report = self
            .reports
            .entry(key.clone())
            .or_insert_with(|| run(start, traffic, quantiles, effort))
            .clone()?;
        Ok(match reading {
            Reading::Mean => report.mean,
            Reading::Wait => report.wait,
            Reading::Throughput => report.throughput,
            Reading::Quantile(wanted) => report
                .quantiles
                .iter()
                .find(|(eps, _)| *eps == wanted)
                .map_or(report.mean, |(_, value)| *value),
        })
    }
}

fn run(
    start: &Start,
    traffic: &Traffic,
    quantiles: Vec<Exceedance>,
    effort: Effort,
) -> Result<Report, String> {
    let width = start().tasks(&mut syncline_queueing::sim::stream(1, 0)) as u64;
    let rarest = quantiles.iter().map(|eps| eps.get()).fold(1.0, f64::min);
    let jobs = effort.jobs(width, rarest, Plan::default().replications);
    let plan = Plan { jobs, quantiles, ..Plan::default() };
    let feed = match traffic {
        Traffic::Arriving(arrivals, size) => Jobs::Arriving { arrivals, size },
        Traffic::Backlogged(size) => Jobs::Backlogged { size },
    };
    simulate_with(&**start, feed, &plan, &|_| {}).map_err(|e| e.to_string())
}
