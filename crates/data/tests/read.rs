//! Files as a user gives them: what is read, and what each mistake is answered with.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may fail loudly and read the clock"
)]

use proptest::prelude::*;
use std::io::Write;
use syncline_data::{
    Csr, Dataset, Dense, Features, Header, Label, Layout, ReadOptions, Targets, Task, read, synthetic,
    write_csv, write_libsvm,
};

/// Reads `content` as a file of this name.
fn read_as(name: &str, content: &[u8], options: &ReadOptions) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    read(path.as_path(), options)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn csv(content: &str) -> Result<Dataset, String> {
    read_as("data.csv", content.as_bytes(), &raw())
}

fn svm(content: &str) -> Result<Dataset, String> {
    read_as("data.svm", content.as_bytes(), &raw())
}

/// Numbers as they are.
fn raw() -> ReadOptions {
    ReadOptions { raw: true, ..ReadOptions::default() }
}

fn with(label: Label) -> ReadOptions {
    ReadOptions { label, ..raw() }
}

fn task(task: Task) -> ReadOptions {
    ReadOptions { task: Some(task), ..raw() }
}

fn header(header: Header) -> ReadOptions {
    ReadOptions { layout: Layout { header, delimiter: None }, ..raw() }
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
    assert_eq!(
        (data.rows(), data.feature_names(), data.target_name()),
        (2, &["1".into(), "2".into()][..], "")
    );
    let forced = read_as("d.csv", b"0,1,2\n1,2,3\n2,3,4\n", &header(Header::Present)).unwrap();
    assert_eq!(forced.feature_names(), ["0", "1"]);
    let absent = read_as("d.csv", b"a,b,c\nd,e,f\na,b,c\nd,e,f\n", &header(Header::Absent)).unwrap();
    assert_eq!(absent.rows(), 4);
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
    let absent = ReadOptions { label: Label::Name("y".into()), ..header(Header::Absent) };
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
        "1|2|a\n3|4|b\n",
        "1  2 a\n 3 4\t b\n",
        "\u{feff}\"1\",\"2\",\"a\"\n3, 4 ,b\n",
        "# by hand\n1,2,a\n# on a Sunday\n3,4,b\n",
    ] {
        let data = csv(text).unwrap();
        assert_eq!((dense(&data), classes(&data).1), (&[1.0, 2.0, 3.0, 4.0][..], vec!["a", "b"]), "{text:?}");
    }
}

#[test]
fn lines_are_counted_whatever_ends_them() {
    let blanks = format!("a b y\n{}4 5\n", "1 2 3\n".repeat(12));
    for end in ["\n", "\r\n", "\r"] {
        for (text, line) in [
            ("a,b,y\n1,2,3\n4,5,6\n7,8\n", 4),
            ("1,2,3\n4,5,6\n7,8\n", 3),
            ("\"a\",b,y\n\"x\",2,3\n\"z\",8\n", 3),
            ("sep=;\na;b;y\n1;2;3\n4;5\n", 4),
            (blanks.as_str(), 14),
        ] {
            // A text that is divided by blanks has lines that end in LF.
            if end == "\r" && text.contains(' ') {
                continue;
            }
            let error = csv(&text.replace('\n', end)).unwrap_err();
            assert!(error.starts_with(&format!("data.csv:{line}: the row has")), "{end:?} {text:?}: {error}");
        }
    }
}

#[test]
fn numbers_are_classes_or_reals_as_the_task_says() {
    let text = b"0,10\n1,9\n0,+10\n1,10.0\n";
    let data = read_as("d.csv", text, &task(Task::Classification)).unwrap();
    assert_eq!(classes(&data), (vec![1, 0, 1, 1], vec!["9", "10"]), "sorted by value, spellings united");
    assert_eq!(real(&read_as("d.csv", text, &task(Task::Regression)).unwrap()), [10.0, 9.0, 10.0, 10.0]);
    assert_eq!(classes(&csv("0,1\n1,-1\n").unwrap()).1, ["-1", "1"]);
    assert_eq!(real(&csv("0,1\n1,2.5\n0,3\n").unwrap()), [1.0, 2.5, 3.0]);
    let error = read_as("d.csv", b"a,y\n0,cat\n1,3\n", &task(Task::Regression)).unwrap_err();
    assert!(error.contains("label column 2 (`y`)") && error.contains("`cat` in line 2"), "{error}");
    assert!(csv("0,2.5\n1,cat\n").unwrap_err().contains("mixes real numbers and 1 cells of text"));
}

