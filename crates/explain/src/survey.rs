//! Characterises a folder of logs: one row a workload with its structure and shares.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use syncline_terminal::{
    Column, Page, Table, escape,
    unit::{bytes, count, milliseconds, percent},
};

use crate::{Error, Report, explain_all};

/// A workload in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The log's file name up to its first dot.
    pub log: String,
    /// The application's name.
    pub name: String,
    /// Jobs, completed stages and tasks.
    pub jobs: u64,
    /// See `jobs`.
    pub stages: u64,
    /// See `jobs`.
    pub tasks: u64,
    /// The longest iteration's pattern and count; empty and 0 where none repeats.
    pub pattern: String,
    /// See `pattern`.
    pub iterations: u64,
    /// Median time of one iteration.
    pub iteration_ms: f64,
    /// Synchronisation points in one iteration.
    pub sync_per_iteration: u64,
    /// Stages of aggregation trees and in barrier mode.
    pub tree_stages: u64,
    /// See `tree_stages`.
    pub barrier_stages: u64,
    /// From start to end.
    #[serde(serialize_with = "crate::report::whole_where_it_is")]
    pub wall_ms: f64,
    /// Shares of the wall time: before the first job, the driver later, work, shuffles, waiting for each other with polling and
    /// too few tasks, scheduling.
    pub startup: f64,
    /// See `startup`.
    pub driver: f64,
    /// See `startup`.
    pub compute: f64,
    /// See `startup`.
    pub shuffle: f64,
    /// See `startup`.
    pub barrier: f64,
    /// See `startup`.
    pub schedule: f64,
    /// Bytes written for shuffles.
    pub shuffle_bytes: i64,
    /// Failed jobs, failed stages, attempts at tasks that did not succeed (killed ones among them), lost executors.
    pub failed_jobs: u64,
    /// See `failed_jobs`.
    pub failed_stages: u64,
    /// See `failed_jobs`.
    pub failed_tasks: u64,
    /// See `failed_jobs`.
    pub lost_executors: u64,
    /// Share of the run that attempts that did not count took, and the waiting for them.
    pub failures: f64,
    /// Whether the run came to its end.
    pub complete: bool,
}

/// A survey: its rows, and the logs that could not be explained with the reason.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Survey {
    /// Rows in order of the logs' names.
    pub rows: Vec<Row>,
    /// Logs that could not be explained.
    pub failed: Vec<(String, String)>,
    /// What is no regular file and no folder, and so was not opened: a pipe would wait for its writer for ever.
    pub passed_over: Vec<(String, String)>,
}

/// Explains every log in `folder`, one after the other. Files that are no logs are told apart by their content and passed
/// over; the same log in two packings gives two rows.
pub fn survey(folder: &Path) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    for path in logs(folder)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(kind) = irregular(&path) {
            survey.passed_over.push((name, kind.to_owned()));
            continue;
        }
        match explain_all(std::slice::from_ref(&path)) {
            Ok(reports) => {
                survey.rows.extend(reports.iter().map(|report| row(&called(&name, report), report)))
            }
            Err(Error::Unrecognised { .. }) => {}
            Err(error) => survey.failed.push((name, error.to_string())),
        }
    }
    if survey.rows.is_empty() && survey.failed.is_empty() {
        return Err(Error::Empty { path: folder.to_owned(), why: "there is no log in it".to_owned() });
    }
    Ok(survey)
}

/// What a row is called: by the file up to its first dot, and in an archive also by the log's name there.
fn called(file: &str, report: &Report) -> String {
    let stem = file.split('.').next().unwrap_or(file);
    match report.source.rsplit_once(&format!("{file} (")) {
        Some((_, inside)) => format!("{stem} ({inside}"),
        None => stem.to_owned(),
    }
}

/// What a path leads to if it is neither a file nor a folder.
fn irregular(path: &Path) -> Option<&'static str> {
    // A link is what it leads to.
    match fs::metadata(path) {
        Ok(found) if found.is_file() || found.is_dir() => None,
        Ok(_) => Some("no regular file (a pipe, a socket or a device)"),
        Err(_) => Some("it leads nowhere, or may not be looked at"),
    }
}

