//! Arrays of numbers as tables, read as a stream: NPY (NumPy's format, versions 1 to 3) and IDX (that of MNIST).
//!
//! Rows are the first axis, all others are columns without names. An IDX file of images finds its labels beside it, under the
//! name that such files have: `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`; they are the last column.

use std::io::{BufRead, Read};
use std::path::PathBuf;

use super::{Cells, MOST_CELLS, Row, Rows};
use crate::input::{Input, Source};
use crate::{Error, Result};

/// A head longer than this is no description of an array.
const LONGEST_HEAD: usize = 1 << 16;

/// An array, row by row.
pub(crate) struct ArrayRows {
    path: PathBuf,
    input: Box<dyn BufRead>,
    element: Element,
    rows: u64,
    next: u64,
    bytes: Vec<u8>,
    numbers: Vec<f64>,
    names: Vec<String>,
    /// Of an IDX file: one number a row, put last.
    labels: Option<Box<ArrayRows>>,
}

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Element {
    kind: Kind,
    size: usize,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
}

impl Element {
    fn number(self, bytes: &[u8]) -> f64 {
        let mut wide = [0; 8];
        // Little-endian, whatever the file has.
        for (at, byte) in bytes.iter().enumerate() {
            wide[if self.big_endian { self.size - 1 - at } else { at }] = *byte;
        }
        let word = u64::from_le_bytes(wide);
        // A negative number's bits go on above it.
        let unused = 64 - 8 * self.size as u32;
        match self.kind {
            Kind::Bool => f64::from(u8::from(word != 0)),
            Kind::Unsigned => word as f64,
            Kind::Signed => ((word << unused) as i64 >> unused) as f64,
            Kind::Float if self.size == 4 => f32::from_bits(word as u32).into(),
            Kind::Float => f64::from_bits(word),
        }
    }
}

impl ArrayRows {
    /// Opens an NPY file.
    pub(crate) fn npy(source: Source) -> Result<ArrayRows> {
        let path = source.path().to_path_buf();
        let fail = |message: &str| Error::File { path: path.clone(), message: message.into() };
        let mut input = source.into_stream();
        let mut start = [0; 8];
        read(&mut input, &mut start, &path)?;
        let mut length = [0; 4];
        let wide = if start[6] == 1 { 2 } else { 4 };
        read(&mut input, &mut length[..wide], &path)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST_HEAD {
            return Err(fail("its head is too long to describe an array"));
        }
        let mut head = vec![0; length];
        read(&mut input, &mut head, &path)?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let (element, shape) = npy_head(&head).map_err(|message| fail(&message))?;
        ArrayRows::new(path, input, element, &shape)
    }

    /// Opens an IDX file and the labels beside it.
    pub(crate) fn idx(input: &Input) -> Result<ArrayRows> {
        let mut images = ArrayRows::idx_alone(input.source()?)?;
        let name =
            input.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = name.replace("images", "labels").replace("idx3", "idx1");
        let labels = input.path().with_file_name(&beside);
        let fail = |message: String| Error::File { path: input.path().into(), message };
        if beside == name || !labels.is_file() {
            return Err(fail(format!(
                "an IDX file of images has its labels beside it: `{}` is not there",
                beside.escape_debug()
            )));
        }
        let labels = ArrayRows::idx_alone(Input::from(labels).source()?)?;
        if labels.names.len() != 1 || labels.rows != images.rows {
            return Err(fail(format!(
                "it has {} rows, and {} labels are beside it",
                images.rows, labels.rows
            )));
        }
        images.names.push((images.names.len() + 1).to_string());
        images.labels = Some(Box::new(labels));
        Ok(images)
    }

    fn idx_alone(source: Source) -> Result<ArrayRows> {
        let path = source.path().to_path_buf();
        let mut input = source.into_stream();
        let mut magic = [0; 4];
        read(&mut input, &mut magic, &path)?;
        let fail = |message: String| Error::File { path: path.clone(), message };
        let element = match magic[2] {
            0x08 => (Kind::Unsigned, 1),
            0x09 => (Kind::Signed, 1),
            0x0b => (Kind::Signed, 2),
            0x0c => (Kind::Signed, 4),
            0x0d => (Kind::Float, 4),
            0x0e => (Kind::Float, 8),
            other => {
                return Err(fail(format!("it is an IDX file of numbers of type {other}, which is none")));
            }
        };
        let element = Element { kind: element.0, size: element.1, big_endian: true };
        let mut shape = Vec::new();
        for _ in 0..magic[3] {
            let mut size = [0; 4];
            read(&mut input, &mut size, &path)?;
            shape.push(u32::from_be_bytes(size).into());
        }
        ArrayRows::new(path, input, element, &shape)
    }

