//! The experiments of the chapter. C2, C3, C4 and C6 draw their delays and are in no time at all; C1 has real workers, in
//! virtual time (feature `program`).

mod descent;
mod liars;
mod plans;
#[cfg(feature = "program")]
mod rounds;
mod shuffling;

use std::fmt;
use std::str::FromStr;

use syncline_experiment::{Outcome, Size};

use crate::{Error, Result};

/// An experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experiment {
    /// Time of a round against the number of workers: the speed-up of codes.
    #[cfg(feature = "program")]
    C1,
    /// Gradient descent with codes, and with answers dropped.
    C2,
    /// The planner's k against the best one measured.
    C3,
    /// Rows of a coded shuffle against the formula.
    C4,
    /// Liars against DRACO.
    C6,
}

const NAMES: &[(&str, Experiment)] = &[
    #[cfg(feature = "program")]
    ("c1", Experiment::C1),
    ("c2", Experiment::C2),
    ("c3", Experiment::C3),
    ("c4", Experiment::C4),
    ("c6", Experiment::C6),
];

impl Experiment {
    /// Runs it; `tell` hears what is being done.
    ///
    /// # Errors
    /// When a run of it fails.
    pub fn run(self, size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
        crate::error::within("the number of seeds", size.seeds as usize, 1, 1000)?;
        match self {
            #[cfg(feature = "program")]
            Self::C1 => rounds::times(size, tell),
            Self::C2 => descent::descents(size, tell),
            Self::C3 => plans::plans(size, tell),
            Self::C4 => shuffling::rows_sent(size, tell),
            Self::C6 => liars::attacks(size, tell),
        }
    }
}

impl FromStr for Experiment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, experiment)| *experiment).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            Error::OutOfRange { what: "the experiment", got: text.to_owned(), must: names.join(", ") }
        })
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = NAMES.iter().find(|(_, experiment)| experiment == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// What the columns of a table are called.
fn titles(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
