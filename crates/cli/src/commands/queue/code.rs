//! `syncline queue code`: whether a code pays, and how many answers to wait for.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use syncline_coded::{
    planner::{Advice, Choice, Plan, Reading, from_distribution, from_times},
    time::ShiftedExponential,
};
use syncline_queueing::Distribution;
use syncline_terminal::{Column, Table, unit};

use super::system::{numbers, service};
use crate::{
    failure::Failure,
    output::{page, print, print_json},
};

/// Tell whether an (n, k) code pays for linear work, and which k answers to wait for
///
/// A round cuts the work into k blocks and is over with the answers of any k of n workers. Time is that of the whole job on one
/// worker: --mu R is 1 + Exp(R), so that the unit is the least time that the job can take. Waiting for all is the answer where
/// nothing is gained: tails must be heavy enough, and the decode quick.
///
/// Examples:
///   syncline queue code --workers 64 --mu 1
///   syncline queue code --workers 10 --service lognormal:0,1 --decode 0.02
///   syncline queue code --workers 10 --times seconds.txt
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Workers
    #[arg(long, value_name = "N")]
    workers: usize,
    /// The job takes 1 + Exp(R) on one worker
    #[arg(long, value_name = "R", group = "law", required_unless_present_any = ["service", "times"])]
    mu: Option<f64>,
    /// The job takes a time of this distribution on one worker
    #[arg(long, value_name = "DISTRIBUTION", group = "law")]
    service: Option<String>,
    /// Times that the job took on one worker, one a line, as measured
    #[arg(long, value_name = "FILE", group = "law", value_hint = ValueHint::FilePath)]
    times: Option<PathBuf>,
    /// Time of a decode, in the same unit
    #[arg(long, value_name = "TIME", default_value_t = 0.0)]
    decode: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The answer for machines. Times are in the unit of what was given.
#[derive(Serialize)]
pub struct Output {
    workers: usize,
    /// What measured times were read as.
    reading: Option<&'static str>,
    /// Kolmogorov's distance of shift + Exp(rate) to measured times.
    distance: Option<f64>,
    best_needed: usize,
    /// Mean of waiting for all over that of the best.
    gain: f64,
    gain_interval_95: Option<(f64, f64)>,
    advice: String,
    pays: bool,
    two_copies_mean: Option<f64>,
    repetition: Vec<Repeated>,
    choices: Vec<Chosen>,
}

#[derive(Serialize)]
struct Chosen {
    needed: usize,
    /// Absent where it is infinite.
    mean: Option<f64>,
    quantile_95: f64,
    work_factor: f64,
}

/// A gradient code of a job that is no linear one.
#[derive(Serialize)]
struct Repeated {
    stragglers: usize,
    mean: f64,
    work_factor: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let decode = |_: usize| args.decode;
    let plan = match (args.mu, &args.service, &args.times) {
        (Some(mu), ..) => {
            ShiftedExponential::new(mu)?;
            let law = Distribution::shifted_exponential(1.0, mu).map_err(super::failure)?;
            from_distribution(&law, args.workers, &decode)?
        }
        (_, Some(text), _) => from_distribution(&service(text)?, args.workers, &decode)?,
        (_, _, Some(path)) => from_times(&numbers(path)?, args.workers, decode, 1)?,
        (None, None, None) => return Err(Failure::Usage("give --mu, --service or --times".to_owned())),
    };
    let output = Output::of(&plan, args.workers).with_law(args.mu, args.workers)?;
    show(&output, args.json)
}

/// Prints a plan.
pub fn show(output: &Output, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(output);
    }
    let mut page = page();
    output.write(&mut page);
    print(page.text())
}

impl Output {
    /// Of a plan for so many workers.
    pub fn of(plan: &Plan, workers: usize) -> Self {
        let chosen = |choice: &Choice| Chosen {
            needed: choice.needed,
            mean: choice.mean.is_finite().then_some(choice.mean),
            quantile_95: choice.quantile95,
            work_factor: choice.work,
        };
        let (advice, pays) = match &plan.advice {
            Advice::Code { needed } => (format!("code, and wait for {needed} of {workers}"), true),
            Advice::DoNotCode { reason } => (format!("do not code: {reason}"), false),
        };
        let reading = plan.fit.map(|fit| match fit.better {
            Reading::ShiftedExponential => "shift + Exp(rate)",
            Reading::Times => "the times as they are",
        });
        Self {
            workers,
            reading,
            distance: plan.fit.map(|fit| fit.distance),
            best_needed: plan.best,
            gain: plan.gain,
            gain_interval_95: plan.gain_interval,
            advice,
            pays,
            two_copies_mean: None,
            repetition: Vec::new(),
            choices: plan.choices.iter().map(chosen).collect(),
        }
    }