#[test]
fn files_without_data_are_refused() {
    for (text, expected) in [
        ("", "data.csv: the file is empty: it must have at least one row of features and a label"),
        (" \n\n", "data.csv: the file is empty: it must have at least one row of features and a label"),
        ("a,b,y\n", "data.csv: there is a header, but no row of data"),
        (
            "1\n2\n",
            "data.csv:1: there is only one column: a row needs at least one feature and the label, divided by `,`, `;`, `|`, tabs or blanks; --delimiter names any other sign",
        ),
        (
            "Report of May\na,b,y\n1,2,3\n",
            "data.csv:1: the line has one cell, and lines below it have 3: if it is a title, take it out; if it is a comment, begin it with #",
        ),
        (
            "{\"a\": [1, 2]}",
            "data.csv: this is JSON: write it as CSV (in pandas read_json(..).to_csv(.., index=False))",
        ),
        ("<html><table>", "data.csv: this is a page or XML, and no table: save what it shows as CSV"),
        ("PK\u{3}\u{4}  [Content_Types].xml", "data.csv: this is a spreadsheet: save the sheet as CSV"),
        (
            "% Iris\n%\n@RELATION iris\n@ATTRIBUTE a NUMERIC\n@DATA\n1\n",
            "data.csv: this is ARFF: replace what is above its data by a header, and save it as CSV",
        ),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
            "data.csv: this is a pointer of Git LFS, which stands for the file: fetch it with `git lfs pull`",
        ),
        (
            "@RELATION x\n",
            "data.csv: this is ARFF: replace what is above its data by a header, and save it as CSV",
        ),
        (
            "1,2,a\n1,2\n",
            "data.csv:2: the row has 2 cells, the first row has 3: if the first line is no part of the table, take it out",
        ),
        ("1,2,a\n1,2,b\n1,2\n", "data.csv:3: the row has 2 cells, the first row has 3"),
    ] {
        assert_eq!(csv(text).unwrap_err(), expected);
    }
    let error = read("no/such/file.csv", &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot open no/such/file.csv: "), "{error}");
    assert!(read(".", &ReadOptions::default()).unwrap_err().to_string().contains("a folder"));
    assert!(read_as("d.bin", b"\x01\0\0\0abc", &ReadOptions::default()).unwrap_err().contains("binary file"));
    let utf_16: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read_as("d.csv", &utf_16, &ReadOptions::default()).unwrap_err().contains("save it as UTF-8"));
}

#[test]
fn labels_that_name_the_rows_are_taken_for_a_mistake() {
    let text: String = (0..10_001).map(|i| format!("{},n{i}\n", i % 7)).collect();
    assert!(csv(&text).unwrap_err().contains("more than 10000 different texts in 10001 rows"));
    assert!(csv("1,a\n2,b\n3,c\n4,a\n").unwrap_err().contains("3 different texts in 4 rows"));
}

#[test]
fn libsvm_rows_are_sparse() {
    let data = svm("+1 2:0.5 1000000:-2 # a comment\n\n# only a comment\n-1 qid:7 1:3e-2\n1\n").unwrap();
    let expected = Csr::new(vec![0, 2, 3, 3], vec![1, 999_999, 0], vec![0.5, -2.0, 0.03], 1_000_000).unwrap();
    assert_eq!(data.features(), &Features::Sparse(expected));
    assert_eq!(classes(&data), (vec![1, 0, 1], vec!["-1", "1"]));
    let by_content = read_as("a9a", b"-1 3:1 11:1\n+1 3:1\n", &raw()).unwrap();
    assert_eq!(by_content.columns(), 11);
}

