//! The report as a person reads it.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use super::{EpochReport, Report, WorkerReport};

/// Epochs shown in full; of more, the first and the last.
const EPOCHS_SHOWN: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.settings;
        writeln!(
            f,
            "{} rows x {} features, {} held out; {} parameters",
            s.rows, s.features, s.validation_rows, s.parameters
        )?;
        writeln!(
            f,
            "{} and {} on {}, {}, every {}, batch {}, {} lr {}",
            count(s.workers, "worker"),
            count(s.servers, "server"),
            s.on,
            s.sync,
            s.every,
            s.batch,
            s.optimizer,
            s.lr
        )?;
        writeln!(f, "\n{}", epochs(&self.epochs))?;
        writeln!(f, "\n{} samples/s, {} in all\n", thousands(self.samples_per_second), seconds(self.wall_s))?;
        writeln!(f, "where the time went\n{}", workers(&self.workers))?;
        writeln!(f, "\n{}\n", servers(self))?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "- {finding}"))
    }
}

/// `4 workers`, `1 server`.
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A table without lines whose columns are all aligned to the right.
fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header).add_rows(rows);
    table.column_iter_mut().for_each(|column| {
        column.set_cell_alignment(CellAlignment::Right);
    });
    table
}

fn epochs(epochs: &[EpochReport]) -> Table {
    let rmse = epochs.iter().any(|epoch| epoch.train_rmse.is_some());
    let measure = if rmse { "RMSE" } else { "accuracy" };
    let row = |epoch: &EpochReport| {
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        [
            epoch.epoch.to_string(),
            seconds(epoch.seconds),
            format!("{:.4}", epoch.train_loss),
            shown(epoch.train_accuracy.or(epoch.train_rmse)),
            shown(epoch.validation_loss),
            shown(epoch.validation_accuracy.or(epoch.validation_rmse)),
        ]
    };
    let shown: Vec<_> = match epochs.len() {
        0..=EPOCHS_SHOWN => epochs.iter().map(row).collect(),
        all => {
            let (first, last) = (&epochs[..EPOCHS_SHOWN / 2], &epochs[all - EPOCHS_SHOWN / 2..]);
            let gap = ["...", "", "", "", "", ""].map(str::to_owned);
            first.iter().map(row).chain([gap]).chain(last.iter().map(row)).collect()
        }
    };
    table(["epoch", "time", "train loss", measure, "validation loss", measure], shown)
}

fn workers(workers: &[WorkerReport]) -> Table {
    let row = |worker: &WorkerReport| {
        let total = worker.total_s();
        let share = |time: f64| format!("{} {:>3.0} %", seconds(time), 100.0 * time / total.max(1e-9));
        [
            worker.worker.to_string(),
            share(worker.compute_s),
            share(worker.push_s),
            share(worker.pull_s),
            share(worker.wait_s),
            share(worker.evaluate_s),
            share(worker.other_s),
            worker.samples.to_string(),
        ]
    };
    let header = ["worker", "compute", "push", "pull", "wait at gate", "evaluate", "other", "samples"];
    table(header, workers.iter().map(row))
}

fn servers(report: &Report) -> Table {
    let rows = report.servers.iter().map(|server| {
        [
            server.server.to_string(),
            format!(
                "{} {:>3.0} %",
                seconds(server.fold_apply_s),
                100.0 * server.fold_apply_s / report.wall_s.max(1e-9)
            ),
            server.updates.to_string(),
            server.pushes.to_string(),
            server.late.to_string(),
            server.parameters.to_string(),
        ]
    });
    table(["server", "fold/apply", "updates", "gradients", "late", "parameters"], rows)
}

impl WorkerReport {
    /// From its start to the end of the run, in seconds.
    fn total_s(&self) -> f64 {
        self.compute_s + self.push_s + self.pull_s + self.wait_s + self.evaluate_s + self.other_s
    }
}

/// A share above which something is worth a sentence.
const NOTABLE: f64 = 0.05;

/// The run in sentences: what the workers did, who was waited for, and what went wrong without failing.
pub(super) fn findings(report: &Report) -> Vec<String> {
    let mut findings = vec![time_shares(report)];
    findings.extend(last_to_arrive(report));
    findings.extend(injected(report));
    findings.extend(late(report));
    findings.extend(falling(report));
    findings
}

fn time_shares(report: &Report) -> String {
    let total: f64 = report.workers.iter().map(WorkerReport::total_s).sum();
    let share = |part: fn(&WorkerReport) -> f64| {
        100.0 * report.workers.iter().map(part).sum::<f64>() / total.max(1e-9)
    };
    format!(
        "the workers spent {:.0} % of their time computing, {:.0} % exchanging with the servers and {:.0} % waiting for one another",
        share(|worker| worker.compute_s),
        share(|worker| worker.push_s + worker.pull_s),
        share(|worker| worker.wait_s),
    )
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

fn late(report: &Report) -> Option<String> {
    let pushes: u64 = report.servers.iter().map(|server| server.pushes).sum();
    let late: u64 = report.servers.iter().map(|server| server.late).sum();
    (late > 0).then(|| {
        let share = 100.0 * late as f64 / pushes.max(1) as f64;
        format!("{share:.1} % of the gradients came after their round had closed and were dropped")
    })
}

fn falling(report: &Report) -> Option<String> {
    let (first, last) = (report.epochs.first()?.train_loss, report.epochs.last()?.train_loss);
    (report.epochs.len() > 1 && last > first * (1.0 - NOTABLE / 10.0)).then(|| {
        format!("the training loss did not fall ({first:.4} to {last:.4}): try a lower --lr, or more epochs")
    })
}

/// A time in the unit that suits it.
fn seconds(time: f64) -> String {
    match time {
        t if t >= 100.0 => format!("{t:.0} s"),
        t if t >= 1.0 => format!("{t:.2} s"),
        t if t >= 1e-3 => format!("{:.1} ms", t * 1e3),
        t => format!("{:.0} us", t * 1e6),
    }
}

/// A whole number with its thousands set apart.
fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
