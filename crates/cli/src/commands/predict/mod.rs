//! `syncline predict`: what another size or policy would cost, from one run's trace or log.

mod ranks;
mod spark;
mod training;

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use syncline_explain::source::{Format, open};
use syncline_predict::{Error, Interval};
use syncline_queueing::Exceedance;

use super::queue::{exceedance, sweep};
use crate::{failure::Failure, list::Rates};

/// Predict other sizes and policies from the trace of one run
///
/// Reads run files of `syncline train --trace`, Apache Spark's event logs, packed or rolling, and the traces of PyTorch's
/// profiler, one a rank of data-parallel training. First comes the error of the prediction on the run itself. Every other
/// number has an interval. Where the data do not support an answer it says so, and why.
///
/// Training runs: a round is as many folded gradients as there are workers. Throughput is not convergence: stale or
/// dropped gradients may need more of them.
///
/// Spark: whole tasks with their overheads are scheduled again, stage after stage. Executors of one machine share its
/// processor: how much that costs is read from the log.
///
/// Examples:
///   syncline predict run.parquet --workers 2..16 --sync bsp,ssp:1..4,asp
///   syncline predict run.parquet --workers 4,8,16,32 --sync bsp,backup:1..2 --plot speed.svg
///   syncline predict run.parquet --batch 64,128,256 --every batch,batches:4,epoch --servers 1,2
///   syncline predict run.parquet --job-rounds 5000 --arrival-rate 0.01,0.02 --profile job.json
///   syncline predict run.parquet --code 'mds:*'
///   syncline predict application_1.zstd
///   syncline predict application_1.zstd --cores 2..16 --plot cores.svg
///   syncline predict application_1.zstd --executors 2,4,8 --executor-cores 2,4 --price 0.05/core-hour --deadline 10min
///   syncline predict application_1.zstd --executor-memory 2g,4g --dynamic-allocation 1..20
///   syncline predict rank0.json.gz rank1.json.gz --world 2,8,64 --bucket 1m,25m --link 1,4
///   syncline predict eventlog_v2_application_1 --partitions 4,8..64 --depth 2..3 --arrival-rate 0.5,1 --tail 0.01
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A run file of `syncline train --trace`, a Spark event log, or the traces of PyTorch's profiler, one a rank
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath, required = true)]
    traces: Vec<PathBuf>,
    /// Draw the speed (of a Spark application the time in jobs) over the size into this SVG file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    plot: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    training: training::Options,
    #[command(flatten)]
    spark: spark::Options,
    #[command(flatten)]
    ranks: ranks::Options,
    #[command(flatten)]
    streams: Streams,
}

/// Jobs like the traced one that arrive one after another.
#[derive(clap::Args)]
#[command(next_help_heading = "Streams of jobs")]
struct Streams {
    /// Arrival rates of such jobs, a second: a list such as 0.1,0.5 or 0.1..0.9:0.2 [default: 50, 80 and 90 % of the
    /// largest stable one]
    #[arg(long, visible_alias = "lambda", value_name = "LIST", allow_negative_numbers = true)]
    arrival_rate: Option<Rates>,
    /// The share of jobs that may be later than the tail told
    #[arg(long, value_name = "EPS", default_value = "0.05", value_parser = exceedance)]
    tail: Exceedance,
}

impl Streams {
    /// Whether a stream was asked for.
    fn is_used(&self) -> bool {
        self.arrival_rate.is_some()
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let Some(trace) = args.traces.first() else { return Ok(()) };
    let format = open(trace).map_err(Failure::failed)?.format;
    if let ([_, other, ..], false) = (&args.traces[..], format == Format::Chrome) {
        return Err(ranks::mixed(if format == Format::Chrome { other } else { trace }));
    }
    let (what, like, is_other) = match format {
        Format::RunFile => ("a training run", "--workers", args.spark.is_used() || args.ranks.is_used()),
        Format::Spark => ("a Spark log", "--cores", args.training.is_used() || args.ranks.is_used()),
        Format::Chrome => (
            "a trace of ranks",
            "--world",
            args.training.is_used() || args.spark.is_used() || args.streams.is_used(),
        ),
        Format::FlightRecorder => {
            return Err(Failure::Failed(format!(
                "{}: a dump of the flight recorder has no times of work; what can be predicted from are run files of syncline train \
                 --trace, Spark event logs, and traces of PyTorch's profiler",
                trace.display()
            )));
        }
    };
    if is_other {
        return Err(Failure::Usage(format!(
            "{} is {what}: of the options only those for {what} apply, such as {like}",
            trace.display()
        )));
    }
    match format {
        Format::RunFile => training::run(args, trace),
        Format::Spark => spark::run(args, trace),
        _ => ranks::run(args, &args.traces),
    }
}

/// A value with its interval, or why there is none.
#[derive(Serialize, Clone)]
#[serde(untagged)]
enum Told<T> {
    Values(T),
    CannotTell { cannot_tell: String },
}

impl<T> Told<T> {
    fn of<U: Into<T>>(answer: Result<U, Error>) -> Self {
        match answer {
            Ok(value) => Self::Values(value.into()),
            Err(error) => Self::CannotTell { cannot_tell: error.to_string() },
        }
    }
}

/// A curve of the plot.
fn series(name: &str, points: Vec<(usize, Interval)>) -> sweep::Series {
    let point = |(size, Interval { value, low, high }): (usize, Interval)| sweep::Point {
        rate: size as f64,
        value,
        half_width: 0.5 * (high - low),
        bounds: Some([low, high]),
    };
    let points = points.into_iter().map(point).collect();
    sweep::Series { name: name.to_owned(), kind: "prediction".into(), points }
}

/// Low end, value, high end.
fn three(interval: Interval) -> [f64; 3] {
    [interval.low, interval.value, interval.high]
}
