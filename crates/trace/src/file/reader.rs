//! Reading a run file: finished, still growing, or torn by a crash.

use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::Error;
use super::footer::Prefix;
use super::rows::{Columns, Group};
use super::schema::RUN_KEY;
use crate::{RunInfo, Span, setup};

/// Rows decoded at a time; bounds the memory of a reader.
const BATCH: usize = 32 << 10;

/// A whole run in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The head.
    pub info: RunInfo,
    /// All spans, in the order in which they were written.
    pub spans: Vec<Span>,
}

/// Reads the run file at `path` whole. For runs larger than memory iterate over a [`RunReader`].
pub fn read(path: impl AsRef<Path>) -> Result<Run, Error> {
    let mut reader = RunReader::open(path)?;
    let mut spans = Vec::new();
    for batch in &mut reader {
        spans.extend(batch?);
    }
    Ok(Run { info: reader.info, spans })
}

/// Iterates over the spans of a run file in batches, in bounded memory.
pub struct RunReader {
    path: PathBuf,
    info: RunInfo,
    nodes: HashMap<Vec<u8>, u32>,
    file: SerializedFileReader<Prefix>,
    torn_bytes: u64,
    columns: Columns,
    group: usize,
    open: Option<Group>,
}

impl std::fmt::Debug for RunReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RunReader")
            .field("path", &self.path)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl RunReader {
    /// Opens the file at `path`; if its end is torn, at the last flush that is whole.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io("open", path))?;
        let whole = Prefix::whole(file).map_err(Error::io("open", path))?;
        let length = whole.length();
        let (file, sound) = newest_sound(whole, path)?;
        let columns = Columns::of(&file).map_err(|why| Error::NotARun { path: path.to_owned(), why })?;
        let info = head(&file, path)?;
        let nodes = (0..).zip(&info.nodes).map(|(at, node)| (node.name.clone().into_bytes(), at)).collect();
        let torn_bytes = length - sound;
        Ok(Self { path: path.to_owned(), info, nodes, file, torn_bytes, columns, group: 0, open: None })
    }

    /// The head. A node that only spans name is added when its first span is read.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Bytes at the end that belong to a flush which was not completed; 0 for a sound file.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// How many spans the file says it has.
    pub fn spans(&self) -> u64 {
        self.file.metadata().file_metadata().num_rows().max(0) as u64
    }

    fn next_batch(&mut self) -> ParquetResult<Option<Vec<Span>>> {
        loop {
            if self.open.is_none() {
                if self.group == self.file.num_row_groups() {
                    return Ok(None);
                }
                self.open = Some(Group::open(&self.file, self.group, &self.columns)?);
                self.group += 1;
            }
            let Some(group) = &mut self.open else { continue };
            match group.next_rows(BATCH)? {
                Some(rows) => return rows.into_spans(&mut self.info, &mut self.nodes).map(Some),
                None => self.open = None,
            }
        }
    }
}

impl Iterator for RunReader {
    type Item = Result<Vec<Span>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = guarded(|| self.next_batch()).map_err(Error::parquet("read", &self.path)).transpose();
        if matches!(batch, Some(Err(_))) {
            // Nothing sensible follows an error.
            self.group = self.file.num_row_groups();
            self.open = None;
        }
        batch
    }
}

/// Opens the newest prefix that is Parquet, and says how long it is (RF-2).
fn newest_sound(whole: Prefix, path: &Path) -> Result<(SerializedFileReader<Prefix>, u64), Error> {
    // A file full of footers that are all damaged must not be searched for ever.
    const ATTEMPTS: usize = 64;
    let mut first_error = None;
    let mut candidate = Some(whole);
    for _ in 0..ATTEMPTS {
        let Some(prefix) = candidate.take() else { break };
        let length = prefix.length();
        candidate = prefix.shorter().map_err(Error::io("read", path))?;
        match guarded(|| SerializedFileReader::new(prefix)) {
            Ok(file) => return Ok((file, length)),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    let source = first_error.unwrap_or_else(|| ParquetError::General("the file is empty".to_owned()));
    Err(Error::Parquet { doing: "open", path: path.to_owned(), source })
}

/// Runs a decoder. The Parquet library takes some damage for a broken promise of its own and panics; to us that is
/// damage like any other. Unwind safety: after an error the reader gives up what the decoder left behind.
fn guarded<T>(decode: impl FnOnce() -> ParquetResult<T>) -> ParquetResult<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ParquetError::General("a page or the footer contradicts itself".to_owned())))
}

fn head(file: &SerializedFileReader<Prefix>, path: &Path) -> Result<RunInfo, Error> {
    let entries = file.metadata().file_metadata().key_value_metadata();
    let json = entries
        .into_iter()
        .flatten()
        .find(|entry| entry.key == RUN_KEY)
        .and_then(|entry| entry.value.as_ref());
    let Some(json) = json else { return Ok(RunInfo::default()) };
    let wrong = |why: String| Error::NotARun { path: path.to_owned(), why };
    let info: RunInfo =
        serde_json::from_str(json).map_err(|error| wrong(format!("its head `{RUN_KEY}`: {error}")))?;
    match &info.setup {
        Some(setup) if setup.version > setup::VERSION => Err(wrong(format!(
            "its setup is of version {}, and this syncline reads up to {}: use a later syncline",
            setup.version,
            setup::VERSION
        ))),
        _ => Ok(info),
    }
}
