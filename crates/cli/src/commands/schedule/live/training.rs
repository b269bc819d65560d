//! Training jobs for the scheduler: a `TrainJob` as one of its jobs, and the command by which it runs one.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::ValueHint;
use serde_json::{Map, Value, json};
use syncline::{
    paramserv::{RunRecord, RunState, TrainJob, WantedPolicy},
    program::is_child,
};

use super::told;
use crate::{
    commands::{
        scale,
        train::{Manner, run_job, take_part},
    },
    failure::Failure,
};

/// The file of the job, and the folder of its run, in the folder that all starts of the job share.
const JOB: &str = "job.toml";
const RUN: &str = "run";

/// The file of its hosts there.
const HOSTS: &str = "hosts";

/// Seconds between SIGTERM and SIGKILL: a checkpoint is written between.
const GRACE: f64 = 30.0;

/// How long to wait until a run can be told anything: it reads its data first.
const BEGINS: Duration = Duration::from_secs(30);

/// Between two looks whether it can.
const LOOK: Duration = Duration::from_millis(50);

/// Whether a file holds a training job itself, and not a list of jobs for the scheduler.
pub fn is_one(path: &Path) -> bool {
    let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let begins =
        |line: &str, key: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    let lists = |line: &str| line.starts_with("[[jobs") || begins(line, "jobs");
    is_toml && !text.lines().any(|line| lists(line.trim()))
}

/// The entry of a file that is a training job itself: it is called like the file, and has as many workers.
pub fn entry(path: &Path) -> Value {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    json!({ "name": name, "train": path })
}

/// Puts what the scheduler starts in the place of `train`, which names a file in `folder`.
pub fn spell_out(entry: &mut Map<String, Value>, folder: &Path) -> Result<(), Failure> {
    let Some(train) = entry.remove("train") else { return Ok(()) };
    let name = entry.get("name").and_then(Value::as_str).unwrap_or("without a name").to_owned();
    let wrong = |what: String| Failure::Failed(format!("job {name}: {what}"));
    if let Some(field) =
        ["command", "files", "resume", "pin", "scale"].iter().find(|field| entry.contains_key(**field))
    {
        return Err(wrong(format!(
            "`{field}` beside `train`: a training job is started, stopped and resumed by itself"
        )));
    }
    let path = train.as_str().ok_or_else(|| wrong("`train` is the name of a training job's file".into()))?;
    let mut job = TrainJob::read(folder.join(path))?;
    let own = [
        ("run_dir", job.run_dir.is_some()),
        ("checkpoint", job.checkpoint.is_some()),
        ("save", job.save.is_some()),
        ("trace", job.trace.is_some()),
        ("resume", job.resume.is_some()),
    ];
    if let Some((key, _)) = own.iter().find(|(_, given)| *given) {
        return Err(wrong(format!(
            "{path}: `{key}` is for runs of one's own; the scheduler gives the run a folder"
        )));
    }
    if job.data.iter().any(|data| data.as_os_str() == "-") {
        return Err(wrong(format!(
            "{path}: standard input cannot be read again when the run goes on; name a file"
        )));
    }
    if let Some(on) = &job.on
        && !["threads", "processes"].contains(&on.to_string().as_str())
    {
        return Err(wrong(format!(
            "{path}: `on` is {on}; the scheduler runs jobs on threads or processes of its machine"
        )));
    }
    let most = most_workers(entry, &job).map_err(wrong)?;
    job.workers = Some(most);
    entry.entry("workers").or_insert(json!({ "min": 1, "max": most }));
    entry.entry("grace").or_insert(json!(GRACE));
    if !["workload", "seconds"].iter().any(|field| entry.contains_key(*field)) {
        entry.insert("seconds".into(), json!(3600));
    }
    let mut command =
        vec!["syncline", "schedule", "train", "{folder}", "--servers", "{servers}", "--on={on}"];
    if most > 1 && job.may_be_elastic() {
        command.extend(["--elastic", "{workers}"]);
        let scale = ["syncline", "schedule", "scale", "{folder}", "--workers", "{workers}"];
        entry.insert("scale".into(), json!(scale));
    }
    entry.insert("command".into(), json!(command));
    entry.insert("files".into(), json!({ JOB: job.to_toml()? }));
    entry.insert("resume".into(), json!(true));
    entry.insert("pin".into(), json!(true));
    Ok(())
}

/// The workers of the run: as many as the scheduler may give it cores.
fn most_workers(entry: &Map<String, Value>, job: &TrainJob) -> Result<usize, String> {
    let asked = entry.get("workers").and_then(|workers| workers.get("max")).and_then(Value::as_u64);
    match (asked.map(|most| most as usize), job.workers) {
        (Some(most), Some(workers)) if most > workers => Err(format!(
            "its `workers` are {most} at most, but the run has {workers}, and no use for more; raise `workers` of the run"
        )),
        (_, Some(workers)) => Ok(workers),
        (Some(most), None) => Ok(most),
        (None, None) => Ok(1),
    }
}

