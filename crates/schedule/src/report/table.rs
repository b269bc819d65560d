//! Tables of typed columns, as CSV and as Parquet.

use std::{fs::File, path::Path, sync::Arc};

use parquet::{
    basic::{Compression, ConvertedType, Repetition, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::Type,
};

use crate::error::{Error, Result};

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Words.
    Text(Vec<String>),
    /// Real numbers.
    Real(Vec<f64>),
    /// Real numbers, some of them absent.
    Optional(Vec<Option<f64>>),
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Yes or no.
    Flag(Vec<bool>),
}

impl Values {
    fn cell(&self, row: usize) -> String {
        match self {
            // A comma would end the cell.
            Self::Text(values) => values[row].replace(',', ";"),
            Self::Real(values) => values[row].to_string(),
            Self::Optional(values) => values[row].map(|value| value.to_string()).unwrap_or_default(),
            Self::Whole(values) => values[row].to_string(),
            Self::Flag(values) => values[row].to_string(),
        }
    }

    fn physical(&self) -> Physical {
        match self {
            Self::Text(_) => Physical::BYTE_ARRAY,
            Self::Real(_) | Self::Optional(_) => Physical::DOUBLE,
            Self::Whole(_) => Physical::INT64,
            Self::Flag(_) => Physical::BOOLEAN,
        }
    }

    fn write(&self, column: &mut SerializedColumnWriter) -> std::result::Result<usize, ParquetError> {
        fn all<T: DataType>(
            column: &mut SerializedColumnWriter,
            values: &[T::T],
        ) -> std::result::Result<usize, ParquetError> {
            column.typed::<T>().write_batch(values, None, None)
        }
        match self {
            Self::Text(values) => {
                let words: Vec<_> = values.iter().map(|word| ByteArray::from(word.as_str())).collect();
                all::<ByteArrayType>(column, &words)
            }
            Self::Real(values) => all::<DoubleType>(column, values),
            Self::Whole(values) => all::<Int64Type>(column, values),
            Self::Flag(values) => all::<BoolType>(column, values),
            Self::Optional(values) => {
                let present: Vec<f64> = values.iter().flatten().copied().collect();
                let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
                column.typed::<DoubleType>().write_batch(&present, Some(&levels), None)
            }
        }
    }
}

/// Named columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<(String, Values)>,
    rows: usize,
}

impl Table {
    /// A table of `rows` rows, still without columns.
    pub fn of(rows: usize) -> Self {
        Self { columns: Vec::new(), rows }
    }

    /// With one more column, which has a value a row.
    pub fn with(mut self, name: impl Into<String>, values: Values) -> Self {
        self.columns.push((name.into(), values));
        self
    }

    /// The rows below a header line.
    pub fn csv(&self) -> String {
        let header: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let mut text = header.join(",") + "\n";
        for row in 0..self.rows {
            let cells: Vec<String> = self.columns.iter().map(|(_, values)| values.cell(row)).collect();
            text += &cells.join(",");
            text.push('\n');
        }
        text
    }

    /// Writes it as one row group.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        let io = |source| Error::Io { doing: "writing", path: path.into(), source };
        let file = File::create(path).map_err(io)?;
        self.to_parquet(file).map_err(|error| io(std::io::Error::other(error)))
    }

    fn to_parquet(&self, file: File) -> std::result::Result<(), ParquetError> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = SerializedFileWriter::new(file, Arc::new(self.schema()?), Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        for (_, values) in &self.columns {
            if let Some(mut column) = group.next_column()? {
                values.write(&mut column)?;
                column.close()?;
            }
        }
        group.close()?;
        writer.close().map(drop)
    }

    fn schema(&self) -> std::result::Result<Type, ParquetError> {
        let field = |(name, values): &(String, Values)| {
            let optional = matches!(values, Values::Optional(_));
            let words =
                if matches!(values, Values::Text(_)) { ConvertedType::UTF8 } else { ConvertedType::NONE };
            Type::primitive_type_builder(name, values.physical())
                .with_repetition(if optional { Repetition::OPTIONAL } else { Repetition::REQUIRED })
                .with_converted_type(words)
                .build()
                .map(Arc::new)
        };
        let fields = self.columns.iter().map(field).collect::<std::result::Result<_, _>>()?;
        Type::group_type_builder("schema").with_fields(fields).build()
    }
}

#[cfg(test)]
mod tests {
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
    };

    use super::{Table, Values};

    #[test]
    fn both_files_hold_the_same() {
        let table = Table::of(2)
            .with("policy", Values::Text(vec!["drf".into(), "a,b".into()]))
            .with("finished", Values::Optional(vec![Some(1.5), None]))
            .with("changes", Values::Whole(vec![3, 4]))
            .with("admitted", Values::Flag(vec![true, false]))
            .with("utility", Values::Real(vec![0.25, 2.0]));
        assert_eq!(
            table.csv(),
            "policy,finished,changes,admitted,utility\ndrf,1.5,3,true,0.25\na;b,,4,false,2\n"
        );
        let path = std::env::temp_dir().join(format!("syncline-table-{}.parquet", std::process::id()));
        table.write_parquet(&path).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let rows: Vec<_> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().into_columns()).collect();
        std::fs::remove_file(&path).unwrap();
        let fields = |row: usize| rows[row].iter().map(|(_, field)| field.clone()).collect::<Vec<_>>();
        let text = |word: &str| Field::Str(word.into());
        assert_eq!(
            fields(0),
            [text("drf"), Field::Double(1.5), Field::Long(3), Field::Bool(true), Field::Double(0.25)]
        );
        assert_eq!(
            fields(1),
            [text("a,b"), Field::Null, Field::Long(4), Field::Bool(false), Field::Double(2.0)]
        );
        assert_eq!(rows[0][1].0, "finished");
    }
}
