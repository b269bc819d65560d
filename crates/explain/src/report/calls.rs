//! What is told of calls between nodes: sentences of the verdict, tables of the text and of the page.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_terminal::unit::{bytes, count, milliseconds, plural};
use syncline_terminal::{Column, Page, Table};

use super::Report;
use super::html::{escape, table, time};
use super::verdict::percent;

/// Rows of a table that are shown.
const ROWS: usize = 12;

/// A service that is at calls for this share of its life is what others wait for.
const BUSY: f64 = 0.8;

/// Waiting for less than this share of its time is not worth a sentence.
const WORTH: f64 = 0.03;

/// The calls of a run between its nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Calls {
    /// Each pair of nodes that called, most waited for first.
    pub rows: Vec<EdgeRow>,
}

/// The calls from one node to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EdgeRow {
    /// Who called.
    pub caller: String,
    /// Who was called.
    pub callee: String,
    /// Calls answered, also with an error.
    pub calls: u64,
    /// Of which with an error.
    pub failures: u64,
    /// Calls that their caller gave up.
    pub given_up: u64,
    /// How long the caller waited; for several answers at once each counts.
    pub waited_ms: f64,
    /// How long calls waited for their turn.
    pub queued_ms: f64,
    /// How long the service was at them.
    pub running_ms: f64,
    /// What of the wait was neither.
    pub way_ms: f64,
    /// The wait as a share of the caller's life: more than 1 where it waited for several at once.
    pub waited_of_caller: f64,
    /// The service's work as a share of its life, likewise.
    pub running_of_callee: f64,
    /// Bytes of requests between processes.
    pub request_bytes: u64,
    /// Bytes of answers.
    pub reply_bytes: u64,
}

/// The group of a node's name.
fn group(name: &str) -> &str {
    name.split_once('/').map_or(name, |(group, _)| group)
}

/// Callers of one group and whom they called.
#[derive(Default)]
struct Waiting {
    callers: u64,
    waited_ms: f64,
    queued_ms: f64,
    running_ms: f64,
    /// The time of which they waited so long.
    lived_ms: f64,
}

/// The first sentence of a program of which only calls are known.
pub(super) fn where_time_went(report: &Report) -> String {
    let wait = report.shares.get("wait").copied().unwrap_or(0.0);
    let wall = milliseconds(report.wall_ms);
    format!(
        "Nodes that called others waited {} of their time for answers, in a run of {wall}; what they did between \
         calls the trace does not tell.",
        percent(wait)
    )
}

/// Who waited for whom, and who was busy.
pub(super) fn sentences(calls: &Calls) -> Vec<String> {
    let mut pairs: BTreeMap<(&str, &str), Waiting> = BTreeMap::new();
    for row in &calls.rows {
        let pair = pairs.entry((group(&row.caller), &row.callee)).or_default();
        pair.callers += 1;
        pair.waited_ms += row.waited_ms;
        pair.queued_ms += row.queued_ms;
        pair.running_ms += row.running_ms;
        if row.waited_of_caller > 0.0 {
            pair.lived_ms += row.waited_ms / row.waited_of_caller;
        }
    }
    let share = |pair: &Waiting| if pair.lived_ms > 0.0 { pair.waited_ms / pair.lived_ms } else { 0.0 };
    let mut pairs: Vec<_> = pairs.into_iter().filter(|(_, pair)| share(pair) >= WORTH).collect();
    pairs.sort_by(|(_, a), (_, b)| b.waited_ms.total_cmp(&a.waited_ms));
    let waited = |((callers, callee), pair): &((&str, &str), Waiting)| {
        let of = |part: f64| percent((part / pair.waited_ms).min(1.0));
        let way = (pair.waited_ms - pair.queued_ms - pair.running_ms).max(0.0);
        let who =
            if pair.callers == 1 { String::new() } else { format!(" ({})", plural(pair.callers, "node")) };
        format!(
            "{callers}{who} waited {} of its time for {callee}: {} in its queue, {} while it was at the calls, {} on the way.",
            percent(share(pair)),
            of(pair.queued_ms),
            of(pair.running_ms),
            of(way)
        )
    };
    let mut sentences: Vec<String> = pairs.iter().take(3).map(waited).collect();
    sentences.extend(busy(calls));
    sentences.extend(failing(calls));
    sentences
}

/// Services that are the bottleneck.
fn busy(calls: &Calls) -> impl Iterator<Item = String> + '_ {
    let mut services: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for row in &calls.rows {
        let (busy, queued) = services.entry(&row.callee).or_default();
        *busy += row.running_of_callee;
        *queued += row.queued_ms;
    }
    let mut services: Vec<_> =
        services.into_iter().filter(|(_, (busy, queued))| *busy >= BUSY && *queued > 0.0).collect();
    services.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    services.into_iter().take(3).map(|(name, (busy, _))| {
        format!(
            "{name} had {busy:.1} calls in work on average, and others in its queue: it is what its callers wait for."
        )
    })
}

fn failing(calls: &Calls) -> Option<String> {
    let sum = |of: fn(&EdgeRow) -> u64| calls.rows.iter().map(of).sum::<u64>();
    let (failures, given_up) = (sum(|row| row.failures), sum(|row| row.given_up));
    let worst = calls.rows.iter().max_by_key(|row| row.failures + row.given_up)?;
    (failures + given_up > 0).then(|| {
        format!(
            "{} failed and {} given up, most of them from {} to {}.",
            plural(failures, "call"),
            count(given_up),
            worst.caller,
            worst.callee
        )
    })
}

/// The table of the text.
pub(super) fn text(page: &mut Page, calls: &Calls) {
    page.heading("Who called whom");
    let columns = [
        Column::text("caller").shrinks_to(10),
        Column::text("called").shrinks_to(10),
        Column::number("calls"),
        Column::number("waited"),
        Column::number("share"),
        Column::number("queue").dropped(3),
        Column::number("work").dropped(4),
        Column::number("way").dropped(2),
        Column::number("bytes").dropped(1),
        Column::number("errors").dropped(5),
    ];
    let mut table = Table::new(columns).indented(2).at_most(ROWS, "--verbose or --json has all");
    for row in &calls.rows {
        table.row([
            row.caller.clone(),
            row.callee.clone(),
            count(row.calls),
            milliseconds(row.waited_ms),
            percent(row.waited_of_caller),
            milliseconds(row.queued_ms),
            milliseconds(row.running_ms),
            milliseconds(row.way_ms),
            bytes((row.request_bytes + row.reply_bytes) as f64),
            count(row.failures),
        ]);
    }
    page.table(&table);
}

/// The section of the page.
pub(super) fn section(calls: &Calls) -> String {
    let row = |row: &EdgeRow| {
        vec![
            escape(&row.caller),
            escape(&row.callee),
            count(row.calls),
            time(row.waited_ms),
            percent(row.waited_of_caller),
            time(row.queued_ms),
            time(row.running_ms),
            time(row.way_ms),
            bytes(row.request_bytes as f64),
            bytes(row.reply_bytes as f64),
            count(row.failures),
        ]
    };
    let rows: Vec<Vec<String>> = calls.rows.iter().take(64).map(row).collect();
    let columns = [
        "caller",
        "called",
        "n:calls",
        "n:waited",
        "n:of its time",
        "n:queue",
        "n:work",
        "n:way",
        "n:requests",
        "n:answers",
        "n:errors",
    ];
    format!("<h2>Who called whom</h2>\n{}", table(&columns, &rows, calls.rows.len()))
}