/// Run a training job for the scheduler: begin it in its folder, or go on there
#[derive(clap::Args)]
pub struct Args {
    /// The folder that all starts of the job share
    #[arg(value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// How many servers were decided; 0: as the job says
    #[arg(long)]
    servers: usize,
    /// Where it was placed; processes: here, as the job says
    #[arg(long)]
    on: String,
    /// How many of its workers are there at the start, if others may join and leave
    #[arg(long)]
    elastic: Option<usize>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let run = args.folder.join(RUN);
    let goes_on = RunRecord::is_at(&run);
    if goes_on && !is_child() && RunRecord::read(&run)?.state == RunState::Finished {
        // It had come to its end when nobody was there to hear it.
        return Ok(());
    }
    let job = match if goes_on { TrainJob::of_folder(&run) } else { TrainJob::read(args.folder.join(JOB)) } {
        Ok(job) if goes_on => job,
        Ok(job) => TrainJob { run_dir: Some(run), ..job },
        // On a host that does not see the folder.
        Err(error) if is_child() => return take_part(error.into(), Manner::default()),
        Err(error) => return Err(error.into()),
    };
    let has_servers = job.sync.is_none_or(WantedPolicy::has_servers);
    let servers = if args.servers > 0 && has_servers { Some(args.servers) } else { job.servers };
    let elastic = args.elastic.or(job.elastic);
    let on = if let Some(listed) = args.on.strip_prefix("ssh:") {
        // Those that no place was decided for are beside the workers.
        let beside = if args.servers == 0 && has_servers { job.servers.unwrap_or(1) } else { 0 };
        Some(format!("ssh:{}", hosts(args, listed, beside)?.display()).parse().map_err(Failure::failed)?)
    } else if args.on == "processes" {
        job.on.clone()
    } else {
        Some(share(&args.on).parse().map_err(Failure::failed)?)
    };
    run_job(TrainJob { servers, elastic, on, ..job }, Manner { goes_on, ..Manner::default() }).map_err(told)
}

/// An engine with what it is to be asked for: room for no more workers than were decided.
fn share(engine: &str) -> String {
    match engine.split_once(':') {
        Some(("slurm", wishes)) if !wishes.is_empty() => format!("slurm:{wishes},present"),
        _ if engine.trim_end_matches(':') == "slurm" => "slurm:present".into(),
        _ => engine.into(),
    }
}

/// The file of the hosts where it was placed, the first of which has room for so many servers more.
fn hosts(args: &Args, listed: &str, beside: usize) -> Result<PathBuf, Failure> {
    let path = args.folder.join(HOSTS);
    // A host need not see either file.
    if !is_child() {
        let text = std::fs::read_to_string(listed).map_err(Failure::failed)?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if let Some((host, slots)) = lines.first().and_then(|line| line.split_once(" slots=")) {
            let slots = slots.parse::<usize>().map_err(Failure::failed)? + beside;
            lines[0] = format!("{host} slots={slots}");
        }
        std::fs::write(&path, lines.join("\n")).map_err(Failure::failed)?;
    }
    Ok(path)
}

/// Have workers join the run of a training job, or leave it
#[derive(clap::Args)]
pub struct ScaleArgs {
    /// The folder that all starts of the job share
    #[arg(value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// How many are to be there
    #[arg(long)]
    workers: usize,
}

/// Returns when they are there, or when the run has come to its end.
pub fn scale(args: &ScaleArgs) -> Result<(), Failure> {
    let run = args.folder.join(RUN);
    let name = run.to_string_lossy().into_owned();
    let is_over = || RunRecord::read(&run).is_ok_and(|record| record.state == RunState::Finished);
    let mut left = BEGINS;
    while let Err(failure) = begun(&run, &name) {
        if is_over() {
            return Ok(());
        }
        if left.is_zero() {
            return Err(failure);
        }
        thread::sleep(LOOK);
        left = left.saturating_sub(LOOK);
    }
    let args =
        scale::Args { run: name, workers: args.workers, group: "worker".into(), wait: 60, json: false };
    scale::run(&args).or_else(|failure| if is_over() { Ok(()) } else { Err(failure) })
}

/// Whether the run can be told anything.
fn begun(run: &Path, name: &str) -> Result<(), Failure> {
    if !RunRecord::is_at(run) {
        return Err(Failure::Failed("its run has not begun".into()));
    }
    scale::find(name).map(drop)
}
