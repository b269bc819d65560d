//! Parquet files as tables: columns keep their names and types, and hostile files are answered in bounded memory.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use syncline_data::{Column, Fitted, Input, Inputs, Kind, Layout, ReadOptions, Schema, Targets, Task};

/// One column's values, with a level for each row where they may be missing.
enum Values {
    Bools(Vec<bool>),
    Days(Vec<i32>),
    Longs(Vec<i64>),
    Doubles(Vec<f64>, Option<Vec<i16>>),
    Texts(Vec<String>, Option<Vec<i16>>),
    Bytes(Vec<Vec<u8>>),
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn column<T: DataType>(group: &mut Group<'_>, values: &[T::T], levels: Option<&[i16]>) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, levels, None).unwrap();
    column.close().unwrap();
}

/// A file of one row group for each of `groups`.
fn parquet(message: &str, properties: WriterProperties, groups: &[Vec<Values>]) -> Input {
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        let texts = |texts: &[String]| texts.iter().map(|t| ByteArray::from(t.as_str())).collect::<Vec<_>>();
        for values in columns {
            match values {
                Values::Bools(values) => column::<BoolType>(&mut group, values, None),
                Values::Days(values) => column::<Int32Type>(&mut group, values, None),
                Values::Longs(values) => column::<Int64Type>(&mut group, values, None),
                Values::Doubles(values, levels) => {
                    column::<DoubleType>(&mut group, values, levels.as_deref());
                }
                Values::Texts(values, levels) => {
                    column::<ByteArrayType>(&mut group, &texts(values), levels.as_deref());
                }
                Values::Bytes(values) => {
                    let values: Vec<_> = values.iter().map(|bytes| bytes.clone().into()).collect();
                    column::<FixedLenByteArrayType>(&mut group, &values, None);
                }
            }
        }
        group.close().unwrap();
    }
    Input::bytes("data.parquet", writer.into_inner().unwrap())
}

fn plain() -> WriterProperties {
    WriterProperties::builder().build()
}

fn fit(input: &Input, options: &ReadOptions) -> Fitted {
    Schema::fit(std::slice::from_ref(input), options).unwrap()
}

fn refused(input: Input) -> String {
    Schema::fit(&[input], &ReadOptions::default()).unwrap_err().to_string()
}

fn columns(schema: &Schema) -> &[Column] {
    match &schema.inputs {
        Inputs::Table { columns, .. } => columns,
        Inputs::Sparse { .. } => panic!("a table"),
    }
}

/// Every kind of column, in two row groups of 20 rows.
fn of_all_kinds(properties: WriterProperties) -> Input {
    let message = "message m { required boolean garden; optional double area; optional binary city (STRING);
        required int32 built (DATE); required int64 sold (TIMESTAMP(MICROS,true)); required binary zip (STRING);
        required fixed_len_byte_array(4) price (DECIMAL(9,2)); }";
    let group = |start: i64| {
        let rows: Vec<i64> = (start..start + 20).collect();
        // Every fifth area is missing, every tenth city.
        let present = |every: i64| rows.iter().map(|row| i16::from(row % every != 0)).collect::<Vec<_>>();
        let areas = rows.iter().filter(|row| *row % 5 != 0).map(|row| *row as f64 * 1.5).collect();
        let cities =
            rows.iter().filter(|row| *row % 10 != 0).map(|row| ["NA", "Rome"][*row as usize % 2].into());
        vec![
            Values::Bools(rows.iter().map(|row| row % 3 == 0).collect()),
            Values::Doubles(areas, Some(present(5))),
            Values::Texts(cities.collect(), Some(present(10))),
            Values::Days(rows.iter().map(|row| 15_000 + 40 * *row as i32).collect()),
            Values::Longs(rows.iter().map(|row| row * 90_000_000_000).collect()),
            Values::Texts(rows.iter().map(|row| format!("0{}", 10 + row % 4)).collect(), None),
            Values::Bytes(rows.iter().map(|row| (*row as i32 * 100 + 25).to_be_bytes().to_vec()).collect()),
        ]
    };
    parquet(message, properties, &[group(0), group(20)])
}

#[test]
fn columns_keep_their_names_and_types() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ] {
        let input = of_all_kinds(WriterProperties::builder().set_compression(compression).build());
        let fitted = fit(&input, &ReadOptions { raw: true, ..ReadOptions::default() });
        let kinds = columns(&fitted.schema);
        let names: Vec<&str> = kinds.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["garden", "area", "city", "built", "sold", "zip"]);
        assert!(matches!(&kinds[0].kind, Kind::Boolean { .. }));
        assert!(matches!(&kinds[1].kind, Kind::Number { .. }));
        let words = |column: &Column| match &column.kind {
            Kind::Category { values, .. } => values.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(words(&kinds[2]), ["NA", "Rome"], "text that the file has, and no missing cell");
        assert!(matches!(&kinds[3].kind, Kind::Date { .. }) && matches!(&kinds[4].kind, Kind::Date { .. }));
        assert_eq!(words(&kinds[5]), ["010", "011", "012", "013"], "digits that are text are words");
        let Targets::Real(prices) = fitted.data.targets() else { panic!("amounts") };
        assert_eq!((prices[0], prices[39]), (0.25, 39.25));
        let notes = fitted.notes.join("\n");
        assert!(notes.contains("12 missing cells were filled"), "{notes}");
    }
}

