//! Rows of a table with named columns, whose faults name file, line and field.

use std::{path::Path, str::FromStr};

use syncline_terminal::unit::plural;

use super::file;
use crate::error::{Error, Result};

/// A table read into memory.
pub struct Table<'a> {
    path: &'a Path,
    headers: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

/// One row.
pub struct Row<'a> {
    table: &'a Table<'a>,
    record: &'a csv::StringRecord,
}

impl<'a> Table<'a> {
    /// Reads a comma-separated file with a header line that has at least `columns`.
    pub fn read(path: &'a Path, columns: &[&str]) -> Result<Self> {
        let mut rows = lines(path)?;
        let header = if rows.is_empty() { csv::StringRecord::new() } else { rows.remove(0) };
        // Spreadsheets write spaces behind commas, and a mark of the byte order before the first name.
        let clean = |name: &str| name.trim_start_matches('\u{feff}').trim().to_owned();
        let headers: Vec<String> = header.iter().map(clean).collect();
        if let Some(missing) = columns.iter().find(|column| !headers.iter().any(|header| header == *column)) {
            let divided = match header.get(0).filter(|_| headers.len() == 1) {
                Some(all) if all.contains(';') => {
                    ", and its cells seem to be divided by `;`: a table has commas"
                }
                Some(all) if all.contains('\t') => {
                    ", and its cells seem to be divided by tabs: a table has commas"
                }
                _ => "",
            };
            let what = format!("column is missing; the header has {}{divided}", headers.join(", "));
            return Err(Error::Field { file: path.into(), line: 1, field: (*missing).into(), what });
        }
        let table = Self { path, headers, rows };
        table.even()?;
        Ok(table)
    }

    /// Reads a comma-separated file that has exactly these columns, with or without a header line.
    pub fn with_columns(path: &'a Path, columns: &[&str]) -> Result<Self> {
        let mut rows = lines(path)?;
        if rows.first().is_some_and(|first| first.get(0) == columns.first().copied()) {
            rows.remove(0);
        }
        let headers = columns.iter().map(|name| (*name).to_owned()).collect();
        let table = Self { path, headers, rows };
        table.even()?;
        Ok(table)
    }

    /// Whether every row has a cell for each column.
    fn even(&self) -> Result<()> {
        let columns = self.headers.len();
        let Some(row) = self.rows().find(|row| row.record.len() != columns) else { return Ok(()) };
        let cells = plural(row.record.len() as u64, "cell");
        let what = format!("{cells} for {}: {}", plural(columns as u64, "column"), self.headers.join(", "));
        Err(row.fault("row", what))
    }

    /// The names of the columns.
    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.headers.iter().any(|header| header == column)
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|record| Row { table: self, record })
    }
}

impl Row<'_> {
    /// The names of the columns.
    pub fn headers(&self) -> &[String] {
        self.table.headers()
    }

    /// The text of a column; empty if the table does not have it.
    pub fn text(&self, column: &str) -> &str {
        let at = self.table.headers.iter().position(|header| header == column);
        at.and_then(|at| self.record.get(at)).unwrap_or("").trim()
    }

    /// A parsed column.
    pub fn parse<T: FromStr>(&self, column: &str, wanted: &str) -> Result<T> {
        let text = self.text(column);
        text.parse().map_err(|_| self.fault(column, format!("`{text}` is not {wanted}")))
    }

    /// A finite number that is not negative.
    pub fn amount(&self, column: &str) -> Result<f64> {
        let value: f64 = self.parse(column, "a number")?;
        if value.is_finite() && value >= 0.0 {
            Ok(value)
        } else {
            Err(self.fault(column, format!("{value} is out of range; it is a finite number, not negative")))
        }
    }

    /// A positive count.
    pub fn count(&self, column: &str) -> Result<u32> {
        match self.whole(column)? {
            0 => Err(self.fault(column, "0 is out of range; at least 1".into())),
            count => Ok(count),
        }
    }

    /// A count that may be zero.
    pub fn whole(&self, column: &str) -> Result<u32> {
        // Tables that went through pandas have whole numbers as `1.0`.
        let value: f64 = self.parse(column, "a whole number")?;
        if !(value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)) {
            return Err(self.fault(column, format!("`{}` is not a whole number", self.text(column))));
        }
        Ok(value as u32)
    }

    /// An error about a column of this row.
    pub fn fault(&self, column: &str, what: String) -> Error {
        let line = self.record.position().map_or(0, csv::Position::line);
        Error::Field { file: self.table.path.into(), line, field: column.into(), what }
    }
}

/// All lines, the header among them.
fn lines(path: &Path) -> Result<Vec<csv::StringRecord>> {
    let bytes = file::bytes(path)?;
    // Rows of another length are told of in our own words.
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes.as_slice());
    let fault = |error: csv::Error| Error::Field {
        file: path.into(),
        line: error.position().map_or(1, csv::Position::line),
        field: "row".into(),
        what: error.to_string(),
    };
    let mut records = reader.into_records().collect::<std::result::Result<Vec<_>, _>>().map_err(fault)?;
    records
        .iter_mut()
        .for_each(|record| record.set_position(record.position().map(|at| beginning(at, &bytes))));
    Ok(records)
}

/// Where a record begins. The reader says where the one before it has ended: before the LF of a CRLF, and before lines without anything.
fn beginning(ended: &csv::Position, bytes: &[u8]) -> csv::Position {
    let rest = bytes.get(ended.byte() as usize..).unwrap_or_default();
    let between = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let lines = between.filter(|byte| **byte == b'\n').count() as u64;
    let mut begins = ended.clone();
    begins.set_line(ended.line() + lines);
    begins
}
