//! Reading a large log against a plain `serde_json` pass over the same bytes, in one run: a ratio, not a time.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use syncline_explain::{explain, replicate};

/// Reads every line as JSON of type `T`: [`IgnoredAny`] only looks whether it is JSON, [`Value`] makes it usable.
fn plain_pass<T: DeserializeOwned>(path: &Path) -> Duration {
    let start = Instant::now();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let (mut line, mut lines) = (Vec::new(), 0u64);
    while file.read_until(b'\n', &mut line).unwrap() > 0 {
        serde_json::from_slice::<T>(&line).unwrap();
        lines += 1;
        line.clear();
    }
    assert!(lines > 10_000);
    start.elapsed()
}

fn explained(path: &Path) -> Duration {
    let start = Instant::now();
    let report = explain(path).unwrap();
    assert!(report.tasks > 5_000 && report.damage.is_none());
    start.elapsed()
}

#[test]
fn explaining_costs_little_more_than_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.json");
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/local2_skew.json.zst");
    let bytes = replicate(&log, &path, 250).unwrap();
    // The machine may be busy: the best of three is nearest to what each costs, and in turns all meet the same load.
    let [mut looked, mut read, mut ours] = [Duration::MAX; 3];
    for _ in 0..3 {
        looked = looked.min(plain_pass::<IgnoredAny>(&path));
        read = read.min(plain_pass::<Value>(&path));
        ours = ours.min(explained(&path));
    }
    let over = |other: Duration| ours.as_secs_f64() / other.as_secs_f64();
    println!(
        "{} MB: explained {ours:?}; {:.2} x a pass that reads every line, {:.2} x one that only looks at it",
        bytes >> 20,
        over(read),
        over(looked)
    );
    assert!(over(read) < 1.5, "explaining took {:.2} x a plain pass", over(read));
}
