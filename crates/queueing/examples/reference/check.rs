//! All rows of a file, one after the other.

use crate::case::Case;
use crate::row::Row;
use crate::runs::{Effort, Runs};
use crate::verdict::{Tally, Verdict};

/// Evaluates and prints every row.
pub fn check(text: &str, effort: Effort) -> Tally {
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with("model|"));
    let rows: Vec<_> = lines.map(|(number, line)| (number + 1, line, Row::parse(line))).collect();
    let cases: Vec<_> =
        rows.iter().map(|(_, _, row)| row.as_ref().map_err(Clone::clone).and_then(Case::all)).collect();
    let mut runs = Runs::plan(cases.iter().flatten().flatten(), effort);
    let mut tally = Tally::default();
    println!(
        "{:<34}|{:<52}|{:<14}|formula: ours, file|simulation: ours, file|verdict",
        "model", "params", "metric"
    );
    for ((number, line, row), cases) in rows.iter().zip(&cases) {
        let verdict = match (row, cases) {
            (Ok(row), Ok(cases)) => {
                Verdict::best(cases.iter().map(|case| Verdict::of(row, case, &mut runs)).collect())
            }
            (Err(reason), _) | (_, Err(reason)) => Verdict::not_understood(reason),
        };
        match row {
            Ok(row) => println!("{:<34}|{:<52}|{:<14}|{verdict}", row.model, row.params, row.metric),
            Err(_) => println!("line {number}: {line}|{verdict}"),
        }
        tally.add(verdict);
    }
    println!("{tally}");
    tally
}
