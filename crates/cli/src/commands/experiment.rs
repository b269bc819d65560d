//! `syncline experiment`: repeats an experiment of the documentation and says whether what must hold does.

use std::{fmt, path::PathBuf, str::FromStr};

use clap::ValueHint;
use indicatif::ProgressBar;
use serde::Serialize;
use syncline_coded::experiment::Experiment as Coded;
use syncline_experiment::{Curve, Outcome, Size};
use syncline_federated::experiment::Experiment as Federated;
use syncline_terminal::{Column, Detail, Page, Table};

use super::queue::{plot, sweep};
use crate::{
    failure::Failure,
    output::{check_writable, page, print, print_json, wrote},
    screen,
};

/// Repeat an experiment of the documentation: its table, and whether the rules hold that it must keep
///
/// f1: stragglers on FedProx' synthetic data: dropped, kept, kept with a pull to the server (minutes)
/// f2: accuracy against local epochs: client drift (minutes)
/// f3: bytes and dropouts of secure sums
/// f4: attackers against folds
/// f5: virtual time to a loss, with rounds and without
/// f6: accuracy against epsilon
/// c1: speed-up of codes over the number of workers, in virtual time and on threads
/// c2: gradient descent with codes, and with answers dropped
/// c3: the planner against the best code measured
/// c4: rows of a coded shuffle
/// c6: liars against DRACO
///
/// The same seeds give the same table, but for what is timed on threads. The exit code is 1 where a rule does not hold.
///
/// Examples:
///   syncline experiment f5 --plot f5.svg
///   syncline experiment f4 --seeds 1
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Which one: f1 to f6, c1 to c4, or c6
    experiment: Name,
    /// Seeds over which figures are taken
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Draw its plot into this file (SVG)
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath)]
    plot: Option<PathBuf>,
    /// Write its table into this file (CSV)
    #[arg(long, value_name = "FILE.csv", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An experiment of either chapter.
#[derive(Clone, Copy)]
enum Name {
    Federated(Federated),
    Coded(Coded),
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of_codes = || {
            text.parse().map(Self::Coded).map_err(|_| {
                format!("there is no experiment `{text}`: there are f1 to f6, c1, c2, c3, c4 and c6")
            })
        };
        text.parse().map(Self::Federated).or_else(|_| of_codes())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Federated(experiment) => experiment.fmt(f),
            Self::Coded(experiment) => experiment.fmt(f),
        }
    }
}

impl Name {
    fn run(self, size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome, Failure> {
        Ok(match self {
            Self::Federated(experiment) => experiment.run(size, tell)?,
            Self::Coded(experiment) => experiment.run(size, tell)?,
        })
    }
}

/// The outcome for machines.
#[derive(Serialize)]
struct Output<'a> {
    experiment: String,
    seeds: u64,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    args.plot.iter().chain(&args.out).try_for_each(|path| check_writable(path))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = if args.json || screen::detail() == Detail::Quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new_spinner()
    };
    let size = Size { seeds: args.seeds, threads };
    let outcome = args.experiment.run(size, &mut |doing| {
        bar.set_message(doing.to_owned());
        bar.tick();
    });
    bar.finish_and_clear();
    let outcome = outcome?;
    if args.json {
        let experiment = args.experiment.to_string();
        print_json(&Output { experiment, seeds: args.seeds, outcome: &outcome })?;
    } else {
        let mut page = page();
        write(&mut page, &outcome);
        print(page.text())?;
    }
    if let Some(path) = &args.out {
        std::fs::write(path, outcome.csv()).map_err(|error| {
            Failure::Failed(format!("cannot write {}: {error}", syncline_terminal::path(path)))
        })?;
        wrote(path);
    }
    if let Some(path) = &args.plot {
        let [across, up] = &outcome.axes;
        let list: Vec<sweep::Series> = outcome.curves.iter().map(series).collect();
        plot::draw(path, &outcome.title, (across, up), &list)?;
        wrote(path);
    }
    match outcome.rules.iter().filter(|rule| !rule.holds).count() {
        0 => Ok(()),
        1 => Err(Failure::Failed("a rule does not hold".to_owned())),
        broken => Err(Failure::Failed(format!("{broken} rules do not hold"))),
    }
}

fn write(page: &mut Page, outcome: &Outcome) {
    page.heading(&outcome.title);
    let is_number = |at: usize| {
        outcome.rows.iter().all(|row| row[at].starts_with(|c: char| c.is_ascii_digit() || c == '-'))
    };
    let columns = outcome.columns.iter().enumerate().map(|(at, name)| match is_number(at) {
        true => Column::number(name),
        false => Column::text(name),
    });
    let mut table = Table::new(columns.collect::<Vec<_>>());
    for row in &outcome.rows {
        table.row(row.clone());
    }
    page.table(&table).gap();
    for rule in &outcome.rules {
        let word = if rule.holds { "holds" } else { "does not hold" };
        page.bullet(&format!("{word}: {}", rule.text));
    }
}

fn series(curve: &Curve) -> sweep::Series {
    let of =
        |[rate, value]: &[f64; 2]| sweep::Point { rate: *rate, value: *value, half_width: 0.0, bounds: None };
    sweep::Series {
        name: curve.name.clone(),
        kind: curve.name.clone(),
        points: curve.points.iter().map(of).collect(),
    }
}