fn logs(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        paths.push(entry.map_err(Error::io("list", folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn row(log: &str, report: &Report) -> Row {
    let share =
        |names: &[&str]| names.iter().map(|name| report.shares.get(*name).copied().unwrap_or(0.0)).sum();
    let main =
        report.iterations.iter().max_by(|a, b| (a.to_ms - a.from_ms).total_cmp(&(b.to_ms - b.from_ms)));
    Row {
        log: log.to_owned(),
        name: report.name.clone(),
        jobs: report.jobs,
        stages: report.stages,
        tasks: report.tasks,
        pattern: main.map_or_else(String::new, |found| found.pattern.clone()),
        iterations: main.map_or(0, |found| found.count),
        iteration_ms: main.map_or(0.0, |found| found.median_ms),
        sync_per_iteration: main.map_or(0, |found| found.sync_points),
        tree_stages: report.tree_aggregate_stages,
        barrier_stages: report.barrier_stages,
        wall_ms: report.wall_ms,
        startup: share(&["startup"]),
        driver: share(&["driver"]),
        compute: share(&["compute", "gc", "deserialise", "serialise", "evaluate", "fold", "apply"]),
        shuffle: share(&["shuffle_read", "shuffle_write", "push", "pull", "collective"]),
        barrier: share(&["wait", "polling", "too_few_tasks"]),
        schedule: share(&["schedule"]),
        shuffle_bytes: report.shuffle_written_bytes,
        failed_jobs: report.failed_jobs,
        failed_stages: report.failed_stages,
        failed_tasks: report.failed_tasks,
        lost_executors: report.lost_executors,
        failures: share(&["failures"]),
        complete: report.complete,
    }
}

impl Row {
    /// What did not end well, in words; empty for a clean run.
    fn ending(&self) -> String {
        let counts = [
            (self.failed_jobs, "jobs failed"),
            (self.failed_stages, "stages failed"),
            (self.failed_tasks, "attempts at tasks"),
            (self.lost_executors, "executors lost"),
        ];
        let mut words: Vec<String> = counts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{} {what}", count(*number)))
            .collect();
        if self.failures >= 0.0005 {
            words.push(format!("{} of the run", percent(self.failures)));
        }
        if !self.complete {
            words.push("has no end".to_owned());
        }
        words.join(", ")
    }
}

impl Survey {
    /// Writes the survey as a table. Where it is too narrow, what says least of a workload's structure goes first.
    pub fn write(&self, page: &mut Page) {
        let mut table = Table::new([
            Column::text("log").shrinks_to(12),
            Column::number("jobs").dropped(5),
            Column::number("stages").dropped(5),
            Column::number("tasks"),
            Column::text("iteration").shrinks_to(16).dropped(7),
            Column::number("times").dropped(6),
            Column::number("each").dropped(6),
            Column::number("syncs each").dropped(4),
            Column::number("wall"),
            Column::number("start-up").dropped(2),
            Column::number("driver"),
            Column::number("work"),
            Column::number("shuffle").dropped(3),
            Column::number("waiting"),
            Column::number("scheduling").dropped(3),
            Column::number("shuffled").dropped(1),
            Column::text("did not end well").wraps_at(12).dropped(8),
        ]);
        for row in &self.rows {
            let iterates = row.iterations > 0;
            let some = |text: String| if iterates { text } else { String::new() };
            table.row([
                row.log.clone(),
                count(row.jobs),
                count(row.stages),
                count(row.tasks),
                row.pattern.clone(),
                some(count(row.iterations)),
                some(milliseconds(row.iteration_ms)),
                some(count(row.sync_per_iteration)),
                milliseconds(row.wall_ms),
                percent(row.startup),
                percent(row.driver),
                percent(row.compute),
                percent(row.shuffle),
                percent(row.barrier),
                percent(row.schedule),
                bytes(row.shuffle_bytes as f64),
                row.ending(),
            ]);
        }
        page.table(&table);
        self.failed.iter().for_each(|(log, why)| _ = page.warning(&format!("{log}: {why}")));
        let passed_over = self.passed_over.iter();
        passed_over.for_each(|(name, why)| _ = page.warning(&format!("{name}: passed over, {why}")));
    }

    /// The survey as a table in Markdown.
    pub fn markdown(&self) -> String {
        let mut lines = vec![
            "| log | jobs | stages | tasks | iteration | times | ms each | syncs each | wall s | start-up | driver | work | shuffle | waiting | scheduling | shuffled KiB | did not end well |".to_owned(),
            "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|".to_owned(),
        ];
        for row in &self.rows {
            let percent = |share: f64| format!("{:.0} %", 100.0 * share);
            let some = |count: u64| if count > 0 { count.to_string() } else { String::new() };
            let pattern =
                if row.pattern.is_empty() { String::new() } else { format!("`{}`", shortened(&row.pattern)) };
            let cells = [
                escape(&row.log).into_owned(),
                row.jobs.to_string(),
                row.stages.to_string(),
                row.tasks.to_string(),
                pattern,
                some(row.iterations),
                if row.iterations > 0 { format!("{:.0}", row.iteration_ms) } else { String::new() },
                some(row.sync_per_iteration),
                format!("{:.1}", row.wall_ms / 1000.0),
                percent(row.startup),
                percent(row.driver),
                percent(row.compute),
                percent(row.shuffle),
                percent(row.barrier),
                percent(row.schedule),
                (row.shuffle_bytes / 1024).to_string(),
                row.ending(),
            ];
            lines.push(format!("| {} |", cells.join(" | ")));
        }
        let passed_over = self.passed_over.iter().map(|(name, why)| (name, format!("passed over, {why}")));
        let failed = self.failed.iter().map(|(log, why)| (log, why.clone()));
        lines.extend(
            failed.chain(passed_over).map(|(log, why)| format!("\n{}", escape(&format!("{log}: {why}")))),
        );
        lines.join("\n")
    }
}

/// A pattern as wide as a table bears.
fn shortened(pattern: &str) -> String {
    let pattern = escape(pattern).replace('|', "then");
    if pattern.chars().count() <= 64 { pattern } else { pattern.chars().take(63).chain(['…']).collect() }
}
