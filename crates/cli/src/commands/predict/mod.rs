//! `syncline predict`: what another size or policy would cost, from one run's trace or log.

mod spark;
mod training;

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use syncline_explain::source::{Format, open};
use syncline_predict::{Error, Interval};
use syncline_queueing::Exceedance;

use super::queue::exceedance;
use crate::{failure::Failure, list::Rates};

/// Predict other sizes and policies from the trace of one run
///
/// Reads run files of `syncline train --trace` and Apache Spark's event logs, packed or rolling. First comes the error of
/// the prediction on the run itself. Every other number has an interval. Where the data do not support an answer it
/// says so, and why.
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
///   syncline predict application_1.zstd
///   syncline predict application_1.zstd --cores 2..16 --machine-cores 16 --plot cores.svg
///   syncline predict eventlog_v2_application_1 --partitions 4,8..64 --depth 2..3 --arrival-rate 0.5,1 --tail 0.01
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A run file of `syncline train --trace`, or a Spark event log
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath)]
    trace: PathBuf,
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

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    match open(&args.trace).map_err(Failure::failed)?.format {
        Format::RunFile if args.spark.is_used() => Err(Failure::Usage(format!(
            "{} is a training run: of the options only those for training runs apply, such as --workers",
            args.trace.display()
        ))),
        Format::RunFile => training::run(args),
        Format::Spark if args.training.is_used() => Err(Failure::Usage(format!(
            "{} is a Spark log: of the options only those for Spark apply, such as --cores",
            args.trace.display()
        ))),
        Format::Spark => spark::run(args),
        Format::Chrome | Format::FlightRecorder => Err(Failure::Failed(format!(
            "{}: only run files of syncline train --trace and Spark event logs can be predicted from",
            args.trace.display()
        ))),
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

/// Low end, value, high end.
fn three(interval: Interval) -> [f64; 3] {
    [interval.low, interval.value, interval.high]
}
