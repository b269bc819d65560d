//! Spans to column values.

use std::io::Write;

use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use crate::{RunInfo, Span};

/// Writes `spans` as one row group, column by column in the order of the schema.
pub(super) fn write_row_group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    info: &RunInfo,
    spans: &[Span],
) -> Result<()> {
    let run = ByteArray::from(info.run.as_str());
    let names: Vec<ByteArray> = info.nodes.iter().map(|node| ByteArray::from(node.name.as_str())).collect();
    // A node that the head does not know keeps its number as its name.
    let name = |node: u32| {
        names.get(node as usize).cloned().unwrap_or_else(|| ByteArray::from(node.to_string().into_bytes()))
    };
    let phase = |span: &Span| ByteArray::from(span.phase.name());

    let mut group = writer.next_row_group()?;
    while let Some(mut column) = group.next_column()? {
        let column_name = column_name(&mut column);
        match column_name.as_str() {
            "run" => required::<ByteArrayType>(&mut column, spans, |_| run.clone()),
            "node" => required::<ByteArrayType>(&mut column, spans, |span| name(span.node)),
            "worker" => {
                optional::<Int32Type>(&mut column, spans, |span| span.worker.map(|worker| worker as i32))
            }
            "task" => optional::<Int64Type>(&mut column, spans, |span| span.task.map(|task| task as i64)),
            "round" => required::<Int64Type>(&mut column, spans, |span| span.round as i64),
            "iteration" => required::<Int32Type>(&mut column, spans, |span| span.iteration as i32),
            "phase" => required::<ByteArrayType>(&mut column, spans, phase),
            "start_ns" => required::<Int64Type>(&mut column, spans, |span| span.start_ns as i64),
            "end_ns" => required::<Int64Type>(&mut column, spans, |span| span.end_ns as i64),
            "bytes" => required::<Int64Type>(&mut column, spans, |span| span.bytes as i64),
            "records" => required::<Int64Type>(&mut column, spans, |span| span.records as i64),
            "peer" => optional::<ByteArrayType>(&mut column, spans, |span| span.peer.map(name)),
            "sync" => optional::<Int64Type>(&mut column, spans, |span| span.sync.map(|sync| sync as i64)),
            other => {
                Err(ParquetError::General(format!("the schema has a column `{other}` that nothing fills")))
            }
        }?;
        column.close()?;
    }
    group.close()?;
    Ok(())
}

fn column_name(column: &mut SerializedColumnWriter<'_>) -> String {
    let descriptor = match column.untyped() {
        ColumnWriter::Int32ColumnWriter(writer) => writer.get_descriptor(),
        ColumnWriter::Int64ColumnWriter(writer) => writer.get_descriptor(),
        ColumnWriter::ByteArrayColumnWriter(writer) => writer.get_descriptor(),
        _ => return String::new(),
    };
    descriptor.name().to_owned()
}

fn required<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    spans: &[Span],
    value: impl Fn(&Span) -> T::T,
) -> Result<usize> {
    let values: Vec<T::T> = spans.iter().map(value).collect();
    column.typed::<T>().write_batch(&values, None, None)
}

fn optional<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    spans: &[Span],
    value: impl Fn(&Span) -> Option<T::T>,
) -> Result<usize> {
    let mut values = Vec::new();
    let mut levels = Vec::with_capacity(spans.len());
    for span in spans {
        let found = value(span);
        levels.push(i16::from(found.is_some()));
        values.extend(found);
    }
    column.typed::<T>().write_batch(&values, Some(&levels), None)
}
