//! Generated rows as files of any length: they are written piece by piece, in each format that is read but IDX, and the same
//! rows are the same bytes.

use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use flate2::{Compression, write::GzEncoder};

use super::{csv_head, csv_rows, write_libsvm};
use crate::synthetic::Generator;
use crate::table::MOST_CELLS;
use crate::{Error, Result};

/// Values of a piece at most: 4 MiB as numbers.
const PIECE: usize = 1 << 20;
/// Rows of a piece at most.
const MOST_ROWS: usize = 1 << 16;

/// A format, and how a file of it is packed: what a file's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing {
    form: Form,
    packed: Packed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Csv,
    Libsvm,
    #[cfg(feature = "parquet")]
    Parquet,
    #[cfg(feature = "npy")]
    Npy,
    #[cfg(feature = "npy")]
    Npz,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    Not,
    Gzip,
    Zstd,
    Bzip2,
}

/// Names that say how to write.
const NAMES: &str = ".csv and .svm, also with .gz, .zst or .bz2 behind, .parquet, .npy and .npz (as far as this program was built with them)";

impl Writing {
    /// As the file's name says.
    ///
    /// # Errors
    /// When it says nothing that can be written.
    pub fn of(path: &Path) -> Result<Self> {
        let lower = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let packings = [(".gz", Packed::Gzip), (".zst", Packed::Zstd), (".bz2", Packed::Bzip2)];
        let packing = packings.into_iter().find_map(|(end, packed)| Some((lower.strip_suffix(end)?, packed)));
        let (name, packed) = packing.unwrap_or((&lower, Packed::Not));
        let form = match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "csv" => Some(Form::Csv),
            "svm" | "libsvm" | "svmlight" => Some(Form::Libsvm),
            #[cfg(feature = "parquet")]
            "parquet" => Some(Form::Parquet),
            #[cfg(feature = "npy")]
            "npy" => Some(Form::Npy),
            #[cfg(feature = "npy")]
            "npz" => Some(Form::Npz),
            _ => None,
        };
        let is_text = matches!(form, Some(Form::Csv | Form::Libsvm));
        match form.filter(|_| is_text || packed == Packed::Not) {
            Some(form) => Ok(Self { form, packed }),
            None => Err(Error::File {
                path: path.to_owned(),
                message: format!("the name does not say how to write: it ends in one of {NAMES}"),
            }),
        }
    }

    /// Refuses rows that are not for this format.
    ///
    /// # Errors
    /// For rows that are longer than what is read of such a file, and for sparse rows so long that their zeros would fill it.
    pub fn check(self, generator: &Generator) -> Result<()> {
        let columns = generator.columns();
        if self.form == Form::Libsvm || columns < MOST_CELLS {
            return Ok(());
        }
        Err(Error::Unmakeable(if generator.is_sparse() {
            format!(
                "rows of {columns} columns that are nearly all zero would be written out with their zeros: name the file .svm"
            )
        } else {
            format!(
                "{columns} columns and the label are more than the {MOST_CELLS} that a table may have: take fewer --columns, \
                 or name the file .svm"
            )
        }))
    }

    /// Writes so many rows of the generator, which begins anew where a format has features and targets apart. Memory is that of a
    /// piece of 2^20 values, or of one row, whatever the number of rows.
    ///
    /// # Errors
    /// What the output reports.
    pub fn write<W: Write + Seek + Send>(
        self,
        generator: &Generator,
        rows: u64,
        output: W,
    ) -> io::Result<()> {
        let output = BufWriter::with_capacity(1 << 16, output);
        match self.packed {
            Packed::Not => self.write_plain(generator, rows, output),
            Packed::Gzip => {
                let mut packer = GzEncoder::new(output, Compression::default());
                self.write_text(generator, rows, &mut packer)?;
                packer.finish()?.flush()
            }
            Packed::Zstd => {
                let mut packer = zstd::Encoder::new(output, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                self.write_text(generator, rows, &mut packer)?;
                packer.finish()?.flush()
            }
            Packed::Bzip2 => {
                let mut packer = bzip2::write::BzEncoder::new(output, bzip2::Compression::default());
                self.write_text(generator, rows, &mut packer)?;
                packer.finish()?.flush()
            }
        }
    }

    fn write_plain<W: Write + Seek + Send>(
        self,
        generator: &Generator,
        rows: u64,
        mut output: BufWriter<W>,
    ) -> io::Result<()> {
        match self.form {
            Form::Csv | Form::Libsvm => self.write_text(generator, rows, &mut output)?,
            #[cfg(feature = "parquet")]
            Form::Parquet => parquet::write(generator, rows, &mut output)?,
            #[cfg(feature = "npy")]
            Form::Npy => numpy::npy(generator, rows, &mut output)?,
            #[cfg(feature = "npy")]
            Form::Npz => numpy::npz(generator, rows, &mut output)?,
        }
        output.flush()
    }

    fn write_text(self, generator: &Generator, rows: u64, output: &mut impl Write) -> io::Result<()> {
        if self.form == Form::Libsvm {
            return pieces(generator, rows).try_for_each(|piece| write_libsvm(&piece, &mut *output));
        }
        let mut csv = csv::Writer::from_writer(output);
        for (number, piece) in pieces(generator, rows).enumerate() {
            if number == 0 {
                csv_head(&piece, &mut csv)?;
            }
            csv_rows(&piece, &mut csv)?;
        }
        csv.flush()
    }
}

