//! Comma-separated values (RFC 4180), also with `;` or tabs: features and one label column, with or without a header.

use super::label::{LabelColumn, list};
use super::source::Bounded;
use super::{Header, Label, ReadOptions, Reader, Source, line_error, number, quoted};
use crate::{Dataset, Dense, Error, Features, Result};
use csv::ByteRecord;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The format.
pub(super) struct Csv;

impl Reader for Csv {
    fn name(&self) -> &'static str {
        "CSV"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv", "tsv"]
    }

    fn recognises(&self, _start: &[u8]) -> bool {
        true
    }

    fn read(&self, mut source: Source, options: &ReadOptions) -> Result<Dataset> {
        source.expect_text()?;
        let delimiter = match options.delimiter {
            Some(delimiter) => delimiter,
            None => delimiter_of(source.start()?),
        };
        let mut records = Records::new(source, delimiter);
        let mut record = ByteRecord::new();
        if !records.next(&mut record)? {
            return Err(records.error("there are no rows"));
        }
        let layout = Layout::of(&record, &records, options)?;
        Rows::read(records, record, &layout, options)
    }
}

/// The most frequent of the usual delimiters outside of quotes in the first line.
fn delimiter_of(start: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut in_quotes = false;
    for &byte in start.iter().take_while(|&&byte| byte != b'\n') {
        in_quotes ^= byte == b'"';
        counts
            .iter_mut()
            .filter(|(delimiter, _)| *delimiter == byte && !in_quotes)
            .for_each(|(_, count)| *count += 1);
    }
    // The first of equals: the comma, unless another one occurs.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// The rows of a file as cells.
struct Records {
    path: PathBuf,
    reader: csv::Reader<Bounded>,
    since_record: Rc<Cell<usize>>,
}

impl Records {
    fn new(source: Source, delimiter: u8) -> Records {
        let (path, input, since_record) = source.into_records();
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(1 << 16)
            .from_reader(input);
        Records { path, reader, since_record }
    }

    /// Reads the next row that is not blank; `false` at the end.
    fn next(&mut self, record: &mut ByteRecord) -> Result<bool> {
        let read = self.reader.read_byte_record(record);
        self.since_record.set(0);
        read.map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(source) => Error::Io { action: "read", path: self.path.clone(), source },
            other => self.error(format!("{other:?}")),
        })
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::File { path: self.path.clone(), message: message.into() }
    }
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

/// What the first row tells: the columns, their names, and which of them is the label.
struct Layout {
    cells: usize,
    label: usize,
    names: Option<Vec<String>>,
}

impl Layout {
    fn of(first: &ByteRecord, records: &Records, options: &ReadOptions) -> Result<Layout> {
        let cells = first.len();
        if cells < 2 {
            return Err(line_error(
                &records.path,
                line_of(first),
                "there is only one column: a row needs at least one feature and the label, divided by `,`, `;` or a tab",
            ));
        }
        let texts: Vec<String> =
            first.iter().map(|cell| String::from_utf8_lossy(cell.trim_ascii()).into_owned()).collect();
        let label = match &options.label {
            Label::Last => cells - 1,
            Label::Position(position) if (1..=cells).contains(position) => position - 1,
            Label::Position(position) => {
                return Err(records.error(format!(
                    "there is no column {position} for the label: the columns are 1 to {cells}"
                )));
            }
            Label::Name(name) => {
                texts.iter().position(|text| text == name).ok_or_else(|| no_such(name, &texts, records))?
            }
        };
        let is_number = |cell: usize| number::any(first[cell].trim_ascii()).is_some();
        let has_header = match (options.header, &options.label) {
            (Header::Present, _) | (Header::Auto, Label::Name(_)) => true,
            (Header::Absent, _) => false,
            (Header::Auto, _) => !(0..cells).any(|cell| cell != label && is_number(cell)),
        };
        if let (Header::Absent, Label::Name(name)) = (options.header, &options.label) {
            let message = format!(
                "the label {} cannot be found without a header: give its number",
                quoted(name.as_bytes())
            );
            return Err(records.error(message));
        }
        let layout = Layout { cells, label, names: has_header.then_some(texts) };
        match options.columns {
            Some(columns) if columns != cells - 1 => {
                Err(records.error(format!("{} feature columns, but {columns} are needed", cells - 1)))
            }
            _ => Ok(layout),
        }
    }

    /// "column 3 (`age`)".
    fn title(&self, cell: usize) -> String {
        match &self.names {
            Some(names) => format!("column {} ({})", cell + 1, quoted(names[cell].as_bytes())),
            None => format!("column {}", cell + 1),
        }
    }

    /// The features' names, and the label's.
    fn names(&self) -> (Vec<String>, String) {
        let mut names = self.names.clone().unwrap_or_default();
        let label = if names.is_empty() { String::new() } else { names.remove(self.label) };
        (names, label)
    }
}

fn no_such(name: &str, columns: &[String], records: &Records) -> Error {
    let message =
        format!("no column is named {}: the first row has {}", quoted(name.as_bytes()), list(columns));
    records.error(message)
}

/// Rows as they are collected.
struct Rows<'a> {
    path: &'a Path,
    layout: &'a Layout,
    labels: LabelColumn<'a>,
    values: Vec<f32>,
}

impl Rows<'_> {
    fn read(
        mut records: Records,
        mut record: ByteRecord,
        layout: &Layout,
        options: &ReadOptions,
    ) -> Result<Dataset> {
        let path = records.path.clone();
        let labels = LabelColumn::new(options, &path, format!("label {}", layout.title(layout.label)));
        let mut rows = Rows { path: &path, layout, labels, values: Vec::new() };
        let mut more = layout.names.is_none() || records.next(&mut record)?;
        while more {
            rows.push(&record)?;
            more = records.next(&mut record)?;
        }
        if rows.labels.rows() == 0 {
            return Err(records.error("there is a header, but no row of data"));
        }
        let features = Features::Dense(Dense::new(rows.values, layout.cells - 1)?);
        let targets = rows.labels.finish()?;
        let (feature_names, target_name) = layout.names();
        Dataset::new(features, targets)?.named(feature_names, target_name)
    }

    fn push(&mut self, record: &ByteRecord) -> Result<()> {
        let fail = |message: String| line_error(self.path, line_of(record), message);
        if record.len() != self.layout.cells {
            let message =
                format!("the row has {} cells, the first row has {}", record.len(), self.layout.cells);
            return Err(fail(message));
        }
        for (cell, text) in record.iter().enumerate() {
            if cell == self.layout.label {
                self.labels.push(text, line_of(record))?;
                continue;
            }
            let value = number::finite(text).map_err(|found| {
                fail(format!("{}: {found}; features must be numbers", self.layout.title(cell)))
            })?;
            self.values.push(value);
        }
        Ok(())
    }
}
