//! Arrays as tables, read as a stream: NPY and NPZ (NumPy's formats) and IDX (that of MNIST).
//!
//! Rows are the first axis, all others are columns without names. Several arrays of as many rows are put side by side: those
//! of an NPZ file, images and labels of IDX files.
//!
//! Invariant: what a head claims is not believed: memory follows the bytes that are there, and a row is bounded.

mod element;
#[cfg(feature = "idx")]
mod idx;
#[cfg(feature = "npy")]
mod npy;
#[cfg(feature = "npy")]
mod npz;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Cells, MOST_CELLS, Row, Rows, Value};
use crate::{Error, Result};
use element::Element;

/// Bytes of a row at most, as of a line of text.
const MOST_OF_A_ROW: usize = 64 << 20;

/// Bytes of an array that is stored column by column, which is held whole.
#[cfg(feature = "npy")]
const MOST_HELD: u64 = 4 << 30;

/// Arrays side by side, row by row.
pub(crate) struct ArrayRows {
    path: PathBuf,
    arrays: Vec<Array>,
    names: Vec<String>,
    named: bool,
    notes: Vec<String>,
    rows: u64,
    next: u64,
    /// The row handed out last, as numbers; or as values if an array has text.
    numbers: Vec<f64>,
    values: Vec<Value>,
}

/// One array.
struct Array {
    content: Content,
    element: Element,
    rows: u64,
    columns: usize,
    /// The bytes of the row read last.
    bytes: Vec<u8>,
}

/// Where the bytes of rows are.
enum Content {
    /// Row after row.
    Rows(Box<dyn Read>),
    /// Column after column, whole; and the next row.
    #[cfg(feature = "npy")]
    Columns(Vec<u8>, usize),
}

impl Array {
    /// Of this shape, row after row.
    fn new(input: Box<dyn Read>, element: Element, shape: &[u64]) -> Result<Array, String> {
        let Some((&rows, rest)) = shape.split_first() else {
            return Err("it is one number and no table".into());
        };
        let columns = rest.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
        let columns = columns.filter(|columns| (1..=MOST_CELLS as u64).contains(columns));
        let Some(columns) = columns else {
            return Err(format!("an array of shape {shape:?} has no columns, or more than {MOST_CELLS}"));
        };
        let columns = columns as usize;
        if columns * element.size > MOST_OF_A_ROW {
            return Err(format!("a row of it has more than {} MiB", MOST_OF_A_ROW >> 20));
        }
        let bytes = vec![0; columns * element.size];
        Ok(Array { content: Content::Rows(input), element, rows, columns, bytes })
    }

    /// The same, stored column after column.
    #[cfg(feature = "npy")]
    fn by_columns(self, path: &Path) -> Result<Array> {
        let Content::Rows(mut input) = self.content else { return Ok(self) };
        let fail = |message: String| Error::File { path: path.into(), message };
        let length = self.rows.checked_mul(self.bytes.len() as u64).filter(|length| *length <= MOST_HELD);
        let Some(length) = length else {
            return Err(fail(format!(
                "it is stored column by column and above {} GiB: save numpy.ascontiguousarray of it",
                MOST_HELD >> 30
            )));
        };
        let mut content = Vec::new();
        (&mut input).take(length).read_to_end(&mut content).map_err(|source| unreadable(path, source))?;
        if (content.len() as u64) < length {
            return Err(unreadable(path, std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Array { content: Content::Columns(content, 0), ..self })
    }

    /// Reads the next row, which must be there, into `bytes`.
    fn advance(&mut self, path: &Path) -> Result<()> {
        match &mut self.content {
            Content::Rows(input) => read(input, &mut self.bytes, path),
            #[cfg(feature = "npy")]
            Content::Columns(content, next) => {
                let size = self.element.size;
                for (column, bytes) in self.bytes.chunks_exact_mut(size).enumerate() {
                    let at = (column * self.rows as usize + *next) * size;
                    bytes.copy_from_slice(&content[at..at + size]);
                }
                *next += 1;
                Ok(())
            }
        }
    }

    fn elements(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.element.size)
    }
}

impl ArrayRows {
    /// One array, whose columns have no names.
    fn of(path: PathBuf, array: Array) -> ArrayRows {
        let names = (1..=array.columns).map(|number| number.to_string()).collect();
        ArrayRows { names, ..ArrayRows::side_by_side(path, vec![array]) }
    }

    /// Arrays of as many rows, which the caller names.
    fn side_by_side(path: PathBuf, arrays: Vec<Array>) -> ArrayRows {
        let rows = arrays.first().map_or(0, |array| array.rows);
        ArrayRows {
            path,
            arrays,
            names: Vec::new(),
            named: false,
            notes: Vec::new(),
            rows,
            next: 0,
            numbers: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Reads the next row; `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        if self.next == self.rows {
            return Ok(false);
        }
        self.next += 1;
        self.numbers.clear();
        self.values.clear();
        let texts = self.arrays.iter().any(|array| array.element.is_text());
        for array in &mut self.arrays {
            array.advance(&self.path)?;
            let element = array.element;
            match texts {
                true => self.values.extend(array.elements().map(|bytes| element.value(bytes))),
                false => self.numbers.extend(array.elements().map(|bytes| element.number(bytes))),
            }
        }
        Ok(true)
    }
}

impl Rows for ArrayRows {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn named(&self) -> bool {
        self.named
    }

    fn next(&mut self) -> Result<Option<Row<'_>>> {
        if !self.advance()? {
            return Ok(None);
        }
        let cells = match self.values.is_empty() {
            true => Cells::Numbers(&self.numbers),
            false => Cells::Values(&self.values),
        };
        Ok(Some(Row { line: self.next, cells }))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

fn read(input: &mut impl Read, bytes: &mut [u8], path: &Path) -> Result<()> {
    input.read_exact(bytes).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    let path = path.to_path_buf();
    match source.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            let message = "it is cut off: its head tells of more than there is".to_owned();
            Error::File { path, message }
        }
        _ => Error::Io { action: "read", path, source },
    }
}