    /// With what else is known where the law is 1 + Exp(mu).
    fn with_law(self, mu: Option<f64>, workers: usize) -> Result<Self, Failure> {
        let Some(mu) = mu else { return Ok(self) };
        let law = ShiftedExponential::new(mu)?;
        let two_copies_mean =
            if workers.is_multiple_of(2) { Some(law.replicated(workers, 2)?) } else { None };
        let divides = (0..workers).filter(|stragglers| workers.is_multiple_of(stragglers + 1));
        let of = |stragglers: usize| -> Result<Repeated, Failure> {
            let mean = law.repetition(workers, stragglers)?;
            Ok(Repeated { stragglers, mean, work_factor: (stragglers + 1) as f64 })
        };
        let repetition = divides.map(of).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { two_copies_mean, repetition, ..self })
    }

    fn write(&self, page: &mut syncline_terminal::Page) {
        let shown = self.shown();
        let mut table = Table::new([
            Column::number("answers"),
            Column::number("mean"),
            Column::number("95 % below"),
            Column::number("work"),
            Column::text(""),
        ]);
        for choice in self.choices.iter().filter(|choice| shown.contains(&choice.needed)) {
            let word = match choice.needed {
                needed if needed == self.best_needed => "best",
                needed if needed == self.workers => "waiting for all",
                _ => "",
            };
            table.row([
                format!("{} of {}", choice.needed, self.workers),
                choice.mean.map_or_else(|| "infinite".to_owned(), unit::amount),
                unit::amount(choice.quantile_95),
                unit::factor(choice.work_factor),
                word.to_owned(),
            ]);
        }
        page.table(&table);
        let interval = self.gain_interval_95.map_or(String::new(), |(low, high)| {
            format!(" (95 % between {} and {})", unit::factor(low), unit::factor(high))
        });
        page.gap().line(&format!(
            "{}: {} as fast as waiting for all{interval}.",
            self.advice,
            unit::factor(self.gain)
        ));
        if let Some(reading) = self.reading {
            page.remark(&format!(
                "The times were read as {reading}; Kolmogorov's distance of shift + Exp(rate) is {}.",
                unit::digits(self.distance.unwrap_or_default(), 3)
            ));
        }
        let all = self.choices.last().and_then(|choice| choice.mean);
        if let Some((copies, all)) = self.two_copies_mean.zip(all) {
            let verb = if copies > all { "slower" } else { "faster" };
            page.bullet(&format!("two copies of everything: {}, {verb} than one", unit::amount(copies)));
        }
        let best = self.repetition.iter().min_by(|a, b| a.mean.total_cmp(&b.mean));
        if let Some(best) = best {
            page.bullet(&format!(
                "gradients of any model, repetition:{}: {}, with {} the work{}",
                best.stragglers,
                unit::amount(best.mean),
                unit::factor(best.work_factor),
                if best.stragglers == 0 { ", which is no code: redundancy does not pay" } else { "" },
            ));
        }
    }

    /// The ks that are shown: all of few, else those around the best, a few on either side, and all.
    fn shown(&self) -> Vec<usize> {
        let n = self.workers;
        if n <= 16 {
            return (1..=n).collect();
        }
        let mut list: Vec<usize> = (1..=8).map(|eighth| (eighth * n).div_ceil(8)).collect();
        list.extend(self.best_needed.saturating_sub(1).max(1)..=(self.best_needed + 1).min(n));
        list
    }
}

impl From<syncline_coded::Error> for Failure {
    fn from(error: syncline_coded::Error) -> Self {
        match error {
            syncline_coded::Error::OutOfRange { .. } => Self::Usage(error.to_string()),
            error => Self::failed(error),
        }
    }
}
