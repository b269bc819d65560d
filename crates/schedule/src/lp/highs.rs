//! HiGHS (Huangfu and Hall 2018), a solver in C++: integer programs beyond the reach of microlp.

use std::time::Duration;

use highs::{HighsModelStatus, RowProblem};

use super::{Integrality, LinearProgram, LpSolution, LpSolver, Sense};
use crate::error::{Error, Result};

/// HiGHS on one thread, to optimality.
#[derive(Debug, Clone, Copy)]
pub struct Highs {
    /// Give up after this long.
    pub time_limit: Duration,
}

impl LpSolver for Highs {
    fn solve(&self, program: &LinearProgram) -> Result<Option<LpSolution>> {
        let failed = |what: &dyn std::fmt::Debug| Error::LinearProgram(format!("HiGHS: {what:?}"));
        let mut model =
            problem(program).try_optimise(highs::Sense::Minimise).map_err(|status| failed(&status))?;
        // By default HiGHS is content within 0.01 % of the optimum.
        model.try_set_option("mip_rel_gap", 0.0).map_err(|error| failed(&error))?;
        model.try_set_option("threads", 1).map_err(|error| failed(&error))?;
        model.try_set_option("time_limit", self.time_limit.as_secs_f64()).map_err(|error| failed(&error))?;
        let solved = model.try_solve().map_err(|status| failed(&status))?;
        match solved.status() {
            HighsModelStatus::Optimal => Ok(Some(LpSolution {
                cost: solved.objective_value(),
                values: solved.get_solution().columns().to_vec(),
            })),
            HighsModelStatus::ModelEmpty => Ok(Some(LpSolution { cost: 0.0, values: Vec::new() })),
            HighsModelStatus::Infeasible => Ok(None),
            HighsModelStatus::ReachedTimeLimit => {
                Err(Error::LinearProgram("the time limit passed before the optimum was proved".into()))
            }
            status => Err(failed(&status)),
        }
    }
}

fn problem(program: &LinearProgram) -> RowProblem {
    let mut problem = RowProblem::new();
    let columns: Vec<_> = program
        .columns
        .iter()
        .map(|column| {
            let whole = column.integer == Integrality::Whole;
            problem.add_column_with_integrality(column.cost, 0.0..=column.upper, whole)
        })
        .collect();
    for row in &program.rows {
        let terms: Vec<_> = row.terms.iter().map(|&(column, weight)| (columns[column], weight)).collect();
        match row.sense {
            Sense::Le => problem.add_row(..=row.bound, terms),
            Sense::Ge => problem.add_row(row.bound.., terms),
            Sense::Eq => problem.add_row(row.bound..=row.bound, terms),
        }
    }
    problem
}
