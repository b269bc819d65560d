//! Linear programs behind one trait, so that the policies do not know the solver.
//!
//! The solver is microlp, in pure Rust: its simplex for relaxations, its branch and bound for small integer
//! programs.

use std::time::Duration;

use microlp::{ComparisonOp, OptimizationDirection, Problem, SolutionStatus};

use crate::error::{Error, Result};

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

/// The pure-Rust simplex; integrality is relaxed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Microlp;

impl LpSolver for Microlp {
    fn solve(&self, program: &LinearProgram) -> Result<Option<LpSolution>> {
        solve(program, None)
    }
}

/// The same library's branch and bound: for small integer programs, such as the exact optimum of a handful of
/// jobs.
#[derive(Debug, Clone, Copy)]
pub struct BranchAndBound {
    /// Give up after this long.
    pub time_limit: Duration,
}

impl LpSolver for BranchAndBound {
    fn solve(&self, program: &LinearProgram) -> Result<Option<LpSolution>> {
        solve(program, Some(self.time_limit))
    }
}

/// With a time limit whole variables are whole; without, they are relaxed.
fn solve(program: &LinearProgram, whole: Option<Duration>) -> Result<Option<LpSolution>> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    if let Some(limit) = whole {
        problem.set_time_limit(limit);
    }
    let variable = |column: &Column| match column.integer {
        Integrality::Whole if whole.is_some() => {
            problem.add_integer_var(column.cost, (0, column.upper as i32))
        }
        _ => problem.add_var(column.cost, (0.0, column.upper)),
    };
    let variables: Vec<_> = program.columns.iter().map(variable).collect();
    for row in &program.rows {
        let sense = match row.sense {
            Sense::Le => ComparisonOp::Le,
            Sense::Ge => ComparisonOp::Ge,
            Sense::Eq => ComparisonOp::Eq,
        };
        let terms: Vec<_> = row.terms.iter().map(|&(column, weight)| (variables[column], weight)).collect();
        problem.add_constraint(terms.as_slice(), sense, row.bound);
    }
    match problem.solve().map(microlp::SolveOutcome::into_solution) {
        Ok(Ok(solution)) if solution.status() == SolutionStatus::Optimal => Ok(Some(LpSolution {
            cost: solution.objective(),
            values: variables.iter().map(|&variable| solution.var_value(variable)).collect(),
        })),
        Ok(Ok(_)) => Err(Error::LinearProgram("the time limit passed before the optimum was proved".into())),
        Err(microlp::Error::Infeasible) => Ok(None),
        Ok(Err(stopped)) => {
            Err(Error::LinearProgram(format!("stopped early: {:?}", stopped.termination_reason())))
        }
        Err(error) => Err(Error::LinearProgram(error.to_string())),
    }
}
