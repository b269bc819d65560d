//! NPZ, NumPy's format of several arrays: a ZIP archive of NPY files. Arrays of as many rows are put side by side, each
//! under its name, with a number for each of several columns (`X.1`, `X.2`); one that is called `y` or the like comes last, where
//! the label is looked for, and arrays of other lengths than its own are left out.
//!
//! The archive's directory alone is read by the `zip` crate: arrays are read in step, each through a reader of its own.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::super::{MOST_CELLS, distinct};
use super::{Array, ArrayRows, npy};
use crate::input::{Content, Input, shown};
use crate::{Error, Result};

/// What people call the array that is to be predicted.
const LABELS: [&str; 6] = ["y", "label", "labels", "target", "targets", "y_train"];

/// A member of the archive.
struct Member {
    name: String,
    start: u64,
    length: u64,
    deflated: bool,
}

impl ArrayRows {
    /// Opens an NPZ file.
    pub(crate) fn npz(input: &Input) -> Result<ArrayRows> {
        let path = input.path();
        let fail = |message: String| Error::File { path: path.into(), message };
        let content = input.content()?;
        let (mut arrays, mut notes) = (Vec::new(), Vec::new());
        for member in members(&content, path)? {
            match npy::array(member.open(&content, path)?, path)? {
                Ok(array) => arrays.push((member.name, array)),
                Err(why) => {
                    notes.push(format!("the array `{}` is left out: {why}", shown(&member.name)));
                }
            }
        }
        let Some((_, first)) = arrays.first() else {
            return Err(fail(format!("it has no array of rows; {}", notes.join("; "))));
        };
        let labels = arrays.iter().find(|(name, array)| is_label(name, array)).map(|(_, array)| array.rows);
        if let Some(rows) = labels {
            arrays.retain(|(name, array)| {
                if array.rows != rows {
                    let (name, other) = (shown(name), array.rows);
                    notes.push(format!("the array `{name}` is left out: it has {other} rows and not {rows}"));
                }
                array.rows == rows
            });
        } else if arrays.iter().any(|(_, array)| array.rows != first.rows) {
            let each = arrays.iter().map(|(name, array)| format!("`{}` {}", shown(name), array.rows));
            return Err(fail(format!(
                "its arrays have different numbers of rows ({}): save those that belong together, as \
                 numpy.savez(path, X=..., y=...) does",
                each.collect::<Vec<_>>().join(", ")
            )));
        }
        // Stable: all others keep their order.
        arrays.sort_by_key(|(name, array)| is_label(name, array));
        let width: usize = arrays.iter().map(|(_, array)| array.columns).sum();
        if width > MOST_CELLS {
            return Err(fail(format!("its arrays have {width} columns, {MOST_CELLS} are possible")));
        }
        let names = arrays.iter().flat_map(|(name, array)| names(name, array.columns)).collect();
        let arrays = arrays.into_iter().map(|(_, array)| array).collect();
        let rows = ArrayRows::side_by_side(path.into(), arrays);
        Ok(ArrayRows { names: distinct(names), named: true, notes, ..rows })
    }
}

/// Whether an array is what is to be predicted.
fn is_label(name: &str, array: &Array) -> bool {
    array.columns == 1 && LABELS.contains(&name.to_lowercase().as_str())
}

/// The names of an array's columns.
fn names(array: &str, columns: usize) -> Vec<String> {
    match columns {
        1 => vec![array.to_owned()],
        _ => (1..=columns).map(|column| format!("{array}.{column}")).collect(),
    }
}

/// The arrays of the archive.
fn members(content: &Content, path: &Path) -> Result<Vec<Member>> {
    let fail = |message: String| Error::File { path: path.into(), message };
    let unreadable = |error: zip::result::ZipError| fail(format!("it is no sound NPZ file: {error}"));
    let reader = content.open().map_err(|source| Error::Io { action: "open", path: path.into(), source })?;
    let mut archive = ZipArchive::new(reader).map_err(unreadable)?;
    let mut members = Vec::new();
    for number in 0..archive.len() {
        let file = archive.by_index_raw(number).map_err(unreadable)?;
        let name = file.name().map_err(unreadable)?.into_owned();
        let Some(name) = name.strip_suffix(".npy") else { continue };
        let deflated = match file.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => return Err(fail(format!("its array `{}` is packed by {other}", shown(name)))),
        };
        let start = file.data_start().ok_or_else(|| fail("its directory lacks a place".into()))?;
        if file.encrypted() {
            return Err(fail("it is encrypted".into()));
        }
        members.push(Member { name: name.to_owned(), start, length: file.compressed_size(), deflated });
    }
    match members.is_empty() {
        true => Err(fail("it is a ZIP archive without arrays of NumPy: unpack it first".into())),
        false => Ok(members),
    }
}

impl Member {
    fn open(&self, content: &Content, path: &Path) -> Result<Box<dyn Read>> {
        let io = |source| Error::Io { action: "read", path: path.into(), source };
        let mut reader = content.open().map_err(io)?;
        reader.seek(SeekFrom::Start(self.start)).map_err(io)?;
        let stored = BufReader::with_capacity(1 << 16, reader.take(self.length));
        Ok(match self.deflated {
            true => Box::new(BufReader::new(DeflateDecoder::new(stored))),
            false => Box::new(stored),
        })
    }
}
