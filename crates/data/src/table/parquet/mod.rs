//! Parquet files as tables, read as a stream: some rows of every column at a time (Apache Parquet's format, 2.x).
//!
//! Columns keep their names, of structures as `outer.inner`. Numbers are numbers, booleans `true` and `false`, days and
//! instants dates as ISO 8601 writes them, strings text ([`Cell::Word`](super::Cell::Word)), nulls missing. What pandas keeps its
//! index in comes first, so that the last column is the last of the data. Lists and maps are no cells: they are left out, and
//! it is said.
//!
//! Invariant: whatever a file claims, no more is in memory than a batch of rows, whose texts are bounded here, the pages that
//! `pages` bounds, and one more such page.

mod meaning;
mod pages;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{AsBytes, DataType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::{Cells, MOST_CELLS, Row, Rows, Value, distinct};
use crate::input::{Content, Input, shown};
use crate::{Error, Result};
use meaning::Meaning;
use pages::{Heads, most_open};

/// Values decoded at a time, in all columns together.
const VALUES: usize = 1 << 17;
/// Rows decoded at a time.
const ROWS: usize = 1024;
/// Bytes of texts decoded at a time. A text of a dictionary lies in the file once, however many rows have it.
const TEXTS: usize = 256 << 20;

/// The rows of a file.
pub(crate) struct ParquetRows {
    path: PathBuf,
    file: Box<dyn FileReader>,
    leaves: Vec<Leaf>,
    names: Vec<String>,
    notes: Vec<String>,
    /// The next row group.
    group: usize,
    /// A reader for each leaf, of the row group before.
    open: Vec<ColumnReader>,
    heads: Heads,
    /// What was decoded last, column by column, and the next row of it.
    columns: Vec<Vec<Value>>,
    at: usize,
    row: u64,
}

/// A column that can be read.
struct Leaf {
    /// Its place among the file's columns.
    place: usize,
    meaning: Meaning,
    /// The definition level of a value that is there.
    level: i16,
}

impl ParquetRows {
    /// Opens a file.
    pub(crate) fn open(input: &Input) -> Result<ParquetRows> {
        let path = input.path().to_path_buf();
        let content = input.content()?;
        let failed = |source| Error::Io { action: "open", path: path.clone(), source };
        let heads = Heads::new(content.open().map_err(failed)?, most_open(content.length().map_err(failed)?));
        let file: Box<dyn FileReader> = match content {
            Content::File(file) => {
                let file =
                    File::open(&file).map_err(|source| Error::Io { action: "open", path: file, source })?;
                opened(&path, || Ok(Box::new(SerializedFileReader::new(file)?)))?
            }
            Content::Memory(bytes) => {
                opened(&path, || Ok(Box::new(SerializedFileReader::new(bytes::Bytes::from_owner(bytes))?)))?
            }
        };
        check_compression(file.as_ref()).map_err(|message| Error::File { path: path.clone(), message })?;
        let (leaves, names, notes) = leaves(file.as_ref());
        let fail = |message: String| Error::File { path: path.clone(), message };
        if leaves.is_empty() {
            return Err(fail("it has no column of numbers, dates, booleans or strings".into()));
        }
        if leaves.len() > MOST_CELLS {
            return Err(fail(format!("it has {} columns, {MOST_CELLS} are possible", leaves.len())));
        }
        let columns = leaves.iter().map(|_| Vec::new()).collect();
        let open = Vec::new();
        Ok(ParquetRows { path, file, leaves, names, notes, group: 0, open, heads, columns, at: 0, row: 0 })
    }

