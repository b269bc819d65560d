//! `syncline schedule plan`: one decision of a planner explained.

use std::{path::PathBuf, sync::Arc};

use clap::ValueHint;
use serde::Serialize;
use syncline::schedule::{
    Cluster, Job, PolicyName, Setup,
    explain::{Explanation, Step},
    jobs_file,
    pricing::{SlotGrid, Times},
    sim::{Clock, Options, advance_to},
    state::{JobState, Physics, Status},
};
use syncline_terminal::escape;

use super::TimesName;
use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Explain what a planner makes of a job: where and when it would run, or why it is turned down
///
/// The jobs are decided in the order of their arrival, and those that came before run; the last, or the one named by
/// --job, is explained.
///
/// Example:
///   syncline schedule plan jobs.json cluster.json --job bert
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Jobs: a list in JSON or TOML, or a CSV table (see `schedule schema`)
    #[arg(value_hint = ValueHint::FilePath)]
    jobs: PathBuf,
    /// Machines: a file (.json, .toml, .csv), or machines times GPUs, such as 8x8
    #[arg(value_hint = ValueHint::FilePath)]
    cluster: String,
    /// Whose decision: syncline, or pd-ors, which admits by price
    #[arg(long, default_value = "pd-ors")]
    policy: PolicyName,
    /// The job to explain, by name [default: the last to arrive]
    #[arg(long)]
    job: Option<String>,
    /// The number of slots to plan ahead
    #[arg(long, default_value_t = 20)]
    slots: usize,
    /// Length of a slot in seconds
    #[arg(long, default_value_t = 3600.0)]
    slot_seconds: f64,
    /// How time within a slot counts: real, or paper (arrivals and completions are whole slots)
    #[arg(long, value_enum, default_value = "real")]
    times: TimesName,
    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
}

/// Where a job before the explained one stands.
#[derive(Serialize)]
struct Before {
    job: String,
    status: Status,
    workers: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    machines: Vec<String>,
    samples_left: f64,
}

#[derive(Serialize)]
struct Output {
    policy: String,
    before: Vec<Before>,
    explained: Explanation,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let grid = SlotGrid { slot: args.slot_seconds, slots: args.slots, times: Times::from(args.times) };
    grid.validate().map_err(|error| Failure::Usage(error.to_string()))?;
    let cluster = Arc::new(jobs_file::cluster(&args.cluster)?);
    let jobs = jobs_file::read_jobs_for(&args.jobs, &cluster)?;
    let target = match &args.job {
        None => jobs.len() - 1,
        Some(name) => jobs.iter().position(|job| label(job) == *name).ok_or_else(|| {
            let known: Vec<String> = jobs.iter().map(label).collect();
            Failure::Usage(format!("--job {name}: there is no such job; there are {}", known.join(", ")))
        })?,
    };
    let job = &jobs[target];
    let first = grid.first_slot(job.arrival);
    if first >= grid.slots {
        return Err(Failure::Usage(format!(
            "job {} arrives after the last of the {} slots that are planned; give more --slots",
            label(job),
            grid.slots
        )));
    }
    let mut policy = args.policy.build(&Setup::new(&cluster, grid, &jobs));
    let options = Options { clock: Clock::slots(&grid), physics: Physics::default(), outages: Vec::new() };
    let state = advance_to(&cluster, &jobs[..=target], policy.as_mut(), &options, grid.begin(first))?;
    let explained = policy.explain(&state, job.id).ok_or_else(|| {
        Failure::Usage(format!(
            "--policy {}: only pd-ors and syncline plan ahead and can say why",
            args.policy
        ))
    })?;
    let before = state.jobs[..target].iter().map(|job| Before::of(job, &cluster)).collect();
    let output = Output { policy: args.policy.to_string(), before, explained };
    if args.json { print_json(&output) } else { print(&text(&output, job, &cluster, &grid)) }
}

impl Before {
    fn of(state: &JobState, cluster: &Cluster) -> Self {
        Self {
            job: label(&state.job),
            status: state.status,
            workers: state.placement.workers(),
            machines: state.placement.shares().iter().map(|share| cluster.name(share.machine)).collect(),
            samples_left: state.remaining,
        }
    }

    fn text(&self) -> String {
        let name = format!("{:<16}", escape(&self.job));
        match self.status {
            Status::Completed => format!("  {name} completed\n"),
            Status::Rejected => format!("  {name} turned down\n"),
            Status::Withdrawn => format!("  {name} withdrawn\n"),
            Status::Pending => format!("  {name} waits\n"),
            Status::Running => {
                format!(
                    "  {name} runs with {} workers on {}\n",
                    self.workers,
                    escape(&self.machines.join(" "))
                )
            }
        }
    }
}

fn label(job: &Job) -> String {
    if job.name.is_empty() { job.id.to_string() } else { job.name.clone() }
}

fn text(output: &Output, job: &Job, cluster: &Cluster, grid: &SlotGrid) -> String {
    let explained = &output.explained;
    // A planner knows of the work what is believed of it.
    let believed = Job { workload: job.believed_workload(), ..job.clone() };
    let mut text = String::new();
    if !output.before.is_empty() {
        text += "Before it:\n";
        text.extend(output.before.iter().map(Before::text));
        text.push('\n');
    }
    let verdict = if explained.admitted { "ADMITTED" } else { "TURNED DOWN" };
    text += &format!("{}: {verdict}: {}\n", escape(&explained.job), escape(&explained.reason));
    text += &format!(
        "  arrives at {:.2} h, may start in slot {}; a slot is {:.2} h; with all its workers on the fastest machines it \
         would take {:.2} h; {} to {} workers\n",
        job.arrival / 3600.0,
        grid.first_slot(job.arrival),
        grid.slot / 3600.0,
        cluster.shortest(&believed) / 3600.0,
        job.workers.min,
        job.workers.max
    );
    if let Some(finish) = explained.finish {
        text += &format!("  its work would be done at {:.2} h\n", finish / 3600.0);
    }
    text += &steps(explained, cluster);
    text + &choices(explained)
}

fn steps(explained: &Explanation, cluster: &Cluster) -> String {
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
            place(step, cluster),
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

fn place(step: &Step, cluster: &Cluster) -> String {
    let shares = step.placement.shares();
    if step.internal {
        return format!("all on {}, at internal bandwidth", cluster.name(shares[0].machine));
    }
    let first: Vec<String> = shares.iter().take(4).map(|share| cluster.name(share.machine)).collect();
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
