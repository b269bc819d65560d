//! What another number of workers or another policy would cost a training run.

use serde::Serialize;
use syncline::paramserv::Sync;
use syncline_predict::{Check, Cycles, Error, Interval, JobProfile, Prediction, Question};

use super::Args;
use crate::commands::queue::{plot, sweep};
use crate::{
    failure::Failure,
    output::{check_writable, print, print_json},
};

/// What is asked of a training run.
#[derive(clap::Args)]
#[command(next_help_heading = "Training runs")]
pub struct Options {
    /// Numbers of workers: a list, in which A..B stands for all from A to B [default: 1, 2, 4 ... 4 times the trace's]
    #[arg(long, value_name = "LIST")]
    workers: Option<String>,
    /// Policies: a list, in which ssp:A..B stands for all bounds from A to B
    #[arg(long, value_name = "LIST", default_value = "bsp,ssp:1..3,asp")]
    sync: String,
}

#[derive(Serialize)]
struct Answer {
    run: Own,
    predictions: Vec<Row>,
    knees: Vec<Knee>,
}

#[derive(Serialize)]
struct Own {
    workers: usize,
    sync: String,
    rounds_per_worker: usize,
    measured_round_s: f64,
    predicted_round_s: f64,
    error: f64,
    persistent_share: f64,
}

#[derive(Serialize)]
struct Row {
    workers: usize,
    sync: String,
    #[serde(flatten)]
    answer: Told,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Values { round_s: [f64; 3], samples_per_s: [f64; 3], late: f64 },
    CannotTell { cannot_tell: String },
}

/// The number of workers from which a further one brings less than half of what the first did.
#[derive(Serialize)]
struct Knee {
    sync: String,
    workers: usize,
}

/// Answers for the run file.
pub fn run(args: &Args) -> Result<(), Failure> {
    if let Some(path) = &args.plot {
        check_writable(path)?;
    }
    let run = syncline::trace::read(&args.trace).map_err(Failure::failed)?;
    let cycles = Cycles::of(&run).map_err(Failure::failed)?;
    let own: Sync = run.info.sync.parse().map_err(Failure::failed)?;
    let check = Check::of(&cycles, own).map_err(Failure::failed)?;
    let profile = cycles.profile().map_err(Failure::failed)?;
    let workers = worker_counts(args.training.workers.as_deref(), profile.workers)?;
    let policies = policies(&args.training.sync)?;
    let mut answer = Answer { run: about(&profile, &check, own), predictions: Vec::new(), knees: Vec::new() };
    let mut curves = Vec::new();
    for sync in policies {
        let predictions = ask(&profile, &check, sync, &workers)?;
        curves.push(curve(sync, &predictions));
        answer.knees.extend(knee(sync, &predictions));
        answer.predictions.extend(predictions.into_iter().map(|(workers, told)| row(workers, sync, told)));
    }
    if let Some(path) = &args.plot {
        plot::draw(path, &args.trace.display().to_string(), ("workers", "samples per second"), &curves)?;
    }
    if args.json { print_json(&answer) } else { print(&text(&answer)) }
}

type Asked = (usize, Result<Prediction, Error>);

fn ask(profile: &JobProfile, check: &Check, sync: Sync, workers: &[usize]) -> Result<Vec<Asked>, Failure> {
    let question = |&workers: &usize| {
        let told = profile.predict(&Question { workers, sync }).map(|prediction| check.widen(prediction));
        (workers, told)
    };
    Ok(workers.iter().map(question).collect())
}

fn about(profile: &JobProfile, check: &Check, sync: Sync) -> Own {
    Own {
        workers: profile.workers,
        sync: sync.to_string(),
        rounds_per_worker: profile.rounds,
        measured_round_s: check.measured.value,
        predicted_round_s: check.predicted.round_s.value,
        error: check.error(),
        persistent_share: profile.persistent_share(),
    }
}

fn row(workers: usize, sync: Sync, told: Result<Prediction, Error>) -> Row {
    let three = |interval: Interval| [interval.low, interval.value, interval.high];
    let answer = match told {
        Ok(Prediction { round_s, samples_per_s, late }) => {
            Told::Values { round_s: three(round_s), samples_per_s: three(samples_per_s), late }
        }
        Err(error) => Told::CannotTell { cannot_tell: error.to_string() },
    };
    Row { workers, sync: sync.to_string(), answer }
}

