//! How good are the predictions? Runs predict other runs that they have not seen.
//!
//! `held_out/pairs.psv` lists the pairs. Each pair's error is printed and held to its goal; over all pairs the mean
//! absolute error, the share of intervals that cover and their width are held to bounds. To see the table:
//!
//!     cargo test -p syncline-predict --test held_out -- --nocapture

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use syncline_predict::{Check, Cycles, Interval, Question, Size, SparkLog, SparkProfile};

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

/// A run's name without what all share.
fn short(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split('.').next().unwrap_or(file)
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

fn is_spark_log(name: &str) -> bool {
    name.ends_with(".json.zst")
}

fn spark_log(path: &Path) -> SparkProfile {
    SparkLog::read(path).unwrap().profile().unwrap()
}

/// Cores of the machine on which all Spark logs were recorded.
const CORES: f64 = 2.0;

/// One Spark log predicts another: what is asked follows from what the other has.
fn spark(from: &Path, to: &Path) -> Outcome {
    let [from, to] = [from, to].map(spark_log);
    if let (Ok(mine), Ok(theirs)) = (from.tree(1, None), to.tree(1, None))
        && mine.levels_now != theirs.levels_now
    {
        return trees(&from, &theirs.levels_now, theirs.now_s / theirs.jobs as f64);
    }
    let measured = to.job_s();
    let predicted = match (from.barrier_stages() > 0, to.barrier_stages() > 0) {
        (true, false) => from.without_barrier().unwrap().job_s,
        (false, true) => from.with_barrier().unwrap().job_s,
        _ => {
            let (from, to) = from.common(&to);
            let size = Size { machine_cores: Some(CORES), ..Size::of(to.slots) };
            let predicted = from.at(size).unwrap().job_s;
            return Outcome { predicted, measured: to.job_s() };
        }
    };
    Outcome { predicted, measured }
}

/// The mean time of a tree with these levels: of the depth at which Spark makes them.
fn trees(from: &SparkProfile, levels: &[usize], measured: f64) -> Outcome {
    let shaped = (1..=8).filter_map(|depth| from.tree(depth, Some(levels[0])).ok());
    let then = shaped.into_iter().find(|then| then.levels == levels).unwrap();
    let jobs = then.jobs as f64;
    let Interval { value, low, high } = then.then_s;
    Outcome { predicted: Interval { value: value / jobs, low: low / jobs, high: high / jobs }, measured }
}

/// Every number of tasks that a log has its work in, predicted from its other jobs.
fn cuts(log: &Path) -> Vec<(usize, Outcome)> {
    let profile = spark_log(log);
    let all = profile.cut(None).unwrap();
    let outcome = |&(tasks, measured): &(usize, f64)| {
        let predicted = profile.cut(Some(tasks)).unwrap().job_s(tasks).unwrap();
        (tasks, Outcome { predicted, measured })
    };
    all.measured.iter().map(outcome).collect()
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
            short(&pair.from),
            short(&pair.to),
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

/// Logs that nobody had seen while the model was made.
fn is_later(name: &str) -> bool {
    ["sleep-", "shuffle-", "cpu-"].iter().any(|kind| name.starts_with(kind))
}

#[test]
fn spark_logs_predict_each_other() {
    let of_old = |name: &str| is_spark_log(name) && !is_later(name);
    judge(of_old, spark, &Bounds { error: 0.12, coverage: 0.8, width: 0.5 });
}

#[test]
fn spark_logs_that_were_recorded_later_predict_each_other() {
    judge(is_later, spark, &Bounds { error: 0.15, coverage: 0.5, width: 0.5 });
}

#[test]
fn a_number_of_partitions_is_predicted_from_the_others() {
    // The machine of the second was so busy, and so unevenly, that its times double and halve on the way.
    for (name, error, coverage) in [
        ("local2_tiny", 0.1, 0.85),
        ("shared:data/spark-eventlogs/lc2_tiny.app-20261121094455-0000", 0.5, 0.5),
    ] {
        let Some(log) = path(&format!("{name}.json.zst")) else { return };
        let outcomes = cuts(&log);
        for (tasks, outcome) in &outcomes {
            let Interval { value, low, high } = outcome.predicted;
            println!(
                "{name:>32} {tasks:>4} tasks {value:>8.3} {low:>8.3}..{high:<8.3} {:>8.3} {:>+7.2}%{}",
                outcome.measured,
                100.0 * outcome.error(),
                if outcome.covers() { "" } else { "  not covered" },
            );
        }
        let count = outcomes.len() as f64;
        let mean = outcomes.iter().map(|(_, outcome)| outcome.error().abs()).sum::<f64>() / count;
        let covered = outcomes.iter().filter(|(_, outcome)| outcome.covers()).count() as f64 / count;
        println!(
            "{} numbers of tasks: mean absolute error {:.1} %, coverage {:.0} %",
            count,
            100.0 * mean,
            100.0 * covered
        );
        assert!(outcomes.len() >= 7 && mean <= error && covered >= coverage, "{name}: {mean} {covered}");
    }
}
