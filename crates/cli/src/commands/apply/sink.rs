//! Where predictions go: CSV on standard output or in a file, Parquet, NPY. A file is written beside its place and renamed
//! when it is whole, so that no half result is taken for one.

use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// What the columns are called.
pub struct Head {
    pub id: Option<String>,
    pub prediction: String,
    /// The classes that predictions name; none for numbers.
    pub classes: Vec<String>,
    /// One name for each class.
    pub scores: Vec<String>,
}

/// Some rows of predictions.
pub struct Scored {
    /// What is carried along; empty if nothing is.
    pub ids: Vec<String>,
    /// Predicted numbers, or else `classes`.
    pub numbers: Vec<f64>,
    pub classes: Vec<usize>,
    /// A score for each class, row after row.
    pub scores: Vec<f32>,
}

impl Scored {
    fn rows(&self) -> usize {
        self.numbers.len().max(self.classes.len())
    }
}

/// A writer of predictions.
pub struct Sink {
    path: Option<PathBuf>,
    head: Option<Head>,
    writer: Writer,
}

enum Writer {
    Printed(BufWriter<io::Stdout>),
    Csv(BufWriter<NamedTempFile>),
    /// Not begun: its schema is not known yet.
    Parquet(Option<NamedTempFile>),
    ParquetBegun(Box<SerializedFileWriter<NamedTempFile>>),
    Npy {
        file: BufWriter<NamedTempFile>,
        rows: usize,
    },
}

/// The length of an NPY file's head: the number of rows is known at the end only, and is then written in its place.
const NPY_HEAD: usize = 128;

impl Sink {
    /// Opens a file, or standard output.
    pub fn open(path: Option<&Path>, with_id: bool) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self {
                path: None,
                head: None,
                writer: Writer::Printed(BufWriter::new(io::stdout())),
            });
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".syncline-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(|error| cannot(path, &error))?;
        let end = path.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default();
        let writer = match end.as_str() {
            "csv" => Writer::Csv(BufWriter::new(file)),
            "parquet" => Writer::Parquet(Some(file)),
            "npy" if with_id => {
                let message = "an .npy file holds numbers only: leave --id out, or write .csv or .parquet";
                return Err(Failure::Usage(message.to_owned()));
            }
            "npy" => Writer::Npy { file: BufWriter::new(file), rows: 0 },
            _ => {
                let message =
                    format!("{}: predictions are written as .csv, .parquet or .npy", path.display());
                return Err(Failure::Usage(message));
            }
        };
        Ok(Self { path: Some(path.to_owned()), head: None, writer })
    }

    /// Writes what stands before the rows.
    pub fn begin(&mut self, head: &Head) -> Result<(), Failure> {
        let titles: Vec<&str> =
            head.id.iter().chain([&head.prediction]).chain(&head.scores).map(String::as_str).collect();
        let begun = match &mut self.writer {
            Writer::Printed(out) => csv_line(out, titles.into_iter()),
            Writer::Csv(out) => csv_line(out, titles.into_iter()),
            Writer::Parquet(file) => match file.take() {
                Some(file) => match parquet(file, head) {
                    Ok(writer) => {
                        self.writer = Writer::ParquetBegun(Box::new(writer));
                        Ok(())
                    }
                    Err(error) => Err(io::Error::other(error)),
                },
                None => Ok(()),
            },
            Writer::ParquetBegun(_) => Ok(()),
            Writer::Npy { file, .. } => file.write_all(&[0; NPY_HEAD]),
        };
        self.head = Some(Head {
            id: head.id.clone(),
            prediction: head.prediction.clone(),
            classes: head.classes.clone(),
            scores: head.scores.clone(),
        });
        self.told(begun)
    }

    /// Writes rows.
    pub fn write(&mut self, rows: &Scored) -> Result<(), Failure> {
        let Some(head) = &self.head else { return Ok(()) };
        let written = match &mut self.writer {
            Writer::Printed(out) => csv_rows(out, head, rows),
            Writer::Csv(out) => csv_rows(out, head, rows),
            Writer::Parquet(_) => Ok(()),
            Writer::ParquetBegun(writer) => parquet_rows(writer, head, rows).map_err(io::Error::other),
            Writer::Npy { file, rows: count } => {
                *count += rows.rows();
                let numbers = rows.numbers.iter().copied();
                numbers
                    .chain(rows.scores.iter().map(|&score| score.into()))
                    .try_for_each(|number| file.write_all(&f64::to_le_bytes(number)))
            }
        };
        self.told(written)
    }

    /// Writes what comes after the rows, and puts the file in its place.
    pub fn finish(mut self) -> Result<(), Failure> {
        let columns = self.head.as_ref().map_or(0, |head| head.scores.len());
        let finished = match std::mem::replace(&mut self.writer, Writer::Parquet(None)) {
            Writer::Printed(mut out) => out.flush().map(|()| None),
            Writer::Csv(out) => out.into_inner().map(Some).map_err(io::IntoInnerError::into_error),
            Writer::Parquet(_) => Ok(None),
            Writer::ParquetBegun(writer) => writer.into_inner().map(Some).map_err(io::Error::other),
            Writer::Npy { file, rows } => npy(file, rows, columns).map(Some),
        };
        let placed = finished.and_then(|file| match (file, &self.path) {
            (Some(file), Some(path)) => file.persist(path).map(drop).map_err(|error| error.error),
            _ => Ok(()),
        });
        self.told(placed)
    }

    fn told(&self, result: io::Result<()>) -> Result<(), Failure> {
        result.map_err(|error| match (&self.path, error.kind()) {
            (None, io::ErrorKind::BrokenPipe) => Failure::OutputClosed,
            (None, _) => Failure::Failed(format!("cannot write to standard output: {error}")),
            (Some(path), _) => cannot(path, &error),
        })
    }
}

