//! Data sets from files. A [`Reader`] knows one format; [`read()`] picks it by the file's extension, or else by its
//! content, and takes off gzip or Zstandard compression, recognised by content. Files are read as a stream, one
//! bounded line at a time; only the matrix itself is held in memory.

mod csv;
mod label;
mod libsvm;
mod number;
mod source;

use crate::{Dataset, Error, Result};
use std::path::Path;
use std::str::FromStr;

pub use source::Source;

/// How to read a file of data.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Which column is the target (CSV; in LIBSVM it is always the first).
    pub label: Label,
    /// Whether the first row names the columns (CSV).
    pub header: Header,
    /// What separates cells (CSV): found in the first line when `None`.
    pub delimiter: Option<u8>,
    /// What the target is: with `None`, numbers with a fraction are real, and everything else is a class.
    pub task: Option<Task>,
    /// The classes in their order, for a file that a trained model is to judge; others are then an error.
    pub classes: Option<Vec<String>>,
    /// The number of feature columns that the file must have (CSV) or must not exceed (LIBSVM, where the trailing
    /// columns of a file may happen to be empty).
    pub columns: Option<usize>,
}

/// Which column is the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Label {
    /// The last one.
    #[default]
    Last,
    /// The column of this number, from 1.
    Position(usize),
    /// The column that the header names so.
    Name(String),
}

impl FromStr for Label {
    type Err = std::convert::Infallible;

    /// `last`, a column number from 1, or else a name.
    fn from_str(text: &str) -> Result<Label, Self::Err> {
        Ok(match (text, text.parse()) {
            ("last", _) => Label::Last,
            (_, Ok(position)) => Label::Position(position),
            (name, Err(_)) => Label::Name(name.into()),
        })
    }
}

/// Whether the first row names the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It does if none of its feature cells is a number.
    #[default]
    Auto,
    /// It does.
    Present,
    /// It is data.
    Absent,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A class; a number is then a class's name.
    Classification,
    /// A real number.
    Regression,
}

/// A file format. A format that needs all bytes at once or random access (Parquet) takes them from [`Source::path`]
/// or [`Source::bytes`].
pub trait Reader: Sync {
    /// The format's name, for messages.
    fn name(&self) -> &'static str;

    /// File extensions of the format, lower case, without compression.
    fn extensions(&self) -> &'static [&'static str];

    /// Whether a file that starts so may be of the format; asked when the extension says nothing.
    fn recognises(&self, start: &[u8]) -> bool;

    /// Reads the data set.
    ///
    /// # Errors
    /// What is wrong with the file, with its line and column.
    fn read(&self, source: Source, options: &ReadOptions) -> Result<Dataset>;
}

/// The formats, in the order in which they are asked; the last takes what none of the others wants.
const READERS: [&dyn Reader; 2] = [&libsvm::Libsvm, &csv::Csv];

/// Reads a data set from a file, in any of the formats that this crate knows.
///
/// # Errors
/// When the file cannot be opened, or with line and column what is wrong in it.
///
/// ```no_run
/// use syncline_data::{ReadOptions, read};
///
/// let data = read("iris.csv.gz", &ReadOptions::default())?;
/// println!("{} rows, {} columns, classes {:?}", data.rows(), data.columns(), data.targets().classes());
/// # Ok::<(), syncline_data::Error>(())
/// ```
pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Dataset> {
    let mut source = Source::open(path.as_ref())?;
    let start = source.start()?.to_vec();
    if start.iter().all(u8::is_ascii_whitespace) {
        return Err(source.error("the file is empty: it must have at least one row of features and a label"));
    }
    let extension = source.extension();
    let reader = READERS
        .iter()
        .find(|reader| reader.extensions().contains(&extension.as_str()))
        .or_else(|| READERS.iter().find(|reader| reader.recognises(&start)));
    match reader {
        Some(reader) => reader.read(source, options),
        None => Err(source.error(formats("its format is not known"))),
    }
}

/// What was found, and what could be read instead.
fn formats(found: &str) -> String {
    let names: Vec<&str> = READERS.iter().map(|reader| reader.name()).collect();
    format!("{found}: {} can be read, plain or as .gz or .zst", names.join(" and "))
}

/// An error in a line.
fn line_error(path: &Path, line: u64, message: impl Into<String>) -> Error {
    Error::Line { path: path.into(), line, message: message.into() }
}

/// Text of a file as it is quoted in a message: readable, and no longer than a line of a terminal.
fn quoted(text: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(text);
    let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() { format!("`{shown}...`") } else { format!("`{shown}`") }
}
