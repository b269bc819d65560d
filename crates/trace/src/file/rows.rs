//! Column values to spans.

use std::collections::HashMap;

use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::footer::Prefix;
use crate::{Node, Phase, RunInfo, Span};

/// Where each field stands in the file. Other tools may have written the columns in another order or left optional
/// ones out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    node: usize,
    phase: usize,
    start_ns: usize,
    end_ns: usize,
    iteration: Option<usize>,
    round: Option<usize>,
    bytes: Option<usize>,
    records: Option<usize>,
    peer: Option<usize>,
    sync: Option<usize>,
    worker: Option<usize>,
    task: Option<usize>,
}

impl Columns {
    /// Finds the columns of `file`, or says what is missing.
    pub(super) fn of(file: &SerializedFileReader<Prefix>) -> Result<Self, String> {
        let schema = file.metadata().file_metadata().schema_descr();
        let find = |name: &str| schema.columns().iter().position(|column| column.path().string() == name);
        let need = |name: &str| find(name).ok_or_else(|| format!("it has no column `{name}`"));
        if let Some(column) = schema.columns().iter().find(|column| column.max_rep_level() > 0) {
            return Err(format!("its column `{}` is a list", column.path()));
        }
        Ok(Self {
            node: need("node")?,
            phase: need("phase")?,
            start_ns: need("start_ns")?,
            end_ns: need("end_ns")?,
            iteration: find("iteration"),
            round: find("round"),
            bytes: find("bytes"),
            records: find("records"),
            peer: find("peer"),
            sync: find("sync"),
            worker: find("worker"),
            task: find("task"),
        })
    }
}

/// The column readers of one row group.
pub(super) struct Group {
    left: usize,
    node: Column,
    phase: Column,
    start_ns: Column,
    end_ns: Column,
    iteration: Column,
    round: Column,
    bytes: Column,
    records: Column,
    peer: Column,
    sync: Column,
    worker: Column,
    task: Column,
}

impl Group {
    /// Opens the columns of row group `group`.
    pub(super) fn open(
        file: &SerializedFileReader<Prefix>,
        group: usize,
        columns: &Columns,
    ) -> ParquetResult<Self> {
        let group = file.get_row_group(group)?;
        let open = |at: Option<usize>| -> ParquetResult<Column> {
            at.map(|at| group.get_column_reader(at)).transpose().map(Column)
        };
        Ok(Self {
            left: usize::try_from(group.metadata().num_rows()).unwrap_or(0),
            node: open(Some(columns.node))?,
            phase: open(Some(columns.phase))?,
            start_ns: open(Some(columns.start_ns))?,
            end_ns: open(Some(columns.end_ns))?,
            iteration: open(columns.iteration)?,
            round: open(columns.round)?,
            bytes: open(columns.bytes)?,
            records: open(columns.records)?,
            peer: open(columns.peer)?,
            sync: open(columns.sync)?,
            worker: open(columns.worker)?,
            task: open(columns.task)?,
        })
    }

    /// Decodes at most `limit` further rows.
    pub(super) fn next_rows(&mut self, limit: usize) -> ParquetResult<Option<Rows>> {
        let count = self.left.min(limit);
        if count == 0 {
            return Ok(None);
        }
        self.left -= count;
        Ok(Some(Rows {
            node: self.node.texts(count)?,
            phase: self.phase.texts(count)?,
            start_ns: self.start_ns.numbers(count)?,
            end_ns: self.end_ns.numbers(count)?,
            iteration: self.iteration.numbers(count)?,
            round: self.round.numbers(count)?,
            bytes: self.bytes.numbers(count)?,
            records: self.records.numbers(count)?,
            peer: self.peer.texts(count)?,
            sync: self.sync.numbers(count)?,
            worker: self.worker.numbers(count)?,
            task: self.task.numbers(count)?,
        }))
    }
}

/// One column of a row group; `None` if the file does not have it.
struct Column(Option<ColumnReader>);

impl Column {
    fn numbers(&mut self, count: usize) -> ParquetResult<Vec<Option<i64>>> {
        let mut levels = Vec::new();
        macro_rules! read {
            ($reader:expr, $convert:expr) => {{
                let mut values = Vec::new();
                let nullable = $reader.read_records(count, Some(&mut levels), None, &mut values)?;
                spread(nullable, &levels, values.into_iter().map($convert), count)
            }};
        }
        match &mut self.0 {
            None => Ok(vec![None; count]),
            Some(ColumnReader::Int64ColumnReader(reader)) => read!(reader, |value| value),
            Some(ColumnReader::Int32ColumnReader(reader)) => read!(reader, i64::from),
            // Data frames turn whole numbers with gaps into doubles.
            Some(ColumnReader::DoubleColumnReader(reader)) => read!(reader, |value| value as i64),
            Some(_) => {
                Err(ParquetError::General("a number was expected in a column of another type".to_owned()))
            }
        }
    }

