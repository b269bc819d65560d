//! A run file.

use std::path::Path;

use syncline_trace::{RunFile, RunInfo, Span};

use crate::Error;
use crate::source::Damage;
use crate::spans::{self, SpanSink};

/// Appends spans to a run file, whose head grows with the log's.
struct Writer {
    file: RunFile,
}

impl SpanSink for Writer {
    fn take(&mut self, info: &RunInfo, spans: &[Span]) -> Result<(), Error> {
        self.file.info_mut().clone_from(info);
        Ok(self.file.append(spans)?)
    }
}

/// Writes the spans of the log at `from` to a run file at `to`.
pub(super) fn write(from: &Path, to: &Path) -> Result<Damage, Error> {
    let mut sink = Writer { file: RunFile::create(to, RunInfo::default())? };
    let (info, damage) = spans::read(from, &mut sink)?;
    *sink.file.info_mut() = info;
    sink.file.finish()?;
    Ok(damage)
}
