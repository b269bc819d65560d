//! Whether a row agrees.
//!
//! A formula agrees within 1e-4 relative or the printed digits. A simulation agrees if the
//! intervals of three standard errors around both overlap; a value printed with an error of 0 states none and is taken as good to 1 %. Among hundreds of rows
//! a few lie further out by chance, because an error of a handful of runs is itself uncertain: up to 0.5 % such a row
//! still counts, is marked, and is tallied apart.

use std::fmt;

use syncline_queueing::sim::Interval;

use crate::case::Case;
use crate::row::{Printed, Row};
use crate::runs::Runs;

const FORMULA: f64 = 1e-4;
const ERRORS: f64 = 3.0;
const UNSTATED_ERROR: f64 = 0.01;
const CHANCE: f64 = 0.005;

#[derive(Debug, Clone)]
pub struct Verdict {
    text: String,
    agrees: bool,
    understood: bool,
    by_margin: bool,
}

impl Verdict {
    pub fn of(row: &Row, case: &Case, runs: &mut Runs) -> Self {
        let simulated = match runs.read(case) {
            Ok(simulated) => simulated,
            Err(reason) => return Self::not_understood(&reason),
        };
        let mut wrong = Vec::new();
        if !same_formula(case, row.formula) {
            wrong.push("formula disagrees".to_owned());
        }
        let distance = row.simulation.map(|stated| Distance::between(simulated, stated));
        let far = distance.filter(|distance| !distance.is_small());
        if let Some(far) = far.filter(|far| far.relative > CHANCE) {
            wrong.push(format!("simulation is {:.1} standard errors off", far.errors));
        }
        let own = (simulated.value - case.formula).abs() / simulated.error.max(f64::MIN_POSITIVE);
        if case.is_exact && own > 5.0 {
            wrong.push(format!("our own simulation is {own:.1} standard errors from the exact value"));
        }
        let agrees = wrong.is_empty();
        let mut words = match far {
            _ if !agrees => wrong.join("; "),
            Some(far) => format!("agrees to 0.5 %, {:.1} standard errors apart", far.errors),
            None => "agrees".to_owned(),
        };
        if !case.remark.is_empty() {
            words = format!("{words} ({})", case.remark);
        }
        let stated = row.simulation.map_or("none".into(), |stated| {
            format!("{}±{}", digits(stated.value), stated.error.map_or("?".into(), error_digits))
        });
        let text = format!(
            "{}, {}|{}±{}, {stated}|{words}",
            digits(case.formula),
            digits(row.formula.value),
            digits(simulated.value),
            error_digits(simulated.error),
        );
        Self { text, agrees, understood: true, by_margin: agrees && far.is_some() }
    }

    pub fn not_understood(reason: &str) -> Self {
        Self { text: format!("not understood: {reason}"), agrees: false, understood: false, by_margin: false }
    }

    /// The one that agrees, else the first; there is always at least one.
    pub fn best(list: Vec<Self>) -> Self {
        let agreeing = list.iter().find(|verdict| verdict.agrees).or(list.first()).cloned();
        agreeing.unwrap_or_else(|| Self::not_understood("nothing to evaluate"))
    }
}

fn same_formula(case: &Case, stated: Printed) -> bool {
    if case.formula.is_infinite() || stated.value.is_infinite() {
        return case.formula == stated.value;
    }
    let allowed = (FORMULA * stated.value.abs()).max(stated.rounding) + ERRORS * case.formula_error;
    (case.formula - stated.value).abs() <= allowed
}

#[derive(Clone, Copy)]
struct Distance {
    errors: f64,
    relative: f64,
}

impl Distance {
    fn between(ours: Interval, stated: Printed) -> Self {
        // Three times this is the 1 % to which a value without an error is taken as good.
        let theirs = stated.error.unwrap_or(UNSTATED_ERROR / ERRORS * stated.value.abs());
        let apart = ((ours.value - stated.value).abs() - stated.rounding).max(0.0);
        let errors = apart / (ours.error + theirs).max(f64::MIN_POSITIVE);
        Self { errors, relative: apart / stated.value.abs().max(f64::MIN_POSITIVE) }
    }

    fn is_small(self) -> bool {
        self.errors <= ERRORS
    }
}

fn digits(value: f64) -> String {
    if value.is_infinite() || value == 0.0 {
        return value.to_string();
    }
    let decimals = (5 - value.abs().log10().floor() as i32).max(0) as usize;
    format!("{value:.decimals$}")
}

fn error_digits(error: f64) -> String {
    format!("{error:.1e}")
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How many rows fared how.
#[derive(Default)]
pub struct Tally {
    agree: usize,
    by_margin: usize,
    disagree: usize,
    unknown: usize,
}

impl Tally {
    pub fn add(&mut self, verdict: Verdict) {
        self.by_margin += usize::from(verdict.by_margin);
        match (verdict.understood, verdict.agrees) {
            (false, _) => self.unknown += 1,
            (true, true) => self.agree += 1,
            (true, false) => self.disagree += 1,
        }
    }

    pub fn is_clean(&self) -> bool {
        self.disagree == 0 && self.unknown == 0 && self.agree > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agree, by_margin, disagree, unknown } = self;
        write!(
            f,
            "{agree} rows agree ({by_margin} of them to 0.5 % only), {disagree} disagree, {unknown} not understood"
        )
    }
}
