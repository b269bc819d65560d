//! Which format a file has: by its content, or else by its extension.

use crate::input::Input;
use crate::table::{Rows, TextRows};
use crate::{Layout, Result, sparse};

/// A file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// CSV and its kin.
    Text,
    /// LIBSVM.
    Libsvm,
    /// Apache Parquet.
    Parquet,
    /// NumPy's array.
    Npy,
    /// NumPy's archive of arrays.
    Npz,
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
        if let Some(found) = foreign(start) {
            return Err(source.error(found));
        }
        if let Some(binary) = binary(start) {
            return Ok(binary);
        }
        Ok(match extension.as_str() {
            "csv" | "tsv" => Format::Text,
            "svm" | "libsvm" | "svmlight" => Format::Libsvm,
            _ if sparse::recognises(start) => Format::Libsvm,
            _ => Format::Text,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Format::Text => "CSV",
            Format::Libsvm => "LIBSVM",
            Format::Parquet => "Parquet",
            Format::Npy => "NPY",
            Format::Npz => "NPZ",
            Format::Idx => "IDX",
        }
    }

    /// Whether this build reads it.
    fn is_read(self) -> bool {
        match self {
            Format::Text | Format::Libsvm => true,
            Format::Parquet => cfg!(feature = "parquet"),
            Format::Npy | Format::Npz => cfg!(feature = "npy"),
            Format::Idx => cfg!(feature = "idx"),
        }
    }
}

/// The binary formats, which their first bytes tell.
fn binary(start: &[u8]) -> Option<Format> {
    match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1..=3, ..] => Some(Format::Npy),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Npz),
        [b'P', b'A', b'R', b'1', ..] => Some(Format::Parquet),
        [0, 0, 0x08..=0x0e, 1..=4, ..] => Some(Format::Idx),
        _ => None,
    }
}

/// Formats that are not read, but are taken for tables by people or by their look: what each of them is, and how it becomes
/// one that is.
fn foreign(start: &[u8]) -> Option<&'static str> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if is_spreadsheet(start) {
        Some("this is a spreadsheet: save the sheet as CSV")
    } else if is_json(text) {
        Some("this is JSON: write it as CSV (in pandas read_json(..).to_csv(.., index=False))")
    } else if ["<!doctype", "<html", "<?xml"].iter().any(|tag| begins(text, tag)) {
        Some("this is a page or XML, and no table: save what it shows as CSV")
    } else if begins(behind_comments(text), "@relation") {
        Some("this is ARFF: replace what is above its data by a header, and save it as CSV")
    } else if begins(text, "version https://git-lfs.github.com/") {
        Some("this is a pointer of Git LFS, which stands for the file: fetch it with `git lfs pull`")
    } else {
        None
    }
}

/// An archive whose first member is of Office or of OpenDocument, or the older format of Excel.
fn is_spreadsheet(start: &[u8]) -> bool {
    let head = &start[..start.len().min(4096)];
    let holds = |part: &[u8]| head.windows(part.len()).any(|window| window == part);
    match start {
        [b'P', b'K', 3, 4, ..] => holds(b"[Content_Types].xml") || holds(b"opendocument.spreadsheet"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => true,
        _ => false,
    }
}

/// An object, or a list of objects or lists.
fn is_json(text: &[u8]) -> bool {
    match text {
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]),
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [b'{' | b'[', ..]),
        _ => false,
    }
}

/// What follows the lines that ARFF takes for comments.
fn behind_comments(mut text: &[u8]) -> &[u8] {
    while text.first() == Some(&b'%') {
        let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        text = text[end..].trim_ascii_start();
    }
    text
}

fn begins(text: &[u8], prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Opens a table.
pub(crate) fn open_table(format: Format, input: &Input, layout: Layout) -> Result<Box<dyn Rows>> {
    match format {
        Format::Text | Format::Libsvm => Ok(Box::new(TextRows::open(input.source()?, layout)?)),
        #[cfg(feature = "parquet")]
        Format::Parquet => Ok(Box::new(crate::table::ParquetRows::open(input)?)),
        #[cfg(feature = "npy")]
        Format::Npy => Ok(Box::new(crate::table::ArrayRows::npy(input.source()?)?)),
        #[cfg(feature = "npy")]
        Format::Npz => Ok(Box::new(crate::table::ArrayRows::npz(input)?)),
        #[cfg(feature = "idx")]
        Format::Idx => Ok(Box::new(crate::table::ArrayRows::idx(input)?)),
        #[cfg(not(all(feature = "parquet", feature = "npy", feature = "idx")))]
        other => {
            let message = formats(&format!("this is {}", other.name()));
            Err(crate::Error::File { path: input.path().into(), message })
        }
    }
}

/// What was found, and what could be read instead.
pub(crate) fn formats(found: &str) -> String {
    let all = [Format::Text, Format::Libsvm, Format::Parquet, Format::Npy, Format::Npz, Format::Idx];
    let read: Vec<&str> = all.into_iter().filter(|format| format.is_read()).map(Format::name).collect();
    let (last, rest) = read.split_last().map_or(("", &read[..]), |(last, rest)| (*last, rest));
    format!("{found}: {} and {last} can be read, plain or as .gz, .zst, .bz2 or .xz", rest.join(", "))
}
