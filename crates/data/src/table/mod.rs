//! Tables: rows of cells under named columns, as a stream. Which format a file has is known here only; what the cells
//! mean for a model is decided by a [`Schema`](crate::Schema).

#[cfg(any(feature = "npy", feature = "idx"))]
mod arrays;
mod date;
mod dialect;
mod duration;
#[cfg(any(feature = "npy", feature = "parquet"))]
mod half;
mod notation;
#[cfg(feature = "parquet")]
mod parquet;
mod text;

use crate::Result;
#[cfg(any(feature = "npy", feature = "idx"))]
pub(crate) use arrays::ArrayRows;
pub use date::DateForm;
pub(crate) use dialect::Dialect;
#[cfg(any(feature = "npy", feature = "parquet"))]
use half::half;
pub use notation::{Decimal, Notation};
pub(crate) use notation::{Written, decode, for_people, plain};
#[cfg(feature = "parquet")]
pub(crate) use parquet::ParquetRows;
pub(crate) use text::TextRows;
#[cfg(any(feature = "npy", feature = "parquet"))]
use text::distinct;

/// Columns of a table at most. A wider one is taken for a file with its line ends lost: a line of it alone would
/// otherwise take gigabytes.
pub(crate) const MOST_CELLS: usize = 1 << 16;

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// As the file says.
    Missing,
    /// A number of a binary format.
    Number(f64),
    /// Text, whatever it means.
    Text(&'a [u8]),
    /// Text that the file says is text: `NA` is a word, and digits may be a name.
    Word(&'a [u8]),
}

/// A row of cells.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    /// Its line, or its number, from 1.
    pub line: u64,
    pub cells: Cells<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum Cells<'a> {
    Text(&'a csv::ByteRecord),
    Numbers(&'a [f64]),
    Values(&'a [Value]),
    /// Columns of values, and the row in them.
    Columns(&'a [Vec<Value>], usize),
}

/// A cell that owns its content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Missing,
    Number(f64),
    Text(Vec<u8>),
    Word(Vec<u8>),
}

impl Value {
    /// The same, borrowed.
    pub(crate) fn cell(&self) -> Cell<'_> {
        match self {
            Value::Missing => Cell::Missing,
            Value::Number(number) => Cell::Number(*number),
            Value::Text(text) => Cell::Text(text),
            Value::Word(text) => Cell::Word(text),
        }
    }
}

impl Cell<'_> {
    /// The same, owned.
    pub(crate) fn to_value(self) -> Value {
        match self {
            Cell::Missing => Value::Missing,
            Cell::Number(number) => Value::Number(number),
            Cell::Text(text) => Value::Text(text.to_vec()),
            Cell::Word(text) => Value::Word(text.to_vec()),
        }
    }

    /// As people read it; nothing where it is missing.
    pub(crate) fn to_text(self) -> String {
        match self {
            Cell::Missing => String::new(),
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) | Cell::Word(text) => decode(text),
        }
    }
}

impl<'a> Row<'a> {
    /// The cell in this place; missing where there is none.
    pub(crate) fn cell(&self, at: usize) -> Cell<'a> {
        match self.cells {
            Cells::Text(record) => record.get(at).map_or(Cell::Missing, Cell::Text),
            Cells::Numbers(numbers) => numbers.get(at).map_or(Cell::Missing, |&number| Cell::Number(number)),
            Cells::Values(values) => values.get(at).map_or(Cell::Missing, Value::cell),
            Cells::Columns(columns, row) => {
                columns.get(at).and_then(|column| column.get(row)).map_or(Cell::Missing, Value::cell)
            }
        }
    }
}

impl Notation {
    /// What a cell is.
    pub(crate) fn of<'a>(&self, cell: Cell<'a>) -> Written<'a> {
        match cell {
            Cell::Missing => Written::Missing,
            Cell::Number(number) if number.is_nan() => Written::Missing,
            Cell::Number(number) if number.abs() > notation::LARGEST => Written::TooLarge(b"inf"),
            Cell::Number(number) => Written::Number(number),
            Cell::Text(text) => self.read(text),
            Cell::Word(text) => self.word(text),
        }
    }
}

/// The rows of one file.
pub(crate) trait Rows {
    /// The columns' names; where the file names none, `named` is false and these are their numbers from 1.
    fn names(&self) -> &[String];

    /// Whether the file names its columns.
    fn named(&self) -> bool;

    /// The next row; `None` at the end.
    fn next(&mut self) -> Result<Option<Row<'_>>>;

    /// What was left out on the way, in sentences.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}
