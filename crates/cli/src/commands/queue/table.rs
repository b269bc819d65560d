//! A sweep as a table: CSV as text, and a file that is Parquet or CSV by its name.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::sweep::{Point, Series};
use crate::failure::Failure;

const SCHEMA: &str = "
    message sweep {
        required double arrival_rate;
        required binary method (UTF8);
        required binary kind (UTF8);
        required double value;
        required double half_width_95;
    }";

/// The series as CSV.
pub fn csv(list: &[Series]) -> String {
    let mut text = "arrival_rate,method,kind,value,half_width_95\n".to_owned();
    for series in list {
        for point in &series.points {
            let Point { rate, value, half_width, .. } = point;
            let _ = writeln!(text, "{rate},{},{},{value},{half_width}", series.name, series.kind);
        }
    }
    text
}

/// Writes the series; Parquet if the file's name ends so, else CSV.
pub fn write(path: &Path, list: &[Series]) -> Result<(), Failure> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::Failed(format!("cannot write {}: {why}", path.display()));
    if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet")) {
        let file = File::create(path).map_err(|error| failed(&error))?;
        parquet(file, list).map_err(|error| failed(&error))
    } else {
        std::fs::write(path, csv(list)).map_err(|error| failed(&error))
    }
}

fn parquet(file: File, list: &[Series]) -> Result<(), ParquetError> {
    let created_by = concat!("syncline ", env!("CARGO_PKG_VERSION")).to_owned();
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by(created_by).build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let rows: Vec<(&Series, Point)> =
        list.iter().flat_map(|series| series.points.iter().map(move |point| (series, *point))).collect();
    let mut group = writer.next_row_group()?;
    // In the order of the schema.
    column::<DoubleType>(&mut group, &rows, |_, point| point.rate)?;
    column::<ByteArrayType>(&mut group, &rows, |series, _| ByteArray::from(series.name.as_str()))?;
    column::<ByteArrayType>(&mut group, &rows, |series, _| ByteArray::from(series.kind.as_str()))?;
    column::<DoubleType>(&mut group, &rows, |_, point| point.value)?;
    column::<DoubleType>(&mut group, &rows, |_, point| point.half_width)?;
    group.close()?;
    writer.close()?;
    Ok(())
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    rows: &[(&Series, Point)],
    value: impl Fn(&Series, &Point) -> T::T,
) -> Result<(), ParquetError> {
    let values: Vec<T::T> = rows.iter().map(|(series, point)| value(series, point)).collect();
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(&values, None, None)?;
        column.close()?;
    }
    Ok(())
}
