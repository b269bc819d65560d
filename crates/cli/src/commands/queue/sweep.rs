//! `syncline queue sweep`: formulas and simulation over a range of arrival rates, as CSV and as a plot.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use indicatif::ProgressBar;
use serde::Serialize;
use syncline_queueing::sim::simulate;
use syncline_queueing::{Arrivals, Error, Exceedance, Model, Workload};

use super::{SystemArgs, exceedance, failure, plot, simulate::Size, system, table};
use crate::{
    failure::Failure,
    list::Rates,
    output::{check_distinct, check_writable, print_json_list, print_table, wrote},
};

/// Sweep the arrival rate: every formula, and the simulated value, at each rate
///
/// Examples:
///   syncline queue sweep --system fork-join --workers 16 --service exp:1 --arrival-rate 0.1..0.9:0.05 --plot fork-join.svg
///   syncline queue sweep --system split-merge --workers 10 --service exp:1 --arrival-rate 0.05..0.3:0.05 --tail 1e-3
///   syncline queue sweep --system 1-barrier --workers 10 --tasks 5 --service exp:1 --arrival-rate 0.1..1.4:0.1 --out t.parquet
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    system: SystemArgs,
    /// Sizes of tasks
    #[arg(long, value_name = "DISTRIBUTION")]
    service: String,
    /// Shape of the arrivals, scaled to each rate
    #[arg(long, value_name = "PROCESS", default_value = "exp:1")]
    arrivals: String,
    /// Arrival rates: FROM..TO:STEP, or a list such as 0.1,0.5
    #[arg(long, visible_alias = "lambda", value_name = "LIST", allow_negative_numbers = true)]
    arrival_rate: Rates,
    /// Sweep this quantile of the time in the system instead of its mean
    #[arg(long, value_name = "EPS", value_parser = exceedance)]
    tail: Option<Exceedance>,
    #[command(flatten)]
    size: Size,
    /// Formulas only
    #[arg(long)]
    no_simulation: bool,
    /// Draw the sweep into this SVG file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    plot: Option<PathBuf>,
    /// Write the table into this file, as Parquet if its name ends in .parquet, else as CSV
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Print JSON instead of CSV
    #[arg(long)]
    json: bool,
}

/// One curve: a formula, or the simulation with its 95 % interval.
#[derive(Serialize)]
pub struct Series {
    pub name: String,
    pub kind: String,
    pub points: Vec<Point>,
}

/// A value at an arrival rate.
#[derive(Serialize, Clone, Copy)]
pub struct Point {
    #[serde(rename = "arrival_rate")]
    pub rate: f64,
    pub value: f64,
    pub half_width: f64,
    /// The interval, where it is not symmetric.
    #[serde(skip)]
    pub bounds: Option<[f64; 2]>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let outputs: Vec<&Path> = args.plot.iter().chain(&args.out).map(PathBuf::as_path).collect();
    check_distinct(&outputs, &[])?;
    outputs.iter().try_for_each(|path| check_writable(path))?;
    let shape = system::arrivals(&args.arrivals)?;
    let size = system::service(&args.service)?;
    let mut list = Vec::new();
    let mut rates = args.arrival_rate.0.clone();
    rates.sort_by(f64::total_cmp);
    let bar = ProgressBar::new(rates.len() as u64);
    for rate in rates {
        let workload = Workload::new(at_rate(&shape, rate)?, size.clone());
        let model = args.system.model(workload)?;
        match model.largest_rate().and_then(|_| model.check_stable()) {
            // The curves end where the system does.
            Err(Error::Unstable { .. }) => break,
            Ok(()) | Err(_) => measure(args, &*model, rate, &mut list)?,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if list.is_empty() {
        return Err(Failure::Failed(
            "the system is unstable at every rate of the sweep, or nothing is known of it".into(),
        ));
    }
    if let Some(path) = &args.plot {
        let what = args
            .tail
            .map_or("mean time in the system".into(), |eps| format!("{} quantile of the time", eps.get()));
        plot::draw(path, &args.system.title(), ("arrival rate", &what), &list)?;
        wrote(path);
    }
    match &args.out {
        Some(path) => {
            table::write(path, &list)?;
            wrote(path);
        }
        None if !args.json => return print_table(&table::csv(&list)),
        None => {}
    }
    if args.json { print_json_list("series", &list) } else { Ok(()) }
}

fn at_rate(shape: &Arrivals, rate: f64) -> Result<Arrivals, Failure> {
    shape.at_rate(rate).map_err(failure)
}

fn measure(args: &Args, model: &dyn Model, rate: f64, list: &mut Vec<Series>) -> Result<(), Failure> {
    let estimates = match args.tail {
        Some(eps) => model.quantiles(eps),
        None => model.means(),
    };
    match estimates {
        Ok(estimates) => estimates.iter().for_each(|estimate| {
            add(
                list,
                estimate.method,
                &estimate.kind.to_string(),
                Point { rate, value: estimate.value, half_width: 0.0, bounds: None },
            );
        }),
        // What has no formula is simulated.
        Err(Error::NoFormula { .. } | Error::HeavyTail { .. } | Error::InfiniteMoment { .. })
            if !args.no_simulation => {}
        Err(error) => return Err(failure(error)),
    }
    if args.no_simulation {
        return Ok(());
    }
    let mut plan = args.size.plan();
    plan.quantiles.extend(args.tail);
    let report = simulate(model, &plan).map_err(failure)?;
    let value = match args.tail {
        Some(_) => report.quantiles.last().map_or(report.mean, |(_, value)| *value),
        None => report.mean,
    };
    add(
        list,
        "simulation",
        "simulation",
        Point { rate, value: value.value, half_width: value.half_width(0.95), bounds: None },
    );
    Ok(())
}

fn add(list: &mut Vec<Series>, name: &str, kind: &str, point: Point) {
    match list.iter_mut().find(|series| series.name == name) {
        Some(series) => series.points.push(point),
        None => list.push(Series { name: name.into(), kind: kind.into(), points: vec![point] }),
    }
}
