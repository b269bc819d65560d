//! All rows of a file, one after the other.

use std::io::IsTerminal;

use crate::case::Case;
use crate::effort::Effort;
use crate::row::Row;
use crate::runs::Runs;
use crate::verdict::{Tally, Verdict};

/// Evaluates and prints every row.
pub fn check(text: &str, effort: Effort) -> Tally {
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with("model|"));
    let rows: Vec<_> = lines.map(|(number, line)| (number + 1, line, Row::parse(line))).collect();
    let cases: Vec<_> =
        rows.iter().map(|(_, _, row)| row.as_ref().map_err(Clone::clone).and_then(Case::of)).collect();
    let mut runs = Runs::plan(cases.iter().flatten(), effort);
    if std::io::stderr().is_terminal() {
        eprintln!("simulating {} rows; this can take minutes", rows.len());
    }
    runs.measure_file(rows.iter().zip(&cases).filter_map(|((_, _, row), case)| {
        let error = row.as_ref().ok()?.simulation?.error?;
        Some((case.as_ref().ok()?, error))
    }));
    let mut tally = Tally::default();
    println!(
        "{:<34}|{:<52}|{:<14}|formula: ours, file|simulation: ours, file|verdict",
        "model", "params", "metric"
    );
    for ((number, line, row), case) in rows.iter().zip(&cases) {
        let verdict = match (row, case) {
            (Ok(row), Ok(case)) => Verdict::of(row, case, &mut runs),
            (Err(reason), _) | (_, Err(reason)) => Verdict::not_understood(reason),
        };
        match row {
            Ok(row) if verdict.agrees() => println!("{}{verdict}", heading(row)),
            Ok(row) => println!("{}{verdict} [line {number}]", heading(row)),
            Err(_) => println!("line {number}: {line}|{verdict}"),
        }
        tally.add(&verdict);
    }
    println!("{tally}");
    tally
}

fn heading(row: &Row) -> String {
    format!("{:<34}|{:<52}|{:<14}|", row.model, row.params, row.metric)
}
