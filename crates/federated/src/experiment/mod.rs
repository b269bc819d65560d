//! The experiments of the chapter, each with a table, curves, and the rules that it must keep.
//!
//! They are in virtual time, so that the same seeds give the same table.

mod epsilon;
mod liars;
mod prox;
mod secure;
mod waiting;

use std::fmt;
use std::str::FromStr;

use syncline_experiment::{Outcome, Size};
use syncline_learn::Softmax;

use crate::synthetic::{CLASSES, FEATURES};
use crate::{Error, Result};

/// An experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experiment {
    /// FedProx' synthetic data: stragglers dropped, kept, and kept with a pull to the server's model.
    F1,
    /// Accuracy against local epochs: client drift.
    F2,
    /// Bytes and dropouts of secure sums.
    F3,
    /// Attackers against folds.
    F4,
    /// Time to a loss, with rounds and without.
    F5,
    /// Accuracy against epsilon.
    F6,
}

const NAMES: [(&str, Experiment, &str); 6] = [
    (
        "f1",
        Experiment::F1,
        "stragglers on FedProx' synthetic data: dropped, kept, kept with a pull to the server",
    ),
    ("f2", Experiment::F2, "accuracy against local epochs: client drift"),
    ("f3", Experiment::F3, "bytes and dropouts of secure sums"),
    ("f4", Experiment::F4, "attackers against folds"),
    ("f5", Experiment::F5, "virtual time to a loss, with rounds and without"),
    ("f6", Experiment::F6, "accuracy against epsilon"),
];

impl Experiment {
    /// All of them, with what they are about.
    pub fn all() -> impl Iterator<Item = (Self, &'static str)> {
        NAMES.iter().map(|(_, experiment, about)| (*experiment, *about))
    }

    /// Runs it; `tell` hears what is being done.
    ///
    /// # Errors
    /// When a run of it fails.
    pub fn run(self, size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
        crate::error::within("the number of seeds", size.seeds as usize, 1, 1000)?;
        match self {
            Self::F1 => prox::stragglers(size, tell),
            Self::F2 => prox::drift(size, tell),
            Self::F3 => secure::bytes(size, tell),
            Self::F4 => liars::folds_against_lies(size, tell),
            Self::F5 => waiting::times(size, tell),
            Self::F6 => epsilon::accuracies(size, tell),
        }
    }
}

impl FromStr for Experiment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(name, ..)| *name == text);
        found.map(|(_, experiment, _)| *experiment).ok_or_else(|| Error::Unknown {
            what: "experiment",
            got: text.to_owned(),
            valid: "f1, f2, f3, f4, f5 and f6".to_owned(),
        })
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = NAMES.iter().find(|(_, experiment, _)| experiment == self);
        f.write_str(found.map_or("", |(name, ..)| name))
    }
}

/// Softmax regression of FedProx' synthetic data, from zeros.
fn softmax() -> Softmax {
    Softmax::new(FEATURES, CLASSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (experiment, _) in Experiment::all() {
            assert_eq!(experiment.to_string().parse::<Experiment>().unwrap(), experiment);
        }
        assert!("f7".parse::<Experiment>().unwrap_err().to_string().contains("f1, f2"));
    }
}
