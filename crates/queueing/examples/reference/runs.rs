//! The simulations of a file, each system once for all rows that read something off it.

use std::collections::HashMap;

use syncline_queueing::Exceedance;
use syncline_queueing::sim::{Interval, Jobs, Plan, Report, simulate_with};

use crate::case::{Case, Reading, Simulation, Start, Traffic};

/// Tasks per system, within which the number of jobs is kept between the limits.
const TASKS: u64 = 80_000_000;
const JOBS: std::ops::RangeInclusive<u64> = 300_000..=4_000_000;

#[derive(Default)]
pub struct Runs {
    quantiles: HashMap<String, Vec<Exceedance>>,
    reports: HashMap<String, Result<Report, String>>,
}

impl Runs {
    /// Notes which quantiles will be read off which system.
    pub fn plan<'a>(cases: impl Iterator<Item = &'a Case>) -> Self {
        let mut runs = Self::default();
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
        let quantiles = self.quantiles.get(key).cloned().unwrap_or_default();
        let report =
            self.reports.entry(key.clone()).or_insert_with(|| run(start, traffic, quantiles)).clone()?;
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

fn run(start: &Start, traffic: &Traffic, quantiles: Vec<Exceedance>) -> Result<Report, String> {
    let width = start().tasks(&mut syncline_queueing::sim::stream(1, 0)) as u64;
    // A quantile needs some jobs beyond it in every replication.
    let rarest = quantiles.iter().map(|eps| eps.get()).fold(1.0, f64::min);
    let beyond = (20.0 * Plan::default().replications as f64 / rarest) as u64;
    let jobs = (TASKS / width.max(1)).clamp(*JOBS.start(), *JOBS.end()).max(beyond);
    let plan = Plan { jobs, quantiles, ..Plan::default() };
    let feed = match traffic {
        Traffic::Arriving(arrivals, size) => Jobs::Arriving { arrivals, size },
        Traffic::Backlogged(size) => Jobs::Backlogged { size },
    };
    simulate_with(&**start, feed, &plan, &|_| {}).map_err(|e| e.to_string())
}