    /// Decodes the next rows; `false` at the end of the file.
    fn decode(&mut self) -> ParquetResult<bool> {
        self.at = 0;
        let most = (VALUES / self.leaves.len()).clamp(1, ROWS);
        loop {
            if self.open.is_empty() {
                if self.group == self.file.num_row_groups() {
                    return Ok(false);
                }
                self.open = self.readers()?;
                self.group += 1;
            }
            let mut room = TEXTS;
            for ((leaf, reader), column) in self.leaves.iter().zip(&mut self.open).zip(&mut self.columns) {
                // What was decoded before goes first, so that it does not lie beside the next.
                column.clear();
                *column = leaf.read(reader, most, &mut room)?;
            }
            let rows = self.columns[0].len();
            if self.columns.iter().any(|column| column.len() != rows) {
                return Err(ParquetError::General("its columns differ in length".to_owned()));
            }
            if rows > 0 {
                return Ok(true);
            }
            self.open.clear();
        }
    }

    fn readers(&mut self) -> ParquetResult<Vec<ColumnReader>> {
        let group = self.file.get_row_group(self.group)?;
        self.heads.check(self.leaves.iter().map(|leaf| group.metadata().column(leaf.place)))?;
        let reader = |leaf: &Leaf| {
            let column = group.metadata().schema_descr().column(leaf.place);
            Ok(get_column_reader(column, group.get_column_page_reader(leaf.place)?))
        };
        self.leaves.iter().map(reader).collect()
    }
}

impl Rows for ParquetRows {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn named(&self) -> bool {
        true
    }

    fn next(&mut self) -> Result<Option<Row<'_>>> {
        if self.at == self.columns[0].len() {
            let more = guarded(|| self.decode());
            let more = more.map_err(|error| damaged(&self.path, &error));
            if !matches!(more, Ok(true)) {
                // Nothing sensible follows an error.
                self.group = self.file.num_row_groups();
                self.open.clear();
                self.columns.iter_mut().for_each(Vec::clear);
                return more.map(|_| None);
            }
        }
        self.at += 1;
        self.row += 1;
        Ok(Some(Row { line: self.row, cells: Cells::Columns(&self.columns, self.at - 1) }))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

impl Leaf {
    /// The next values, so many at most; texts take their bytes from `room`.
    fn read(&self, reader: &mut ColumnReader, most: usize, room: &mut usize) -> ParquetResult<Vec<Value>> {
        let meaning = self.meaning;
        match reader {
            ColumnReader::BoolColumnReader(reader) => self.values(reader, most, |truth| meaning.truth(truth)),
            ColumnReader::Int32ColumnReader(reader) => {
                self.values(reader, most, |number| meaning.whole(number.into(), u64::from(number as u32)))
            }
            ColumnReader::Int64ColumnReader(reader) => {
                self.values(reader, most, |number| meaning.whole(number, number as u64))
            }
            ColumnReader::Int96ColumnReader(reader) => {
                self.values(reader, most, |instant| meaning::instant(instant.data()))
            }
            ColumnReader::FloatColumnReader(reader) => {
                self.values(reader, most, |number| Value::Number(number.into()))
            }
            ColumnReader::DoubleColumnReader(reader) => self.values(reader, most, Value::Number),
            ColumnReader::ByteArrayColumnReader(reader) => self.texts(reader, most, room),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => self.texts(reader, most, room),
        }
    }

    fn values<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        most: usize,
        value: impl Fn(T::T) -> Value,
    ) -> ParquetResult<Vec<Value>> {
        let (levels, found) = records(reader, most)?;
        Ok(self.cells(&levels, found, value))
    }

    fn texts<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        most: usize,
        room: &mut usize,
    ) -> ParquetResult<Vec<Value>> {
        let (levels, found) = records(reader, most)?;
        // Those of a dictionary share its memory until they are copied.
        let bytes = found.iter().map(|text| text.as_bytes().len()).sum();
        *room = room.checked_sub(bytes).ok_or_else(|| {
            let message = format!("its texts are too long: more than {} MiB in {most} rows", TEXTS >> 20);
            ParquetError::General(message)
        })?;
        Ok(self.cells(&levels, found, |text| self.meaning.bytes(text.as_bytes())))
    }

