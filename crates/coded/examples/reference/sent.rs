//! Rows that a shuffle sends: by formula, and counted on real permutations.

use syncline_coded::shuffle::{Caches, Plan, rows};

use crate::ours::{Ours, Tolerance, text, unknown_metric};
use crate::row::{Printed, Row};
use crate::{effort::Effort, sample::mean_and_error};

pub fn evaluate(row: &Row, effort: Effort) -> Result<Ours, String> {
    let (n, q, p) = (row.count("n")?, row.count("q")?, row.number("p")?);
    if row.metric != "rows sent" {
        return unknown_metric(row);
    }
    let usual = Tolerance::Relative(1e-6);
    let (formula, simulation, tolerance) = match row.model.as_str() {
        "shuffle, uncoded" => (Some(rows::uncoded(n, q, p)), Some(count(row, effort, uncoded)?), usual),
        // The file's simulation is of a finite number of rows, which the limit is not about.
        "shuffle, coded, many rows" => (Some(rows::coded_limit(n, q, p)), None, usual),
        "shuffle, coded, finite rows" => {
            (Some(rows::coded(n, q, p)), Some(count(row, effort, packets)?), Tolerance::Sent(0.02))
        }
        "shuffle, coded and merged" => (None, Some(count(row, effort, merged)?), Tolerance::Sent(0.02)),
        model => return Err(format!("model '{model}' is not known")),
    };
    Ok(Ours { formula: formula.transpose().map_err(text)?, simulation, tolerance })
}

fn uncoded(plan: Plan) -> Result<usize, String> {
    Ok(plan.uncoded())
}

fn packets(plan: Plan) -> Result<usize, String> {
    Ok(plan.packets().len())
}

/// Merged packets, never more than unmerged ones of the same draw.
fn merged(plan: Plan) -> Result<usize, String> {
    let (unmerged, merged) = (plan.clone().packets().len(), plan.merged().len());
    if merged > unmerged {
        return Err(format!("merging sent {merged} rows instead of {unmerged}"));
    }
    Ok(merged)
}

fn count(row: &Row, effort: Effort, sent: impl Fn(Plan) -> Result<usize, String>) -> Result<Printed, String> {
    let (n, q, p) = (row.count("n")?, row.count("q")?, row.number("p")?);
    // Fewer would scatter by more than the 2 % that are allowed.
    let draws = if effort == Effort::Full { 96 } else { 24 };
    let counts = (0..draws)
        .map(|seed| {
            let mut caches = Caches::new(n, q, p, seed).map_err(text)?;
            let owners = caches.next_epoch();
            Ok(sent(Plan::new(&caches, &owners))? as f64)
        })
        .collect::<Result<Vec<f64>, String>>()?;
    Ok(mean_and_error(&counts))
}
