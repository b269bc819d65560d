//! Whether a row agrees: a formula to its tolerance, a simulation within 4 combined standard errors or 1 %.

use crate::{
    ours::{Ours, Tolerance},
    row::{Printed, Row},
    tally::Said,
};

const ERRORS: f64 = 4.0;
const SIMULATED: f64 = 0.01;
const FORMULA: f64 = 1e-6;

pub fn of(row: &Row, ours: &Ours) -> Said {
    let mut wrong = Vec::new();
    if ours.formula.is_some_and(|formula| !same_formula(formula, row.formula, ours.tolerance)) {
        wrong.push("formula disagrees");
    }
    let simulated = |simulation| same_simulation(simulation, row.simulation, ours.tolerance);
    if ours.simulation.is_some_and(|simulation| !simulated(simulation)) {
        wrong.push("simulation disagrees");
    }
    let formula = ours.formula.map_or("-".into(), |value| format!("{value:.10}"));
    let simulation = ours.simulation.map_or("-".into(), show);
    let beside = format!("{formula}, {}|{simulation}, {}", row.formula, show(row.simulation));
    Said { beside, wrong: (!wrong.is_empty()).then(|| wrong.join("; ")) }
}

fn same_formula(ours: f64, file: f64, tolerance: Tolerance) -> bool {
    let relative = match tolerance {
        Tolerance::Relative(relative) => relative,
        Tolerance::Sent(_) => FORMULA,
    };
    // Whole numbers are counts, or numbers that print as whole ones: both are met exactly but for rounding.
    let allowed = if file.fract() == 0.0 && file.abs() < 1e6 { 1e-9 } else { relative };
    (ours - file).abs() <= allowed * file.abs().max(1e-9)
}

fn same_simulation(ours: Printed, file: Printed, tolerance: Tolerance) -> bool {
    let apart = (ours.value - file.value).abs();
    match tolerance {
        Tolerance::Sent(relative) => apart <= relative * file.value.abs(),
        Tolerance::Relative(_) => {
            apart <= (ERRORS * ours.error.hypot(file.error)).max(SIMULATED * file.value.abs())
        }
    }
}

fn show(value: Printed) -> String {
    format!("{}±{:.1e}", value.value, value.error)
}
