//! `syncline federate`: trains one model on clients who keep their rows, and tells what that took and gave away.

mod flags;

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use syncline::{
    learn::SavedModel,
    program::{Executor, is_child},
};
use syncline_federated::{Error, Federation, Report, RoundReport, Settings, suitable};
use syncline_terminal::{Detail, unit};

use super::queue::{plot, sweep};
use crate::{
    failure::Failure,
    output::{check_distinct, check_writable, page, print, print_json, warn, wrote},
    screen,
};

pub use flags::Args;

/// What a script with clients of its own asks for.
pub struct OfScript {
    /// What clients and server do.
    pub settings: Settings,
    /// On how many nodes of what; nothing in virtual time.
    pub place: Option<(usize, Executor)>,
    /// Where the trace goes.
    pub trace: Option<PathBuf>,
}

/// Reads what a script asks for of so many clients of its own; data, models and files to be written are its own matter.
pub fn of_script(args: &Args, clients: usize) -> Result<OfScript, Failure> {
    Ok(OfScript { settings: args.settings()?, place: args.place(clients)?, trace: args.trace.clone() })
}

/// The report for machines.
#[derive(Serialize)]
struct Output<'a> {
    model: String,
    data: String,
    /// What was found out about the data, in sentences.
    notes: &'a [String],
    #[serde(flatten)]
    report: &'a Report,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let outputs: Vec<_> =
        [&args.save, &args.trace, &args.plot].into_iter().flatten().map(|path| path.as_path()).collect();
    let inputs = args.inputs();
    check_distinct(&outputs, &inputs.iter().map(|path| path.as_path()).collect::<Vec<_>>())?;
    // A child process of the run is one of its nodes, and writes nothing.
    if !is_child() {
        outputs.iter().try_for_each(|path| check_writable(path))?;
    }
    let settings = args.settings()?;
    let clients = args.source()?.open()?;
    let spec = args.model().unwrap_or_else(|| suitable(&clients.data));
    let model = spec.build(&clients.data)?;
    let (schema, notes) = (clients.schema.clone(), clients.notes.clone());
    let place = args.place(clients.rows.len())?;
    let bar = progress_bar(args.json, settings.rounds);
    let shown = bar.clone();
    let run = Federation::of(model, clients, settings)?.on_round(move |round, _| show(&shown, round));
    let run = args.trace.iter().fold(run, Federation::trace);
    let trained = match place {
        None => run.simulate(),
        Some((nodes, on)) => run.run_on(nodes, on),
    };
    bar.finish_and_clear();
    let trained = trained?;
    let (model, data) = (spec.to_string(), args.named());
    let report = &trained.report;
    if args.json {
        print_json(&Output { model, data, notes: &notes, report })?;
    } else {
        let mut page = page();
        report.write(&mut page, &format!("{model} on {data}, federated"));
        page.gap();
        notes.iter().for_each(|note| {
            page.bullet(note);
        });
        print(page.text())?;
    }
    if let Some(path) = &args.save {
        SavedModel::new(spec, schema, trained.parameters).save(path)?;
        wrote(path);
    }
    if let Some(path) = &args.plot {
        draw(path, &trained.report)?;
        wrote(path);
    }
    match (&args.trace, trained.trace_error) {
        (Some(_), Some(error)) => warn(&error.to_string()),
        (Some(path), None) => wrote(path),
        (None, _) => {}
    }
    Ok(())
}

/// On a terminal, which round it is.
fn progress_bar(json: bool, rounds: u64) -> ProgressBar {
    if is_child() || json || screen::detail() == Detail::Quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(rounds);
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} rounds  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, round: &RoundReport) {
    bar.set_position(round.round);
    if let Some(loss) = round.loss {
        bar.set_message(format!("loss {}", unit::loss(loss)));
    }
}

/// The loss over the run's time.
fn draw(path: &std::path::Path, report: &Report) -> Result<(), Failure> {
    let of = |round: &RoundReport| {
        Some(sweep::Point { rate: round.end_s, value: round.loss?, half_width: 0.0, bounds: None })
    };
    let name = format!("{}, {}", report.strategy, report.fold);
    let series =
        sweep::Series { kind: name.clone(), name, points: report.rounds.iter().filter_map(of).collect() };
    plot::draw(path, "Loss over time", ("seconds of the run", "loss"), &[series])
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Interrupted(by) => Self::Interrupted(by),
            error if error.is_usage() => Self::Usage(error.to_string()),
            error => Self::failed(error),
        }
    }
}