    /// A cell for each row: what was found, in order, where the row has something.
    fn cells<T>(&self, levels: &[i16], found: Vec<T>, value: impl Fn(T) -> Value) -> Vec<Value> {
        if self.level == 0 {
            return found.into_iter().map(value).collect();
        }
        let mut found = found.into_iter();
        let cell = |level: &i16| match *level == self.level {
            true => found.next().map_or(Value::Missing, &value),
            false => Value::Missing,
        };
        levels.iter().map(cell).collect()
    }
}

/// The definition levels of the next rows, and the values that are there.
fn records<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    most: usize,
) -> ParquetResult<(Vec<i16>, Vec<T::T>)> {
    let (mut levels, mut found) = (Vec::new(), Vec::new());
    reader.read_records(most, Some(&mut levels), None, &mut found)?;
    Ok((levels, found))
}

/// What can be read, under which names, and what is left out.
fn leaves(file: &dyn FileReader) -> (Vec<Leaf>, Vec<String>, Vec<String>) {
    let schema = file.metadata().file_metadata().schema_descr();
    let index = index_columns(file);
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for place in 0..schema.num_columns() {
        let column = schema.column(place);
        let name = column.path().string();
        let why = match Meaning::of(&column) {
            _ if column.max_rep_level() > 0 => "it is a list or a map, and no cell",
            Some(meaning) => {
                found.push((name, Leaf { place, meaning, level: column.max_def_level() }));
                continue;
            }
            None => "its type is not known here",
        };
        notes.push(format!("the column `{}` is left out: {why}", shown(&name)));
    }
    // Stable: all else keeps its order.
    found.sort_by_key(|(name, _)| !index.contains(name));
    let (names, leaves) = found.into_iter().unzip();
    (leaves, distinct(names), notes)
}

/// The columns in which pandas has kept its index, which it puts last.
fn index_columns(file: &dyn FileReader) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Pandas {
        index_columns: Vec<serde_json::Value>,
    }
    let entries = file.metadata().file_metadata().key_value_metadata().into_iter().flatten();
    let pandas = entries.filter(|entry| entry.key == "pandas").find_map(|entry| entry.value.as_deref());
    let pandas = pandas.and_then(|text| serde_json::from_str::<Pandas>(text).ok());
    let columns = pandas.map(|pandas| pandas.index_columns).unwrap_or_default();
    // An index that only counts is described, and has no column.
    columns.into_iter().filter_map(|column| column.as_str().map(str::to_owned)).collect()
}

/// Gzip and Brotli are unpacked by the library to whatever length comes out, so that a small file could fill the memory; the
/// others keep to the length that the page's head says.
fn check_compression(file: &dyn FileReader) -> Result<(), String> {
    let columns = file.metadata().row_groups().iter().flat_map(|group| group.columns());
    let bounded = |compression: &Compression| {
        matches!(
            compression,
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_) | Compression::LZ4_RAW
        )
    };
    match columns.map(|column| column.compression()).find(|compression| !bounded(compression)) {
        None => Ok(()),
        Some(other) => {
            let name = other.to_string();
            let name = name.split('(').next().unwrap_or_default().to_owned();
            Err(format!(
                "its columns are compressed by {name}, which is not read: write it with snappy, zstd or lz4 (in pandas \
                 df.to_parquet(path, compression=\"snappy\"))"
            ))
        }
    }
}

fn opened<T>(path: &std::path::Path, open: impl FnOnce() -> ParquetResult<T>) -> Result<T> {
    guarded(open).map_err(|error| damaged(path, &error))
}

fn damaged(path: &std::path::Path, error: &ParquetError) -> Error {
    let message = format!("it is no sound Parquet file: {error}");
    Error::File { path: path.into(), message }
}

/// Runs the decoder. The library takes some damage for a broken promise of its own and panics; to us that is damage like
/// any other. Unwind safety: after an error nothing is used of what the decoder left behind.
fn guarded<T>(decode: impl FnOnce() -> ParquetResult<T>) -> ParquetResult<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ParquetError::General("a page or the footer contradicts itself".to_owned())))
}
