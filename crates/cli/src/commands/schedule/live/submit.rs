//! `syncline schedule submit`: jobs for the daemon.

use std::{
    env,
    path::{Path, PathBuf, absolute},
};

use clap::ValueHint;
use serde::Serialize;
use serde_json::{Value, json};
use syncline::schedule::jobs_file;

use super::{Place, training};
use crate::{
    failure::Failure,
    list::Span,
    output::{print, print_json, remark},
};

/// Give the scheduler jobs: those of a file, a training job as `syncline train` takes it, or one command
///
/// A training job runs in a folder of its own, on as many cores as the scheduler gives it workers; when that number changes it
/// goes on from a checkpoint.
///
/// In a command {workers}, {servers}, {name} and {folder} are filled in when it starts; see `schedule schema jobs --example`.
///
/// Examples:
///   syncline schedule submit jobs.toml
///   syncline schedule submit train-job.toml
///   syncline schedule submit --name a --seconds 60 -- sleep 60
///   syncline schedule submit --name b --after a --limit 30 -- sleep 10
///   syncline schedule submit --workers 1..2 --resume -- python train.py --workers {workers} --checkpoint {folder}/last
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A list of jobs in TOML or JSON, or a training job in TOML
    #[arg(value_hint = ValueHint::FilePath, conflicts_with = "command", required_unless_present = "command")]
    jobs: Option<PathBuf>,
    /// What to call it [default: its number]
    #[arg(long, requires = "command")]
    name: Option<String>,
    /// How many workers it may have: 2, or 1..4
    #[arg(long, requires = "command", value_name = "N|MIN..MAX")]
    workers: Option<Span<u32>>,
    /// How long it takes with its fewest workers, as far as that is known [default: 3600]
    #[arg(long, requires = "command")]
    seconds: Option<f64>,
    /// Cores that a worker takes [default: 1]
    #[arg(long, requires = "command")]
    cpu: Option<f64>,
    /// GPUs that a worker takes [default: 0]
    #[arg(long, requires = "command")]
    gpu: Option<f64>,
    /// It can be stopped by SIGTERM and goes on where it was when it is started again
    #[arg(long, requires = "command")]
    resume: bool,
    /// How many times it is begun again when it ends without success [default: 0]
    #[arg(long, requires = "command")]
    retries: Option<u32>,
    /// The queue of the cluster, where there are any
    #[arg(long, requires = "command")]
    queue: Option<String>,
    /// Higher goes first, and takes the room of lower ones [default: that of the queue, else 0]
    #[arg(long, requires = "command", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// The longest that it may run, in seconds; then it is stopped and ends as timed out
    #[arg(long, requires = "command", value_name = "SECONDS")]
    limit: Option<f64>,
    /// A job that must be done before it starts; may be repeated
    #[arg(long, requires = "command", value_name = "JOB")]
    after: Vec<String>,
    /// A job that must be over before it starts, however it ends; may be repeated
    #[arg(long, requires = "command", value_name = "JOB")]
    after_any: Vec<String>,
    /// It cannot resume, but may be stopped for a higher priority and begin again
    #[arg(long, requires = "command", conflicts_with = "resume")]
    requeue: bool,
    #[command(flatten)]
    place: Place,
    /// Print the numbers as JSON
    #[arg(long)]
    json: bool,
    /// The command, after --
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Serialize)]
struct Output {
    jobs: Vec<String>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut jobs = match &args.jobs {
        Some(path) if training::is_one(path) => {
            vec![training::entry(&absolute(path).map_err(Failure::failed)?)]
        }
        Some(path) => jobs_file::jobs_to_send(path)?,
        None => vec![args.job()],
    };
    let beside = args.jobs.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    for job in jobs.iter_mut().filter_map(Value::as_object_mut) {
        training::spell_out(job, beside)?;
    }
    let mut later = 0;
    for job in jobs.iter_mut().filter_map(Value::as_object_mut) {
        if job.get("command").is_none() {
            let name = job.get("name").and_then(Value::as_str).unwrap_or("without a name");
            return Err(Failure::Failed(format!(
                "job {name}: it has neither a `command` nor `train`, so there is nothing to run; `schedule simulate` takes such jobs"
            )));
        }
        later += usize::from(job.remove("arrival").is_some_and(|arrival| arrival.as_f64() != Some(0.0)));
        let here = env::current_dir().map_err(Failure::failed)?;
        let folder =
            job.get("directory").and_then(Value::as_str).map_or(here.clone(), |folder| here.join(folder));
        job.insert("directory".into(), json!(folder));
    }
    if later > 0 {
        remark(&format!(
            "{later} of the jobs have an arrival time, which is for simulations: all are submitted now"
        ));
    }
    let jobs = args.place.client()?.submit(jobs)?;
    if args.json { print_json(&Output { jobs }) } else { print(&jobs.join("\n")) }
}

impl Args {
    fn job(&self) -> Value {
        let mut job = json!({ "command": self.command, "resume": self.resume });
        if let Some(name) = &self.name {
            job["name"] = json!(name);
        }
        if let Some(Span { first, last }) = self.workers {
            job["workers"] = json!({ "min": first, "max": last });
        }
        if self.seconds.is_some() || self.workers.is_some() {
            job["seconds"] = json!(self.seconds.unwrap_or(3600.0));
        }
        if self.cpu.is_some() || self.gpu.is_some() {
            job["worker"] = json!({ "cpu": self.cpu.unwrap_or(1.0), "gpu": self.gpu.unwrap_or(0.0) });
        }
        if let Some(retries) = self.retries {
            job["retries"] = json!(retries);
        }
        if let Some(queue) = &self.queue {
            job["queue"] = json!(queue);
        }
        if let Some(priority) = self.priority {
            job["priority"] = json!(priority);
        }
        if let Some(limit) = self.limit {
            job["limit"] = json!(limit);
        }
        if !self.after.is_empty() {
            job["after"] = json!(self.after);
        }
        if !self.after_any.is_empty() {
            job["after_any"] = json!(self.after_any);
        }
        if self.requeue {
            job["requeue"] = json!(true);
        }
        job
    }
}
