//! Pairs of recorded runs of which one predicts the other: a line `from|to|goal|note` each.

use std::error::Error;
use std::path::{Path, PathBuf};

use syncline_predict::{Check, Cycles, Interval, Question, Size, SparkLog, SparkProfile};

use crate::outcome::Outcome;

/// Cores of the machine on which Spark logs were recorded.
const CORES: f64 = 2.0;

/// One line of a list.
pub struct Pair {
    /// The run that predicts.
    pub from: String,
    /// The run that is predicted.
    pub to: String,
    /// The error that is allowed, as a share.
    pub goal: f64,
    /// The kind that it belongs to: what its note says before a colon, else its name's first part.
    pub kind: String,
}

/// The pairs of a list; lines that start with # are passed over.
pub fn read(text: &str) -> Result<Vec<Pair>, Box<dyn Error>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(pair).collect()
}

fn pair(line: &str) -> Result<Pair, Box<dyn Error>> {
    let [from, to, goal, note] = line.split('|').collect::<Vec<_>>()[..] else {
        return Err(format!("'{line}' has not the columns from|to|goal|note").into());
    };
    let kind = match note.split_once(':') {
        Some((kind, _)) => kind.trim(),
        None => short(from).split('-').next().unwrap_or(from),
    };
    let goal = if goal.is_empty() { f64::INFINITY } else { goal.parse::<f64>()? / 100.0 };
    Ok(Pair { from: from.to_owned(), to: to.to_owned(), goal, kind: kind.to_owned() })
}

/// A run's name without what all share.
pub fn short(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split('.').next().unwrap_or(file)
}

/// Whether a name is of a training run; others are Spark logs.
pub fn is_run_file(name: &str) -> bool {
    name.ends_with(".parquet")
}

/// Where a name of a list in `folder` leads; nothing, with a notice, where shared data is absent.
pub fn path(folder: &Path, name: &str) -> Option<PathBuf> {
    let Some(shared) = name.strip_prefix("shared:") else { return Some(folder.join(name)) };
    let root = std::env::var_os("SYNCLINE_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let path = root.join(shared);
    if !path.exists() {
        eprintln!("notice: {} is absent, its pairs are skipped", path.display());
        return None;
    }
    Some(path)
}

/// One training run predicts another: the time of a round of gradients, and the time to the end.
pub fn training(from: &Path, to: &Path) -> Result<[Outcome; 2], Box<dyn Error>> {
    let (from, to) = (syncline_trace::read(from)?, syncline_trace::read(to)?);
    let cycles = Cycles::of(&from)?;
    let check = Check::of(&cycles)?;
    let prediction = check.widen(cycles.profile()?.predict(&Question::of(&to)?)?);
    let measured = Cycles::of(&to)?;
    let outcome = |predicted: Interval, measured: f64| Outcome { predicted, measured, peer: None };
    Ok([outcome(prediction.round_s, measured.measured().value), outcome(prediction.run_s, measured.run_s())])
}

/// What a Spark log tells.
pub fn spark_log(path: &Path) -> Result<SparkProfile, Box<dyn Error>> {
    Ok(SparkLog::read(path)?.profile()?)
}

/// One Spark log predicts another: what is asked follows from what the other has.
pub fn spark(from: &Path, to: &Path) -> Result<Outcome, Box<dyn Error>> {
    let (from, to) = (spark_log(from)?, spark_log(to)?);
    if let (Ok(mine), Ok(theirs)) = (from.tree(1, None), to.tree(1, None))
        && mine.levels_now != theirs.levels_now
    {
        return trees(&from, &theirs.levels_now, theirs.now_s / theirs.jobs as f64);
    }
    let predicted = match (from.barrier_stages() > 0, to.barrier_stages() > 0) {
        (true, false) => from.without_barrier()?.job_s,
        (false, true) => from.with_barrier()?.job_s,
        _ => {
            let (from, to) = from.common(&to);
            let size = Size { machine_cores: Some(CORES), ..Size::of(to.slots) };
            let forecast = from.at(size)?;
            let peer = Some(forecast.sparklens_s);
            return Ok(Outcome { predicted: forecast.job_s, measured: to.job_s(), peer });
        }
    };
    Ok(Outcome { predicted, measured: to.job_s(), peer: None })
}

/// The mean time of a tree with these levels: of the depth at which Spark makes them.
fn trees(from: &SparkProfile, levels: &[usize], measured: f64) -> Result<Outcome, Box<dyn Error>> {
    let leaves = levels.first().copied();
    let then = (1..=8).filter_map(|depth| from.tree(depth, leaves).ok()).find(|then| then.levels == levels);
    let then = then.ok_or("no depth has these levels")?;
    let jobs = then.jobs as f64;
    let Interval { value, low, high } = then.then_s;
    let predicted = Interval { value: value / jobs, low: low / jobs, high: high / jobs };
    Ok(Outcome { predicted, measured, peer: None })
}