fn curve(sync: Sync, asked: &[Asked]) -> sweep::Series {
    let told = asked.iter().filter_map(|(workers, told)| Some((*workers, told.as_ref().ok()?)));
    let points = told.map(|(workers, told)| {
        let Interval { value, low, high } = told.samples_per_s;
        sweep::Point { rate: workers as f64, value, half_width: 0.5 * (high - low) }
    });
    sweep::Series { name: sync.to_string(), kind: "prediction".into(), points: points.collect() }
}

fn knee(sync: Sync, asked: &[Asked]) -> Option<Knee> {
    let told = asked
        .iter()
        .filter_map(|(workers, told)| Some((*workers as f64, told.as_ref().ok()?.samples_per_s.value)));
    let speeds: Vec<(f64, f64)> = told.collect();
    let first = speeds.first()?;
    let each = first.1 / first.0;
    let slow =
        speeds.windows(2).find(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0) < 0.5 * each)?;
    Some(Knee { sync: sync.to_string(), workers: slow[0].0 as usize })
}

fn worker_counts(text: Option<&str>, measured: usize) -> Result<Vec<usize>, Failure> {
    let Some(text) = text else {
        return Ok(std::iter::successors(Some(1), |n| Some(2 * n))
            .take_while(|n| *n <= 4 * measured)
            .collect());
    };
    let wrong = || Failure::Usage(format!("--workers {text}: write numbers and ranges such as 2,4,8..16"));
    let mut list = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once("..").unwrap_or((part, part));
        let number = |text: &str| {
            let number = text.trim().parse::<usize>().ok();
            number.filter(|n| (1..=100_000).contains(n)).ok_or_else(wrong)
        };
        list.extend(number(from)?..=number(to)?);
    }
    if list.is_empty() { Err(wrong()) } else { Ok(list) }
}

fn policies(text: &str) -> Result<Vec<Sync>, Failure> {
    let mut list = Vec::new();
    for part in text.split(',') {
        let range = part.split_once(':').and_then(|(name, range)| Some((name, range.split_once("..")?)));
        let names = match range {
            None => vec![part.to_owned()],
            Some((name, (from, to))) => {
                let number = |text: &str| {
                    text.parse::<u32>()
                        .map_err(|_| Failure::Usage(format!("--sync {part}: '{text}' is no number")))
                };
                (number(from)?..=number(to)?).take(1000).map(|bound| format!("{name}:{bound}")).collect()
            }
        };
        for name in names {
            list.push(
                name.trim().parse().map_err(|error| Failure::Usage(format!("--sync {part}: {error}")))?,
            );
        }
    }
    Ok(list)
}

fn text(answer: &Answer) -> String {
    let Own {
        workers,
        sync,
        rounds_per_worker,
        measured_round_s,
        predicted_round_s,
        error,
        persistent_share,
    } = &answer.run;
    let mut lines = vec![
        format!("this run: {workers} workers, {sync}, {rounds_per_worker} rounds each"),
        format!(
            "  a round takes {:.3} ms measured, {:.3} ms predicted: error {:+.1} %",
            1e3 * measured_round_s,
            1e3 * predicted_round_s,
            100.0 * error
        ),
        format!(
            "  {:.0} % of the variation belongs to workers that are always slower or faster",
            100.0 * persistent_share
        ),
        String::new(),
        format!(
            "{:>8} {:>10} {:>28} {:>34} {:>7}",
            "workers", "sync", "ms per round of gradients", "samples per second", "late"
        ),
    ];
    for Row { workers, sync, answer } in &answer.predictions {
        lines.push(match answer {
            Told::Values { round_s: [low, value, high], samples_per_s: [least, rate, most], late } => format!(
                "{workers:>8} {sync:>10} {:>10.3} ({:>7.3} .. {:>7.3}) {rate:>14.0} ({least:>8.0} .. {most:>8.0}) {:>5.1} %",
                1e3 * value, 1e3 * low, 1e3 * high, 100.0 * late
            ),
            Told::CannotTell { cannot_tell } => format!("{workers:>8} {sync:>10} {cannot_tell}"),
        });
    }
    for Knee { sync, workers } in &answer.knees {
        lines.push(format!(
            "{sync}: beyond {workers} workers a further one brings less than half of what the first did"
        ));
    }
    lines.join("\n")
}
