//! Files as a user gives them: what is read, and what each mistake is answered with.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may fail loudly and read the clock"
)]

use proptest::prelude::*;
use std::io::Write;
use syncline_data::{
    Csr, Dataset, Dense, Features, Header, Label, ReadOptions, Targets, Task, read, synthetic, write_csv,
    write_libsvm,
};

/// Reads `content` as a file of this name.
fn read_as(name: &str, content: &[u8], options: &ReadOptions) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    read(&path, options)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn csv(content: &str) -> Result<Dataset, String> {
    read_as("data.csv", content.as_bytes(), &ReadOptions::default())
}

fn svm(content: &str) -> Result<Dataset, String> {
    read_as("data.svm", content.as_bytes(), &ReadOptions::default())
}

fn with(label: Label) -> ReadOptions {
    ReadOptions { label, ..ReadOptions::default() }
}

fn task(task: Task) -> ReadOptions {
    ReadOptions { task: Some(task), ..ReadOptions::default() }
}

fn dense(data: &Dataset) -> &[f32] {
    match data.features() {
        Features::Dense(dense) => dense.values(),
        Features::Sparse(_) => panic!("expected dense features"),
    }
}

fn classes(data: &Dataset) -> (Vec<u32>, Vec<&str>) {
    match data.targets() {
        Targets::Class { labels, names } => (labels.clone(), names.iter().map(String::as_str).collect()),
        Targets::Real(_) => panic!("expected classes"),
    }
}

fn real(data: &Dataset) -> &[f32] {
    match data.targets() {
        Targets::Real(values) => values,
        Targets::Class { .. } => panic!("expected real targets"),
    }
}

#[test]
fn a_header_is_found_and_names_the_columns() {
    let data = csv("age,height,species\n1,2,b\n3,4,a\n").unwrap();
    assert_eq!((data.feature_names(), data.target_name()), (&["age".into(), "height".into()][..], "species"));
    assert_eq!((dense(&data), classes(&data)), (&[1.0, 2.0, 3.0, 4.0][..], (vec![1, 0], vec!["a", "b"])));
}

#[test]
fn without_a_header_the_first_row_is_data() {
    let data = csv("5.1,3.5,setosa\n4.9,3.0,virginica\n").unwrap();
    assert_eq!((data.rows(), data.feature_names().len(), data.target_name()), (2, 0, ""));
    let forced = ReadOptions { header: Header::Present, ..with(Label::Last) };
    assert_eq!(read_as("d.csv", b"0,1,2\n1,2,3\n", &forced).unwrap().feature_names(), ["0", "1"]);
    let error =
        read_as("d.csv", b"a,b,c\n1,2,3\n", &ReadOptions { header: Header::Absent, ..with(Label::Last) });
    assert!(error.unwrap_err().starts_with("d.csv:1: column 1: `a` is not a number"));
}

#[test]
fn the_label_is_chosen_by_name_or_position() {
    let text = b"y;a;b\n7;1;2\n8;3;4\n";
    for label in ["y", "1"] {
        let data = read_as("d.csv", text, &with(label.parse().unwrap())).unwrap();
        assert_eq!((dense(&data), classes(&data).1), (&[1.0, 2.0, 3.0, 4.0][..], vec!["7", "8"]));
        assert_eq!((data.target_name(), data.feature_names()), ("y", &["a".into(), "b".into()][..]));
    }
    let error = read_as("d.csv", text, &with(Label::Name("z".into()))).unwrap_err();
    assert_eq!(error, "d.csv: no column is named `z`: the first row has `y`, `a`, `b`");
    let absent = ReadOptions { header: Header::Absent, ..with(Label::Name("y".into())) };
    assert!(read_as("d.csv", text, &absent).unwrap_err().contains("`y` cannot be found without a header"));
    for position in [0, 4] {
        let error = read_as("d.csv", text, &with(Label::Position(position))).unwrap_err();
        assert_eq!(
            error,
            format!("d.csv: there is no column {position} for the label: the columns are 1 to 3")
        );
    }
}

#[test]
fn delimiters_quotes_blank_lines_and_crlf() {
    for text in [
        "1,2,a\r\n\r\n3,4,b\r\n",
        "1;2;a\n3;4;b",
        "1\t2\ta\n3\t4\tb\n",
        "\u{feff}\"1\",\"2\",\"a\"\n3, 4 ,b\n",
    ] {
        let data = csv(text).unwrap();
        assert_eq!((dense(&data), classes(&data).1), (&[1.0, 2.0, 3.0, 4.0][..], vec!["a", "b"]), "{text:?}");
    }
}

