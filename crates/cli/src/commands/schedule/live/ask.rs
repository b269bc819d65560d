//! `syncline schedule cancel`, `explain`, `wait` and `record`.

use std::path::PathBuf;

use clap::ValueHint;
use syncline_serve::view::JobView;

use super::Place;
use crate::{
    failure::Failure,
    output::{check_writable, print, print_json, print_json_list, wrote},
};

/// Cancel jobs: those that run are asked to stop, and killed if they do not
///
/// Example:
///   syncline schedule cancel train
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct CancelArgs {
    /// The jobs, by name or number
    #[arg(required = true)]
    jobs: Vec<String>,
    #[command(flatten)]
    place: Place,
}

pub fn cancel(args: &CancelArgs) -> Result<(), Failure> {
    let client = args.place.client()?;
    for job in &args.jobs {
        let name = client.cancel(job)?;
        print(&format!("{name} is cancelled"))?;
    }
    Ok(())
}

/// Say why a job is where it is, and what the policy makes of it
///
/// Example:
///   syncline schedule explain train
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ExplainArgs {
    /// The job, by name or number
    job: String,
    #[command(flatten)]
    place: Place,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let explained = args.place.client()?.explain(&args.job)?;
    if args.json {
        return print_json(&explained);
    }
    let mut page = crate::output::page();
    page.line(&format!("{} is {}: {}", explained.job, explained.state, explained.why));
    if let Some(plan) = &explained.plan {
        page.line(&format!("the plan: {plan}"));
    }
    print(page.text())
}

/// Wait until jobs are over; exit code 0 if all ended with success
///
/// Example:
///   syncline schedule wait train && echo trained
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct WaitArgs {
    /// The jobs, by name or number; none: all that are not over
    jobs: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Print how they ended as JSON
    #[arg(long)]
    json: bool,
}

pub fn wait(args: &WaitArgs) -> Result<(), Failure> {
    let client = args.place.client()?;
    let jobs = if args.jobs.is_empty() {
        let open = |job: &JobView| (!job.is_over()).then(|| job.id.clone());
        client.status()?.jobs.iter().filter_map(open).collect()
    } else {
        args.jobs.clone()
    };
    let mut ended = Vec::new();
    for name in &jobs {
        let job = loop {
            let job = client.wait(name)?;
            if job.is_over() {
                break job;
            }
        };
        if !args.json {
            print(&format!("{}: {}", job.name, job.why))?;
        }
        ended.push(job);
    }
    if args.json {
        print_json_list("jobs", &ended)?;
    }
    match ended.iter().filter(|job| job.state != "done").count() {
        0 => Ok(()),
        bad => Err(Failure::Failed(format!("{bad} of {} jobs did not end with success", ended.len()))),
    }
}

/// Write all that happened and was decided to a file, for `schedule replay`
///
/// Example:
///   syncline schedule record live.jsonl && syncline schedule replay live.jsonl --simulate
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct RecordArgs {
    /// Where to write it
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

pub fn record(args: &RecordArgs) -> Result<(), Failure> {
    check_writable(&args.file)?;
    let recording = args.place.client()?.recording()?;
    std::fs::write(&args.file, recording).map_err(|error| {
        Failure::Failed(format!("cannot write {}: {error}", syncline_terminal::path(&args.file)))
    })?;
    wrote(&args.file);
    Ok(())
}
