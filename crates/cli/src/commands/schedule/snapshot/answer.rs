//! Answers about a snapshot as a person reads them.

use syncline::schedule::{
    calendar,
    snapshot::{
        Snapshot, System,
        rivals::Rival,
        why::{clock, span},
    },
};
use syncline_terminal::{Column, Page, Table, unit};

use super::{Waits, WhatIf};

/// Waiting jobs that are shown.
const SHOWN: usize = 40;

/// What the scheduler is called.
pub fn name(snapshot: &Snapshot) -> &'static str {
    match snapshot.system {
        System::Slurm => "slurm",
        System::Kueue => "kueue",
    }
}

/// `1 job runs`, `2 jobs run`.
fn does(jobs: usize, one: &str, several: &str) -> String {
    format!("{} {}", unit::plural(jobs as u64, "job"), if jobs == 1 { one } else { several })
}

/// All waiting jobs, one a line.
pub fn all(snapshot: &Snapshot, waiting: &[Waits], basis: &str, page: &mut Page) {
    let running = snapshot.jobs.len() - waiting.len();
    // Outputs without any event say nothing of when they were taken.
    let at = match snapshot.now {
        0.0 => String::new(),
        now => format!(" at {} UTC", calendar::written(now)),
    };
    page.line(&format!(
        "{} and {}{at}. Starts are from now on: by the limits of all jobs before, and likely, where nine of ten lie, from {basis}; if nobody comes before them.",
        does(running, "runs", "run"),
        does(waiting.len(), "waits", "wait")
    ));
    let mut table = Table::new([
        Column::text("job").shrinks_to(8),
        Column::text("queue").shrinks_to(4).dropped(1),
        Column::number("by limits"),
        Column::number("likely"),
        Column::text("why").wraps_at(24),
    ])
    .at_most(SHOWN, "--json has all");
    for job in waiting {
        let likely = job.start_likely_unix_seconds.map_or("-".into(), |likely| interval(snapshot, likely));
        let by_limits = if job.never.is_some() {
            "-".into()
        } else {
            from_now(snapshot, job.start_by_limits_unix_seconds)
        };
        table.row([job.job.clone(), job.queue.clone(), by_limits, likely, job.why.clone()]);
    }
    if table.is_empty() {
        page.line("No job waits.");
    } else {
        page.gap().table(&table);
        page.gap().line("`--job ID` says what would be if that job asked for something else.");
    }
}

/// One job, with what would be if it asked for something else.
pub fn one(snapshot: &Snapshot, job: &Waits, basis: &str, page: &mut Page) {
    let label = if job.name.is_empty() { job.job.clone() } else { format!("{} ({})", job.job, job.name) };
    page.heading(&format!("{label} of {} in {}", job.user, job.queue));
    page.line(&format!("Why it is where it is: {}.", job.why));
    if job.never.is_some() {
        page.line("It does not start by itself.");
    } else if job.start_likely_unix_seconds.is_some() || job.start_by_limits_unix_seconds.is_some() {
        starts(snapshot, job, basis, page);
    }
    if job.what_if.is_empty() {
        return;
    }
    let mut table = Table::new([
        Column::text("what if").wraps_at(20),
        Column::number("by limits"),
        Column::number("likely"),
        Column::text("remark").wraps_at(16).dropped(1),
    ]);
    let now = WhatIf {
        what: "as it is".into(),
        start_by_limits_unix_seconds: job.start_by_limits_unix_seconds,
        start_likely_unix_seconds: job.start_likely_unix_seconds,
        remark: String::new(),
    };
    for other in std::iter::once(&now).chain(&job.what_if) {
        let likely = other.start_likely_unix_seconds.map_or("-".into(), |likely| interval(snapshot, likely));
        let by_limits = from_now(snapshot, other.start_by_limits_unix_seconds);
        table.row([other.what.clone(), by_limits, likely, other.remark.clone()]);
    }
    page.gap().table(&table);
}

fn starts(snapshot: &Snapshot, job: &Waits, basis: &str, page: &mut Page) {
    if let Some(time) = job.start_by_limits_unix_seconds {
        page.line(&format!(
            "By the limits of all before it: in {}, at {} UTC, if nobody comes before it.",
            span((time - snapshot.now).max(0.0)),
            clock(snapshot.now, time)
        ));
    }
    if let Some([low, middle, high]) = job.start_likely_unix_seconds {
        page.line(&format!(
            "Likely: in {}, at {} UTC; nine of ten between {} and {}. From {basis}.",
            span((middle - snapshot.now).max(0.0)),
            clock(snapshot.now, middle),
            clock(snapshot.now, low),
            clock(snapshot.now, high)
        ));
    }
}

fn from_now(snapshot: &Snapshot, time: Option<f64>) -> String {
    time.map_or("-".into(), |time| span((time - snapshot.now).max(0.0)))
}

fn interval(snapshot: &Snapshot, [low, _, high]: [f64; 3]) -> String {
    let (low, high) = (span((low - snapshot.now).max(0.0)), span((high - snapshot.now).max(0.0)));
    if low == high { low } else { format!("{low} - {high}") }
}

/// What other policies would do.
pub fn rivals(rivals: &[Rival], asked: bool, page: &mut Page) {
    page.gap().heading("The same queue under other policies, with lengths drawn once for all");
    let mut columns = vec![
        Column::text("policy"),
        Column::number("done"),
        Column::number("mean wait"),
        Column::number("mean end"),
        Column::number("last end").dropped(1),
    ];
    if asked {
        columns.push(Column::number("this job starts"));
    }
    let mut table = Table::new(columns);
    for rival in rivals {
        let done = if rival.left > 0 {
            format!("{} of {}", rival.done, rival.done + rival.left)
        } else {
            rival.done.to_string()
        };
        let mut row = vec![
            rival.policy.to_string(),
            done,
            unit::seconds(rival.mean_wait),
            unit::seconds(rival.mean_end),
            unit::seconds(rival.last_end),
        ];
        if asked {
            row.push(rival.asked.map_or("never".into(), unit::seconds));
        }
        table.row(row);
    }
    page.table(&table);
}
