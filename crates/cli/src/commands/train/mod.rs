//! `syncline train`: trains a model with a parameter server and tells where the time went.

mod flags;
mod progress;
mod survival;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::Serialize;
use syncline::{
    data::{Input, expand},
    paramserv::{OpenJob, Report, RunFolder, RunRecord, RunState, TrainJob, Trained, Validation},
    program::{Interrupt, is_child},
};
use syncline_terminal::{Page, Screen};

use self::progress::Journal;
use super::detached;
use crate::{
    failure::Failure,
    output::{check_distinct, check_writable, json_document, page, print, print_raw, remark, wrote},
};

pub use flags::Args;

/// The report for machines.
#[derive(Serialize)]
struct Output<'a> {
    model: String,
    data: String,
    /// What was found out about the data, in sentences; the first says the task.
    notes: &'a [String],
    #[serde(flatten)]
    report: &'a Report,
}

/// Columns of a report that is kept as a file.
const FILE_WIDTH: usize = 100;

/// How a job is run, besides what it says.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    /// Only say what the job is.
    pub is_dry: bool,
    /// Print the report as JSON.
    pub json: bool,
    /// Leave the run to itself.
    pub is_detached: bool,
    /// The run of its folder goes on, or begins again where it has no checkpoint yet.
    pub goes_on: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    let manner = Manner { is_dry: args.dry_run, json: args.json, is_detached: args.detach, goes_on: false };
    let takes_up = args.go_on;
    let job = match args.job() {
        Err(failure) if is_child() => return take_part(failure, manner),
        job => job?,
    };
    match job.run_dir.clone() {
        None if takes_up => {
            Err(Failure::Usage("--go-on is for a run that has a folder: add --run-dir DIR".to_owned()))
        }
        Some(folder) if takes_up && !manner.is_dry && RunRecord::is_at(&folder) => {
            take_up(&folder, job, manner)
        }
        _ => run_job(job, manner),
    }
}

/// In a process on a host where the job cannot be read, with this `failure`: whoever launched it knows what the job is.
pub fn take_part(failure: Failure, manner: Manner) -> Result<(), Failure> {
    match OpenJob::of_launcher()? {
        Some(opened) => train(opened, &Journal::new(None), String::new(), manner),
        None => Err(failure),
    }
}

/// Goes on with the run of a folder, unless that has come to its end. Its processes come here too, and do their part of it.
fn take_up(folder: &Path, job: TrainJob, manner: Manner) -> Result<(), Failure> {
    if !is_child() && RunRecord::read(folder)?.state == RunState::Finished {
        remark(&format!("the run in {} has come to its end already", syncline_terminal::path(folder)));
        return Ok(());
    }
    run_job(TrainJob::of_folder(folder)?.but(job), Manner { goes_on: true, ..manner })
}

/// Runs a job, or says what it is.
pub fn run_job(job: TrainJob, manner: Manner) -> Result<(), Failure> {
    if manner.is_detached && job.run_dir.is_none() {
        return Err(Failure::Usage("--detach needs a folder for the run: add --run-dir DIR".to_owned()));
    }
    if manner.is_detached
        && let Some(stream) = job.data.iter().find(|path| Input::is_stream(path))
    {
        return Err(Failure::Usage(format!(
            "{} can be read only once and only here, and with --detach another process trains: save the rows to a file",
            syncline_terminal::path(stream)
        )));
    }
    if manner.is_dry
        && let Some(manifest) = manifest(&job, manner.is_detached)?
    {
        return print_raw(manifest.as_bytes());
    }
    if manner.is_detached && !manner.is_dry && detached::send(&job, launched(&job))? {
        return Ok(());
    }
    let holds = job.run_dir.clone().filter(|_| !is_child() && !manner.is_dry);
    let mut folder =
        holds.map(|path| RunFolder::hold(path, manner.goes_on || job.resume.is_some())).transpose()?;
    check_outputs(&job)?;
    let data = named(&job.data);
    let opened = match job.open() {
        Ok(opened) => opened,
        Err(error) => {
            let failure = Failure::from(error);
            // Who looks at a run that was to go on is told why it did not.
            if let Some(folder) = folder.as_mut().filter(|_| manner.goes_on) {
                folder.end(RunState::Failed(failure.to_string()))?;
            }
            return Err(failure);
        }
    };
    if manner.is_dry {
        opened.run.check()?;
        if let (true, Some(folder)) = (manner.is_detached, &opened.job.run_dir)
            && let Some(script) = detached::script(folder, &opened.job, &opened.executor, manner.json)?
        {
            return print_raw(script.as_bytes());
        }
        return rehearse(opened, manner);
    }
    if manner.is_detached && opened.executor.is_sim() {
        let why = "--detach is for what takes real time: a simulation is no such run";
        return Err(Failure::Usage(why.to_owned()));
    }
    if let Some(folder) = &mut folder {
        opened.run.check()?;
        folder.begin(&opened.job)?;
    }
    if let (true, Some(path)) = (manner.is_detached, &opened.job.run_dir) {
        // Whoever goes on there holds it.
        drop(folder);
        return detached::start(path, &opened.job, &opened.executor, manner.json);
    }
    let journal = Journal::new(folder);
    let result = train(opened, &journal, data, manner);
    journal.end(&result).and(result)
}

