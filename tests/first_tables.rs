//! A newcomer's first files with default flags: a test for each kind that has gone wrong once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{fmt::Write as _, path::Path};

use serde_json::Value;
use support::{fails, json, write};

/// Numbers that look random, of mean 0 and deviation 1: a sum of twelve even ones by the mixing of SplitMix64.
fn deviate(row: u32, of: u32) -> f64 {
    let even = |k: u32| {
        let mut x = (u64::from(of) << 32 | u64::from(row * 12 + k)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x >> 48) as f64 / 65_536.0
    };
    (0..12).map(even).sum::<f64>() - 6.0
}

/// What least squares leaves of the prices of `houses`.
const NOISE: f64 = 15_000.0;

/// Houses whose price is a sum over their columns and noise; `raw` with words, yes and no, and two cells of a hundred empty.
fn houses(raw: bool, price: impl Fn(f64) -> String) -> String {
    let head = if raw { "city,rooms,area,garden" } else { "rome,paris,rooms,area" };
    let mut text = format!("{head},price\n");
    for row in 0..600 {
        let (city, rooms) = (row % 3, 1 + row * 7 % 5);
        let area = 90.0 + 30.0 * deviate(row, 1);
        let garden = deviate(row, 2) > 0.5;
        let value = 100_000.0
            + 50_000.0 * f64::from(city)
            + 20_000.0 * f64::from(rooms)
            + 2500.0 * area
            + if garden && raw { 30_000.0 } else { 0.0 }
            + NOISE * deviate(row, 3);
        let price = price(value);
        if raw {
            let city = ["Rome", "\"Paris, France\"", "Oslo"][city as usize];
            let area = if row % 50 == 7 { String::new() } else { format!("{area:.1}") };
            writeln!(text, "{city},{rooms},{area},{},{price}", if garden { "yes" } else { "no" }).unwrap();
        } else {
            writeln!(text, "{},{},{rooms},{area:.1},{price}", u32::from(city == 0), u32::from(city == 1))
                .unwrap();
        }
    }
    text
}

fn validation<'a>(report: &'a Value, metric: &str) -> &'a Value {
    &report["metrics"]["validation"][metric]
}

fn trained(folder: &Path, name: &str, text: &str, arguments: &str) -> Value {
    json(&format!("train {} {arguments}", write(folder, name, text).display()))
}

#[test]
fn prices_are_learnt_nearly_as_well_as_by_least_squares() {
    let folder = tempfile::tempdir().unwrap();
    let whole = |value: f64| format!("{value:.0}");
    let cents = |value: f64| format!("{value:.2}");
    // Far from zero, where a price's digits are the last ones of an f32, and small.
    let offset = |value: f64| format!("{:.2}", 1e9 + value);
    let scaled = |value: f64| format!("{:e}", value * 1e-9);
    let thousands = |value: f64| format!("\"{},{:03}\"", value as u64 / 1000, value as u64 % 1000);
    for (name, text, unit, flags) in [
        ("whole", houses(false, whole), 1.0, ""),
        ("cents", houses(false, cents), 1.0, ""),
        ("raw", houses(true, whole), 1.0, ""),
        ("offset", houses(false, offset), 1.0, ""),
        ("scaled", houses(false, scaled), 1e-9, ""),
        ("thousands", houses(false, thousands), 1.0, "--decimal ."),
    ] {
        let report = trained(folder.path(), "houses.csv", &text, &format!("--label price {flags}"));
        let rmse = validation(&report, "rmse").as_f64().unwrap() / unit;
        // Cells without an area are guesses: 2 % of 75 000 squared.
        let least = if name == "raw" { (NOISE.powi(2) + 0.02 * 75_000f64.powi(2)).sqrt() } else { NOISE };
        assert!(rmse < 1.3 * least, "{name}: {rmse} and {least} by least squares");
    }
}

#[test]
fn a_last_batch_of_one_row_counts_as_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..33)
        .map(|row| format!("{},{}\n", 1 - 2 * (row % 2), if row / 2 % 2 == 0 { "n" } else { "y" }))
        .collect();
    let data = write(folder.path(), "ragged.csv", &format!("x,y\n{rows}"));
    let model = folder.path().join("m.safetensors");
    let loss = |batch: u32| {
        json(&format!(
            "train {} --model logistic --validation 0 --workers 1 --partition contiguous --batch {batch} --epochs 3000 \
             --save {}",
            data.display(),
            model.display()
        ));
        json(&format!("evaluate {} {}", model.display(), data.display()))["loss"].as_f64().unwrap()
    };
    // 17 of 33 are `n`, and x says next to nothing.
    let share = 17.0f64 / 33.0;
    let entropy = -share * share.ln() - (1.0 - share) * (1.0 - share).ln();
    for batch in [33, 32, 16] {
        let loss = loss(batch);
        assert!((loss - entropy).abs() < 0.01, "batches of {batch}: {loss}, and at best about {entropy}");
    }
}

#[test]
fn sparse_files_of_other_programs_have_their_own_classes_only() {
    let folder = tempfile::tempdir().unwrap();
    let marked = format!("\u{feff}{}", "+1 1:1\n-1 2:1\n+1 1:2\n-1 2:2\n".repeat(5));
    let report = trained(folder.path(), "marked.svm", &marked, "");
    assert_eq!(report["settings"]["parameters"], 6, "two classes of two features: {report}");
    let zero = "0 0:5.1 1:3.5\n0 0:4.9 1:3.0\n1 0:7.0 1:3.2\n1 0:6.4 1:3.1\n".repeat(5);
    let report = trained(folder.path(), "zero.svm", &zero, "");
    assert!(report["notes"].to_string().contains("counted from 0"), "{report}");
    let bare = write(folder.path(), "bare.svm", "1:0.5 2:1.0\n1:0.7 2:2.0\n");
    fails(&format!("train {}", bare.display()), 1, &["bare.svm:1: the label is missing"]);
}

#[test]
fn held_out_rows_that_tell_nothing_are_said_to() {
    let folder = tempfile::tempdir().unwrap();
    let report = trained(folder.path(), "two.csv", "a,y\n1,3.5\n2,4.5\n", "");
    assert_eq!(report["settings"]["workers"], 1, "one row is left to train on: {report}");
    assert!(report["findings"][0].as_str().unwrap().contains("only one row is held out"), "{report}");
    let rare: String =
        (0..40).map(|row| format!("{row},{}\n", if row == 7 { "rare" } else { "usual" })).collect();
    let report = trained(folder.path(), "rare.csv", &format!("a,y\n{rare}"), "");
    let findings = report["findings"].to_string();
    assert!(findings.contains("is the same in all 8 rows held out"), "{findings}");
}

#[test]
fn who_has_no_barrier_is_said_to_wait_at_the_end() {
    let report = json("train --workers 3 --epochs 1 --batch 256 --sync asp --inject worker=1:8ms");
    let worker = |at: usize, field: &str| report["workers"][at][field].as_f64().unwrap();
    for at in [0, 2] {
        assert!(worker(at, "wait_end_s") > 5.0 * worker(at, "other_s"), "{report}");
    }
    assert!(worker(1, "wait_end_s") < 0.1 * worker(0, "wait_end_s"), "{report}");
    let findings = report["findings"].to_string();
    assert!(findings.contains("worker 1 was the last to have gone through its rows"), "{findings}");
}