/// The rows from the first on, in pieces of bounded size.
fn pieces(generator: &Generator, rows: u64) -> impl Iterator<Item = crate::Dataset> + use<> {
    let mut generator = generator.clone();
    let piece = (PIECE / generator.columns()).clamp(1, MOST_ROWS) as u64;
    let mut left = rows;
    std::iter::from_fn(move || {
        let rows = left.min(piece);
        left -= rows;
        (rows > 0).then(|| generator.rows(rows as usize))
    })
}

#[cfg(feature = "npy")]
mod numpy {
    use std::io::{self, Seek, Write};

    use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

    use super::super::fill;
    use super::pieces;
    use crate::synthetic::Generator;
    use crate::{Dataset, Targets};

    /// One array of f32, the target last.
    pub(super) fn npy(generator: &Generator, rows: u64, output: &mut impl Write) -> io::Result<()> {
        head(output, "<f4", &format!("({rows}, {})", generator.columns() + 1))?;
        for piece in pieces(generator, rows) {
            each_row(&piece, |row, values| {
                numbers(output, values)?;
                let target = match piece.targets() {
                    Targets::Real(targets) => targets[row],
                    Targets::Class { labels, .. } => labels[row] as f32,
                };
                numbers(output, &[target])
            })?;
        }
        Ok(())
    }

    /// `X` and `y`, as `numpy.savez` stores them.
    pub(super) fn npz(generator: &Generator, rows: u64, output: &mut (impl Write + Seek)) -> io::Result<()> {
        let mut archive = ZipWriter::new(output);
        // Of no date, so that the same rows are the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(true);
        archive.start_file("X.npy", options).map_err(io::Error::other)?;
        head(&mut archive, "<f4", &format!("({rows}, {})", generator.columns()))?;
        for piece in pieces(generator, rows) {
            each_row(&piece, |_, values| numbers(&mut archive, values))?;
        }
        archive.start_file("y.npy", options).map_err(io::Error::other)?;
        let mut of_targets = None;
        for piece in pieces(generator, rows) {
            let (element, bytes): (_, Vec<u8>) = match piece.targets() {
                Targets::Real(targets) => {
                    ("<f4", targets.iter().flat_map(|target| target.to_le_bytes()).collect())
                }
                Targets::Class { labels, .. } => {
                    ("<i8", labels.iter().flat_map(|&label| i64::from(label).to_le_bytes()).collect())
                }
            };
            if of_targets.replace(element).is_none() {
                head(&mut archive, element, &format!("({rows},)"))?;
            }
            archive.write_all(&bytes)?;
        }
        archive.finish().map_err(io::Error::other).map(drop)
    }

    /// The head of version 1: the description, filled up so that numbers begin at a multiple of 64.
    fn head(output: &mut impl Write, element: &str, shape: &str) -> io::Result<()> {
        let text = format!("{{'descr': '{element}', 'fortran_order': False, 'shape': {shape}, }}");
        let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
        output.write_all(b"\x93NUMPY\x01\x00")?;
        output.write_all(&(length as u16).to_le_bytes())?;
        writeln!(output, "{text:<width$}", width = length - 1)
    }

