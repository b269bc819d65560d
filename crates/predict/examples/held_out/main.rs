//! How good are the predictions? Recorded runs predict each other.
//!
//!     cargo run --release -p syncline-predict --example held_out -- pairs.psv
//!     cargo run --release -p syncline-predict --example held_out -- TRACE.parquet ...
//!
//! A list of pairs has a line `from|to|goal|note` each (as `tests/held_out/pairs.psv`), names beside the list; several runs
//! without a list all predict one another. Each pair's error is printed, and for each kind of pairs the mean absolute error,
//! the share of intervals that hold, their median width, the mean interval score, and for Spark logs Sparklens' error.

mod outcome;
mod pair;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use syncline_predict::Interval;

use outcome::{Outcome, Summary};
use pair::Pair;

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let (folder, pairs) = match &given[..] {
        [list] if list.ends_with(".psv") => {
            let folder = Path::new(list).parent().map_or(PathBuf::new(), Path::to_owned);
            (folder, pair::read(&std::fs::read_to_string(list)?)?)
        }
        runs => (PathBuf::new(), all(runs)),
    };
    let mut kinds = BTreeMap::<String, Vec<Outcome>>::new();
    println!(
        "{:>24} {:>24} {:>10} {:>23} {:>10} {:>8} {:>9}",
        "from", "to", "predicted", "interval", "measured", "error", "sparklens"
    );
    for pair in &pairs {
        let (Some(from), Some(to)) = (pair::path(&folder, &pair.from), pair::path(&folder, &pair.to)) else {
            continue;
        };
        match outcomes(&from, &to, pair) {
            Ok(list) => {
                for (kind, outcome) in list {
                    print(pair, &outcome);
                    kinds.entry(kind).or_default().push(outcome);
                }
            }
            Err(error) => println!("{:>24} {:>24} {error}", pair::short(&pair.from), pair::short(&pair.to)),
        }
    }
    println!(
        "\n{:>24} {:>6} {:>8} {:>8} {:>9} {:>11} {:>13} {:>15} {:>15}",
        "kind",
        "pairs",
        "error",
        "worst",
        "coverage",
        "mean width",
        "median width",
        "interval score",
        "sparklens error"
    );
    kinds.iter().for_each(|(kind, outcomes)| print_summary(kind, &Summary::of(outcomes)));
    Ok(())
}

/// Every run predicts every other.
fn all(runs: &[String]) -> Vec<Pair> {
    let to = |from: &String| {
        let others: Vec<&String> = runs.iter().filter(|to| *to != from).collect();
        others.into_iter().map(|to| (from.clone(), to.clone())).collect::<Vec<_>>()
    };
    let pairs = runs.iter().flat_map(to);
    pairs.map(|(from, to)| Pair { from, to, goal: f64::INFINITY, kind: "all".to_owned() }).collect()
}

/// The outcomes of a pair, each with the kind that it counts to.
fn outcomes(from: &Path, to: &Path, pair: &Pair) -> Result<Vec<(String, Outcome)>, Box<dyn Error>> {
    if !pair::is_run_file(&pair.from) {
        return Ok(vec![(pair.kind.clone(), pair::spark(from, to)?)]);
    }
    let [round, run] = pair::training(from, to)?;
    Ok(vec![(pair.kind.clone(), round), (format!("{}, to the end", pair.kind), run)])
}

fn print(pair: &Pair, outcome: &Outcome) {
    let Interval { value, low, high } = outcome.predicted;
    let peer = outcome.peer_error().map_or(String::new(), |error| format!("{:+.1} %", 100.0 * error));
    println!(
        "{:>24} {:>24} {value:>10.6} {low:>10.6} .. {high:<10.6} {:>9.6} {:>+7.2}% {peer:>9}{}{}",
        pair::short(&pair.from),
        pair::short(&pair.to),
        outcome.measured,
        100.0 * outcome.error(),
        if outcome.covers() { "" } else { "  not covered" },
        if outcome.error().abs() > pair.goal { "  beyond its goal" } else { "" },
    );
}

fn print_summary(kind: &str, summary: &Summary) {
    let peer = summary.peer_error.map_or(String::new(), |error| format!("{:.1} %", 100.0 * error));
    println!(
        "{kind:>24} {:>6} {:>6.1} % {:>6.1} % {:>7.0} % {:>9.1} % {:>11.1} % {:>15.3} {peer:>15}",
        summary.pairs,
        100.0 * summary.error,
        100.0 * summary.worst,
        100.0 * summary.coverage,
        100.0 * summary.width,
        100.0 * summary.median_width,
        summary.score,
    );
}
