//! `syncline runs`: the folders of runs, and what is in them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueHint};
use serde::Serialize;
use syncline::{
    paramserv::{
        Differences, RunFolder, RunLine, RunRecord, RunState, TrainJob, differences, write_comparison,
        write_list,
    },
    program::Executor,
};

use super::{
    detached,
    train::{Manner, run_job, take_part},
};
use crate::{
    failure::Failure,
    output::{page, print, print_json, print_json_list},
};

/// List, show, resume and compare runs that `syncline train --run-dir` has made
///
/// Examples:
///   syncline train data.csv --run-dir runs/first
///   syncline runs runs
///   syncline runs show runs/first
///   syncline runs resume runs/first
///   syncline runs compare runs/first runs/second
#[derive(clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// The folder whose runs are listed [default: the one where you are]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Show how far a run is, its job and its report
    ///
    /// Example:
    ///   syncline runs show runs/first
    #[command(verbatim_doc_comment)]
    Show(One),
    /// Go on with a run that was interrupted or killed, or has failed
    ///
    /// Examples:
    ///   syncline runs resume runs/first
    ///   syncline runs resume runs/first --detach
    #[command(verbatim_doc_comment)]
    Resume {
        #[command(flatten)]
        run: One,
        /// Leave it to itself, as `train --detach` does
        #[arg(long)]
        detach: bool,
    },
    /// Compare runs: in what their jobs differ, and what came of each
    ///
    /// Example:
    ///   syncline runs compare runs/first runs/second
    #[command(verbatim_doc_comment)]
    Compare {
        /// The runs' folders, or folders of such
        #[arg(required = true, value_name = "RUN", value_hint = ValueHint::DirPath)]
        runs: Vec<PathBuf>,
        /// Print the comparison as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
struct One {
    /// The run's folder
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    run: PathBuf,
    /// Print the report, or what is shown, as JSON
    #[arg(long)]
    json: bool,
}

/// What a comparison has as JSON.
#[derive(Serialize)]
struct Output {
    runs: Vec<RunLine>,
    differences: Differences,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        None => list(&args.folder.unwrap_or_else(|| PathBuf::from(".")), args.json),
        Some(What::Show(one)) => show(&one),
        Some(What::Resume { run, detach }) => resume(&run, detach),
        Some(What::Compare { runs, json }) => compare(&runs, json),
    }
}

fn list(folder: &Path, json: bool) -> Result<(), Failure> {
    let runs: Vec<RunLine> = RunRecord::all_in(folder)?.iter().map(RunRecord::line).collect();
    if json {
        return print_json_list("runs", &runs);
    }
    let mut page = page();
    match runs.is_empty() {
        true => {
            let folder = syncline_terminal::path(folder);
            page.line(&format!("there is no run in {folder}; `syncline train --run-dir DIR` makes one"));
        }
        false => write_list(&mut page, &runs),
    }
    print(page.text())
}

fn show(one: &One) -> Result<(), Failure> {
    let record = RunRecord::read(&one.run)?;
    if one.json {
        return print_json(&record.line());
    }
    let mut page = page();
    let why = match &record.state {
        RunState::Failed(why) | RunState::Interrupted(why) => format!(": {why}"),
        _ => String::new(),
    };
    page.line(&format!("{}{why}", record.state.name()));
    if let Some(round) = record.checkpoint.filter(|_| record.state != RunState::Finished) {
        let run = syncline_terminal::path(&one.run);
        page.line(&format!("it goes on from round {round} with `syncline runs resume {run}`"));
    }
    page.gap();
    for line in record.job.to_toml()?.lines() {
        page.line(line);
    }
    print(page.text())?;
    match fs::read_to_string(one.run.join("report.txt")) {
        Ok(report) => print(&format!("\n{report}")),
        // It has none yet.
        Err(_) => Ok(()),
    }
}

/// Its processes come here too, and do their part of the job.
fn resume(one: &One, detach: bool) -> Result<(), Failure> {
    if !syncline::program::is_child() && RunRecord::read(&one.run)?.state == RunState::Finished {
        let run = syncline_terminal::path(&one.run);
        let why = format!("{run} came to its end; more epochs are another job: name another --run-dir");
        return Err(Failure::Usage(why));
    }
    let job = match TrainJob::of_folder(&one.run) {
        Err(error) if syncline::program::is_child() => return take_part(error.into(), Manner::default()),
        job => job?,
    };
    if detach && !syncline::program::is_child() {
        // How it ended before is not how it ends now; and nobody else may be at it.
        RunFolder::hold(&one.run, true)?.begin(&job)?;
        let on = job.on.as_deref().cloned().unwrap_or_else(Executor::threads);
        return detached::start(&one.run, &job, &on, one.json);
    }
    run_job(job, Manner { json: one.json, goes_on: true, ..Manner::default() })
}

fn compare(folders: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut runs = Vec::new();
    for folder in folders {
        let found = RunRecord::all_in(folder)?;
        if found.is_empty() {
            let folder = syncline_terminal::path(folder);
            return Err(Failure::Failed(format!("there is no run in {folder}")));
        }
        runs.extend(found.iter().map(RunRecord::line));
    }
    let differences = differences(&runs)?;
    if json {
        return print_json(&Output { runs, differences });
    }
    let mut page = page();
    write_comparison(&mut page, &runs, &differences);
    print(page.text())
}
