//! microlp, in pure Rust.

use std::time::Duration;

use microlp::{ComparisonOp, OptimizationDirection, Problem, SolutionStatus, SolveOptions};

use super::{Column, Integrality, LinearProgram, LpSolution, LpSolver, Sense};
use crate::error::{Error, Result};

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
    /// When to give up.
    pub limit: Limit,
}

/// When branch and bound gives up.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// After this long.
    Time(Duration),
    /// After so many nodes, the same on every machine.
    Nodes(u64),
}

impl LpSolver for BranchAndBound {
    fn solve(&self, program: &LinearProgram) -> Result<Option<LpSolution>> {
        solve(program, Some(self.limit))
    }
}

/// With a limit whole variables are whole; without, they are relaxed.
fn solve(program: &LinearProgram, whole: Option<Limit>) -> Result<Option<LpSolution>> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
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
    let mut options = SolveOptions::default();
    match whole {
        Some(Limit::Time(limit)) => options.time_limit = Some(limit),
        Some(Limit::Nodes(limit)) => options.node_limit = Some(limit),
        None => {}
    }
    match problem.solve_with(options).map(microlp::SolveOutcome::into_solution) {
        Ok(Ok(solution)) if solution.status() == SolutionStatus::Optimal => Ok(Some(LpSolution {
            cost: solution.objective(),
            values: variables.iter().map(|&variable| solution.var_value(variable)).collect(),
        })),
        Ok(Ok(_)) => Err(Error::LinearProgram("the limit was reached before the optimum was proved".into())),
        Err(microlp::Error::Infeasible) => Ok(None),
        Ok(Err(stopped)) => {
            Err(Error::LinearProgram(format!("stopped early: {:?}", stopped.termination_reason())))
        }
        Err(error) => Err(Error::LinearProgram(error.to_string())),
    }
}
