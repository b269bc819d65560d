//! From a log to its report.

use std::path::{Path, PathBuf};

use syncline_trace::{RunReader, Span};

use crate::analyst::{Analyst, report};
use crate::source::{Damage, Format, Opened, logs, open};
use crate::spark::follow;
use crate::{Error, Report, calls, chrome, flight, workers};

/// Reads the log at `path` and explains it. Damage inside the log is part of the report; only a log that tells nothing at
/// all is an error. Of several attempts in an archive it is the last one.
pub fn explain(path: &Path) -> Result<Report, Error> {
    let mut found = Found::default();
    found.take(open(path)?)?;
    Ok(found.reports()?.remove(0))
}

/// Explains several logs. Chrome traces among them are the ranks of one run and give one report, and so are flight
/// recorder dumps; every other log gives its own, and so does every attempt in an archive.
pub fn explain_all(paths: &[PathBuf]) -> Result<Vec<Report>, Error> {
    let mut found = Found::default();
    for path in paths {
        let logs = logs(path)?;
        let mut unknown = Unknown { of: logs.len(), names: Vec::new(), last: None };
        for log in logs {
            let (is_inside, name) = (log.is_inside(), log.source().to_owned());
            match log.open() {
                Err(error @ Error::Unrecognised { .. }) if is_inside => unknown.take(name, error),
                opened => found.take(opened?)?,
            }
        }
        found.notes.extend(unknown.note()?);
    }
    found.reports()
}

/// Files of an archive that are no logs.
struct Unknown {
    of: usize,
    names: Vec<String>,
    last: Option<Error>,
}

impl Unknown {
    fn take(&mut self, name: String, why: Error) {
        self.names.push(name);
        self.last = Some(why);
    }

    /// What to say of them. It is an error if all are so.
    fn note(self) -> Result<Option<String>, Error> {
        match (self.names.len(), self.last) {
            (0, _) | (_, None) => Ok(None),
            (all, Some(error)) if all == self.of => Err(error),
            (some, _) => {
                Ok(Some(format!("{some} files of the archive are no logs, such as {}", self.names[0])))
            }
        }
    }
}

/// What was read of some logs.
#[derive(Default)]
struct Found {
    reports: Vec<Report>,
    /// Chrome traces, the ranks of one run.
    traces: Vec<chrome::Trace>,
    /// Flight recorder dumps.
    dumps: Vec<flight::Dump>,
    /// What the traces and dumps are called.
    sources: (Vec<String>, Vec<String>),
    damage: (Damage, Damage),
    /// What to say of all.
    notes: Vec<String>,
}

impl Found {
    /// Reads a log.
    fn take(&mut self, opened: Opened) -> Result<(), Error> {
        let source = opened.source.clone();
        match opened.format {
            Format::Spark => {
                let (collector, damage) = follow(opened, Analyst::default())?;
                self.reports.push(report(collector, source, damage));
            }
            Format::RunFile => self.reports.push(run_file(&opened.path)?),
            Format::Chrome => {
                let notes = opened.notes();
                let (trace, found) = chrome::read(opened.text);
                self.damage.0.join(found, notes());
                self.traces.push(trace);
                self.sources.0.push(source);
            }
            Format::FlightRecorder => {
                let notes = opened.notes();
                let unreadable = |why| Error::Unrecognised { path: PathBuf::from(&source), why };
                let dump = flight::read(opened.text, Path::new(&source), self.dumps.len());
                self.dumps.push(dump.map_err(unreadable)?);
                self.damage.1.join(Damage::default(), notes());
                self.sources.1.push(source);
            }
        }
        Ok(())
    }

    /// The reports: of ranks, of dumps, and of every other log.
    fn reports(self) -> Result<Vec<Report>, Error> {
        let mut reports = Vec::new();
        if !self.traces.is_empty() {
            let name = self.sources.0.join(", ");
            let first = PathBuf::from(&self.sources.0[0]);
            let why = "it has no event that takes time".to_owned();
            let found = chrome::report(self.traces, name, self.damage.0);
            reports.push(found.ok_or(Error::Empty { path: first, why })?);
        }
        if !self.dumps.is_empty() {
            reports.push(flight::report(&self.dumps, self.sources.1.join(", "), self.damage.1));
        }
        reports.extend(self.reports);
        if let Some(first) = reports.first_mut() {
            self.notes.into_iter().for_each(|note| first.damage.note(note));
        }
        Ok(reports)
    }
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
        let info = reader.info();
        return match calls::calls(info, info.wall_ns) {
            Some(calls) => Ok(calls::report(info, calls, path.display().to_string(), damage)),
            None => {
                let why = "the run file has neither spans nor calls yet".to_owned();
                Err(Error::Empty { path: path.to_owned(), why })
            }
        };
    }
    if reader.info().dropped() > 0 {
        damage.note(format!("{} spans did not fit into the recorders", reader.info().dropped()));
    }
    Ok(workers::report(reader.info(), &spans, path.display().to_string(), damage))
}
