//! Arrays of NumPy and of MNIST as tables.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::io::Write;

use syncline_data::{Features, Input, Layout, ReadOptions, Schema};

fn npy(descr: &str, shape: &str, content: &[u8]) -> Vec<u8> {
    let mut head = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    head.resize(118 - 1, b' ');
    head.push(b'\n');
    [b"\x93NUMPY\x01\x00\x76\x00", &head[..], content].concat()
}

#[test]
fn a_numpy_array_is_a_table_whose_last_column_is_the_label() {
    let values: Vec<u8> = (0..20)
        .flat_map(|row| [row as f64, f64::from(row * row), f64::from(row % 2)])
        .flat_map(f64::to_le_bytes)
        .collect();
    let input = Input::bytes("x.npy", npy("<f8", "(20, 3)", &values));
    let fitted =
        Schema::fit(std::slice::from_ref(&input), &ReadOptions { raw: true, ..ReadOptions::default() })
            .unwrap();
    let Features::Dense(dense) = fitted.data.features() else { panic!("dense") };
    assert_eq!(
        (&dense.values()[..6], fitted.schema.target.classes()),
        (&[0.0, 0.0, 1.0, 1.0, 2.0, 4.0][..], &["0".to_owned(), "1".into()][..])
    );
    let unlabelled: Vec<u8> = [3f32, 9.0].into_iter().flat_map(f32::to_le_bytes).collect();
    let unlabelled = Input::bytes("u.npy", npy("<f4", "(1, 2)", &unlabelled));
    let mut chunks = fitted.schema.chunks(&[unlabelled], None, Layout::default()).unwrap();
    let Features::Dense(row) = chunks.next(10).unwrap().unwrap().features else { panic!("dense") };
    assert_eq!(row.values(), [3.0, 9.0]);
    let cut = Input::bytes("x.npy", npy("<f8", "(20, 3)", &values[..100]));
    assert!(
        Schema::fit(&[cut], &ReadOptions::default())
            .unwrap_err()
            .to_string()
            .contains("x.npy: it is cut off")
    );
    let huge = Input::bytes("x.npy", npy("<f8", "(20, 99999999999)", &values));
    assert!(
        Schema::fit(&[huge], &ReadOptions::default()).unwrap_err().to_string().contains("more than 65536")
    );
}

#[test]
fn images_of_mnists_kind_find_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<u8> = (0..12u8).flat_map(|row| [row, 255 - row, 7, row * 3]).collect();
    let head = |kind: &[u8], sizes: &[u32]| {
        [kind.to_vec(), sizes.iter().flat_map(|size| size.to_be_bytes()).collect()].concat()
    };
    let at = folder.path().join("few-images-idx3-ubyte");
    std::fs::write(&at, [head(&[0, 0, 8, 3], &[12, 2, 2]), images].concat()).unwrap();
    let alone = Schema::fit(&[at.as_path().into()], &ReadOptions::default()).unwrap_err().to_string();
    assert!(alone.contains("`few-labels-idx1-ubyte` is not there"), "{alone}");
    let labels: Vec<u8> = (0..12u8).map(|row| row % 2).collect();
    let beside = folder.path().join("few-labels-idx1-ubyte");
    std::fs::write(beside, [head(&[0, 0, 8, 1], &[12]), labels].concat()).unwrap();
    let fitted = Schema::fit(&[at.as_path().into()], &ReadOptions::default()).unwrap();
    assert_eq!((fitted.data.rows(), fitted.schema.target.classes().len()), (12, 2));
    assert_eq!(fitted.schema.features(), ["1", "2", "4"], "a pixel that never differs is left out");
}