#[test]
fn a_model_of_one_format_reads_the_other() {
    let csv = "price,zip,sold,built,city,area,garden\n7.5,011,1970-01-03T12:00:00,2011-01-26,Rome,3.5,true\n";
    let fitted = fit(&of_all_kinds(plain()), &ReadOptions::default());
    let (data, _) =
        fitted.schema.read(&[Input::bytes("new.csv", csv.as_bytes())], Layout::default()).unwrap();
    assert_eq!((data.rows(), data.columns()), (1, fitted.schema.width()));
    let mut chunks = fitted.schema.chunks(&[of_all_kinds(plain())], Some("zip"), Layout::default()).unwrap();
    let chunk = chunks.next(25).unwrap().unwrap();
    assert_eq!((chunk.features.rows(), chunk.ids[24].as_str()), (25, "010"), "over the end of a row group");
    assert_eq!(chunks.next(100).unwrap().unwrap().features.rows(), 15);
}

#[test]
fn digits_that_are_text_are_classes_and_many_of_them_numbers() {
    let texts = |many: i64| {
        let message = "message m { required int64 x; required binary y (STRING); }";
        let rows: Vec<i64> = (0..60).collect();
        let labels = Values::Texts(rows.iter().map(|row| (row % many).to_string()).collect(), None);
        fit(&parquet(message, plain(), &[vec![Values::Longs(rows), labels]]), &ReadOptions::default()).schema
    };
    assert_eq!((texts(20).task(), texts(20).target.classes().len()), (Task::Classification, 20));
    assert_eq!(texts(59).task(), Task::Regression, "texts that are all different are amounts");
}

#[test]
fn pandas_index_comes_first_and_lists_are_left_out() {
    let message = "message m { required double x; required double y; required int64 __index_level_0__;
        optional group tags (LIST) { repeated group list { required int64 element; } } }";
    let pandas = r#"{"index_columns": ["__index_level_0__"], "columns": []}"#;
    let properties = WriterProperties::builder()
        .set_key_value_metadata(Some(vec![KeyValue::new("pandas".to_owned(), pandas.to_owned())]))
        .build();
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let numbers: Vec<f64> = (0..10).map(|row| f64::from(row) * 0.5).collect();
    column::<DoubleType>(&mut group, &numbers, None);
    column::<DoubleType>(&mut group, &numbers, None);
    column::<Int64Type>(&mut group, &(0..10).collect::<Vec<i64>>(), None);
    let mut tags = group.next_column().unwrap().unwrap();
    tags.typed::<Int64Type>().write_batch(&[], Some(&[0; 10]), Some(&[0; 10])).unwrap();
    tags.close().unwrap();
    group.close().unwrap();
    let fitted = fit(&Input::bytes("p.parquet", writer.into_inner().unwrap()), &ReadOptions::default());
    assert_eq!((fitted.schema.target.name.as_str(), fitted.schema.features()), ("y", vec!["x".to_owned()]));
    let notes = fitted.notes.join("\n");
    assert!(notes.contains("`__index_level_0__` is left out: it counts the rows"), "{notes}");
    assert!(notes.contains("`tags.list.element` is left out: it is a list or a map"), "{notes}");
}

#[test]
fn damaged_files_are_answered() {
    let good = content();
    assert!(refused(Input::bytes("x.parquet", &good[..good.len() - 9])).contains("no sound Parquet file"));
    assert!(refused(Input::bytes("x.parquet", &b"PAR1PAR1"[..])).contains("no sound Parquet file"));
    let mut seed = 1u64;
    for _ in 0..300 {
        let mut bytes = good.clone();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = (seed >> 33) as usize % bytes.len();
        bytes[at] ^= 1 << (seed >> 20 & 7);
        let _ = Schema::fit(&[Input::bytes("x.parquet", bytes)], &ReadOptions::default());
    }
}

/// The bytes of a small file.
fn content() -> Vec<u8> {
    let message = "message m { required int64 x; required double y; }";
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(plain())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    column::<Int64Type>(&mut group, &(0..50).collect::<Vec<i64>>(), None);
    column::<DoubleType>(&mut group, &(0..50).map(|x| f64::from(x) / 3.0).collect::<Vec<_>>(), None);
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_few_bytes_do_not_become_gigabytes() {
    // Sorted words are a few runs of a dictionary's numbers, and 64 features a row.
    let rows = 4_400_000;
    let words = Values::Longs((0..rows).map(|row| row / 70_000).collect());
    let labels = Values::Longs((0..rows).map(|row| row / 1_000_000).collect());
    let message = "message m { required int64 x; required int64 y; }";
    let input = parquet(message, plain(), &[vec![words, labels]]);
    let options = ReadOptions { category: vec!["x".into()], ..ReadOptions::default() };
    let error = Schema::fit(&[input], &options).unwrap_err().to_string();
    assert!(error.contains("4400000 rows of 63 features are far more than its"), "{error}");
}

#[test]
fn a_long_text_that_many_rows_share_is_not_copied_for_each() {
    let file = |rows: usize| {
        let message = "message m { required binary text (UTF8); required int64 y; }";
        let schema = Arc::new(parse_message_type(message).unwrap());
        let properties = WriterProperties::builder().set_dictionary_page_size_limit(4 << 20).build();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let text = ByteArray::from(bytes::Bytes::from(vec![b'a'; 1 << 20]));
        column::<ByteArrayType>(&mut group, &vec![text; rows], None);
        column::<Int64Type>(&mut group, &(0..rows as i64).collect::<Vec<_>>(), None);
        group.close().unwrap();
        Input::bytes("texts.parquet", writer.into_inner().unwrap())
    };
    assert!(refused(file(300)).contains("its texts are too long: more than 256 MiB in 1024 rows"));
    assert!(refused(file(20)).contains("`text` is left out: it is `aaaa"), "few of them are read");
}
