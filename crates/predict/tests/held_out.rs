//! How good are the predictions? Runs predict other runs that they have not seen.
//!
//! `held_out/pairs.psv` lists the pairs. Each pair's error is printed and held to its goal; over all pairs the mean
//! absolute error, the share of intervals that cover and their width are held to bounds. To see the table:
//!
//!     cargo test -p syncline-predict --test held_out -- --nocapture

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use syncline_predict::{Check, Cycles, Interval, Question};

/// What a family of pairs must reach together.
struct Bounds {
    /// Of the mean absolute error.
    error: f64,
    /// The least share of intervals that cover.
    coverage: f64,
    /// Of the mean width of the intervals, over the measured value.
    width: f64,
}

/// One line of the list.
struct Pair {
    from: String,
    to: String,
    goal: f64,
}

/// A prediction beside what was measured.
struct Outcome {
    predicted: Interval,
    measured: f64,
}

impl Outcome {
    fn error(&self) -> f64 {
        self.predicted.value / self.measured - 1.0
    }

    fn width(&self) -> f64 {
        (self.predicted.high - self.predicted.low) / self.measured
    }

    fn covers(&self) -> bool {
        self.predicted.covers(self.measured)
    }

    /// The interval score at 95 % (Gneiting and Raftery 2007), over the measured value: the width, and 40 times as far
    /// as the measured value lies outside.
    fn score(&self) -> f64 {
        let below = (self.predicted.low - self.measured).max(0.0);
        let above = (self.measured - self.predicted.high).max(0.0);
        self.width() + 40.0 * (below + above) / self.measured
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/held_out")
}

/// Where a name of the list leads; nothing, with a notice, where shared data is absent.
fn path(name: &str) -> Option<PathBuf> {
    let Some(shared) = name.strip_prefix("shared:") else { return Some(folder().join(name)) };
    let root = std::env::var_os("SYNCLINE_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let path = root.join(shared);
    if !path.exists() {
        eprintln!("notice: {} is absent, its pairs are skipped", path.display());
        return None;
    }
    Some(path)
}

/// The pairs of the list; a malformed line is an error of the list.
fn pairs() -> Vec<Pair> {
    let text = std::fs::read_to_string(folder().join("pairs.psv")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &str| {
        let [from, to, goal, _note] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("pairs.psv: '{line}' has not the columns from|to|goal|note")
        };
        Pair { from: from.to_owned(), to: to.to_owned(), goal: goal.parse::<f64>().unwrap() / 100.0 }
    };
    lines.map(read).collect()
}

fn is_run_file(name: &str) -> bool {
    name.ends_with(".parquet")
}

/// One training run predicts the time per round of another.
fn training(from: &Path, to: &Path) -> Outcome {
    let [from, to] = [from, to].map(|path| syncline_trace::read(path).unwrap());
    let cycles = Cycles::of(&from).unwrap();
    let check = Check::of(&cycles).unwrap();
    let prediction = cycles.profile().unwrap().predict(&Question::of(&to).unwrap()).unwrap();
    let measured = Cycles::of(&to).unwrap().measured().value;
    Outcome { predicted: check.widen(prediction).round_s, measured }
}

/// Prints and judges one family of pairs.
fn judge(of_family: impl Fn(&str) -> bool, predict: impl Fn(&Path, &Path) -> Outcome, bounds: &Bounds) {
    let mut outcomes = Vec::new();
    let mut missed = Vec::new();
    println!(
        "{:>22} {:>22} {:>11} {:>23} {:>11} {:>8} {:>6}",
        "from", "to", "predicted", "interval", "measured", "error", "goal"
    );
    for pair in pairs().iter().filter(|pair| of_family(&pair.from)) {
        let (Some(from), Some(to)) = (path(&pair.from), path(&pair.to)) else { continue };
        let outcome = predict(&from, &to);
        let Interval { value, low, high } = outcome.predicted;
        let line = format!(
            "{:>22} {:>22} {value:>11.6} {low:>11.6}..{high:<10.6} {:>11.6} {:>+7.2}% {:>5.0}%{}",
            pair.from.trim_end_matches(".parquet"),
            pair.to.trim_end_matches(".parquet"),
            outcome.measured,
            100.0 * outcome.error(),
            100.0 * pair.goal,
            if outcome.covers() { "" } else { "  not covered" },
        );
        println!("{line}");
        if outcome.error().abs() > pair.goal {
            missed.push(line);
        }
        outcomes.push(outcome);
    }
    if outcomes.is_empty() {
        return;
    }
    let mean =
        |value: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(value).sum::<f64>() / outcomes.len() as f64;
    let error = mean(&|outcome| outcome.error().abs());
    let coverage = mean(&|outcome| f64::from(u8::from(outcome.covers())));
    let width = mean(&Outcome::width);
    println!(
        "{} pairs: mean absolute error {:.2} %, coverage {:.0} %, mean width of the intervals {:.1} %, interval score {:.3}",
        outcomes.len(),
        100.0 * error,
        100.0 * coverage,
        100.0 * width,
        mean(&Outcome::score),
    );
    assert!(missed.is_empty(), "beyond their goals:\n{}", missed.join("\n"));
    assert!(error <= bounds.error, "mean absolute error {error}");
    assert!(coverage >= bounds.coverage, "coverage {coverage}");
    assert!(width <= bounds.width, "mean width {width}");
}

/// The recorded pairs of one kind of run.
fn judge_training(kinds: &[&str], bounds: &Bounds) {
    let of_kind = |name: &str| is_run_file(name) && kinds.iter().any(|kind| name.starts_with(kind));
    judge(of_kind, training, bounds);
}

#[test]
fn sleeping_workers_predict_each_other() {
    judge_training(&["exp-", "uni-", "slow-"], &Bounds { error: 0.025, coverage: 0.9, width: 0.15 });
}

#[test]
fn computing_workers_predict_each_other() {
    judge_training(&["live-", "times-"], &Bounds { error: 0.05, coverage: 0.85, width: 0.25 });
}