#[test]
fn numbers_are_classes_or_reals_as_the_task_says() {
    let text = b"0,10\n0,9\n0,+10\n0,10.0\n";
    let data = read_as("d.csv", text, &task(Task::Classification)).unwrap();
    assert_eq!(classes(&data), (vec![1, 0, 1, 1], vec!["9", "10"]), "sorted by value, spellings united");
    assert_eq!(real(&read_as("d.csv", text, &task(Task::Regression)).unwrap()), [10.0, 9.0, 10.0, 10.0]);
    assert_eq!(classes(&csv("0,1\n0,-1\n").unwrap()).1, ["-1", "1"]);
    assert_eq!(real(&csv("0,1\n0,2.5\n0,3\n").unwrap()), [1.0, 2.5, 3.0]);
    let error = read_as("d.csv", b"a,y\n0,cat\n", &task(Task::Regression)).unwrap_err();
    assert!(error.starts_with("d.csv:2: label column 2 (`y`): `cat` is not a number"), "{error}");
    assert!(csv("0,2.5\n0,cat\n").unwrap_err().contains("mixes real numbers and names"));
}

#[test]
fn a_validation_file_is_read_with_the_training_classes() {
    let known = ReadOptions { classes: Some(vec!["no".into(), "yes".into()]), ..ReadOptions::default() };
    assert_eq!(
        classes(&read_as("d.csv", b"1,yes\n2,yes\n", &known).unwrap()),
        (vec![1, 1], vec!["no", "yes"])
    );
    let error = read_as("d.csv", b"1,yes\n2,maybe\n", &known).unwrap_err();
    assert_eq!(
        error,
        "d.csv:2: label column 2: the class `maybe` is not among those of the training data: `no`, `yes`"
    );
    let error = read_as("d.csv", b"1,2,yes\n", &ReadOptions { columns: Some(1), ..known }).unwrap_err();
    assert_eq!(error, "d.csv: 2 feature columns, but 1 are needed");
}

#[test]
fn bad_cells_are_named_with_line_and_column() {
    for (cell, found) in [
        ("abc", "`abc` is not a number; features must be numbers"),
        ("", "the cell is empty: fill missing values in, or leave such rows out; features must be numbers"),
        ("NaN", "`NaN` is a missing value: fill it in, or leave the row out; features must be numbers"),
        (
            "inf",
            "`inf` is infinite or too large for a 32-bit float: rescale the column; features must be numbers",
        ),
        (
            "1e39",
            "`1e39` is infinite or too large for a 32-bit float: rescale the column; features must be numbers",
        ),
    ] {
        let error = csv(&format!("id,age,y\n1,2,a\n3,{cell},b\n")).unwrap_err();
        assert_eq!(error, format!("data.csv:3: column 2 (`age`): {found}"));
    }
    assert_eq!(csv("a,y\n1,\n").unwrap_err(), "data.csv:2: label column 2 (`y`): the label is missing");
}

