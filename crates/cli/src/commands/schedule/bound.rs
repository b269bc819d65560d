//! `syncline schedule bound`: how far from the best possible.

use std::{path::Path, sync::Arc, time::Duration};

use indicatif::ProgressBar;
use serde::Serialize;
use syncline::schedule::{
    Cluster, Job, PolicyName, Setup,
    bound::upper_bound,
    exact::{self, Instance, Patience},
    jobs_file,
    lp::Microlp,
    pricing::{LateShare, PriceRange, SlotGrid, Times},
    setting::Setting,
    sim::{Clock, Options, simulate},
    state::{Overhead, Physics},
};

use syncline_terminal::{Column, Page, Table};

use super::{TimesName, policies};
use crate::{
    failure::Failure,
    list::Span,
    output::{page, print, print_json_list},
};

/// Bound the best possible utility by a linear program, and compare policies with it
///
/// The bound knows all jobs in advance and pours the machines together, so no schedule reaches more. With
/// --exact the optimum itself is proved; that is possible for a handful of jobs, machines and slots.
///
/// Example:
///   syncline schedule bound --jobs 20 --machines 10 --seeds 1..3 --policy pd-ors,syncline
///   syncline schedule bound --setting small --exact --times paper --seeds 1..4
///   syncline schedule bound --jobs jobs.json --cluster cluster.json --policy all
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The policies, separated by commas, or all
    #[arg(long, value_delimiter = ',', default_value = "pd-ors,syncline")]
    policy: Vec<String>,
    /// calibrated, literal or small (small enough for --exact) [default: calibrated]
    #[arg(long)]
    setting: Option<String>,
    /// How many jobs to draw [default: 20; 5 if small], or a file of jobs (.json, .toml, .csv)
    #[arg(long, value_name = "N|FILE")]
    jobs: Option<String>,
    /// The number of machines [default: 10; 2 if small]
    #[arg(long, conflicts_with = "cluster")]
    machines: Option<usize>,
    /// The machines instead: a file (.json, .toml, .csv), or machines times GPUs, such as 8x8
    #[arg(long, value_name = "FILE|NxGPUS")]
    cluster: Option<String>,
    /// How time within a slot counts: real, or paper, which --exact needs
    #[arg(long, value_enum, default_value = "real")]
    times: TimesName,
    /// The number of one-hour slots [default: 20; 5 if small]
    #[arg(long)]
    slots: Option<usize>,
    /// The seeds, both ends included
    #[arg(long, default_value = "1..3")]
    seeds: Span<u64>,
    /// Prove the optimum too
    #[arg(long)]
    exact: bool,
    /// Give up on an optimum after so many seconds
    #[arg(long, default_value_t = 60.0, requires = "exact")]
    limit: f64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    seed: u64,
    bound: f64,
    /// With --exact, if it was proved in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    optimum: Option<f64>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    unproved: Option<String>,
    /// The factor of PD-ORS' guarantee, `2 max(1, ln U / L)`, to be multiplied by the rounding's `3 G / delta`.
    log_ratio: f64,
    policies: Vec<Reached>,
}

#[derive(Serialize)]
struct Reached {
    name: String,
    utility: f64,
    /// The optimum, or else the bound, over this utility; none if that is zero.
    ratio: Option<f64>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let names = policies(&args.policy)?;
    let setting = args.setting()?;
    let cluster = match &args.cluster {
        Some(text) => Arc::new(jobs_file::cluster(text)?),
        None => Arc::new(setting.cluster()?),
    };
    let given = args.jobs_file().map(|path| jobs_file::read_jobs_for(path, &cluster)).transpose()?;
    let row = |seed| {
        let jobs = given.clone().unwrap_or_else(|| setting.draw(seed));
        row(&args, &names, &cluster, &setting.grid, &jobs, seed)
    };
    let rows = (args.seeds.first..=args.seeds.last).map(row).collect::<Result<Vec<_>, Failure>>()?;
    if args.json {
        return print_json_list("seeds", &rows);
    }
    let mut page = page();
    rows.iter().for_each(|row| show(row, &mut page));
    print(page.text())
}

fn show(row: &Row, page: &mut Page) {
    page.line(&format!("seed {}: no schedule reaches more than {:.1}", row.seed, row.bound));
    if let Some(why) = &row.unproved {
        page.line(&format!("  the optimum is not known: {why}"));
    }
    let best = if row.optimum.is_some() { "optimum" } else { "bound" };
    let columns = [
        Column::text("").shrinks_to(8),
        Column::number("utility"),
        Column::number(&format!("{best} / reached")),
    ];
    let mut table = Table::new(columns).indented(2);
    if let Some(optimum) = row.optimum {
        table.row(["optimum".to_owned(), format!("{optimum:.1}"), String::new()]);
    }
    for reached in &row.policies {
        let ratio = reached.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3} x"));
        table.row([reached.name.clone(), format!("{:.1}", reached.utility), ratio]);
    }
    page.table(&table);
}

