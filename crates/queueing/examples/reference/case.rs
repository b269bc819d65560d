//! What a row asks: a formula's value and a system to simulate.
//!
//! A row that leaves the arrival rate out is asked at the load, of twenty, whose formula comes nearest to the row's:
//! it has to agree there in formula and simulation, and the verdict says at which load.

use syncline_queueing::sim::{Interval, System};
use syncline_queueing::{Arrivals, Distribution, Exceedance};

use crate::row::Row;
use crate::{closed, open};

/// The loads at which a row without an arrival rate may have been taken, in per cent.
const UNSTATED_LOADS: [u32; 20] =
    [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 99];

pub struct Case {
    pub formula: f64,
    /// The standard error of `formula` where it is itself an estimate from samples.
    pub formula_error: f64,
    /// Whether the formula is the truth, so that our simulation is checked against it as well.
    pub is_exact: bool,
    pub simulation: Simulation,
    /// Said beside the verdict.
    pub remark: String,
}

pub enum Simulation {
    /// A queueing system, and what is read off it.
    System { key: String, start: Start, traffic: Box<Traffic>, reading: Reading },
    /// Already simulated: a closed loop or independent draws. A run of the usual length has this error or more.
    Done { simulated: Interval, usual_error: f64 },
}

pub type Start = Box<dyn Fn() -> Box<dyn System> + Sync>;

#[derive(Clone, Debug)]
pub enum Traffic {
    Arriving(Arrivals, Distribution),
    Backlogged(Distribution),
}

#[derive(Clone, Copy, Debug)]
pub enum Reading {
    Mean,
    Wait,
    Quantile(Exceedance),
    Throughput,
}

impl Case {
    /// What the row asks.
    pub fn of(row: &Row) -> Result<Case, String> {
        if let Some(case) = closed::case(row)? {
            return Ok(case);
        }
        if row.metric == "lambda_max" || open::rate(row)?.is_some() {
            return open::case(row, None);
        }
        let away = |case: &Case| (case.formula / row.formula.value - 1.0).abs();
        let cases: Vec<Case> = UNSTATED_LOADS
            .iter()
            .map(|percent| open::case(row, Some(f64::from(*percent) / 100.0)))
            .collect::<Result<_, _>>()?;
        let nearest = cases.into_iter().min_by(|a, b| away(a).total_cmp(&away(b)));
        nearest.ok_or_else(|| "no load was tried".to_owned())
    }
}
