//! `syncline schedule plan`: one decision of PD-ORS explained.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use syncline::schedule::{
    Job,
    explain::{Explanation, Step, explain},
    jobs_file,
    pricing::{Ledger, PlannerOptions, PriceFunction, PriceRange, Roles, Search, SlotGrid},
};
use syncline_terminal::escape;

use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Explain what prices make of a job: where and when it would run, or why it is turned down
///
/// The jobs are decided in the order of their arrival; the last, or the one named by --job, is explained.
///
/// Example:
///   syncline schedule plan jobs.json cluster.json --job bert
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Jobs: a JSON array or a CSV table
    #[arg(value_hint = ValueHint::FilePath)]
    jobs: PathBuf,
    /// Machines: JSON
    #[arg(value_hint = ValueHint::FilePath)]
    cluster: PathBuf,
    /// The job to explain, by name [default: the last to arrive]
    #[arg(long)]
    job: Option<String>,
    /// The number of slots to plan ahead
    #[arg(long, default_value_t = 20)]
    slots: usize,
    /// Length of a slot in seconds
    #[arg(long, default_value_t = 3600.0)]
    slot_seconds: f64,
    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
}

/// What happened to a job before the explained one.
#[derive(Serialize)]
struct Decided {
    job: String,
    admitted: bool,
    completion: Option<usize>,
    utility: f64,
    cost: f64,
}

#[derive(Serialize)]
struct Output {
    before: Vec<Decided>,
    explained: Explanation,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let grid = SlotGrid { slot: args.slot_seconds, slots: args.slots };
    grid.validate().map_err(|error| Failure::Usage(error.to_string()))?;
    let jobs = jobs_file::read_jobs(&args.jobs)?;
    let cluster = jobs_file::read_cluster(&args.cluster)?;
    for job in &jobs {
        cluster.admits(job)?;
    }
    let target = match &args.job {
        None => jobs.len() - 1,
        Some(name) => jobs.iter().position(|job| label(job) == *name).ok_or_else(|| {
            let known: Vec<String> = jobs.iter().map(label).collect();
            Failure::Usage(format!("--job {name}: there is no such job; there are {}", known.join(", ")))
        })?,
    };
    let range = PriceRange::estimate(&jobs, cluster.total(), &grid, Roles::Pooled);
    let mut ledger = Ledger::new(&cluster, grid, PriceFunction::new(range));
    let options = PlannerOptions::default();
    let mut before = Vec::new();
    for job in &jobs[..target] {
        let plan =
            Search::new(&cluster, &ledger, &options).best(job, job.workload, grid.slot_of(job.arrival));
        let plan = plan.filter(|plan| plan.payoff() > 0.0);
        for (slot, placement) in plan.iter().flat_map(|plan| &plan.slots) {
            ledger.take(*slot, job, placement);
        }
        before.push(Decided {
            job: label(job),
            admitted: plan.is_some(),
            completion: plan.as_ref().map(|plan| plan.completion),
            utility: plan.as_ref().map_or(0.0, |plan| plan.utility),
            cost: plan.as_ref().map_or(0.0, |plan| plan.cost),
        });
    }
    let job = &jobs[target];
    let explained = explain(&cluster, &ledger, &options, job, grid.slot_of(job.arrival));
    let output = Output { before, explained };
    if args.json { print_json(&output) } else { print(&text(&output, job, &grid)) }
}

fn label(job: &Job) -> String {
    if job.name.is_empty() { job.id.to_string() } else { job.name.clone() }
}

fn text(output: &Output, job: &Job, grid: &SlotGrid) -> String {
    let explained = &output.explained;
    let mut text = String::new();
    if !output.before.is_empty() {
        text += "Before it:\n";
        for row in &output.before {
            text += &match row.completion {
                Some(slot) => {
                    format!(
                        "  {:<16} admitted, done in slot {slot}, utility {:.2}, price {}\n",
                        escape(&row.job),
                        row.utility,
                        money(row.cost)
                    )
                }
                None => format!("  {:<16} turned down\n", escape(&row.job)),
            };
        }
        text.push('\n');
    }
    let verdict = if explained.admitted { "ADMITTED" } else { "TURNED DOWN" };
    text += &format!("{}: {verdict}: {}\n", escape(&explained.job), escape(&explained.reason));
    text += &format!(
        "  arrives in slot {}; a slot is {:.2} h; alone it would take {:.2} h; {} to {} workers\n",
        grid.slot_of(job.arrival),
        grid.slot / 3600.0,
        job.shortest() / 3600.0,
        job.workers.min,
        job.workers.max
    );
    text += &steps(explained);
    text + &choices(explained)
}

fn steps(explained: &Explanation) -> String {
    if explained.steps.is_empty() {
        return String::new();
    }
    let heading = if explained.admitted { "Its schedule" } else { "The best it could have had" };
    let mut text = format!(
        "\n{heading}:\n  slot  workers  servers  where                                   worker price (mean of all)\n"
    );
    for step in &explained.steps {
        text += &format!(
            "  {:>4}  {:>7}  {:>7}  {:<38}  {} ({})\n",
            step.slot,
            step.placement.workers(),
            step.placement.servers(),
            place(step),
            money(step.paid_worker_price),
            money(step.mean_worker_price)
        );
    }
    text
}

/// Prices span hundreds of orders of magnitude; below a thousandth of a unit of utility they do not matter.
fn money(amount: f64) -> String {
    if amount > 0.0 && amount < 0.001 { "<0.001".into() } else { format!("{amount:.3}") }
}

fn place(step: &Step) -> String {
    let shares = step.placement.shares();
    if step.internal {
        return format!("all on {}, at internal bandwidth", shares[0].machine);
    }
    let first: Vec<String> = shares.iter().take(4).map(|share| share.machine.to_string()).collect();
    let more = if shares.len() > 4 { format!(" and {} more", shares.len() - 4) } else { String::new() };
    format!("{}{more}", first.join(" "))
}

fn choices(explained: &Explanation) -> String {
    let fits = explained.choices.iter().filter(|choice| choice.cost.is_some()).count();
    let mut text = match (
        explained.choices.first(),
        explained.choices.get(explained.choices.len().saturating_sub(fits + 1)),
    ) {
        (Some(first), Some(last)) if fits < explained.choices.len() => {
            format!(
                "\nIts work does not fit before the end of slot {}, from slot {} on.\n",
                last.completion, first.completion
            )
        }
        _ => String::new(),
    };
    if fits > 0 {
        text += "\nCompletion slots considered:\n  slot    utility      price       gain\n";
    }
    for choice in &explained.choices {
        let mark = if explained.completion == Some(choice.completion) { "  <- best" } else { "" };
        if let Some(cost) = choice.cost {
            let gain = choice.utility - cost;
            text += &format!(
                "  {:>4}  {:>9}  {:>9}  {:>9}{mark}\n",
                choice.completion,
                money(choice.utility),
                money(cost),
                money(gain)
            );
        }
    }
    if let Some(factor) = explained.needed_factor {
        text += &format!("\nWith {factor:.3} times its utility it would have been admitted.\n");
    }
    text
}
