//! Arrays of NumPy and of MNIST as tables.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

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
            .starts_with("cannot read x.npy")
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
