//! Any log in another tool's format: Chrome's JSON, Perfetto's protobuf, CSV, or a run file (Parquet).

mod chrome;
mod csv;
mod parquet;
mod perfetto;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::source::Damage;
use crate::{Error, spans};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Chrome's trace events, for chrome://tracing, Perfetto and our own reader.
    Chrome,
    /// Perfetto's own format.
    Perfetto,
    /// A table of spans.
    Csv,
    /// A run file: the same table as Parquet, with its head.
    Parquet,
}

/// Writes the spans of the log at `from` to `to`, in bounded memory. What of the log could not be read is returned.
pub fn export(from: &Path, to: &Path, format: ExportFormat) -> Result<Damage, Error> {
    if format == ExportFormat::Parquet {
        return parquet::write(from, to);
    }
    let file = File::create(to).map_err(Error::io("write", to))?;
    let mut out = BufWriter::with_capacity(1 << 18, file);
    let failed = Error::io("write", to);
    let damage = match format {
        ExportFormat::Chrome => {
            let mut sink = chrome::Writer::new(&mut out);
            let (info, damage) = spans::read(from, &mut sink)?;
            sink.finish(&info)?;
            damage
        }
        ExportFormat::Perfetto => spans::read(from, &mut perfetto::Writer::new(&mut out))?.1,
        ExportFormat::Csv => spans::read(from, &mut csv::Writer::new(&mut out))?.1,
        ExportFormat::Parquet => Damage::default(),
    };
    out.flush().map_err(failed)?;
    Ok(damage)
}

/// Turns a failed write into the error of an export.
fn failed(error: std::io::Error) -> Error {
    Error::io("write", Path::new("the export"))(error)
}

/// The lane of a span: its node, and its worker where a node has several.
fn lane(info: &syncline_trace::RunInfo, span: &syncline_trace::Span) -> String {
    let node = info.nodes.get(span.node as usize).map_or("", |node| node.name.as_str());
    span.worker.map_or_else(|| node.to_owned(), |worker| format!("{node} {worker}"))
}
