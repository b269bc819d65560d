//! `syncline trace`: explains what a log or a run file tells.

use std::{fs, path::PathBuf};

use clap::{Subcommand, ValueHint};
use syncline_explain::{
    explain,
    report::{html, text},
};

use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Explain where the time went, from a run's trace or another system's log
///
/// Reads Spark event logs (3 and 4; plain, .gz, .zst, .lz4, .snappy, rolling folders; finished, live or cut), Chrome and
/// PyTorch (Kineto) traces, and run files of `syncline train --trace`. What a file is, its content tells.
///
/// Examples:
///   syncline trace report run.parquet
///   syncline trace report eventlog_v2_app-20261121092843-0000
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What to do with the logs.
#[derive(Subcommand)]
enum Command {
    Report(Report),
}

/// Tell where the time went, what each synchronisation point costs, and why
///
/// Example:
///   syncline trace report app-20261121092843-0000.zstd --html report.html
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct Report {
    /// Logs, run files, or folders of rolling logs; Chrome traces among them are the ranks of one run
    #[arg(required = true, value_name = "LOG", value_hint = ValueHint::AnyPath)]
    logs: Vec<PathBuf>,
    /// Write the report as one page that needs nothing else
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Print the report as JSON; of several logs as a list
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Report(args) => report(&args),
    }
}

fn report(args: &Report) -> Result<(), Failure> {
    let reports =
        args.logs.iter().map(|log| explain(log)).collect::<Result<Vec<_>, _>>().map_err(Failure::failed)?;
    if let Some(path) = &args.html {
        let write = fs::write(path, html(&reports));
        write
            .map_err(|error| Failure::Failed(format!("cannot write the page {}: {error}", path.display())))?;
    }
    match (&reports[..], args.json) {
        ([report], true) => print_json(report),
        (reports, true) => print_json(&reports),
        (reports, false) => print(&reports.iter().map(text).collect::<Vec<_>>().join("\n")),
    }
}
