//! What a row asks: a formula's value and a system to simulate.
//!
//! A row that leaves the arrival rate out is asked at the two loads which such files use, 0.5 and 0.8: it has to
//! agree in formula and simulation at one of them, and the verdict says at which.

use syncline_queueing::sim::{Interval, System};
use syncline_queueing::{Arrivals, Distribution, Exceedance};

use crate::row::Row;
use crate::{closed, open};

/// The loads at which a row without an arrival rate is asked.
const UNSTATED_LOADS: [f64; 2] = [0.5, 0.8];

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
    /// Already simulated: a closed loop or independent draws.
    Done(Interval),
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
    /// The readings of a row: one, or one for each load if the row states none.
    pub fn all(row: &Row) -> Result<Vec<Case>, String> {
        if let Some(case) = closed::case(row)? {
            return Ok(vec![case]);
        }
        if row.metric == "lambda_max" || open::rate(row)?.is_some() {
            return Ok(vec![open::case(row, None)?]);
        }
        UNSTATED_LOADS.iter().map(|load| open::case(row, Some(*load))).collect()
    }
}
