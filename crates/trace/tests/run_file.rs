//! Run files: what is written is read back, while the file grows, after a crash and after damage.
#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use syncline_trace::{ClockOffset, Node, Phase, RunFile, RunInfo, RunReader, Span, TrainingSetup, read};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.parquet");
    (folder, path)
}

fn info() -> RunInfo {
    let clock = ClockOffset { offset_ns: -1200, error_ns: 300 };
    RunInfo {
        run: "test".into(),
        system: "syncline".into(),
        nodes: vec![Node::new("coordinator"), Node { clock, ..Node::new("worker/0") }],
        workers: 1,
        sync: "bsp".into(),
        seed: 7,
        ..RunInfo::default()
    }
}

fn span(at: u64) -> Span {
    Span {
        round: at,
        bytes: at * 3,
        sync: Some(at / 2),
        ..Span::new(1, Phase::Compute, at * 10, at * 10 + 5)
    }
}

#[test]
fn head_tells_clocks_and_settings() {
    let (_folder, path) = place();
    let setup = TrainingSetup { batch: Some(64), shuffle: Some(true), ..TrainingSetup::default() };
    let mut file = RunFile::create(&path, info()).unwrap();
    file.info_mut().settings.insert("application".into(), "sort".into());
    file.info_mut().setup = Some(setup.clone());
    file.finish().unwrap();
    let run = read(&path).unwrap();
    assert_eq!(run.info.nodes[1].clock, ClockOffset { offset_ns: -1200, error_ns: 300 });
    assert_eq!(run.info.settings["application"], "sort");
    assert_eq!(run.info.training(), setup);
    assert!(run.info.complete && run.spans.is_empty());
}

/// SETUP-2.
#[test]
fn setups_of_before_are_read_and_later_ones_refused() {
    let (_folder, path) = place();
    let settings = [("batch", "64"), ("on", "threads")].map(|(name, value)| (name.into(), value.into()));
    RunFile::create(&path, RunInfo { settings: settings.into(), ..info() }).unwrap().finish().unwrap();
    let setup = read(&path).unwrap().info.training();
    assert_eq!((setup.batch, setup.on.as_deref(), setup.rows), (Some(64), Some("threads"), None));

    let later = TrainingSetup { version: 99, ..TrainingSetup::default() };
    RunFile::create(&path, RunInfo { setup: Some(later), ..info() }).unwrap().finish().unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("version 99") && error.contains("use a later syncline"), "{error}");
}

/// RF-1: every flush leaves a whole file, and another reader sees all of it.
#[test]
fn readable_after_every_flush() {
    let (_folder, path) = place();
    let mut file = RunFile::create(&path, info()).unwrap();
    assert_eq!(read(&path).unwrap().spans, []);
    for at in 0..50 {
        file.append(&[span(at)]).unwrap();
        file.flush().unwrap();
        let reader = RunReader::open(&path).unwrap();
        assert_eq!((reader.spans(), reader.torn_bytes()), (at + 1, 0));
    }
    assert_eq!(read(&path).unwrap().spans, (0..50).map(span).collect::<Vec<_>>());
}

/// RF-2: wherever a crash cuts the file, at least all of the flushes before are there.
#[test]
fn a_cut_costs_one_flush_only() {
    let (_folder, path) = place();
    let mut file = RunFile::create(&path, info()).unwrap();
    let mut ends = vec![fs::metadata(&path).unwrap().len()];
    for at in 0..4 {
        file.append(&[span(at)]).unwrap();
        file.flush().unwrap();
        ends.push(fs::metadata(&path).unwrap().len());
    }
    drop(file);
    let whole = fs::read(&path).unwrap();
    for cut in (ends[0]..=ends[4]).step_by(11).chain(ends.clone()) {
        fs::write(&path, &whole[..cut as usize]).unwrap();
        let flushes = ends.iter().filter(|&&end| end <= cut).count() - 1;
        let run = read(&path).unwrap();
        assert_eq!(run.spans, (0..flushes as u64).map(span).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(RunReader::open(&path).unwrap().torn_bytes(), cut - ends[flushes]);
    }
}

/// RF-3: a thousand flushes of one span do not leave a thousand footers.
#[test]
fn small_flushes_stay_small() {
    let (_folder, path) = place();
    let mut file = RunFile::create(&path, info()).unwrap();
    let mut largest = 0;
    for at in 0..1000 {
        file.append(&[span(at)]).unwrap();
        file.flush().unwrap();
        largest = largest.max(fs::metadata(&path).unwrap().len());
    }
    file.finish().unwrap();
    let run = read(&path).unwrap();
    assert_eq!(run.spans, (0..1000).map(span).collect::<Vec<_>>());
    assert!(largest < 4 << 20, "{largest} bytes while it grew");
    let length = fs::metadata(&path).unwrap().len();
    assert!(length < 32 << 10, "{length} bytes at the end");
}

#[test]
fn a_node_without_a_head_keeps_its_number() {
    let (_folder, path) = place();
    let mut file = RunFile::create(&path, info()).unwrap();
    for node in [7, 1, 9] {
        file.append(&[Span::new(node, Phase::Idle, 0, 1)]).unwrap();
        file.flush().unwrap();
    }
    file.finish().unwrap();
    let run = read(&path).unwrap();
    let names: Vec<&str> =
        run.spans.iter().map(|span| run.info.nodes[span.node as usize].name.as_str()).collect();
    assert_eq!(names, ["7", "worker/0", "9"]);
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let (_folder, path) = place();
    fs::write(&path, "").unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("cannot open the run file"));
    fs::write(&path, "PAR1 is not enough PAR1").unwrap();
    assert!(read(&path).is_err());
    assert!(read(path.with_extension("absent")).unwrap_err().to_string().contains("absent"));
}

/// Damage anywhere gives spans or an error, never a panic.
#[test]
fn flipped_bytes_never_panic() {
    let (_folder, path) = place();
    let mut file = RunFile::create(&path, info()).unwrap();
    file.append(&(0..200).map(span).collect::<Vec<_>>()).unwrap();
    file.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(4) {
        let mut damaged = whole.clone();
        damaged[at] ^= [0x01, 0x80, 0xff][at / 4 % 3];
        fs::write(&path, &damaged).unwrap();
        let _ = read(&path);
    }
}

fn any_span() -> impl Strategy<Value = Span> {
    let phase = prop::sample::select(Phase::ALL);
    let times = (0u64..1 << 60, 0u64..1 << 60);
    let numbers = (any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>());
    let options =
        (prop::option::of(0u32..2), any::<Option<u64>>(), any::<Option<u32>>(), any::<Option<u64>>());
    (0u32..2, phase, times, numbers, options).prop_map(|(node, phase, times, numbers, options)| Span {
        node,
        phase,
        start_ns: times.0,
        end_ns: times.1,
        iteration: numbers.0,
        round: numbers.1,
        bytes: numbers.2,
        records: numbers.3,
        peer: options.0,
        sync: options.1,
        worker: options.2,
        task: options.3,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_written_is_read_back(flushes in prop::collection::vec(prop::collection::vec(any_span(), 0..40), 0..6)) {
        let (_folder, path) = place();
        let mut file = RunFile::create(&path, info()).unwrap();
        for spans in &flushes {
            file.append(spans).unwrap();
            file.flush().unwrap();
        }
        prop_assert_eq!(read(&path).unwrap().spans, flushes.concat());
        file.finish().unwrap();
        prop_assert_eq!(read(&path).unwrap().spans, flushes.concat());
    }
}
