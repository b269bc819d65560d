//! NPY, NumPy's format of one array, versions 1 to 3.

use std::io::Read;
use std::path::Path;

use super::element::{Element, Kind};
use super::{Array, ArrayRows, read};
use crate::input::{Source, shown};
use crate::{Error, Result};

/// A head longer than this is no description of an array.
const LONGEST_HEAD: usize = 1 << 16;
/// Bytes of a text at most.
const LONGEST_TEXT: usize = 1 << 16;

impl ArrayRows {
    /// Opens an NPY file.
    pub(crate) fn npy(source: Source) -> Result<ArrayRows> {
        let path = source.path().to_path_buf();
        let array = array(Box::new(source.into_stream()), &path)?;
        let array = array.map_err(|message| Error::File { path: path.clone(), message })?;
        Ok(ArrayRows::of(path, array))
    }
}

/// The array that begins here, or why it is none that can be used.
pub(super) fn array(mut input: Box<dyn Read>, path: &Path) -> Result<Result<Array, String>> {
    let mut start = [0; 8];
    read(&mut input, &mut start, path)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Ok(Err("it is no array of NumPy".into()));
    }
    let mut length = [0; 4];
    let wide = if start[6] == 1 { 2 } else { 4 };
    read(&mut input, &mut length[..wide], path)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST_HEAD {
        return Ok(Err("its head is too long to describe an array".into()));
    }
    let mut text = vec![0; length];
    read(&mut input, &mut text, path)?;
    let head = match head(&String::from_utf8_lossy(&text)) {
        Ok(head) => head,
        Err(message) => return Ok(Err(message)),
    };
    match Array::new(input, head.element, &head.shape) {
        Ok(array) if head.by_columns && array.columns > 1 => array.by_columns(path).map(Ok),
        array => Ok(array),
    }
}

/// What a head says.
#[derive(Debug, PartialEq)]
struct Head {
    element: Element,
    shape: Vec<u64>,
    by_columns: bool,
}

/// Reads a head, a Python dictionary such as `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
fn head(text: &str) -> Result<Head, String> {
    let after = |key: &str| text.split_once(key).map(|(_, rest)| rest.trim_start_matches([':', ' ']));
    let descr = after("'descr'").and_then(|rest| rest.strip_prefix('\''));
    let descr = descr.and_then(|rest| rest.split_once('\'')).map(|(descr, _)| descr);
    let descr = descr.ok_or("it is an array of records: save a plain array, or a table as Parquet or CSV")?;
    let shape =
        after("'shape'").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let sizes =
        shape.map_or("", |(sizes, _)| sizes).split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape =
        sizes.map(|size| size.trim_end_matches('L').parse::<u64>().ok()).collect::<Option<Vec<u64>>>();
    let shape = shape.ok_or_else(|| format!("its shape cannot be read: {}", shown(text)))?;
    let by_columns = after("'fortran_order'").is_some_and(|rest| rest.starts_with("True"));
    Ok(Head { element: element(descr)?, shape, by_columns })
}

fn element(descr: &str) -> Result<Element, String> {
    let unknown = || {
        let why = if descr.contains('O') { "objects of Python" } else { "a type that is no number or text" };
        format!("its elements are {why} (`{}`): save them as float64 or as text", shown(descr))
    };
    let mut letters = descr.chars();
    let (order, kind) = (letters.next(), letters.next());
    let size: usize = letters.as_str().parse().map_err(|_| unknown())?;
    let (kind, size) = match (kind, size) {
        (Some('b'), 1) => (Kind::Bool, 1),
        (Some('i'), 1 | 2 | 4 | 8) => (Kind::Signed, size),
        (Some('u'), 1 | 2 | 4 | 8) => (Kind::Unsigned, size),
        (Some('f'), 2 | 4 | 8) => (Kind::Float, size),
        (Some('S'), 1..=LONGEST_TEXT) => (Kind::Bytes, size),
        (Some('U'), 1..) if size <= LONGEST_TEXT / 4 => (Kind::Characters, 4 * size),
        (Some('S' | 'U'), 1..) => {
            return Err(format!("its texts have {size} characters each: they are too long"));
        }
        _ => return Err(unknown()),
    };
    Ok(Element { kind, size, big_endian: order == Some('>') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_numpy_are_understood() {
        let read = head("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n").unwrap();
        let float = Element { kind: Kind::Float, size: 4, big_endian: false };
        assert_eq!(read, Head { element: float, shape: vec![3, 4], by_columns: false });
        assert_eq!(head("{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }").unwrap().shape, [7]);
        assert!(head("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }").unwrap().by_columns);
        assert_eq!(
            head("{'descr': '<U9', 'fortran_order': False, 'shape': (7,), }").unwrap().element.size,
            36
        );
        for (text, said) in [
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", "an array of records"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", "objects of Python (`|O`)"),
            ("{'descr': '<c16', 'fortran_order': False, 'shape': (3, 4), }", "no number or text (`<c16`)"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (x, 4), }", "its shape cannot be read"),
            ("{'descr': '<U99999999', 'fortran_order': False, 'shape': (3,), }", "too long"),
        ] {
            assert!(head(text).unwrap_err().contains(said), "{text}");
        }
    }
}
