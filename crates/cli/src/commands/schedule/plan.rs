//! `syncline schedule plan`: one decision of a planner explained, or the queue of another scheduler.

use std::{path::PathBuf, sync::Arc};

use clap::ValueHint;
use serde::Serialize;
use syncline::schedule::{
    Cluster, Job, PolicyName, Setup, WorkerRange,
    explain::{Explanation, Step},
    jobs_file,
    pricing::{SlotGrid, Times},
    sim::{Clock, Options, advance_to},
    state::{JobState, Physics, Status},
};
use syncline_terminal::{
    escape,
    unit::{digits, plural},
};

use super::{
    TimesName,
    snapshot::{self, Question},
};
use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Explain what a planner makes of a job, or why the jobs of Slurm or Kueue wait and when they will start
///
/// With files, the jobs are decided in the order of their arrival, and those that came before run; the last, or the one named by
/// --job, is explained: where and when it would run, or why it is turned down.
///
/// With --from, the queue of another scheduler is read as it is now, or as its programs printed it: why each job waits, when it
/// will start, and, with --job, what if it asked for less, were preemptible, or there were more nodes.
///
/// Examples:
///   syncline schedule plan jobs.json cluster.json --job bert
///   syncline schedule plan --from slurm
///   syncline schedule plan --from kueue --job team-a/job-sample-1 --rivals all
///   squeue --json > queue.json; sinfo --json >> queue.json; syncline schedule plan --from queue.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Jobs: a list in JSON or TOML, or a CSV table (see `schedule schema`)
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "from", conflicts_with = "from")]
    jobs: Option<PathBuf>,
    /// Machines: a file (.json, .toml, .csv), or machines times GPUs, such as 8x8
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "from")]
    cluster: Option<String>,
    /// Whose decision: syncline, or pd-ors, which admits by price
    #[arg(long, default_value = "pd-ors", conflicts_with = "from")]
    policy: PolicyName,
    /// The job to explain, by name, with --from also by its id [default: the last to arrive]
    #[arg(long)]
    job: Option<String>,
    /// The number of slots to plan ahead
    #[arg(long, default_value_t = 20, conflicts_with = "from")]
    slots: usize,
    /// Length of a slot in seconds
    #[arg(long, default_value_t = 3600.0, conflicts_with = "from")]
    slot_seconds: f64,
    /// How time within a slot counts: real, or paper (arrivals and completions are whole slots)
    #[arg(long, value_enum, default_value = "real", conflicts_with = "from")]
    times: TimesName,
    /// The queue of another scheduler: slurm or kueue, as it is now, or a file or folder of what their programs printed
    #[arg(long, value_name = "slurm|kueue|FILE")]
    from: Option<String>,
    /// How many more nodes there might be, with --job [default: 2]
    #[arg(long, requires = "job")]
    nodes: Option<usize>,
    /// Policies to compare on the same queue, with commas between them; all are all
    #[arg(long, value_delimiter = ',')]
    rivals: Vec<String>,
    /// Keep what the cluster said in this folder, which --from can read again
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    save: Option<PathBuf>,
    /// Where draws of the lengths of jobs begin [default: 1]
    #[arg(long)]
    seed: Option<u64>,
    /// Print the answer as JSON
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
    let (Some(jobs), Some(cluster)) = (&args.jobs, &args.cluster) else {
        return snapshot::run(&Question {
            from: args.from.unwrap_or_default(),
            job: args.job,
            nodes: args.nodes.unwrap_or(2),
            rivals: args.rivals,
            save: args.save,
            seed: args.seed.unwrap_or(1),
            json: args.json,
        });
    };
    if let Some(option) = args.only_from() {
        return Err(Failure::Usage(format!(
            "--{option} has no effect on files of jobs: it goes with --from"
        )));
    }
    let grid = SlotGrid { slot: args.slot_seconds, slots: args.slots, times: Times::from(args.times) };
    grid.validate().map_err(|error| Failure::Usage(error.to_string()))?;
    let cluster = Arc::new(jobs_file::cluster(cluster)?);
    let jobs = jobs_file::read_jobs_for(jobs, &cluster)?;
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

impl Args {
    /// An option that was given and says something about the queue of another scheduler only.
    fn only_from(&self) -> Option<&'static str> {
        let given = [
            ("nodes", self.nodes.is_some()),
            ("rivals", !self.rivals.is_empty()),
            ("save", self.save.is_some()),
            ("seed", self.seed.is_some()),
        ];
        given.into_iter().find_map(|(option, given)| given.then_some(option))
    }
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
            Status::TimedOut => format!("  {name} stopped at its time limit\n"),
            Status::Pending => format!("  {name} waits\n"),
            Status::Running => {
                format!(
                    "  {name} runs with {} on {}\n",
                    plural(self.workers.into(), "worker"),
                    escape(&self.machines.join(" "))
                )
            }
        }
    }
}

/// `1 worker`, `2 to 8 workers`.
fn gang(range: WorkerRange) -> String {
    let most = plural(range.max.into(), "worker");
    if range.min == range.max { most } else { format!("{} to {most}", range.min) }
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
        "  arrives at {:.2} h, may start in slot {}; a slot is {:.2} h; alone, on the machines that make it fastest, it \
         would take {} h; {}\n",
        job.arrival / 3600.0,
        grid.first_slot(job.arrival),
        grid.slot / 3600.0,
        digits(cluster.shortest(&believed) / 3600.0, 3),
        gang(job.workers)
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
    match amount {
        small if small > 0.0 && small < 0.001 => "<0.001".into(),
        small if small <= 0.0 && small > -0.001 => "0".into(),
        amount => format!("{amount:.3}"),
    }
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
