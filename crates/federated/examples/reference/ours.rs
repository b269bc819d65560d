//! What this crate says to a row, and whether the file agrees: a formula to 1e-6 relative (whole numbers exactly,
//! values below 1e-9 to 1e-15), a simulation within 4 combined standard errors.

use crate::row::{Printed, Row};

const FORMULA: f64 = 1e-6;
const ERRORS: f64 = 4.0;

/// Our values of a row.
pub struct Ours {
    pub formula: Formula,
    pub simulation: Option<Printed>,
    /// What a simulation may be off whatever the errors are.
    pub slack: f64,
}

/// What is compared with the file's formula.
#[derive(Clone, Copy)]
pub enum Formula {
    Equal(f64),
    /// Ours is a bound of the file's value, which we do not compute.
    NotBelow(f64),
}

impl Ours {
    pub fn exact(formula: f64) -> Self {
        Self { formula: Formula::Equal(formula), simulation: None, slack: 0.0 }
    }

    pub fn both(formula: f64, simulation: Printed) -> Self {
        Self { simulation: Some(simulation), ..Self::exact(formula) }
    }

    pub fn bound(value: f64) -> Self {
        Self { formula: Formula::NotBelow(value), ..Self::exact(value) }
    }

    /// What disagrees, if anything does.
    pub fn disagrees(&self, row: &Row) -> Option<&'static str> {
        let fits = match self.formula {
            Formula::Equal(ours) => same(ours, row.formula),
            Formula::NotBelow(ours) => ours >= row.formula,
        };
        if !fits {
            return Some("formula disagrees");
        }
        let simulation = self.simulation?;
        let apart = (simulation.value - row.simulation.value).abs();
        let allowed = (ERRORS * simulation.error.hypot(row.simulation.error)).max(self.slack);
        // A constant that is simulated has no error but that of its last digits.
        let rounding = 1e-9 * row.simulation.value.abs();
        if apart <= allowed.max(rounding) { None } else { Some("simulation disagrees") }
    }

    /// Ours and the file's, side by side.
    pub fn beside(&self, row: &Row) -> String {
        let formula = match self.formula {
            Formula::Equal(ours) => format!("{ours}, {}", row.formula),
            Formula::NotBelow(ours) => format!("at most {ours}, {}", row.formula),
        };
        let show = |value: Printed| format!("{}±{:.1e}", value.value, value.error);
        format!("{formula}|{}, {}", self.simulation.map_or("-".into(), show), show(row.simulation))
    }
}

fn same(ours: f64, file: f64) -> bool {
    let allowed = match file.abs() {
        size if file.fract() == 0.0 && size < 1e15 => 1e-9 * size.max(1e-3),
        size if size < 1e-9 => 1e-15,
        size => FORMULA * size,
    };
    (ours - file).abs() <= allowed
}

pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub fn unknown_metric<T>(row: &Row) -> Result<T, String> {
    Err(format!("metric '{}' is not known for {}", row.metric, row.model))
}
