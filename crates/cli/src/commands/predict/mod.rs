//! `syncline predict`: what another size or policy would cost, from one run's trace or log.

mod training;

use std::path::PathBuf;

use clap::ValueHint;
use syncline_explain::source::{Format, open};

use crate::failure::Failure;

/// Predict other sizes and policies from the trace of one run
///
/// Reads run files of `syncline train --trace`. First comes the error of the prediction on the run itself. Every other
/// number has an interval of about 95 %. A round is as many folded gradients as there are workers. Throughput is not
/// convergence: stale or dropped gradients may need more of them.
///
/// Examples:
///   syncline predict run.parquet --workers 2..16 --sync bsp,ssp:1..4,asp
///   syncline predict run.parquet --workers 4,8,16,32 --sync bsp,backup:1..2 --plot speed.svg
///   syncline predict run.parquet --batch 64,128,256 --every batch,batches:4,epoch --servers 1,2
///   syncline predict run.parquet --lambda 0.01 --job-rounds 5000 --profile job.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A run file of `syncline train --trace`
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath)]
    trace: PathBuf,
    #[command(flatten)]
    training: training::Options,
    /// Draw the speed over the size into this SVG file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    plot: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    match open(&args.trace).map_err(Failure::failed)?.format {
        Format::RunFile => training::run(args),
        Format::Spark | Format::Chrome => Err(Failure::Failed(format!(
            "{}: only run files of syncline train --trace can be predicted from",
            args.trace.display()
        ))),
    }
}
