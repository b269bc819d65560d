//! Who handed over other gradients than most of its group, in a run whose groups vote on them.

use syncline_trace::{Outvoted, RunInfo};

use super::Report;

/// What the run's head says of them.
pub(crate) fn of(info: &RunInfo) -> Vec<Outvoted> {
    info.training().outvoted
}

/// Who was outvoted, a sentence each.
pub(super) fn sentences(report: &Report) -> impl Iterator<Item = String> {
    report.outvoted.iter().map(|told| {
        let Outvoted { worker, rounds, first_round, last_round } = told;
        format!(
            "Worker {worker} gave other gradients than most of its group in {rounds} of the rounds {first_round} to {last_round}, which did not \
             count: it is faulty, or lies."
        )
    })
}
