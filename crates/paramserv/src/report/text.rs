//! The report as a person reads it.

mod metrics;

pub use metrics::write as write_metrics;

use std::fmt;

use syncline_terminal::{
    Column, Detail, Page, Screen, Table,
    unit::{bytes, count, loss, plural, seconds},
};

use super::{EpochReport, Report, Settings, WorkerReport};
use crate::{CheckpointReport, protocol::Outvoted};

/// Epochs shown in full; of more, the first and the last.
const EPOCHS_SHOWN: usize = 20;

/// A screen of which nothing is known.
const UNKNOWN: usize = 80;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut page = Page::new(&Screen::plain(UNKNOWN));
        self.write(&mut page, "");
        f.write_str(page.text())
    }
}

impl Report {
    /// Writes the report on a page. `about` says what was trained on what, and may be empty.
    pub fn write(&self, page: &mut Page, about: &str) {
        let s = &self.settings;
        let about = if about.is_empty() { String::new() } else { format!("{about}: ") };
        page.line(&format!(
            "{about}{} x {}, {} held out; {}",
            plural(s.rows as u64, "row"),
            plural(s.features as u64, "feature"),
            count(s.validation_rows as u64),
            plural(s.parameters as u64, "parameter")
        ));
        page.line(&format!(
            "{} on {}, {}, every {}, batch {}, {} lr {} {}{}",
            nodes(s),
            s.on,
            s.sync,
            s.every,
            s.batch,
            s.optimizer,
            s.lr,
            s.schedule,
            penalties(s)
        ));
        let losses = epochs(&self.epochs, page.screen());
        page.gap().table(&losses);
        let sets = [("train", &self.metrics.train), ("validation", &self.metrics.validation)];
        let sets: Vec<_> = sets.iter().filter_map(|(name, set)| Some((*name, set.as_ref()?))).collect();
        metrics::write(page, &sets);
        let speed = count(self.samples_per_s.max(0.0).round() as u64);
        page.gap().line(&format!("{speed} samples/s, {} in all", seconds(self.wall_s)));
        page.heading("where the time went").table(&workers(&self.workers));
        if self.settings.servers > 0 {
            page.gap().table(&servers(self));
        }
        page.gap();
        self.findings.iter().for_each(|finding| _ = page.bullet(finding));
    }
}

/// Workers, and servers where there are some.
fn nodes(settings: &Settings) -> String {
    let all = plural(settings.workers as u64, "worker");
    let workers = settings.elastic.map_or(all.clone(), |there| format!("{there} of {all}"));
    match settings.servers {
        0 => workers,
        servers => format!("{workers} and {}{}", plural(servers as u64, "server"), standbys(settings)),
    }
}

/// That servers have standbys, where they do.
fn standbys(settings: &Settings) -> &'static str {
    match (settings.replicas, settings.servers) {
        (0, _) => "",
        (_, 1) => " with a standby",
        _ => ", each with a standby",
    }
}

/// The penalties of weights, where there are some.
fn penalties(settings: &Settings) -> String {
    let told =
        |(name, weight): (&str, f32)| (weight > 0.0).then(|| format!(", {name} {}", loss(weight.into())));
    [("l1", settings.l1), ("l2", settings.l2)].into_iter().filter_map(told).collect()
}

