//! `syncline queue scaling`: a law of scaling fitted to a few runs.

use std::path::{Path, PathBuf};

use clap::{ValueEnum, ValueHint};
use serde::Serialize;
use syncline_queueing::scaling::{Ernest, Run, Scalability};

use super::failure;
use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Fit a law of scaling to a few runs, and tell other sizes
///
/// The file has a run a line. Ernest's law, time = th0 + th1 size/machines + th2 ln machines + th3 machines, is fitted to
/// `machines size time`; the universal scalability law, throughput = rate n / (1 + s (n - 1) + c n (n - 1)), to
/// `workers throughput`. Empty lines and lines that start with # are passed over.
///
/// Examples:
///   syncline queue scaling runs.txt --law ernest --machines 16,32 --size 4
///   syncline queue scaling speeds.txt --law usl --machines 16,32,64
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The runs
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    runs: PathBuf,
    /// The law
    #[arg(long, value_enum)]
    law: Law,
    /// Numbers of machines (workers) to tell
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    machines: Vec<usize>,
    /// Input size to tell, for Ernest's law [default: the largest of the file]
    #[arg(long, value_name = "SIZE")]
    size: Option<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Law {
    /// Time over machines and input size (Venkataraman et al. 2016)
    Ernest,
    /// Throughput over workers (Gunther)
    Usl,
}

/// A law with what it says.
#[derive(Serialize)]
struct Fitted {
    law: &'static str,
    runs: usize,
    /// By name.
    coefficients: Vec<(&'static str, f64)>,
    /// The number of workers with the largest throughput; absent where more always helps, or the law knows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_workers: Option<f64>,
    /// What is told: `time` in the file's unit, or `throughput`.
    quantity: &'static str,
    /// The mean of |fitted / given - 1| over the runs.
    mean_absolute_error: f64,
    predictions: Vec<Prediction>,
}

#[derive(Serialize)]
struct Prediction {
    machines: usize,
    value: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let fitted = match args.law {
        Law::Ernest => ernest(args)?,
        Law::Usl if args.size.is_some() => {
            let message = "--size is for --law ernest: the universal scalability law knows one input";
            return Err(Failure::Usage(message.into()));
        }
        Law::Usl => scalability(args)?,
    };
    if args.json { print_json(&fitted) } else { print(&text(&fitted)) }
}

fn ernest(args: &Args) -> Result<Fitted, Failure> {
    let rows = rows::<3>(&args.runs, "machines size time")?;
    let runs: Vec<Run> = rows.iter().map(|&[machines, size, time]| Run { machines, size, time }).collect();
    let law = Ernest::fit(&runs).map_err(failure)?;
    let largest = rows.iter().map(|row| row[1]).fold(0.0, f64::max);
    let size = args.size.unwrap_or(largest);
    let off = |run: &Run| Ok((law.time(run.machines, run.size).map_err(failure)? / run.time - 1.0).abs());
    let tell = |machines: usize| law.time(machines as f64, size).map_err(failure);
    Ok(Fitted {
        law: "ernest",
        runs: runs.len(),
        coefficients: ["th0", "th1", "th2", "th3"].into_iter().zip(law.coefficients()).collect(),
        peak_workers: None,
        quantity: "time",
        mean_absolute_error: mean(runs.iter().map(off))?,
        predictions: predictions(args, tell)?,
    })
}

fn scalability(args: &Args) -> Result<Fitted, Failure> {
    let rows = rows::<2>(&args.runs, "workers throughput")?;
    let points: Vec<(f64, f64)> = rows.iter().map(|&[workers, throughput]| (workers, throughput)).collect();
    let law = Scalability::fit(&points).map_err(failure)?;
    let off = |&(workers, throughput): &(f64, f64)| {
        Ok((law.throughput(workers.round() as usize).map_err(failure)? / throughput - 1.0).abs())
    };
    Ok(Fitted {
        law: "usl",
        runs: points.len(),
        coefficients: vec![("rate", law.rate), ("s", law.contention), ("c", law.coherence)],
        peak_workers: law.peak(),
        quantity: "throughput",
        mean_absolute_error: mean(points.iter().map(off))?,
        predictions: predictions(args, |workers| law.throughput(workers).map_err(failure))?,
    })
}

fn mean(values: impl ExactSizeIterator<Item = Result<f64, Failure>>) -> Result<f64, Failure> {
    let count = values.len().max(1) as f64;
    Ok(values.sum::<Result<f64, Failure>>()? / count)
}

fn predictions(
    args: &Args,
    tell: impl Fn(usize) -> Result<f64, Failure>,
) -> Result<Vec<Prediction>, Failure> {
    let one = |&machines: &usize| Ok(Prediction { machines, value: tell(machines)? });
    args.machines.iter().map(one).collect()
}

/// The numbers of each line; `columns` says which they are.
fn rows<const N: usize>(path: &Path, columns: &str) -> Result<Vec<[f64; N]>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", path.display())))?;
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let row = |(index, line): (usize, &str)| {
        let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        numbers.ok().and_then(|numbers| <[f64; N]>::try_from(numbers).ok()).ok_or_else(|| {
            Failure::Failed(format!(
                "{}, line {}: '{}' has not the numbers {columns}",
                path.display(),
                index + 1,
                line.escape_debug()
            ))
        })
    };
    lines.map(row).collect()
}

fn text(fitted: &Fitted) -> String {
    let Fitted { law, runs, coefficients, peak_workers, quantity, mean_absolute_error, predictions } = fitted;
    let coefficients: Vec<String> =
        coefficients.iter().map(|(name, value)| format!("{name} {value:.6}")).collect();
    let mut lines = vec![format!(
        "{law}, fitted to {runs} runs: {} (off by {:.1} % on them)",
        coefficients.join(", "),
        100.0 * mean_absolute_error
    )];
    lines.extend(peak_workers.map(|peak| format!("the throughput is largest at {peak:.1} workers")));
    lines.extend(
        predictions
            .iter()
            .map(|Prediction { machines, value }| format!("{machines:>8}  {quantity} {value:.6}")),
    );
    lines.join("\n")
}
