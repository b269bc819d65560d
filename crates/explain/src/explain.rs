//! From a log to its report.

use std::path::{Path, PathBuf};

use syncline_trace::{RunReader, Span};

use crate::analyst::{Analyst, report};

use crate::source::{Damage, Format, open};
use crate::spark::follow;
use crate::{Error, Report, chrome, flight, workers};

/// Reads the log at `path` and explains it. Damage inside the log is part of the report; only a log that tells nothing at
/// all is an error.
pub fn explain(path: &Path) -> Result<Report, Error> {
    let opened = open(path)?;
    match opened.format {
        Format::Spark => {
            let (collector, damage) = follow(opened, Analyst::default())?;
            Ok(report(collector, path.display().to_string(), damage))
        }
        Format::RunFile => run_file(&opened.path),
        Format::Chrome => ranks(&[path.to_owned()]),
        Format::FlightRecorder => dumps(&[path.to_owned()]),
    }
}

/// Explains several logs. Chrome traces among them are the ranks of one run and give one report, and so are flight
/// recorder dumps; every other log gives its own.
pub fn explain_all(paths: &[PathBuf]) -> Result<Vec<Report>, Error> {
    let (mut ranks, mut dumps, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        match open(path)?.format {
            Format::Chrome => ranks.push(path.clone()),
            Format::FlightRecorder => dumps.push(path.clone()),
            Format::Spark | Format::RunFile => reports.push(explain(path)?),
        }
    }
    if !dumps.is_empty() {
        reports.insert(0, self::dumps(&dumps)?);
    }
    if !ranks.is_empty() {
        reports.insert(0, self::ranks(&ranks)?);
    }
    Ok(reports)
}

fn dumps(paths: &[PathBuf]) -> Result<Report, Error> {
    let mut damage = Damage::default();
    let mut dumps = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let opened = open(path)?;
        let notes = opened.notes();
        let unreadable = |why: String| Error::Unrecognised { path: path.clone(), why };
        dumps.push(flight::read(opened.text, path, at).map_err(unreadable)?);
        notes().into_iter().for_each(|note| damage.note(note));
    }
    Ok(flight::report(&dumps, joined(paths), damage))
}

fn joined(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn ranks(paths: &[PathBuf]) -> Result<Report, Error> {
    let mut damage = Damage::default();
    let mut traces = Vec::new();
    for path in paths {
        let opened = open(path)?;
        let notes = opened.notes();
        let (trace, found) = chrome::read(opened.text);
        found.first.iter().for_each(|bad| damage.count(bad.line, bad.why.clone()));
        found.notes.into_iter().chain(notes()).for_each(|note| damage.note(note));
        traces.push(trace);
    }
    chrome::report(traces, joined(paths), damage).ok_or_else(|| {
        let why = "it has no event that takes time".to_owned();
        Error::Empty { path: paths.first().cloned().unwrap_or_default(), why }
    })
}

/// Spans of a run file that are looked at; the memory that they take is bounded by it.
const SPANS: usize = 4 << 20;

fn run_file(path: &Path) -> Result<Report, Error> {
    let mut reader = RunReader::open(path)?;
    let mut damage = Damage::default();
    if reader.torn_bytes() > 0 {
        damage.note(format!(
            "{} bytes at the end belong to a flush that was not completed",
            reader.torn_bytes()
        ));
    }
    let mut spans: Vec<Span> = Vec::new();
    while let Some(batch) = reader.next() {
        match batch {
            Ok(batch) => spans.extend(batch),
            Err(error) => damage.note(error.to_string()),
        }
        if spans.len() > SPANS {
            damage.note(format!("only the first {} of {} spans were looked at", spans.len(), reader.spans()));
            break;
        }
    }
    if spans.is_empty() {
        return Err(Error::Empty { path: path.to_owned(), why: "the run file has no spans yet".to_owned() });
    }
    if reader.info().dropped() > 0 {
        damage.note(format!("{} spans did not fit into the recorders", reader.info().dropped()));
    }
    Ok(workers::report(reader.info(), &spans, path.display().to_string(), damage))
}
