//! Linear programs behind one trait, so that the policies do not know the solver.
//!
//! The solver is microlp, in pure Rust: its simplex for relaxations, its branch and bound for small integer
//! programs. With the feature `highs`, HiGHS solves larger integer programs.

#[cfg(feature = "highs")]
mod highs;
mod micro;

#[cfg(feature = "highs")]
pub use highs::Highs;
pub use micro::{BranchAndBound, Limit, Microlp};

use crate::error::Result;

/// How a row is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// At most.
    Le,
    /// At least.
    Ge,
    /// Exactly.
    Eq,
}

/// One constraint: the sum of `coefficient * variable` against `bound`.
#[derive(Debug, Clone)]
pub struct Row {
    /// Variable and coefficient.
    pub terms: Vec<(usize, f64)>,
    /// Direction.
    pub sense: Sense,
    /// Right-hand side.
    pub bound: f64,
}

/// A variable: its cost and its upper bound; the lower one is zero.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Cost per unit in the minimised objective.
    pub cost: f64,
    /// Largest value, may be infinite.
    pub upper: f64,
    /// Whether only whole numbers count; solvers for relaxations ignore it.
    pub integer: Integrality,
}

/// Whether a variable is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrality {
    /// Any real number.
    Real,
    /// Whole numbers only.
    Whole,
}

/// Minimise cost subject to rows.
#[derive(Debug, Clone, Default)]
pub struct LinearProgram {
    /// The variables.
    pub columns: Vec<Column>,
    /// The constraints.
    pub rows: Vec<Row>,
}

impl LinearProgram {
    /// Adds a real variable in `[0, upper]` and returns its index.
    pub fn real(&mut self, cost: f64, upper: f64) -> usize {
        self.columns.push(Column { cost, upper, integer: Integrality::Real });
        self.columns.len() - 1
    }

    /// Adds a whole variable in `[0, upper]` and returns its index.
    pub fn whole(&mut self, cost: f64, upper: f64) -> usize {
        self.columns.push(Column { cost, upper, integer: Integrality::Whole });
        self.columns.len() - 1
    }

    /// Adds a constraint.
    pub fn row(&mut self, terms: Vec<(usize, f64)>, sense: Sense, bound: f64) {
        self.rows.push(Row { terms, sense, bound });
    }
}

/// An optimal solution.
#[derive(Debug, Clone, PartialEq)]
pub struct LpSolution {
    /// The least cost.
    pub cost: f64,
    /// The variables, in order.
    pub values: Vec<f64>,
}

/// Something that solves linear programs.
pub trait LpSolver {
    /// The optimum, or none if no solution exists.
    ///
    /// # Errors
    /// The solver's own failure, or an unbounded program.
    fn solve(&self, program: &LinearProgram) -> Result<Option<LpSolution>>;
}
