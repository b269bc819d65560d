//! The Standard Workload Format of the Parallel Workloads Archive (Feitelson et al.), version 2.
//!
//! A line a job with 18 numbers between blanks, -1 where nothing is known; lines that begin with `;` are remarks. A job is a gang
//! of one worker a processor, and a processor is what a cluster's counts count (`--cluster 64x2`: 64 machines of two). The time that the
//! user asked for is what planners believe of its length.

use std::{collections::BTreeMap, path::Path};

use syncline_terminal::unit::plural;

use super::{
    Trace, file,
    gang::{SHORTEST, gang},
};
use crate::{
    error::{Error, Result},
    model::Job,
};

/// How many numbers a line has.
const FIELDS: usize = 18;

/// Reads the workload.
///
/// # Errors
/// A line with another number of fields, a field that is not a number; no job that ran.
pub fn read(path: &Path) -> Result<Trace> {
    let bytes = file::bytes(path)?;
    // Remarks hold names of people and places in whatever encoding.
    let text = String::from_utf8_lossy(&bytes);
    let (mut jobs, mut left_out) = (Vec::new(), BTreeMap::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        let fields = numbers(path, index as u64 + 1, line)?;
        let [number, submit, _, run, allocated, _, _, requested, limit, ..] = fields;
        let processors = if allocated > 0.0 { allocated } else { requested };
        if run < 0.0 {
            *left_out.entry("never began").or_default() += 1;
            continue;
        }
        if processors < 1.0 {
            *left_out.entry("had no processor").or_default() += 1;
            continue;
        }
        let job = gang(&number.to_string(), submit, processors as u32, run.max(SHORTEST), 1.0);
        let estimate = (limit > 0.0).then_some(limit);
        jobs.push(Job { estimate, group: fields[11].to_string(), ..job });
    }
    Trace::from_first(path, jobs, left_out)
}

fn numbers(path: &Path, line: u64, text: &str) -> Result<[f64; FIELDS]> {
    let fault = |field: String, what: String| Error::Field { file: path.into(), line, field, what };
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() != FIELDS {
        let what =
            format!("{}; the Standard Workload Format has {FIELDS}", plural(words.len() as u64, "number"));
        return Err(fault("line".into(), what));
    }
    let mut numbers = [0.0; FIELDS];
    for (index, (number, word)) in numbers.iter_mut().zip(words).enumerate() {
        let value = word.parse().ok().filter(|value: &f64| value.is_finite() && value.abs() < 1e15);
        *number = value
            .ok_or_else(|| fault(format!("field {}", index + 1), format!("`{word}` is not a number")))?;
    }
    Ok(numbers)
}