fn epochs(epochs: &[EpochReport], screen: &Screen) -> Table {
    let rmse = epochs.iter().any(|epoch| epoch.train_rmse.is_some());
    let measure = if rmse { "RMSE" } else { "accuracy" };
    let mut table = Table::new([
        Column::number("epoch"),
        Column::number("time").dropped(1),
        Column::number("train loss"),
        Column::number(measure),
        Column::number("validation loss"),
        Column::number(measure),
    ]);
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), loss);
    let all = epochs.len() <= EPOCHS_SHOWN || screen.detail() == Detail::Verbose;
    for (index, epoch) in epochs.iter().enumerate() {
        if !all && index == EPOCHS_SHOWN / 2 {
            table.ellipsis();
        }
        if !all && (EPOCHS_SHOWN / 2..epochs.len() - EPOCHS_SHOWN / 2).contains(&index) {
            continue;
        }
        table.row([
            if epoch.complete { epoch.epoch.to_string() } else { format!("{} (cut)", epoch.epoch) },
            seconds(epoch.duration_s),
            shown(Some(epoch.train_loss).filter(|loss| !loss.is_nan())),
            shown(epoch.train_accuracy.or(epoch.train_rmse)),
            shown(epoch.validation_loss),
            shown(epoch.validation_accuracy.or(epoch.validation_rmse)),
        ]);
    }
    table
}

/// A time and its share of another: `1.20 s  31 %`.
fn share(time: f64, of: f64) -> String {
    format!("{} {:>3.0} %", seconds(time), 100.0 * time / of.max(1e-9))
}

/// Share of a worker's time from which on it is told that it waited at the end.
const WAITED_AT_END: f64 = 0.01;

fn workers(workers: &[WorkerReport]) -> Table {
    // Who meets at a gate in every round does not wait at the end.
    let at_end = workers.iter().any(|worker| worker.wait_end_s > WAITED_AT_END * worker.total_s());
    let mut columns = vec![
        Column::number("worker"),
        Column::number("compute"),
        Column::number("push").dropped(5),
        Column::number("pull").dropped(4),
        Column::number("wait at gate"),
    ];
    columns.extend(at_end.then(|| Column::number("wait at end")));
    columns.extend([
        Column::number("evaluate").dropped(2),
        Column::number("other").dropped(3),
        Column::number("samples").dropped(1),
    ]);
    let mut table = Table::new(columns);
    for worker in workers {
        let total = worker.total_s();
        let mut row = vec![
            worker.worker.to_string(),
            share(worker.compute_s, total),
            share(worker.push_s, total),
            share(worker.pull_s, total),
            share(worker.wait_s, total),
        ];
        row.extend(at_end.then(|| share(worker.wait_end_s, total)));
        row.extend([share(worker.evaluate_s, total), share(worker.other_s, total), count(worker.samples)]);
        table.row(row);
    }
    table
}

fn servers(report: &Report) -> Table {
    let mut table = Table::new([
        Column::number("server"),
        Column::number("fold/apply"),
        Column::number("updates"),
        Column::number("gradients"),
        Column::number("late"),
        Column::number("parameters").dropped(1),
    ]);
    for server in &report.servers {
        table.row([
            server.server.to_string(),
            share(server.fold_apply_s, report.wall_s),
            count(server.updates),
            count(server.pushes),
            count(server.late),
            count(server.parameters),
        ]);
    }
    table
}

impl WorkerReport {
    /// From its start to the end of the run, in seconds.
    fn total_s(&self) -> f64 {
        let waited = self.wait_s + self.wait_end_s;
        self.compute_s + self.push_s + self.pull_s + waited + self.evaluate_s + self.other_s
    }
}

/// The run in sentences: what the workers did, who was waited for, and what went wrong without failing.
pub(super) fn findings(report: &Report) -> Vec<String> {
    let mut findings = vec![time_shares(report)];
    findings.extend(decoded(report));
    findings.extend(last_to_arrive(report));
    findings.extend(last_to_end(report));
    findings.extend(injected(report));
    findings.extend(late(report));
    findings.extend(stopped(report));
    findings.extend(report.outvoted.iter().map(|told| outvoted(told, report)));
    findings.extend(compressed(report));
    findings.extend(resumed(report));
    findings.extend(attendance(report));
    findings.extend(report.losses.iter().cloned());
    findings.extend(checkpoints(report));
    findings
}

