//! Generated sets as files: what is written is read, trains, and is the same for the same seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;

use support::{fails, json, run, stderr};

const NAMES: [&str; 8] =
    ["a.csv", "a.csv.gz", "a.svm", "a.svm.zst", "a.libsvm.bz2", "a.parquet", "a.npy", "a.npz"];

#[test]
fn every_kind_in_every_format_is_read_and_trains() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, options, task) in [
        ("blobs", "--classes 4", "class"),
        ("separable", "", "class"),
        ("linear", "--noise 0.01", "regression"),
        ("logistic", "", "class"),
        ("sparse", "--columns 60 --non-zeros 6", "class"),
        ("mlp", "--hidden 6 --classes 3", "class"),
    ] {
        let mut losses = Vec::new();
        for name in NAMES {
            let file = folder.path().join(format!("{kind}-{name}"));
            let file = file.display();
            let about = format!("{kind} as {name}");
            let written = json(&format!("data synth {file} --kind {kind} --rows 400 --seed 3 {options}"));
            assert_eq!(written["schema"], "syncline.data.synth/1");
            assert_eq!((&written["kind"], &written["rows"]), (&kind.into(), &400.into()), "{about}");
            assert!(written["file_bytes"].as_u64().unwrap() > 1000, "{about}");
            let report = json(&format!("train {file} --model mlp:8 --epochs 4 --workers 2"));
            let note = report["notes"][0].as_str().unwrap().to_owned();
            assert!(note.contains(task), "{about}: {note}");
            let settings = &report["settings"];
            let rows = settings["rows"].as_u64().unwrap() + settings["validation_rows"].as_u64().unwrap();
            assert_eq!(rows, 400, "{about}");
            assert_eq!(settings["features"], written["columns"], "{about}");
            let loss = |epoch: usize| report["epochs"][epoch]["train_loss"].as_f64().unwrap();
            assert!(loss(3) < loss(0), "{about}: {report}");
            losses.push(loss(3));
        }
        // The formats hold the same numbers; only what is sparse is trained on otherwise.
        let dense = [losses[0], losses[1], losses[5], losses[6], losses[7]];
        assert!(dense.iter().all(|loss| (loss / dense[0] - 1.0).abs() < 0.05), "{kind}: {losses:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        let bytes = |file: &str, seed: u64| {
            let path = folder.path().join(file).with_extension("").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let told = run(&format!("data synth {} --kind mlp --rows 200 --seed {seed}", path.display()));
            assert!(told.status.success(), "{}", stderr(&told));
            fs::read(path).unwrap()
        };
        let first = bytes("first", 7);
        assert!(first == bytes("again", 7), "{name}");
        assert!(first != bytes("other", 8), "{name}");
    }
}

#[test]
fn more_rows_begin_with_the_same_ones() {
    let folder = tempfile::tempdir().unwrap();
    let text = |rows: u64| {
        let path = folder.path().join(format!("{rows}.csv"));
        let told = run(&format!("data synth {} --columns 3 --rows {rows}", path.display()));
        assert!(told.status.success(), "{}", stderr(&told));
        fs::read_to_string(path).unwrap()
    };
    // More than a piece has.
    let (many, few) = (text(70_000), text(10));
    assert!(many.starts_with(&few) && few.starts_with("x1,x2,x3,target\n"));
    assert_eq!(many.lines().count(), 70_001);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, options: &str, parts: &[&str]| {
        let path = folder.path().join(name);
        fails(&format!("data synth {} {options}", path.display()), 2, parts);
        assert!(!path.exists());
    };
    refused("a.txt", "", &["the name does not say how to write", ".parquet"]);
    refused("a.csv", "--kind blob", &["blobs, separable, linear, logistic, sparse and mlp"]);
    refused("a.csv", "--kind linear --classes 3", &["--classes is of --kind blobs, separable and mlp"]);
    refused("a.csv", "--noise 1", &["--noise is of --kind linear"]);
    refused("a.csv", "--kind logistic --hidden 3", &["--hidden is of --kind mlp"]);
    refused(
        "a.csv",
        "--kind sparse --columns 5 --non-zeros 6",
        &["6 values do not fit into a row of 5 columns"],
    );
    refused("a.csv", "--kind sparse --columns 100000", &["written out with their zeros", ".svm"]);
    refused(
        "a.csv",
        "--kind blobs --columns 65536",
        &["65536 columns and the label", "take fewer --columns"],
    );
    refused("a.csv", "--classes 1", &["at least 2"]);
    refused("a.csv", "--rows 0", &["--rows"]);
    let path = folder.path().join("no/such/a.csv");
    fails(
        &format!("data synth {}", path.display()),
        1,
        &["cannot write", "choose a file in a folder that exists"],
    );
}