/// What Kubernetes is given to launch the job itself, by the same command line; nothing where it runs elsewhere. The data need only
/// be in the cluster.
fn manifest(job: &TrainJob, is_detached: bool) -> Result<Option<String>, Failure> {
    let Some(on) = job.on.as_deref() else { return Ok(None) };
    let name =
        job.run_dir.as_deref().filter(|_| is_detached).map_or_else(|| "train".to_owned(), detached::name);
    on.manifest(&name, launched(job)).map_err(Failure::failed)
}

/// The arguments of the launcher that a cluster starts.
fn launched(job: &TrainJob) -> Vec<OsString> {
    let mut arguments = rehearsed();
    arguments.retain(|argument| argument != "--detach");
    if job.run_dir.is_some() && !arguments.iter().any(|argument| argument == "--go-on") {
        // Whether it has begun before only the cluster sees.
        arguments.push("--go-on".into());
    }
    arguments
}

/// The arguments with which what is only told would be done.
fn rehearsed() -> Vec<OsString> {
    std::env::args_os().skip(1).filter(|argument| argument != "--dry-run").collect()
}

/// Says what the job is, as a file of it; behind that, in comments, what would be done on hosts.
fn rehearse(opened: OpenJob, manner: Manner) -> Result<(), Failure> {
    let OpenJob { run, executor, job, .. } = opened;
    let arguments = match job.run_dir.as_deref().filter(|_| manner.is_detached) {
        Some(folder) => detached::arguments(folder, manner.json)?,
        None => rehearsed(),
    };
    let folder = std::env::current_dir().map_err(Failure::failed)?;
    let mut text = job.within(&folder).to_toml()?;
    if let Some(told) = run.rehearse(&executor, arguments)? {
        told.lines().for_each(|line| text.push_str(&format!("# {line}\n")));
    }
    print_raw(text.as_bytes())
}

/// Finds out before hours of work whether what is going to be written can be, and is nothing that is read.
fn check_outputs(job: &TrainJob) -> Result<(), Failure> {
    let outputs: Vec<&Path> = job.save.iter().chain(&job.trace).map(PathBuf::as_path).collect();
    if !is_child() {
        outputs.iter().try_for_each(|path| check_writable(path))?;
    }
    let held_out = match &job.validation {
        Some(Validation::File(path)) => Some(path.clone()),
        _ => None,
    };
    // What cannot be found is told of when it is read.
    let read = expand(&job.data).unwrap_or_default();
    let inputs: Vec<&Path> = read.iter().chain(&job.data).chain(&held_out).map(PathBuf::as_path).collect();
    check_distinct(&outputs, &inputs)
}

/// Trains, and brings everything home.
fn train(opened: OpenJob, journal: &Journal, data: String, manner: Manner) -> Result<(), Failure> {
    let mut saved = opened.saved_model();
    let OpenJob { run, executor, job, notes, .. } = opened;
    let run = journal.attend(run, progress::bar(manner.json));
    let trained = survival::or_go_on(&job, run.train(executor).map_err(Failure::from))?;
    // The model first: whoever reads the report may have gone away. But the report also when it cannot be saved.
    let report = trained.report().clone();
    let Trained { parameters, interrupted, trace_error, checkpoint_error, .. } = trained;
    saved.parameters = parameters;
    saved.unfinished = interrupted.map(|by| unfinished(by, &report));
    let kept = job.save.as_ref().map_or(Ok(()), |path| saved.save(path));
    let output = Output { model: saved.spec.to_string(), data, notes: &notes, report: &report };
    let filed = journal.report(&output.page(Page::new(&Screen::plain(FILE_WIDTH))), &output.json()?);
    let told = match manner.json {
        true => print_raw(output.json()?.as_bytes()),
        false => print(output.page(page()).text()),
    };
    kept?;
    filed?;
    job.save.iter().for_each(|path| wrote(path));
    if let Some(error) = trace_error {
        return Err(Failure::failed(format!("the trace is incomplete: {error}")));
    }
    job.trace.iter().for_each(|path| wrote(path));
    told?;
    if let Some(error) = checkpoint_error {
        return Err(Failure::failed(format!("the last checkpoint could not be written: {error}")));
    }
    if let Some(by) = interrupted {
        survival::tell_how_to_go_on(&job);
        return Err(Failure::Interrupted(by));
    }
    Ok(())
}

impl Output<'_> {
    /// As a document.
    fn json(&self) -> Result<String, Failure> {
        json_document("train", self)
    }

    /// As a person reads it.
    fn page(&self, mut page: Page) -> Page {
        for note in self.notes {
            page.line(note);
        }
        self.report.write(&mut page, &format!("{} on {}", self.model, self.data));
        page
    }
}

/// The files of training data by their names.
fn named(data: &[PathBuf]) -> String {
    let names: Vec<String> = data.iter().map(|path| syncline_terminal::path(path)).collect();
    if names.is_empty() { "generated data".to_owned() } else { names.join(", ") }
}

/// What a model that was interrupted says of itself.
fn unfinished(by: Interrupt, report: &Report) -> String {
    let complete = report.epochs.iter().filter(|epoch| epoch.complete).count();
    format!("ended by {by} after {complete} of {} epochs", report.settings.epochs)
}
