//! Which format a file has: by its extension, or else by its content.

use crate::input::Input;
use crate::table::{ArrayRows, Rows, TextRows};
use crate::{Layout, Result, sparse};

/// A file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// CSV and its kin.
    Text,
    /// LIBSVM.
    Libsvm,
    /// NumPy's array.
    Npy,
    /// MNIST's array.
    Idx,
}

impl Format {
    /// The format of an input.
    pub(crate) fn of(input: &Input) -> Result<Format> {
        let mut source = input.source()?;
        let extension = source.extension();
        let (start, whole) = source.start_of_text()?;
        if start.iter().all(u8::is_ascii_whitespace) && whole {
            return Err(
                source.error("the file is empty: it must have at least one row of features and a label")
            );
        }
        if let Some(array) = array(start) {
            return Ok(array);
        }
        Ok(match extension.as_str() {
            "csv" | "tsv" => Format::Text,
            "svm" | "libsvm" | "svmlight" => Format::Libsvm,
            _ if sparse::recognises(start) => Format::Libsvm,
            _ => Format::Text,
        })
    }
}

/// The format of arrays, which their first bytes tell.
fn array(start: &[u8]) -> Option<Format> {
    match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1..=3, ..] => Some(Format::Npy),
        [0, 0, 0x08..=0x0e, 1..=4, ..] => Some(Format::Idx),
        _ => None,
    }
}

/// Opens a table.
pub(crate) fn open_table(format: Format, input: &Input, layout: Layout) -> Result<Box<dyn Rows>> {
    match format {
        Format::Text | Format::Libsvm => Ok(Box::new(TextRows::open(input.source()?, layout)?)),
        Format::Npy => Ok(Box::new(ArrayRows::npy(input.source()?)?)),
        Format::Idx => Ok(Box::new(ArrayRows::idx(input)?)),
    }
}

/// What was found, and what could be read instead.
pub(crate) fn formats(found: &str) -> String {
    format!("{found}: CSV, LIBSVM, NPY and IDX can be read, plain or as .gz, .zst, .bz2 or .xz")
}