    fn each_row(data: &Dataset, mut write: impl FnMut(usize, &[f32]) -> io::Result<()>) -> io::Result<()> {
        let mut values = vec![0.0; data.columns()];
        for row in 0..data.rows() {
            fill(&mut values, data.batch(row..row + 1).features);
            write(row, &values)?;
        }
        Ok(())
    }

    fn numbers(output: &mut impl Write, values: &[f32]) -> io::Result<()> {
        values.iter().try_for_each(|value| output.write_all(&value.to_le_bytes()))
    }
}

#[cfg(feature = "parquet")]
mod parquet {
    use std::fmt::Write as _;
    use std::io::{self, Write};
    use std::sync::Arc;

    use parquet::basic::Compression;
    use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType};
    use parquet::errors::ParquetError;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
    use parquet::schema::parser::parse_message_type;

    use super::super::fill;
    use super::pieces;
    use crate::synthetic::Generator;
    use crate::{Dataset, Targets};

    /// A group of rows a piece; classes are words.
    pub(super) fn write(
        generator: &Generator,
        rows: u64,
        output: &mut (impl Write + Send),
    ) -> io::Result<()> {
        written(generator, rows, output).map_err(io::Error::other)
    }

    fn written(
        generator: &Generator,
        rows: u64,
        output: &mut (impl Write + Send),
    ) -> Result<(), ParquetError> {
        let mut pieces = pieces(generator, rows).peekable();
        let Some(first) = pieces.peek() else {
            return Err(ParquetError::General("there are no rows".into()));
        };
        let mut schema = "message rows {".to_owned();
        for column in 1..=generator.columns() {
            let _ = write!(schema, " required float x{column};");
        }
        schema += match first.targets() {
            Targets::Real(_) => " required float target; }",
            Targets::Class { .. } => " required binary target (UTF8); }",
        };
        let created_by = concat!("syncline ", env!("CARGO_PKG_VERSION")).to_owned();
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(created_by)
            .build();
        let schema = Arc::new(parse_message_type(&schema)?);
        let mut writer = SerializedFileWriter::new(output, schema, Arc::new(properties))?;
        for piece in pieces {
            let mut group = writer.next_row_group()?;
            features(&mut group, &piece)?;
            match piece.targets() {
                Targets::Real(targets) => column::<FloatType, _>(&mut group, targets)?,
                Targets::Class { labels, names } => {
                    let names: Vec<ByteArray> =
                        names.iter().map(|name| ByteArray::from(name.as_str())).collect();
                    let words: Vec<_> = labels.iter().map(|label| names[*label as usize].clone()).collect();
                    column::<ByteArrayType, _>(&mut group, &words)?;
                }
            }
            group.close()?;
        }
        writer.close().map(drop)
    }

    fn features<W: Write + Send>(
        group: &mut SerializedRowGroupWriter<'_, W>,
        data: &Dataset,
    ) -> Result<(), ParquetError> {
        let (rows, columns) = (data.rows(), data.columns());
        let mut by_column = vec![0.0; rows * columns];
        let mut values = vec![0.0; columns];
        for row in 0..rows {
            fill(&mut values, data.batch(row..row + 1).features);
            values.iter().enumerate().for_each(|(column, value)| by_column[column * rows + row] = *value);
        }
        by_column.chunks_exact(rows).try_for_each(|values| column::<FloatType, _>(group, values))
    }

    fn column<T: DataType, W: Write + Send>(
        group: &mut SerializedRowGroupWriter<'_, W>,
        values: &[T::T],
    ) -> Result<(), ParquetError> {
        if let Some(mut column) = group.next_column()? {
            column.typed::<T>().write_batch(values, None, None)?;
            column.close()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_to_write() {
        let of = |name: &str| Writing::of(Path::new(name)).map(|writing| (writing.form, writing.packed));
        assert_eq!(of("a/b.csv").unwrap(), (Form::Csv, Packed::Not));
        assert_eq!(of("B.LIBSVM.gz").unwrap(), (Form::Libsvm, Packed::Gzip));
        assert_eq!(of("b.svm.zst").unwrap(), (Form::Libsvm, Packed::Zstd));
        for wrong in ["rows", "rows.txt", "rows.csv.xz", "rows.parquet.gz", ".gz", "rows.idx"] {
            assert!(of(wrong).unwrap_err().to_string().contains(".csv and .svm"), "{wrong}");
        }
    }
}
