//! How fast files are read: `cargo bench -p syncline-data --bench read`. The peer is reading the same bytes and counting
//! their lines, which any reader of text must at least do.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement reads the clock and may fail loudly"
)]

use std::fs::File;
use std::path::Path;
use std::time::Instant;
use syncline_data::{ReadOptions, read, synthetic, write_csv, write_libsvm};

const REPETITIONS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.csv");
    write_csv(&synthetic::blobs(100_000, 50, 3, 1), File::create(&table).unwrap()).unwrap();
    measure("CSV, 100 000 rows x 50 columns", &table);
    let sparse = folder.path().join("sparse.svm");
    write_libsvm(&synthetic::sparse_logistic(50_000, 1_000_000, 50, 1), File::create(&sparse).unwrap())
        .unwrap();
    measure("LIBSVM, 50 000 rows x 50 of 1 000 000 columns", &sparse);
}

fn measure(name: &str, path: &Path) {
    let megabytes = std::fs::metadata(path).unwrap().len() as f64 / 1e6;
    let (mut lines, mut whole) = (f64::MAX, f64::MAX);
    for _ in 0..REPETITIONS {
        lines =
            lines.min(seconds(|| std::fs::read(path).unwrap().iter().filter(|&&byte| byte == b'\n').count()));
        whole = whole.min(seconds(|| read(path, &ReadOptions::default()).unwrap().rows()));
    }
    println!("{name}: {whole:.3} s, {:.0} MB/s; counting its lines: {lines:.3} s", megabytes / whole);
}

/// Seconds that some work takes which handles rows.
fn seconds(work: impl FnOnce() -> usize) -> f64 {
    let start = Instant::now();
    assert!(work() > 0);
    start.elapsed().as_secs_f64()
}