#[test]
fn files_without_data_are_refused() {
    for (text, expected) in [
        ("", "data.csv: the file is empty: it must have at least one row of features and a label"),
        (" \n\n", "data.csv: the file is empty: it must have at least one row of features and a label"),
        ("a,b,y\n", "data.csv: there is a header, but no row of data"),
        (
            "1\n2\n",
            "data.csv:1: there is only one column: a row needs at least one feature and the label, divided by `,`, `;` or a tab",
        ),
        ("1,2,a\n1,2\n", "data.csv:2: the row has 2 cells, the first row has 3"),
    ] {
        assert_eq!(csv(text).unwrap_err(), expected);
    }
    let error = read("no/such/file.csv", &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot open no/such/file.csv: "), "{error}");
    assert!(read(".", &ReadOptions::default()).unwrap_err().to_string().contains("a folder"));
    assert!(
        read_as("d.parquet", b"PAR1\0\0\0", &ReadOptions::default()).unwrap_err().contains("binary file")
    );
}

#[test]
fn too_many_classes_are_taken_for_a_mistake() {
    let text: String = (0..10_001).map(|i| format!("1,n{i}\n")).collect();
    assert!(csv(&text).unwrap_err().contains("more than 10000 different labels"));
}

#[test]
fn libsvm_rows_are_sparse() {
    let data = svm("+1 2:0.5 1000000:-2 # a comment\n\n# only a comment\n-1 qid:7 1:3e-2\n1\n").unwrap();
    let expected = Csr::new(vec![0, 2, 3, 3], vec![1, 999_999, 0], vec![0.5, -2.0, 0.03], 1_000_000).unwrap();
    assert_eq!(data.features(), &Features::Sparse(expected));
    assert_eq!(classes(&data), (vec![1, 0, 1], vec!["-1", "1"]));
    let by_content = read_as("a9a", b"-1 3:1 11:1\n", &ReadOptions::default()).unwrap();
    assert_eq!(by_content.columns(), 11);
}

#[test]
fn libsvm_mistakes_are_named() {
    for (line, found) in [
        ("1 0:1", "feature index 0: indices start at 1"),
        ("1 5:1 4:1", "feature index 4 follows 5: indices must ascend"),
        ("1 5:1 5:1", "feature index 5 follows 5: indices must ascend"),
        ("1 4294967296:1", "feature index `4294967296` is above the limit of 268435456"),
        (
            "1 99999999999999999999999:1",
            "feature index `99999999999999999999999` is above the limit of 268435456",
        ),
        ("1 -3:1", "`-3` is no feature index: it must be a whole number from 1"),
        ("1 3", "`3` is no feature: write `index:value`, such as `3:0.5`"),
        ("1 3:x", "feature 3: `x` is not a number"),
        ("1 3:nan", "feature 3: `nan` is a missing value: fill it in, or leave the row out"),
    ] {
        assert_eq!(svm(&format!("1 1:1\n{line}\n")).unwrap_err(), format!("data.svm:2: {found}"));
    }
    assert_eq!(svm("1\n2\n").unwrap_err(), "data.svm: no row has a feature");
    let three = ReadOptions { columns: Some(3), ..ReadOptions::default() };
    assert_eq!(read_as("d.svm", b"1 1:1\n", &three).unwrap().columns(), 3);
    let error = read_as("d.svm", b"1 4:1\n", &three).unwrap_err();
    assert_eq!(error, "d.svm:1: feature index 4 is above the model's 3 features");
}

#[test]
fn compression_is_known_by_content() {
    let text = b"a,y\n1,2\n3,4\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstandard = zstd::stream::encode_all(&text[..], 1).unwrap();
    for (name, bytes) in [("d.csv.gz", &gzip), ("d.csv.zst", &zstandard), ("d.csv", &gzip), ("d", &zstandard)]
    {
        let data = read_as(name, bytes, &ReadOptions::default()).unwrap();
        assert_eq!(dense(&data), [1.0, 3.0], "{name}");
    }
    let cut = read_as("d.csv.gz", &gzip[..gzip.len() - 4], &ReadOptions::default()).unwrap_err();
    assert!(cut.starts_with("cannot read d.csv.gz: "), "{cut}");
    assert!(read_as("d.csv.zst", &zstandard[..12], &ReadOptions::default()).is_err());
}

#[test]
fn a_quote_that_is_never_closed_is_bounded() {
    let mut text = b"1,\"".to_vec();
    text.resize((64 << 20) + (1 << 18), b'x');
    let error = read_as("d.csv", &text, &ReadOptions::default()).unwrap_err();
    assert!(error.contains("longer than 64 MiB"), "{error}");
    let error = read_as("d.svm", &[b"1 1:1\n", &text[3..]].concat(), &ReadOptions::default()).unwrap_err();
    assert!(error.starts_with("d.svm:2: the line is longer than 64 MiB"), "{error}");
}

fn written(data: &Dataset, write: impl Fn(&Dataset, &mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(data, &mut bytes).unwrap();
    bytes
}

#[test]
fn synthetic_sets_are_read_back() {
    for data in [synthetic::blobs(60, 3, 4, 1), synthetic::linear(60, 3, 0.5, 1)] {
        let back =
            read_as("d.csv", &written(&data, |data, out| write_csv(data, out)), &ReadOptions::default())
                .unwrap();
        assert_eq!((back.features(), back.targets()), (data.features(), data.targets()));
    }
    let data = synthetic::sparse_logistic(60, 1000, 7, 1);
    let options = ReadOptions { columns: Some(1000), ..ReadOptions::default() };
    let back = read_as("d.svm", &written(&data, |data, out| write_libsvm(data, out)), &options).unwrap();
    assert_eq!(back, data);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read_back_bit_for_bit(
        cells in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO, 3..60),
        names in prop::collection::vec("[a-z][ -~]{0,8}[a-z]", 2),
    ) {
        let rows = cells.len() / 3;
        let (values, targets) = (cells[..2 * rows].to_vec(), cells[2 * rows..3 * rows].to_vec());
        let features = Features::Dense(Dense::new(values, 2).unwrap());
        let data = Dataset::new(features, Targets::Real(targets)).unwrap().named(names, "y".into()).unwrap();
        let options = ReadOptions { header: Header::Present, delimiter: Some(b','), ..task(Task::Regression) };
        let back = read_as("d.csv", &written(&data, |data, out| write_csv(data, out)), &options).unwrap();
        prop_assert_eq!(back.digest(), data.digest());
        prop_assert_eq!(back.feature_names(), data.feature_names());
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        text in "[0-9a-z,;:.# \n\"-]{0,200}",
        magic in prop::sample::select(vec![&b""[..], &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd]]),
    ) {
        for name in ["d", "d.csv", "d.svm", "d.csv.gz"] {
            let _ = read_as(name, &[magic, &bytes].concat(), &ReadOptions::default());
            let _ = read_as(name, text.as_bytes(), &ReadOptions::default());
        }
    }
}
