//! Writing a run file while the run goes on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::Result as ParquetResult;
use parquet::file::writer::SerializedFileWriter;

use super::append::Append;
use super::columns::write_row_group;
use super::schema::{properties, schema};
use super::{Error, RunReader, footer};
use crate::{RunInfo, Span};

/// Spans that are held before they are written without being asked to; bounds the memory of a writer (about 100 bytes
/// a span) and makes row groups large enough to compress well.
const BATCH: usize = 64 << 10;

/// Dead bytes up to this size are not worth a new file.
const NEGLIGIBLE: u64 = 1 << 20;

/// A run file that is being written. Give it spans as they come, [`flush`](RunFile::flush) when others should see them,
/// and [`finish`](RunFile::finish) at the end of the run; dropped without that, it stays what the last flush made it.
///
/// ```
/// use syncline_trace::{Node, Phase, RunFile, RunInfo, Span, read};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("run.parquet");
/// let info = RunInfo { run: "demo".into(), nodes: vec![Node::new("worker/0")], ..RunInfo::default() };
/// let mut file = RunFile::create(&path, info)?;
/// file.append(&[Span::new(0, Phase::Compute, 0, 1_000)])?;
/// file.flush()?;
/// assert_eq!(read(&path)?.spans.len(), 1);
/// assert!(!read(&path)?.info.complete);
/// file.finish()?;
/// assert!(read(&path)?.info.complete);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    info: RunInfo,
    writer: SerializedFileWriter<Append>,
    buffer: Vec<Span>,
    dead: u64,
    compacts: Compacts,
}

/// Whether a file is the one that readers see, or the new one that is to replace it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compacts {
    WhenWorthIt,
    Never,
}

impl RunFile {
    /// Creates the file, or empties it, and writes the head; a reader finds a run without spans.
    pub fn create(path: impl AsRef<Path>, info: RunInfo) -> Result<Self, Error> {
        Self::create_as(path.as_ref(), info, Compacts::WhenWorthIt)
    }

    fn create_as(path: &Path, info: RunInfo, compacts: Compacts) -> Result<Self, Error> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let open = || SerializedFileWriter::new(Append::new(file), schema()?, Arc::new(properties()));
        let writer = open().map_err(Error::parquet("create", path))?;
        let mut run = Self { path: path.to_owned(), info, writer, buffer: Vec::new(), dead: 0, compacts };
        run.commit()?;
        Ok(run)
    }

    /// The head, to complete it as facts come in; it is written with every flush. A span's node must stand in it when
    /// the span is flushed.
    pub fn info_mut(&mut self) -> &mut RunInfo {
        &mut self.info
    }

    /// Takes spans, in any order and of any nodes. They are written when enough have come, or at the next flush.
    pub fn append(&mut self, spans: &[Span]) -> Result<(), Error> {
        for part in spans.chunks(BATCH) {
            self.buffer.extend_from_slice(part);
            if self.buffer.len() >= BATCH {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what was taken so far: from now on readers see it, and a crash does not lose it.
    pub fn flush(&mut self) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            write_row_group(&mut self.writer, &self.info, &self.buffer)
                .map_err(Error::parquet("append to", &self.path))?;
            self.buffer.clear();
        }
        self.commit()?;
        self.compact_if_worth_it()
    }

    /// Writes the rest, marks the run as complete and leaves a compact file.
    pub fn finish(mut self) -> Result<(), Error> {
        self.info.complete = true;
        self.flush()?;
        if self.compacts == Compacts::WhenWorthIt && self.writer.flushed_row_groups().len() > 1 {
            self.compact()?;
        }
        Ok(())
    }

    /// Appends a footer and hands all to the file in one write.
    fn commit(&mut self) -> Result<(), Error> {
        let mut write = || -> ParquetResult<u64> {
            let footer = footer::write(&mut self.writer, &self.info)?;
            self.writer.flush()?;
            Ok(footer as u64)
        };
        self.dead += write().map_err(Error::parquet("append to", &self.path))?;
        self.writer.inner_mut().commit().map_err(Error::io("append to", &self.path))
    }

    fn compact_if_worth_it(&mut self) -> Result<(), Error> {
        let live = (self.writer.bytes_written() as u64).saturating_sub(self.dead);
        if self.compacts == Compacts::WhenWorthIt && self.dead > live.max(NEGLIGIBLE) {
            self.compact()?;
        }
        Ok(())
    }

    /// Writes the file anew without dead bytes and in large row groups, and puts it in the old one's place (RF-3).
    fn compact(&mut self) -> Result<(), Error> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let mut fresh = Self::create_as(&beside, self.info.clone(), Compacts::Never)?;
        let mut reader = RunReader::open(&self.path)?;
        while let Some(spans) = reader.next() {
            fresh.buffer.extend(spans?);
            // The reader numbers nodes that the head does not know.
            if reader.info().nodes.len() > fresh.info.nodes.len() {
                fresh.info.nodes.clone_from(&reader.info().nodes);
            }
            if fresh.buffer.len() >= BATCH {
                write_row_group(&mut fresh.writer, &fresh.info, &fresh.buffer)
                    .map_err(Error::parquet("compact", &beside))?;
                fresh.buffer.clear();
            }
        }
        fresh.flush()?;
        fs::rename(&beside, &self.path).map_err(Error::io("replace", &self.path))?;
        self.writer = fresh.writer;
        self.dead = fresh.dead;
        Ok(())
    }
}