#[test]
fn libsvm_mistakes_are_named() {
    for (line, found) in [
        ("1 4294967296:1", "feature index `4294967296` is above the limit of 268435456"),
        (
            "1 99999999999999999999999:1",
            "feature index `99999999999999999999999` is above the limit of 268435456",
        ),
        ("1 -3:1", "`-3` is no feature index: it must be a whole number"),
        ("1 3", "`3` is no feature: write `index:value`, such as `3:0.5`"),
        ("1 3:x", "feature 3: `x` is not a number"),
        ("1 3:nan", "feature 3: `nan` is a missing value: leave it out, then it is zero"),
        (
            "1:0.5 2:1",
            "the label is missing: a row is `LABEL INDEX:VALUE ...`, this one begins with `1:0.5`; --weight label reads `LABEL:WEIGHT`",
        ),
        ("1,3 2:1", "`1,3` are several labels: a row must have one"),
        (
            "1 100000000:1",
            "feature index 100000000 is far above what 2 values bear out: is it mistyped? A model of that many features would take gigabytes",
        ),
    ] {
        assert_eq!(svm(&format!("1 1:1\n{line}\n")).unwrap_err(), format!("data.svm:2: {found}"));
    }
    assert_eq!(svm("1\n2\n").unwrap_err(), "data.svm: no row has a feature");
}

#[test]
fn libsvm_of_other_programs_is_read() {
    let sparse = |text: &str| match svm(text).unwrap().features() {
        all @ Features::Sparse(csr) => (all.columns(), csr.indices().to_vec(), csr.values().to_vec()),
        Features::Dense(_) => panic!("sparse"),
    };
    let two = (2, vec![0, 1, 0], vec![5.0, 3.0, 4.0]);
    assert_eq!(sparse("0 0:5 1:3\n1 0:4\n"), two, "from 0, as an index 0 occurs");
    assert_eq!(sparse("0 1:5 2:3\n1 1:4\n"), two);
    assert_eq!(sparse("0 2:3 1:5\n1 1:4\n"), two, "sorted");
    assert_eq!(sparse("0 1:2 2:3 1:3\n1 1:4\n"), two, "added up");
    let zero_based = ReadOptions { zero_based: Some(true), ..raw() };
    assert_eq!(read_as("d.svm", b"0 1:5\n1 1:4\n", &zero_based).unwrap().columns(), 2);
    let marked = svm("\u{feff}+1 1:1\n-1 2:1\n+1 1:2\n").unwrap();
    assert_eq!(classes(&marked).1, ["-1", "1"], "a byte order mark is no part of a class's name");
    let joined = svm("\u{feff}+1 1:1\n-1 2:1\n\u{feff}+1 1:2\n\u{feff}\u{feff}-1 2:2\n").unwrap();
    assert_eq!(classes(&joined), (vec![1, 0, 1, 0], vec!["-1", "1"]), "nor one where files were joined");
    assert_eq!(classes(&svm("1 1:1 2:1\n\n-1 1:2\n").unwrap()).1, ["-1", "1"]);
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
        let data = read_as(name, bytes, &raw()).unwrap();
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
        let back = read_as("d.csv", &written(&data, |data, out| write_csv(data, out)), &raw()).unwrap();
        assert_eq!((back.features(), back.targets()), (data.features(), data.targets()));
    }
    let data = synthetic::sparse_logistic(60, 1000, 7, 1);
    let back = read_as("d.svm", &written(&data, |data, out| write_libsvm(data, out)), &raw()).unwrap();
    let (Features::Sparse(back), Features::Sparse(data)) = (back.features(), data.features()) else {
        panic!("sparse")
    };
    assert_eq!((back.indices(), back.values()), (data.indices(), data.values()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read_back_bit_for_bit(
        cells in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL, 6..60),
        names in prop::collection::vec("[a-z][ -~]{0,8}[a-z]", 2),
    ) {
        let rows = cells.len() / 3;
        let (values, targets) = (cells[..2 * rows].to_vec(), cells[2 * rows..3 * rows].to_vec());
        // Columns that do not differ are left out, names that are equal are numbered.
        prop_assume!(values[0] != values[2] && values[1] != values[3] && names[0] != names[1]);
        let features = Features::Dense(Dense::new(values, 2).unwrap());
        let data = Dataset::new(features, Targets::Real(targets)).unwrap().named(names, "y".into()).unwrap();
        let layout = Layout { header: Header::Present, delimiter: Some(b',') };
        let options = ReadOptions { layout, ..task(Task::Regression) };
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
