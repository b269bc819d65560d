//! Reading a large log against a plain `serde_json` pass over the same bytes, in one run: a ratio, not a time.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use syncline_explain::{explain, replicate};

/// What any reader must do at least: look at every line as JSON.
fn plain_pass(path: &Path) -> Duration {
    let start = Instant::now();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let (mut line, mut lines) = (Vec::new(), 0u64);
    while file.read_until(b'\n', &mut line).unwrap() > 0 {
        serde_json::from_slice::<IgnoredAny>(&line).unwrap();
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
    // The machine may be busy: the best of three is nearest to what each costs.
    let best = |of: fn(&Path) -> Duration| (0..3).map(|_| of(&path)).min().unwrap();
    let (plain, ours) = (best(plain_pass), best(explained));
    let ratio = ours.as_secs_f64() / plain.as_secs_f64();
    println!("{} MB: plain {plain:?}, explained {ours:?}, ratio {ratio:.2}", bytes >> 20);
    // Built without optimisation the parser pays more than the pass; optimised it must hold what is promised.
    let most = if cfg!(debug_assertions) { 4.0 } else { 1.5 };
    assert!(ratio < most, "explaining took {ratio:.2} x a plain pass");
}