    fn texts(&mut self, count: usize) -> ParquetResult<Vec<Option<ByteArray>>> {
        match &mut self.0 {
            None => Ok(vec![None; count]),
            Some(ColumnReader::ByteArrayColumnReader(reader)) => {
                let (mut levels, mut values) = (Vec::new(), Vec::new());
                let read = reader.read_records(count, Some(&mut levels), None, &mut values)?;
                spread(read, &levels, values.into_iter(), count)
            }
            Some(_) => {
                Err(ParquetError::General("a text was expected in a column of another type".to_owned()))
            }
        }
    }
}

/// Puts the values that are there in their rows. A required column has no levels: all values are there.
fn spread<T: Clone>(
    (records, present, _): (usize, usize, usize),
    levels: &[i16],
    mut values: impl Iterator<Item = T>,
    count: usize,
) -> ParquetResult<Vec<Option<T>>> {
    if records != count {
        return Err(ParquetError::EOF(format!("a column ends {} rows early", count - records)));
    }
    let rows: Vec<Option<T>> = match levels {
        [] => values.take(present).map(Some).collect(),
        _ => levels.iter().map(|&level| if level > 0 { values.next() } else { None }).collect(),
    };
    // Only a damaged page can disagree with itself.
    if rows.len() == count {
        Ok(rows)
    } else {
        Err(ParquetError::General("a page has too few values".to_owned()))
    }
}

/// Decoded columns of a batch; all have the same length.
pub(super) struct Rows {
    node: Vec<Option<ByteArray>>,
    phase: Vec<Option<ByteArray>>,
    start_ns: Vec<Option<i64>>,
    end_ns: Vec<Option<i64>>,
    iteration: Vec<Option<i64>>,
    round: Vec<Option<i64>>,
    bytes: Vec<Option<i64>>,
    records: Vec<Option<i64>>,
    peer: Vec<Option<ByteArray>>,
    sync: Vec<Option<i64>>,
    worker: Vec<Option<i64>>,
    task: Vec<Option<i64>>,
}

impl Rows {
    /// Makes spans of the rows. Names that `nodes` does not have are added to it and to `info`.
    pub(super) fn into_spans(
        self,
        info: &mut RunInfo,
        nodes: &mut HashMap<Vec<u8>, u32>,
    ) -> ParquetResult<Vec<Span>> {
        let mut number = |name: &[u8]| {
            nodes.get(name).copied().unwrap_or_else(|| {
                let number = info.nodes.len() as u32;
                info.nodes.push(Node::new(String::from_utf8_lossy(name)));
                nodes.insert(name.to_owned(), number);
                number
            })
        };
        let unsigned = |value: Option<i64>| value.unwrap_or(0).max(0) as u64;
        let mut spans = Vec::with_capacity(self.node.len());
        for row in 0..self.node.len() {
            let text = |column: &[Option<ByteArray>], name: &str| {
                column
                    .get(row)
                    .cloned()
                    .flatten()
                    .ok_or_else(|| ParquetError::General(format!("a row has no {name}")))
            };
            spans.push(Span {
                node: number(text(&self.node, "node")?.data()),
                phase: phase(text(&self.phase, "phase")?.data()),
                start_ns: unsigned(self.start_ns[row]),
                end_ns: unsigned(self.end_ns[row]),
                iteration: self.iteration[row].unwrap_or(0) as u32,
                round: self.round[row].unwrap_or(0) as u64,
                bytes: self.bytes[row].unwrap_or(0) as u64,
                records: self.records[row].unwrap_or(0) as u64,
                peer: self.peer[row].as_ref().map(|name| number(name.data())),
                sync: self.sync[row].map(|sync| sync as u64),
                worker: self.worker[row].map(|worker| worker as u32),
                task: self.task[row].map(|task| task as u64),
            });
        }
        Ok(spans)
    }
}

/// A phase that this version does not know is time that it cannot explain.
fn phase(name: &[u8]) -> Phase {
    std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).unwrap_or(Phase::Unknown)
}
