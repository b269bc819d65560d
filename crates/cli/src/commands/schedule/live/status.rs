//! `syncline schedule status`: the queue, or one job.

use syncline_serve::view::{Amount, JobView, MachineView, View};
use syncline_terminal::{Cell, Column, Page, Style, Table, unit};

use super::Place;
use crate::{
    failure::Failure,
    output::{page, print, print_json, print_json_of},
};

/// Show the queue of the scheduler, or one job with the end of what it has said
///
/// Example:
///   syncline schedule status
///   syncline schedule status train --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A job, by name or number
    job: Option<String>,
    /// Jobs that are over, too
    #[arg(long, conflicts_with = "job")]
    all: bool,
    #[command(flatten)]
    place: Place,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Jobs that are over are shown for so many seconds.
const RECENT: f64 = 600.0;

pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.place.client()?;
    let Some(name) = &args.job else {
        let view = client.status()?;
        if args.json {
            return print_json(&view);
        }
        let mut page = page();
        queue(&view, args.all, &mut page);
        return print(page.text());
    };
    let job = client.job(name)?;
    if args.json {
        return print_json_of("job", &job);
    }
    let mut page = page();
    one(&job, &client.output(name)?, &mut page);
    print(page.text())
}

fn queue(view: &View, all: bool, page: &mut Page) {
    if let Some(trouble) = &view.trouble {
        page.warning(&format!("nothing is decided or started: {trouble}"));
    }
    let machines: Vec<String> = view.machines.iter().map(machine).collect();
    page.line(&format!("{} decides; {}", view.policy, machines.join("; ")));
    for machine in &view.machines {
        if let Some(why) = &machine.gone {
            page.warning(&format!(
                "{} does not answer, and nothing is placed there until it does: {why}",
                machine.name
            ));
        }
    }
    let recent =
        |job: &&JobView| all || job.ended_seconds.is_none_or(|ended| view.now_seconds - ended < RECENT);
    let mut table = Table::new([
        Column::text("job").shrinks_to(6),
        Column::text("name").shrinks_to(8),
        Column::text("state"),
        Column::number("workers"),
        Column::number("for").dropped(1),
        Column::text("why").wraps_at(16),
    ]);
    for job in view.jobs.iter().filter(recent) {
        table.row([
            Cell::from(job.id.as_str()),
            Cell::from(job.name.as_str()),
            Cell::styled(job.state.as_str(), style(&job.state)),
            Cell::from(if job.workers > 0 { job.workers.to_string() } else { String::new() }),
            Cell::from(unit::seconds(since(job, view.now_seconds))),
            Cell::from(job.why.as_str()),
        ]);
    }
    if table.is_empty() {
        page.line("There is no job; give it some with `syncline schedule submit`.");
    } else {
        page.gap().table(&table);
    }
}

fn machine(machine: &MachineView) -> String {
    let amount = |amount: &Amount| format!("{:.0} of {:.0} {}", amount.held, amount.whole, amount.kind);
    let amounts: Vec<String> = machine.capacity.iter().map(amount).collect();
    format!("on {} {} are used", machine.name, amounts.join(", "))
}

fn style(state: &str) -> Style {
    match state {
        "running" | "done" => Style::Good,
        "failed" | "timed-out" | "turned-down" => Style::Bad,
        "stopping" => Style::Warning,
        _ => Style::Faint,
    }
}

/// Seconds in its present state: waiting, running, or how long it ran.
fn since(job: &JobView, now: f64) -> f64 {
    let from = match job.state.as_str() {
        "waiting" => job.submitted_seconds,
        _ => job.started_seconds.unwrap_or(job.submitted_seconds),
    };
    (job.ended_seconds.unwrap_or(now) - from).max(0.0)
}

fn one(job: &JobView, output: &str, page: &mut Page) {
    page.heading(&format!("{} ({}): {}", job.name, job.id, job.state));
    page.line(&job.why);
    page.line(&format!("command: {}", job.command.join(" ")));
    let (min, max) = job.may_have;
    let may = if min == max { format!("{min}") } else { format!("{min} to {max}") };
    let stays = match (job.scales, job.resume) {
        (true, _) => "grows and shrinks while it runs",
        (false, true) => "can be stopped and go on",
        (false, false) => "stays as it starts",
    };
    page.line(&format!("workers: {may}; {stays}; started {}", unit::plural(job.attempts.into(), "time")));
    if !job.queue.is_empty() || job.priority != 0 || job.limit_seconds.is_some() {
        let queue = if job.queue.is_empty() { "none".into() } else { job.queue.clone() };
        let limit = job.limit_seconds.map_or("none".into(), unit::seconds);
        page.line(&format!("queue: {queue}; priority: {}; time limit: {limit}", job.priority));
    }
    for span in &job.spans {
        let until = span.until_seconds.map_or("now".into(), unit::seconds);
        let way = if span.way == "resized" { "resized while it ran" } else { &span.way };
        page.bullet(&format!(
            "{} on {} from {} to {until}: {way}",
            unit::plural(span.workers.into(), "worker"),
            span.machine,
            unit::seconds(span.from_seconds)
        ));
    }
    if let Some(training) = &job.training {
        // Of one that is over the last words count: what was trained on twice is in no sum.
        let share = (!job.is_over()).then(|| format!("{:.0} % of its samples, ", 100.0 * training.share()));
        let pace = training.samples_per_second.filter(|_| job.state == "running");
        let pace = pace.map_or(String::new(), |pace| format!(", {pace:.0} samples a second"));
        let loss =
            training.losses.last().map_or(String::new(), |(_, loss)| format!(", loss {}", unit::loss(*loss)));
        let epochs = unit::plural(training.epochs_done.into(), "epoch");
        page.line(&format!("training: {}{epochs}{pace}{loss}", share.unwrap_or_default()));
    }
    let lines: Vec<&str> = output.lines().collect();
    if !lines.is_empty() {
        page.gap().heading("The end of what it said");
        for line in &lines[lines.len().saturating_sub(10)..] {
            page.line(line);
        }
    }
}