fn cannot(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("cannot write {}: {why}", path.display()))
}

/// A line of cells, in quotes where RFC 4180 wants them.
fn csv_line<'a>(out: &mut impl Write, cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        match cell.contains([',', '"', '\n', '\r']) {
            true => write!(out, "\"{}\"", cell.replace('"', "\"\""))?,
            false => out.write_all(cell.as_bytes())?,
        }
    }
    out.write_all(b"\n")
}

fn csv_rows(out: &mut impl Write, head: &Head, rows: &Scored) -> io::Result<()> {
    for row in 0..rows.rows() {
        let id = rows.ids.get(row).map(String::as_str);
        let prediction = match rows.numbers.get(row) {
            Some(number) => number.to_string(),
            None => head.classes[rows.classes[row]].clone(),
        };
        let width = head.scores.len();
        let scores: Vec<String> =
            rows.scores.iter().skip(row * width).take(width).map(f32::to_string).collect();
        let cells = id.into_iter().chain([prediction.as_str()]).chain(scores.iter().map(String::as_str));
        csv_line(out, cells)?;
    }
    Ok(())
}

fn parquet(file: NamedTempFile, head: &Head) -> Result<SerializedFileWriter<NamedTempFile>, ParquetError> {
    let text = |name: &str| {
        Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::String))
            .build()
    };
    let number = |name: &str, of: Physical| {
        Type::primitive_type_builder(name, of).with_repetition(Repetition::REQUIRED).build()
    };
    let mut fields = Vec::new();
    if let Some(id) = &head.id {
        fields.push(text(id)?);
    }
    fields.push(match head.classes.is_empty() {
        true => number(&head.prediction, Physical::DOUBLE)?,
        false => text(&head.prediction)?,
    });
    for score in &head.scores {
        fields.push(number(score, Physical::FLOAT)?);
    }
    let fields = fields.into_iter().map(Arc::new).collect();
    let schema = Arc::new(Type::group_type_builder("predictions").with_fields(fields).build()?);
    let created_by = concat!("syncline ", env!("CARGO_PKG_VERSION")).to_owned();
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by(created_by).build();
    SerializedFileWriter::new(file, schema, Arc::new(properties))
}

/// One row group.
fn parquet_rows(
    writer: &mut SerializedFileWriter<NamedTempFile>,
    head: &Head,
    rows: &Scored,
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    if head.id.is_some() {
        let ids: Vec<ByteArray> = rows.ids.iter().map(|id| ByteArray::from(id.as_str())).collect();
        column::<ByteArrayType>(&mut group, &ids)?;
    }
    if head.classes.is_empty() {
        column::<DoubleType>(&mut group, &rows.numbers)?;
    } else {
        let name = |&class: &usize| ByteArray::from(head.classes[class].as_str());
        column::<ByteArrayType>(&mut group, &rows.classes.iter().map(name).collect::<Vec<_>>())?;
    }
    let width = head.scores.len();
    for class in 0..width {
        let scores: Vec<f32> = rows.scores.iter().skip(class).step_by(width).copied().collect();
        column::<FloatType>(&mut group, &scores)?;
    }
    group.close()?;
    Ok(())
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, NamedTempFile>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}

/// Writes the head of an NPY file (format 1.0) over the place that was left for it: f64, (rows) or (rows, classes).
fn npy(file: BufWriter<NamedTempFile>, rows: usize, columns: usize) -> io::Result<NamedTempFile> {
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    let shape = if columns == 0 { format!("({rows},)") } else { format!("({rows}, {columns})") };
    let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    let mut head = Vec::from(*b"\x93NUMPY\x01\x00");
    head.extend_from_slice(&((NPY_HEAD - 10) as u16).to_le_bytes());
    head.extend_from_slice(text.as_bytes());
    head.resize(NPY_HEAD - 1, b' ');
    head.push(b'\n');
    file.rewind()?;
    file.write_all(&head)?;
    Ok(file)
}