#[test]
fn arrays_that_are_stored_by_columns_or_hold_text_are_read() {
    // Three rows of two columns, column after column.
    let values: Vec<u8> = [1.0, 2.0, 3.0, 10.5, 20.5, 30.5].into_iter().flat_map(f64::to_le_bytes).collect();
    let bytes = npy("<f8", "(3, 2)", &values);
    let by_columns = String::from_utf8_lossy(&bytes).contains("False");
    assert!(by_columns);
    let at = bytes.windows(5).position(|window| window == b"False").unwrap();
    let bytes = [&bytes[..at], b"True ", &bytes[at + 5..]].concat();
    let raw = ReadOptions { raw: true, ..ReadOptions::default() };
    let read = Schema::fit(&[Input::bytes("x.npy", bytes.clone())], &raw).unwrap().data;
    let Features::Dense(dense) = read.features() else { panic!("dense") };
    assert_eq!(dense.values(), [1.0, 2.0, 3.0]);
    let cut = Input::bytes("x.npy", &bytes[..bytes.len() - 8]);
    assert!(Schema::fit(&[cut], &raw).unwrap_err().to_string().contains("x.npy: it is cut off"));
    // A head that claims a terabyte gets no memory for it.
    let at = bytes.windows(6).position(|window| window == b"(3, 2)").unwrap();
    let forged = [&bytes[..at], b"(99999999999, 2)", &bytes[at + 16..]].concat();
    let forged = Schema::fit(&[Input::bytes("x.npy", forged)], &raw).unwrap_err().to_string();
    assert!(forged.contains("above 4 GiB"), "{forged}");

    let words: Vec<u8> = (0..12)
        .flat_map(|row| [format!("{row}"), ["1", "10"][row % 2].to_owned()])
        .flat_map(|word| word.chars().chain(std::iter::repeat('\0')).take(3).collect::<Vec<_>>())
        .flat_map(|c| (c as u32).to_le_bytes())
        .collect();
    let fitted = Schema::fit(&[Input::bytes("w.npy", npy("<U3", "(12, 2)", &words))], &raw).unwrap();
    assert_eq!(fitted.schema.target.classes(), ["1", "10"], "texts are classes, digits or not");
    assert_eq!(fitted.data.columns(), 1, "texts that are all different and numbers are numbers");
}

/// An archive of arrays.
fn npz(arrays: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Input {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(array).unwrap();
    }
    Input::bytes("d.npz", archive.finish().unwrap().into_inner())
}

fn doubles(values: impl Iterator<Item = f64>) -> Vec<u8> {
    values.flat_map(f64::to_le_bytes).collect()
}

#[test]
fn arrays_of_an_archive_are_put_side_by_side_and_y_comes_last() {
    let y = npy("<f8", "(20,)", &doubles((0..20).map(|row| f64::from(row) * 0.5)));
    let x = npy("<f8", "(20, 2)", &doubles((0..40).map(|at| f64::from(at * at))));
    let scalar = npy("<f8", "()", &doubles(std::iter::once(1.0)));
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let input = npz(&[("y", y.clone()), ("version", scalar.clone()), ("X", x.clone())], method);
        let fitted = Schema::fit(std::slice::from_ref(&input), &ReadOptions::default()).unwrap();
        assert_eq!(fitted.schema.features(), ["X.1", "X.2"]);
        assert_eq!((fitted.schema.target.name.as_str(), fitted.data.rows()), ("y", 20));
        let notes = fitted.notes.join("\n");
        assert!(notes.contains("the array `version` is left out: it is one number"), "{notes}");
        let alone = npz(&[("X", x.clone())], method);
        let mut chunks = fitted.schema.chunks(&[alone], None, Layout::default()).unwrap();
        assert_eq!(chunks.next(100).unwrap().unwrap().features.rows(), 20, "without labels, by name");
    }
    let names = npy("<U2", "(2,)", &['a', '\0', 'b', '\0'].map(|c| (c as u32).to_le_bytes()).concat());
    let input = npz(&[("X", x.clone()), ("names", names), ("target", y)], zip::CompressionMethod::Stored);
    let fitted = Schema::fit(&[input], &ReadOptions::default()).unwrap();
    assert_eq!(fitted.schema.target.name, "target");
    assert!(fitted.notes.join("\n").contains("`names` is left out: it has 2 rows and not 20"));
    let refused = |arrays: &[(&str, Vec<u8>)]| {
        let input = npz(arrays, zip::CompressionMethod::Deflated);
        Schema::fit(&[input], &ReadOptions::default()).unwrap_err().to_string()
    };
    let short = npy("<f8", "(3,)", &doubles((0..3).map(f64::from)));
    let error = refused(&[("x_train", x.clone()), ("x_test", short)]);
    assert!(error.contains("different numbers of rows (`x_train` 20, `x_test` 3)"), "{error}");
    // Deflated zeros: a small archive whose head claims more than it holds, and one of a row that is too wide.
    let lying = npy("<f8", "(99999999999, 2)", &vec![0; 1 << 20]);
    assert!(refused(&[("X", lying)]).contains("d.npz: it is cut off"));
    let wide = npy("<f8", "(2, 9999999)", &vec![0; 1 << 20]);
    assert!(refused(&[("X", wide)]).contains("no columns, or more than 65536"));
    assert!(refused(&[]).contains("a ZIP archive without arrays of NumPy"));
}