/// What the products of coded blocks came to, and who was waited for least.
fn decoded(report: &Report) -> Option<String> {
    let coded = report.coded.as_ref().filter(|coded| coded.products > 0)?;
    let each = |time: f64| seconds(time / coded.products as f64);
    let least = coded.answered.iter().enumerate().min_by_key(|(_, answers)| **answers)?;
    let computed: f64 = report.workers.iter().map(|worker| worker.compute_s).sum();
    let thrown_away = match coded.cancelled {
        0 => "nobody was told to stop".to_owned(),
        cancelled => format!(
            "{} told to stop ({} of work, {:.0} % of all), worker {} most often",
            plural(cancelled, "task"),
            seconds(coded.thrown_away_s),
            100.0 * coded.thrown_away_s / computed.max(1e-9),
            least.0
        ),
    };
    Some(format!(
        "{} were decoded: each waited {} for answers and took {} to decode, with a condition number of {} at most; {thrown_away}",
        plural(coded.products, "product"),
        each(coded.waited_s),
        each(coded.decode_s),
        loss(coded.worst_condition),
    ))
}

/// What compression has saved, or sending only what has changed.
fn compressed(report: &Report) -> Option<String> {
    let sum = |of: fn(&WorkerReport) -> u64| report.workers.iter().map(of).sum::<u64>() as f64;
    let told = |sent: f64, plain: f64| {
        format!("{} instead of {} ({:.1} %)", bytes(sent), bytes(plain), 100.0 * sent / plain.max(1.0))
    };
    let (pulled, plain) = (sum(|worker| worker.pulled_bytes), sum(|worker| worker.uncompressed_pulled_bytes));
    let Some(compress) = report.settings.compress.as_ref() else {
        let changes = || format!("pulls were {}: only what had changed was sent", told(pulled, plain));
        return (pulled < plain).then(changes);
    };
    Some(format!(
        "{compress}: pushes were {}, pulls {}",
        told(sum(|worker| worker.pushed_bytes), sum(|worker| worker.uncompressed_pushed_bytes)),
        told(pulled, plain),
    ))
}

fn resumed(report: &Report) -> Option<String> {
    let round = report.resumed_at_round?;
    Some(format!("the run went on from a checkpoint at round {round}; figures are of the whole run"))
}

/// Stretches told in full; of more, the first and the last.
const STRETCHES_TOLD: usize = 6;

/// Who was there when, if that has changed.
fn attendance(report: &Report) -> Option<String> {
    let [first, later @ ..] = &report.attendance[..] else { return None };
    if later.is_empty() {
        return None;
    }
    let left_out = later.len().saturating_sub(STRETCHES_TOLD);
    let told = later.iter().skip(left_out).map(|stretch| {
        let (round, who) = (stretch.from_round, numbers(&stretch.workers));
        format!("from round {round} on {} ({who})", stretch.workers.len())
    });
    let begun = format!(
        "{} did the work at first ({})",
        plural(first.workers.len() as u64, "worker"),
        numbers(&first.workers)
    );
    let between = (left_out > 0).then(|| format!("{} passed over", plural(left_out as u64, "change")));
    Some(std::iter::once(begun).chain(between).chain(told).collect::<Vec<_>>().join(", "))
}

/// Numbers in ascending order, neighbours together: `0-3, 5`.
fn numbers(all: &[u32]) -> String {
    let runs = all.chunk_by(|one, next| one + 1 == *next).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.to_string(),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(", ")
}

fn checkpoints(report: &Report) -> Option<String> {
    let CheckpointReport { written, held_s, .. } =
        report.checkpoints.as_ref().filter(|all| all.written > 0)?;
    let (count, share) = (plural(*written, "checkpoint"), 100.0 * held_s / report.wall_s.max(1e-9));
    Some(format!("{count}: the workers were held for {} in all, {share:.1} % of the run", seconds(*held_s)))
}