impl Args {
    fn setting(&self) -> Result<Setting, Failure> {
        if !(self.limit > 0.0 && self.limit <= 1e9) {
            return Err(Failure::Usage(format!(
                "--limit {}: it is a positive number of seconds, at most 1e9",
                self.limit
            )));
        }
        let file = self.jobs_file().is_some();
        if file && (self.setting.is_some() && self.machines.is_none()) {
            let message = "--setting has no effect here: it is for jobs that are drawn";
            return Err(Failure::Usage(message.into()));
        }
        if file && self.cluster.is_none() && self.machines.is_none() {
            let message =
                "--jobs FILE also needs the machines: give --cluster FILE, --cluster 8x8 or --machines N";
            return Err(Failure::Usage(message.into()));
        }
        if self.exact && self.times != TimesName::Paper {
            let message = "--exact counts whole slots, as the papers do: add --times paper";
            return Err(Failure::Usage(message.into()));
        }
        let mut setting = match self.setting.as_deref().unwrap_or("calibrated") {
            "small" => exact::small(),
            name => {
                let named = Setting::named(name);
                let named = named.map_err(|error| Failure::Usage(format!("{error}, and here small")))?;
                Setting { jobs: 20, machines: 10, ..named }
            }
        };
        let drawn = self.jobs.as_deref().and_then(|jobs| jobs.parse().ok());
        setting.jobs = drawn.unwrap_or(setting.jobs);
        setting.grid.times = Times::from(self.times);
        setting.machines = self.machines.unwrap_or(setting.machines);
        setting.grid.slots = self.slots.unwrap_or(setting.grid.slots);
        setting.validate().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(setting)
    }

    fn jobs_file(&self) -> Option<&Path> {
        self.jobs.as_deref().filter(|jobs| jobs.parse::<usize>().is_err()).map(Path::new)
    }
}

fn row(
    args: &Args,
    names: &[PolicyName],
    cluster: &Arc<Cluster>,
    grid: &SlotGrid,
    jobs: &[Job],
    seed: u64,
) -> Result<Row, Failure> {
    let bound = upper_bound(cluster, jobs, grid, &Microlp)?;
    let range = PriceRange::of(cluster, jobs, grid, LateShare::default());
    let reach = |policy: &PolicyName| Ok((policy.to_string(), reach(*policy, cluster, grid, jobs, seed)?));
    let reached = names.iter().map(reach).collect::<Result<Vec<(String, f64)>, Failure>>()?;
    let most = reached.iter().map(|(_, utility)| *utility).fold(0.0, f64::max);
    let (optimum, unproved) = match args.exact.then(|| optimum(args, cluster, grid, jobs, most)) {
        None => (None, None),
        Some(Ok(best)) => (Some(best), None),
        Some(Err(why)) => (None, Some(why.to_string())),
    };
    let best = optimum.unwrap_or(bound);
    let ratio = |utility: f64| (utility > 0.0).then(|| best / utility);
    let policies =
        reached.into_iter().map(|(name, utility)| Reached { name, utility, ratio: ratio(utility) }).collect();
    Ok(Row { seed, bound, optimum, unproved, log_ratio: 2.0 * range.log_ratio(), policies })
}

fn reach(
    policy: PolicyName,
    cluster: &Arc<Cluster>,
    grid: &SlotGrid,
    jobs: &[Job],
    seed: u64,
) -> Result<f64, Failure> {
    let physics = Physics { overhead: Overhead::Never, ..Physics::default() };
    let options = Options { clock: Clock::slots(grid), physics, outages: Vec::new() };
    let setup = Setup { seed, ..Setup::new(cluster, *grid, jobs) };
    let run = simulate(cluster, jobs, policy.build(&setup).as_mut(), &options, None)?;
    Ok(run.outcome.metrics().utility)
}

fn optimum(
    args: &Args,
    cluster: &Cluster,
    grid: &SlotGrid,
    jobs: &[Job],
    reached: f64,
) -> syncline::schedule::error::Result<f64> {
    // A bar that is never drawn is this command's clock.
    let bar = ProgressBar::hidden();
    let clock = || bar.elapsed();
    let patience = Patience { limit: Duration::from_secs_f64(args.limit), clock: &clock };
    exact::optimum(&Instance { cluster, jobs, grid }, reached, &patience)
}
