//! Runs side by side: which there are, and in what those that are compared differ.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_terminal::{
    Cell, Column, Page, Style, Table,
    unit::{count, loss, seconds},
};

use super::{RunRecord, RunState};
use crate::{Compared, Error, RunFigures, TrainJob, job::JOB};

/// A run in a line.
#[derive(Clone, Debug, Serialize)]
pub struct RunLine {
    /// The folder's name.
    pub run: String,
    /// How far it is.
    #[serde(flatten)]
    pub state: RunState,
    /// When it was begun (UTC).
    pub begun: Option<String>,
    /// The round from which it would go on, where there is a checkpoint.
    pub checkpoint_round: Option<u64>,
    /// What it was to do, as its job has it.
    pub job: TrainJob,
    /// What came of it, once it has a report.
    pub figures: Option<Compared>,
}

/// Settings that differ between runs, by key: the setting of each run, in their order.
pub type Differences = BTreeMap<String, Vec<Option<String>>>;

impl RunRecord {
    /// In a line.
    pub fn line(&self) -> RunLine {
        let figures =
            self.report.clone().and_then(|report| serde_json::from_value::<RunFigures>(report).ok());
        let name = self.path.canonicalize().ok().and_then(|path| path.file_name().map(ToOwned::to_owned));
        RunLine {
            run: name
                .map_or_else(|| syncline_terminal::path(&self.path), |name| name.to_string_lossy().into()),
            state: self.state.clone(),
            begun: self.begun.clone(),
            checkpoint_round: self.checkpoint,
            job: self.job.clone(),
            figures: figures.map(|figures| Compared::new(&figures, None)),
        }
    }
}

/// Keys that say where something lies, and not what is done.
const PLACES: [&str; 3] = ["checkpoint", "save", "trace"];

/// In what the jobs of these runs differ.
///
/// # Errors
/// When a job cannot be written as a table, which each that was read can.
pub fn differences(runs: &[RunLine]) -> Result<Differences, Error> {
    let tables = runs.iter().map(|run| settings(&run.job)).collect::<Result<Vec<_>, _>>()?;
    let mut found = Differences::new();
    for key in tables.iter().flat_map(BTreeMap::keys).filter(|key| !PLACES.contains(&key.as_str())) {
        let values: Vec<Option<String>> = tables.iter().map(|table| table.get(key).cloned()).collect();
        if values.iter().any(|value| *value != values[0]) {
            found.insert(key.clone(), values);
        }
    }
    Ok(found)
}

fn settings(job: &TrainJob) -> Result<BTreeMap<String, String>, Error> {
    let wrong =
        |error: toml::ser::Error| Error::Job { path: JOB.into(), line: None, reason: error.to_string() };
    let told = |value: toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let table = toml::Table::try_from(job).map_err(wrong)?;
    Ok(table.into_iter().map(|(key, value)| (key, told(value))).collect())
}

/// Writes a line for each run.
pub fn write_list(page: &mut Page, runs: &[RunLine]) {
    let mut table = Table::new([
        Column::text("run").shrinks_to(10),
        Column::text("state"),
        Column::text("begun").dropped(2),
        Column::text("model").dropped(4),
        Column::text("sync"),
        Column::number("workers").dropped(5),
        Column::number("epochs").dropped(3),
        Column::number("loss"),
        Column::number("time").dropped(6),
        Column::number("from round").dropped(1),
    ]);
    for run in runs {
        let figure = |shown: fn(&Compared) -> String| run.figures.as_ref().map_or("-".to_owned(), shown);
        let begun = run.begun.as_deref().unwrap_or("-");
        table.row([
            Cell::from(run.run.as_str()),
            state(run),
            begun.trim_end_matches('Z').replace('T', " ").into(),
            or_none(run.job.model.as_ref()),
            or_none(run.job.sync),
            or_none(run.job.workers),
            or_none(run.job.epochs),
            figure(|figures| figures.loss().map_or("-".to_owned(), loss)).into(),
            figure(|figures| seconds(figures.wall_s)).into(),
            run.checkpoint_round.map_or("-".to_owned(), count).into(),
        ]);
    }
    page.table(&table);
}

/// Writes what differs between the runs, and what came of each.
pub fn write_comparison(page: &mut Page, runs: &[RunLine], differences: &Differences) {
    let mut columns = vec![Column::text("run").shrinks_to(10), Column::text("state")];
    columns.extend(differences.keys().map(|key| Column::text(key).shrinks_to(8)));
    columns.extend([
        Column::number("loss"),
        Column::number("accuracy or RMSE").dropped(2),
        Column::number("time"),
        Column::number("samples/s").dropped(1),
    ]);
    let mut table = Table::new(columns);
    let least = runs.iter().filter_map(|run| run.figures.as_ref()?.loss()).fold(f64::INFINITY, f64::min);
    for (index, run) in runs.iter().enumerate() {
        let mut row = vec![Cell::from(run.run.as_str()), state(run)];
        row.extend(differences.values().map(|values| or_none(values[index].as_ref())));
        let reached = run.figures.as_ref().and_then(Compared::loss);
        let text = reached.map_or("-".to_owned(), loss);
        row.push(if reached.is_some_and(|loss| loss <= least) {
            Cell::styled(text, Style::Good)
        } else {
            text.into()
        });
        let figure = |shown: fn(&Compared) -> String| run.figures.as_ref().map_or("-".to_owned(), shown);
        row.push(figure(|figures| figures.accuracy.or(figures.rmse).map_or("-".to_owned(), loss)).into());
        row.push(figure(|figures| seconds(figures.wall_s)).into());
        row.push(figure(|figures| count(figures.samples_per_s.max(0.0).round() as u64)).into());
        table.row(row);
    }
    page.table(&table);
    if differences.is_empty() {
        page.line("their jobs are the same");
    }
}

fn state(run: &RunLine) -> Cell {
    let style = match run.state {
        RunState::Finished => return Cell::from("finished"),
        RunState::Running => Style::Good,
        RunState::Interrupted(_) => Style::Warning,
        RunState::Failed(_) | RunState::Killed => Style::Bad,
    };
    Cell::styled(run.state.name(), style)
}

fn or_none(value: Option<impl ToString>) -> Cell {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string()).into()
}

#[cfg(test)]
mod tests {
    use syncline_terminal::Screen;

    use super::*;

    fn line(run: &str, job: &str) -> RunLine {
        RunLine {
            run: run.to_owned(),
            state: RunState::Killed,
            begun: None,
            checkpoint_round: Some(7),
            job: TrainJob::parse(job, "job.toml").unwrap(),
            figures: None,
        }
    }

    #[test]
    fn only_what_differs_is_compared() {
        let runs = [
            line("a", "sync = \"ssp:2\"\nlr = 0.1\nsave = \"a\""),
            line("b", "sync = \"bsp\"\nlr = 0.1\nclip = 1\nsave = \"b\""),
        ];
        let found = differences(&runs).unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found["sync"], [some("ssp:2"), some("bsp")]);
        assert_eq!(found["clip"], [None, some("1.0")]);
        assert_eq!(found.len(), 2, "{found:?}");
        let mut page = Page::new(&Screen::plain(80));
        write_comparison(&mut page, &runs, &found);
        assert!(page.text().contains("ssp:2") && page.text().contains("killed"), "{}", page.text());
    }
}
