//! Whether a row agrees.
//!
//! A formula agrees within 1e-4 relative or the printed digits. A simulation agrees within three standard errors of
//! the difference, 3 sqrt(se1^2 + se2^2); where the formula is the truth itself, it stands for our side without an
//! error. As long as our error leaves the verdict open, our run is made longer.
//!
//! The file's error is believed as far as it can be: such files take it from a few replications, and then it is often
//! too small by chance. Of the rows of `queueing-reference.psv` that have an exact value, one in eleven lies more than
//! three of its own errors from it, and some lie eight. So no stated error counts for less than the one that a run of
//! the file's length has for this very quantity, which ours tell from sixteen replications or more. A value printed
//! with an error of 0 states none and is taken as good to 1 %.
//!
//! Even so a few of hundreds of rows lie further out by chance. One row in a hundred may, if it stays within six errors;
//! it is marked and tallied apart, and a file of fewer rows has no such allowance.

use std::fmt;

use crate::case::Case;
use crate::row::{Printed, Row};
use crate::runs::{Runs, Simulated};

const FORMULA: f64 = 1e-4;
const ERRORS: f64 = 3.0;
const CHANCE: f64 = 6.0;
const UNSTATED_ERROR: f64 = 0.01;
/// A distance this near to the limit, in our own errors, leaves the verdict open.
const OPEN: f64 = 1.5;
/// Our own simulation must be this near to an exact value, in its errors; from `SUSPECT` on it is made longer.
const OWN: f64 = 5.0;
const SUSPECT: f64 = 3.5;

#[derive(Debug, Clone)]
pub struct Verdict {
    text: String,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Agrees,
    /// Further out than three errors, within six, and nothing else is wrong.
    Far,
    Disagrees,
    NotUnderstood,
}

impl Verdict {
    pub fn of(row: &Row, case: &Case, runs: &mut Runs) -> Self {
        let simulated = match settled(row, case, runs) {
            Ok(simulated) => simulated,
            Err(reason) => return Self::not_understood(&reason),
        };
        let mut wrong = Vec::new();
        if !same_formula(case, row.formula) {
            wrong.push("formula disagrees".to_owned());
        }
        let own = own_errors(case, simulated);
        if own > OWN {
            wrong.push(format!("our own simulation is {own:.1} standard errors from the exact value"));
        }
        let mut standing = if wrong.is_empty() { Standing::Agrees } else { Standing::Disagrees };
        let distance = row.simulation.map(|stated| Distance::between(case, simulated, stated).errors());
        // What is not a number is not near either.
        if let Some(errors) = distance.filter(|errors| errors.is_nan() || *errors > ERRORS) {
            wrong.push(format!("simulation is {errors:.1} standard errors off"));
            let by_chance = standing == Standing::Agrees && errors <= CHANCE;
            standing = if by_chance { Standing::Far } else { Standing::Disagrees };
        }
        let mut words = if wrong.is_empty() { "agrees".to_owned() } else { wrong.join("; ") };
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
            digits(simulated.interval.value),
            error_digits(simulated.interval.error),
        );
        Self { text, standing }
    }

    pub fn not_understood(reason: &str) -> Self {
        Self { text: format!("not understood: {reason}"), standing: Standing::NotUnderstood }
    }

    pub fn agrees(&self) -> bool {
        self.standing == Standing::Agrees
    }
}

/// Our simulated value, from a run long enough for a verdict. A row whose formula is wrong needs none.
fn settled(row: &Row, case: &Case, runs: &mut Runs) -> Result<Simulated, String> {
    loop {
        let simulated = runs.read(case)?;
        let distance = row.simulation.map(|stated| Distance::between(case, simulated, stated));
        let open =
            distance.is_some_and(|distance| distance.is_open()) || own_errors(case, simulated) > SUSPECT;
        if !open || !same_formula(case, row.formula) || !runs.lengthen(case) {
            return Ok(simulated);
        }
    }
}

/// How far our simulation is from a formula that is the truth, in its errors.
fn own_errors(case: &Case, simulated: Simulated) -> f64 {
    let interval = simulated.interval;
    match case.is_exact {
        true => (interval.value - case.formula).abs() / interval.error.max(f64::MIN_POSITIVE),
        false => 0.0,
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
    apart: f64,
    ours: f64,
    theirs: f64,
}

impl Distance {
    fn between(case: &Case, simulated: Simulated, stated: Printed) -> Self {
        let (value, ours) = match case.is_exact {
            true => (case.formula, 0.0),
            false => (simulated.interval.value, simulated.interval.error),
        };
        // Three times this is the 1 % to which a value without an error is taken as good.
        let unstated = UNSTATED_ERROR / ERRORS * stated.value.abs();
        let theirs = stated.error.map_or(unstated, |error| error.max(simulated.usual_error));
        let apart = ((value - stated.value).abs() - stated.rounding).max(0.0);
        Self { apart, ours, theirs }
    }

    fn errors(self) -> f64 {
        self.apart / self.ours.hypot(self.theirs).max(f64::MIN_POSITIVE)
    }

    /// Whether a longer run of ours could turn the verdict. The spread of a short run is itself uncertain, so that no
    /// row is accused by one, unless by far.
    fn is_open(self) -> bool {
        let accused = self.errors() > ERRORS && self.errors() < 2.0 * CHANCE && self.ours > 0.0;
        accused || (self.apart - ERRORS * self.theirs).abs() < OPEN * self.ours
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
    far: usize,
    disagree: usize,
    unknown: usize,
}

impl Tally {
    pub fn add(&mut self, verdict: &Verdict) {
        *match verdict.standing {
            Standing::Agrees => &mut self.agree,
            Standing::Far => &mut self.far,
            Standing::Disagrees => &mut self.disagree,
            Standing::NotUnderstood => &mut self.unknown,
        } += 1;
    }

    /// As many rows as may be far by chance.
    fn allowance(&self) -> usize {
        (self.agree + self.far) / 100
    }

    pub fn is_clean(&self) -> bool {
        self.disagree == 0 && self.unknown == 0 && self.agree > 0 && self.far <= self.allowance()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agree, far, disagree, unknown } = self;
        let allowance = self.allowance();
        write!(
            f,
            "{agree} rows agree, {far} lie 3 to 6 errors off (by chance {allowance} may), {disagree} disagree, \
             {unknown} not understood"
        )
    }
}
