//! `syncline schedule bound`: how far from the best possible.

use serde::Serialize;
use syncline::schedule::{
    PolicyName, Setup,
    bound::upper_bound,
    lp::Microlp,
    pricing::{PriceRange, Roles},
    setting::Setting,
    sim::{Clock, Options, simulate},
    state::{Overhead, Physics},
};

use super::span::Span;
use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Bound the best possible utility by a linear program, and compare policies with it
///
/// The bound knows all jobs in advance and pours the machines together, so no schedule reaches more.
///
/// Example:
///   syncline schedule bound --jobs 20 --machines 10 --seeds 1..3 --policy pd-ors,syncline
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The policies, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "pd-ors,syncline")]
    policy: Vec<PolicyName>,
    /// calibrated or literal
    #[arg(long, default_value = "calibrated")]
    setting: String,
    /// How many jobs to draw
    #[arg(long, default_value_t = 20)]
    jobs: usize,
    /// The number of machines
    #[arg(long, default_value_t = 10)]
    machines: usize,
    /// The number of one-hour slots
    #[arg(long, default_value_t = 20)]
    slots: usize,
    /// The seeds, both ends included
    #[arg(long, default_value = "1..3")]
    seeds: Span<u64>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    seed: u64,
    bound: f64,
    /// The factor of PD-ORS' guarantee, `2 max(1, ln U / L)`, to be multiplied by the rounding's `3 G / delta`.
    log_ratio: f64,
    policies: Vec<Reached>,
}

#[derive(Serialize)]
struct Reached {
    name: String,
    utility: f64,
    ratio: f64,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let named = Setting::named(&args.setting).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut setting = Setting { jobs: args.jobs, machines: args.machines, ..named };
    setting.grid.slots = args.slots;
    let rows = (args.seeds.first..=args.seeds.last).map(|seed| row(&args, &setting, seed));
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    if args.json {
        return print_json(&rows);
    }
    for row in rows {
        print(&format!("seed {}: no schedule reaches more than {:.1}", row.seed, row.bound))?;
        for reached in row.policies {
            print(&format!(
                "  {:<17} {:>9.1}   bound / reached = {:.3}",
                reached.name, reached.utility, reached.ratio
            ))?;
        }
    }
    Ok(())
}

fn row(args: &Args, setting: &Setting, seed: u64) -> Result<Row, Failure> {
    let cluster = std::sync::Arc::new(setting.cluster()?);
    let jobs = setting.draw(seed);
    let bound = upper_bound(&cluster, &jobs, &setting.grid, &Microlp)?;
    let range = PriceRange::estimate(&jobs, cluster.total(), &setting.grid, Roles::Pooled);
    let physics = Physics { overhead: Overhead::Never, ..Physics::default() };
    let options = Options { clock: Clock::slots(&setting.grid), physics, outages: Vec::new() };
    let reach = |policy: &PolicyName| {
        let setup = Setup { seed, ..Setup::new(&cluster, setting.grid, &jobs) };
        let run = simulate(&cluster, &jobs, policy.build(&setup).as_mut(), &options, None)?;
        let utility = run.outcome.metrics().utility;
        Ok(Reached { name: policy.to_string(), utility, ratio: bound / utility })
    };
    let policies = args.policy.iter().map(reach).collect::<Result<_, Failure>>()?;
    Ok(Row { seed, bound, log_ratio: 2.0 * range.log_ratio(), policies })
}