fn time_shares(report: &Report) -> String {
    let total: f64 = report.workers.iter().map(WorkerReport::total_s).sum();
    let share = |part: fn(&WorkerReport) -> f64| {
        100.0 * report.workers.iter().map(part).sum::<f64>() / total.max(1e-9)
    };
    format!(
        "the workers spent {:.0} % of their time computing, {:.0} % exchanging with {} and {:.0} % waiting for one another",
        share(|worker| worker.compute_s),
        share(|worker| worker.push_s + worker.pull_s),
        if report.settings.servers > 0 { "the servers" } else { "each other" },
        share(|worker| worker.wait_s + worker.wait_end_s),
    )
}

/// Names the worker that the others waited for when they had gone through their rows, if that took long.
fn last_to_end(report: &Report) -> Option<String> {
    let waited: f64 = report.workers.iter().map(|worker| worker.wait_end_s).sum();
    let total: f64 = report.workers.iter().map(WorkerReport::total_s).sum();
    let last = report.workers.iter().min_by(|a, b| a.wait_end_s.total_cmp(&b.wait_end_s))?;
    (report.workers.len() > 1 && waited > 5.0 * WAITED_AT_END * total).then(|| {
        format!(
            "worker {} was the last to have gone through its rows; at the end the others waited {} for it between them",
            last.worker,
            seconds(waited)
        )
    })
}

/// Names the worker that the others waited for most, if one stands out.
fn last_to_arrive(report: &Report) -> Option<String> {
    let rounds: u64 = report.workers.iter().map(|worker| worker.last_arrivals).sum();
    let last = report.workers.iter().max_by_key(|worker| worker.last_arrivals)?;
    let share = last.last_arrivals as f64 / rounds.max(1) as f64;
    let even = 1.0 / report.workers.len() as f64;
    if report.workers.len() < 2 || share < 1.25 * even {
        return None;
    }
    let others = report.workers.iter().filter(|worker| worker.worker != last.worker);
    let waited: f64 = others.map(|worker| worker.wait_s).sum();
    Some(format!(
        "worker {} was the last to arrive in {:.0} % of rounds; the others waited {} at the gate between them",
        last.worker,
        100.0 * share,
        seconds(waited),
    ))
}

fn injected(report: &Report) -> Option<String> {
    let injected: f64 = report.workers.iter().map(|worker| worker.injected_s).sum();
    let compute: f64 = report.workers.iter().map(|worker| worker.compute_s).sum();
    (injected > 0.0).then(|| {
        let share = 100.0 * injected / compute.max(1e-9);
        format!("{share:.0} % of the computing time ({}) was injected delay", seconds(injected))
    })
}

/// How much was not done because it was not needed any more.
fn stopped(report: &Report) -> Option<String> {
    let times: u64 = report.servers.iter().map(|server| server.stopped).sum();
    let stopped: f64 = report.workers.iter().map(|worker| worker.stopped_s).sum();
    let compute: f64 = report.workers.iter().map(|worker| worker.compute_s).sum();
    (times > 0).then(|| {
        let share = 100.0 * stopped / compute.max(1e-9);
        format!(
            "{} told to stop because the round was over, after {} of work ({share:.0} % of all)",
            if times == 1 {
                "a worker was once".to_owned()
            } else {
                format!("workers were {} times", count(times))
            },
            seconds(stopped)
        )
    })
}

/// A worker that did not say what most of its group said.
fn outvoted(told: &Outvoted, report: &Report) -> String {
    let updates = report.servers.iter().map(|server| server.updates).max().unwrap_or_default();
    format!(
        "worker {} gave other gradients than most of its group in {} of {updates} rounds, from round {} to {}: they did not count",
        told.worker, told.rounds, told.first_round, told.last_round
    )
}

fn late(report: &Report) -> Option<String> {
    let pushes: u64 = report.servers.iter().map(|server| server.pushes).sum();
    let late: u64 = report.servers.iter().map(|server| server.late).sum();
    (late > 0).then(|| {
        let share = 100.0 * late as f64 / pushes.max(1) as f64;
        format!("{share:.1} % of the gradients came after their round had closed and were dropped")
    })
}