    fn new(path: PathBuf, input: Box<dyn BufRead>, element: Element, shape: &[u64]) -> Result<ArrayRows> {
        let fail = |message: String| Error::File { path: path.clone(), message };
        let Some((&rows, rest)) = shape.split_first() else {
            return Err(fail("it is one number and no table".into()));
        };
        let columns = rest.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
        let columns = columns.filter(|columns| (1..=MOST_CELLS as u64).contains(columns));
        let Some(columns) = columns else {
            return Err(fail(format!(
                "an array of shape {shape:?} has no columns, or more than {MOST_CELLS}"
            )));
        };
        let columns = columns as usize;
        Ok(ArrayRows {
            path,
            input,
            element,
            rows,
            next: 0,
            bytes: vec![0; columns * element.size],
            numbers: Vec::with_capacity(columns + 1),
            names: (1..=columns).map(|number| number.to_string()).collect(),
            labels: None,
        })
    }

    /// Reads the next row into `numbers`; `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        if self.next == self.rows {
            return Ok(false);
        }
        self.next += 1;
        read(&mut self.input, &mut self.bytes, &self.path)?;
        self.numbers.clear();
        let element = self.element;
        self.numbers.extend(self.bytes.chunks_exact(element.size).map(|bytes| element.number(bytes)));
        if let Some(labels) = &mut self.labels {
            labels.advance()?;
            self.numbers.extend_from_slice(&labels.numbers);
        }
        Ok(true)
    }
}

impl Rows for ArrayRows {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn named(&self) -> bool {
        false
    }

    fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self.advance()? {
            true => Ok(Some(Row { line: self.next, cells: Cells::Numbers(&self.numbers) })),
            false => Ok(None),
        }
    }
}

fn read(input: &mut impl Read, bytes: &mut [u8], path: &std::path::Path) -> Result<()> {
    input.read_exact(bytes).map_err(|source| Error::Io { action: "read", path: path.into(), source })
}

/// The element and the shape of an NPY file's head, a Python dictionary such as
/// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
fn npy_head(head: &str) -> Result<(Element, Vec<u64>), String> {
    let after = |key: &str| head.split_once(key).map(|(_, rest)| rest.trim_start_matches([':', ' ']));
    let descr = after("'descr'").and_then(|rest| rest.strip_prefix('\''));
    let descr = descr.and_then(|rest| rest.split_once('\'')).map(|(descr, _)| descr);
    let descr = descr.ok_or("it is an array of records or objects: save a plain array of numbers")?;
    if after("'fortran_order'").is_some_and(|rest| rest.starts_with("True")) {
        return Err("it is stored column by column: save numpy.ascontiguousarray of it".into());
    }
    let shape =
        after("'shape'").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let sizes =
        shape.map_or("", |(sizes, _)| sizes).split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape =
        sizes.map(|size| size.trim_end_matches('L').parse::<u64>().ok()).collect::<Option<Vec<u64>>>();
    let shape = shape.ok_or_else(|| format!("its shape cannot be read: {}", head.escape_debug()))?;
    let unknown = || format!("its numbers are of type `{}`: save them as float64", descr.escape_debug());
    let mut letters = descr.chars();
    let (order, kind) = (letters.next(), letters.next());
    let size: usize = letters.as_str().parse().map_err(|_| unknown())?;
    let kind = match (kind, size) {
        (Some('b'), 1) => Kind::Bool,
        (Some('i'), 1 | 2 | 4 | 8) => Kind::Signed,
        (Some('u'), 1 | 2 | 4 | 8) => Kind::Unsigned,
        (Some('f'), 4 | 8) => Kind::Float,
        _ => return Err(unknown()),
    };
    Ok((Element { kind, size, big_endian: order == Some('>') }, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_numpy_are_understood() {
        let head = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n";
        let float = Element { kind: Kind::Float, size: 4, big_endian: false };
        assert_eq!(npy_head(head), Ok((float, vec![3, 4])));
        assert_eq!(npy_head("{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }").unwrap().1, [7]);
        for (head, said) in [
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", "records or objects"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }", "ascontiguousarray"),
            ("{'descr': '<c16', 'fortran_order': False, 'shape': (3, 4), }", "type `<c16`"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (x, 4), }", "its shape cannot be read"),
        ] {
            assert!(npy_head(head).unwrap_err().contains(said), "{head}");
        }
    }

    #[test]
    fn numbers_of_every_kind_are_read() {
        let element = |kind, size, big_endian| Element { kind, size, big_endian };
        assert_eq!(element(Kind::Signed, 2, false).number(&(-3i16).to_le_bytes()), -3.0);
        assert_eq!(element(Kind::Signed, 4, true).number(&(-70_000i32).to_be_bytes()), -70_000.0);
        assert_eq!(element(Kind::Unsigned, 1, false).number(&[200]), 200.0);
        assert_eq!(element(Kind::Float, 4, true).number(&1.5f32.to_be_bytes()), 1.5);
        assert_eq!(element(Kind::Float, 8, false).number(&(-0.1f64).to_le_bytes()), -0.1);
        assert_eq!(element(Kind::Bool, 1, false).number(&[1]), 1.0);
    }
}
