//! `syncline schedule bound`: how far from the best possible.

use std::{sync::Arc, time::Duration};

use indicatif::ProgressBar;
use serde::Serialize;
use syncline::schedule::{
    Cluster, Job, PolicyName, Setup,
    bound::upper_bound,
    exact::{self, Instance, Patience},
    lp::Microlp,
    pricing::{PriceRange, Roles},
    setting::Setting,
    sim::{Clock, Options, simulate},
    state::{Overhead, Physics},
};

use syncline_terminal::{Column, Page, Table};

use super::span::Span;
use crate::{
    failure::Failure,
    output::{page, print, print_json_list},
};

/// Bound the best possible utility by a linear program, and compare policies with it
///
/// The bound knows all jobs in advance and pours the machines together, so no schedule reaches more. With
/// --exact the optimum itself is proved; that is possible for a handful of jobs, machines and slots.
///
/// Example:
///   syncline schedule bound --jobs 20 --machines 10 --seeds 1..3 --policy pd-ors,syncline
///   syncline schedule bound --setting small --exact --seeds 1..4
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The policies, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "pd-ors,syncline")]
    policy: Vec<PolicyName>,
    /// calibrated, literal or small (small enough for --exact)
    #[arg(long, default_value = "calibrated")]
    setting: String,
    /// How many jobs to draw [default: 20; 5 if small]
    #[arg(long)]
    jobs: Option<usize>,
    /// The number of machines [default: 10; 2 if small]
    #[arg(long)]
    machines: Option<usize>,
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
    let setting = args.setting()?;
    let cluster = Arc::new(setting.cluster()?);
    let rows = (args.seeds.first..=args.seeds.last).map(|seed| row(&args, &cluster, &setting, seed));
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
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
        let mut setting = match self.setting.as_str() {
            "small" => exact::small(),
            name => {
                let named = Setting::named(name);
                let named = named.map_err(|error| Failure::Usage(format!("{error}, and here small")))?;
                Setting { jobs: 20, machines: 10, ..named }
            }
        };
        setting.jobs = self.jobs.unwrap_or(setting.jobs);
        setting.machines = self.machines.unwrap_or(setting.machines);
        setting.grid.slots = self.slots.unwrap_or(setting.grid.slots);
        setting.validate().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(setting)
    }
}

fn row(args: &Args, cluster: &Arc<Cluster>, setting: &Setting, seed: u64) -> Result<Row, Failure> {
    let jobs = setting.draw(seed);
    let bound = upper_bound(cluster, &jobs, &setting.grid, &Microlp)?;
    let range = PriceRange::estimate(&jobs, cluster.total(), &setting.grid, Roles::Pooled);
    let reach =
        |policy: &PolicyName| Ok((policy.to_string(), reach(*policy, cluster, setting, &jobs, seed)?));
    let reached = args.policy.iter().map(reach).collect::<Result<Vec<(String, f64)>, Failure>>()?;
    let most = reached.iter().map(|(_, utility)| *utility).fold(0.0, f64::max);
    let (optimum, unproved) = match args.exact.then(|| optimum(args, cluster, setting, &jobs, most)) {
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
    setting: &Setting,
    jobs: &[Job],
    seed: u64,
) -> Result<f64, Failure> {
    let physics = Physics { overhead: Overhead::Never, ..Physics::default() };
    let options = Options { clock: Clock::slots(&setting.grid), physics, outages: Vec::new() };
    let setup = Setup { seed, ..Setup::new(cluster, setting.grid, jobs) };
    let run = simulate(cluster, jobs, policy.build(&setup).as_mut(), &options, None)?;
    Ok(run.outcome.metrics().utility)
}

fn optimum(
    args: &Args,
    cluster: &Cluster,
    setting: &Setting,
    jobs: &[Job],
    reached: f64,
) -> syncline::schedule::error::Result<f64> {
    // A bar that is never drawn is this command's clock.
    let bar = ProgressBar::hidden();
    let clock = || bar.elapsed();
    let patience = Patience { limit: Duration::from_secs_f64(args.limit), clock: &clock };
    exact::optimum(&Instance { cluster, jobs, grid: &setting.grid }, reached, &patience)
}
