//! What an experiment of the documentation came to: a table, curves, and the rules that it must keep.
//!
//! EXP-1: an experiment is a function of its seeds: the same seeds give the same table, but for times that were measured. EXP-2: a
//! rule that does not hold is told, never left out.
//!
//! ```
//! use syncline_experiment::{Curve, Outcome, Rule};
//!
//! let outcome = Outcome {
//!     title: "Squares".to_owned(),
//!     columns: vec!["n".to_owned(), "n^2".to_owned()],
//!     rows: vec![vec!["2".to_owned(), "4".to_owned()]],
//!     axes: ["n".to_owned(), "n^2".to_owned()],
//!     curves: vec![Curve { name: "squares".to_owned(), points: vec![[2.0, 4.0]] }],
//!     rules: vec![Rule::new("squares are not negative", true)],
//! };
//! assert!(outcome.holds());
//! assert_eq!(outcome.csv(), "n,n^2\n2,4\n");
//! ```

use serde::Serialize;

mod figures;

pub use figures::{mean, median, standard_error, with_error};

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Seeds 1 to this.
    pub seeds: u64,
    /// Threads that compute; nothing depends on how many.
    pub threads: usize,
}

/// What came of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// What it is about.
    pub title: String,
    /// Names of the table's columns.
    pub columns: Vec<String>,
    /// Its rows, a cell for each column.
    pub rows: Vec<Vec<String>>,
    /// Names of the axes of the plot, the horizontal one first.
    pub axes: [String; 2],
    /// The plot.
    pub curves: Vec<Curve>,
    /// What must hold, and whether it does.
    pub rules: Vec<Rule>,
}

/// A line of a plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// What it shows.
    pub name: String,
    /// From left to right.
    pub points: Vec<[f64; 2]>,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// In words.
    pub text: String,
    /// Whether it does.
    pub holds: bool,
}

impl Rule {
    /// A rule, and whether it holds.
    pub fn new(text: impl Into<String>, holds: bool) -> Self {
        Self { text: text.into(), holds }
    }
}

impl Outcome {
    /// Whether all rules hold.
    pub fn holds(&self) -> bool {
        self.rules.iter().all(|rule| rule.holds)
    }

    /// The table as CSV: cells with commas or quotes in quotes.
    pub fn csv(&self) -> String {
        let cell = |text: &String| match text.contains([',', '"']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.clone(),
        };
        let line = |cells: &Vec<String>| cells.iter().map(cell).collect::<Vec<_>>().join(",") + "\n";
        std::iter::once(&self.columns).chain(&self.rows).map(line).collect()
    }
}
