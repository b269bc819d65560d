//! The ways in which Spark lays a log out, and what clusters do to jobs: one story told in every packing, and told with
//! retries, speculation, skipped stages and executors that come and go.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use syncline_explain::report::Report;
use syncline_explain::{explain, survey};
use tempfile::TempDir;

fn fixture() -> Vec<u8> {
    let packed =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/local2_lr.json.zst")).unwrap();
    zstd::decode_all(&packed[..]).unwrap()
}

fn place(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// lz4-java's block stream, as `LZ4BlockOutputStream` writes it.
fn lz4_blocks(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for plain in text.chunks(32 << 10).chain([&b""[..]]) {
        let packed = if plain.is_empty() { Vec::new() } else { lz4_flex::block::compress(plain) };
        out.extend_from_slice(b"LZ4Block");
        out.push(if plain.is_empty() { 0x16 } else { 0x26 });
        out.extend((packed.len() as u32).to_le_bytes());
        out.extend((plain.len() as u32).to_le_bytes());
        out.extend((twox_hash::XxHash32::oneshot(0x9747_b28c, plain) & 0x0fff_ffff).to_le_bytes());
        out.extend(packed);
    }
    out
}

/// snappy-java's block stream, as `SnappyOutputStream` writes it.
fn snappy_blocks(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
    for plain in text.chunks(32 << 10) {
        let packed = snap::raw::Encoder::new().compress_vec(plain).unwrap();
        out.extend((packed.len() as u32).to_be_bytes());
        out.extend(packed);
    }
    out
}

/// compress-lzf's chunks; what does not pack is stored, and so is everything here.
fn lzf_chunks(text: &[u8]) -> Vec<u8> {
    let chunk = |plain: &[u8]| [&b"ZV\0"[..], &(plain.len() as u16).to_be_bytes(), plain].concat();
    text.chunks(65_535).flat_map(chunk).collect()
}

fn gz(text: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

/// The figures that must not depend on the packing.
fn figures(report: &Report) -> (u64, u64, u64, f64, f64, bool) {
    assert!(report.damage.is_none(), "{:?}", report.damage);
    (report.jobs, report.stages, report.tasks, report.wall_ms, report.run_ms, report.complete)
}

#[test]
fn every_packing_tells_the_same() {
    let text = fixture();
    let frames: Vec<u8> = text.chunks(10_000).flat_map(|part| zstd::encode_all(part, 1).unwrap()).collect();
    let (_folder, path) = place("plain", &text);
    let expected = figures(&explain(&path).unwrap());
    // The names do not help: content decides.
    for packed in [frames, gz(&text), lz4_blocks(&text), lzf_chunks(&text), snappy_blocks(&text)] {
        let (_folder, path) = place("app.inprogress", &packed);
        assert_eq!(figures(&explain(&path).unwrap()), expected);
    }
}

#[test]
fn rolling_and_compacted_folders() {
    let text = fixture();
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let (_folder, whole) = place("plain", &text);
    let expected = figures(&explain(&whole).unwrap());
    let (folder, status) = place("eventlog_v2_app/appstatus_app", b"");
    let log = status.parent().unwrap();
    for (number, part) in lines.chunks(lines.len() / 3 + 1).enumerate() {
        let packed = zstd::encode_all(&part.concat()[..], 1).unwrap();
        fs::write(log.join(format!("events_{}_app.zstd", number + 1)), packed).unwrap();
    }
    assert_eq!(figures(&explain(log).unwrap()), expected);
    assert_eq!(figures(&explain(folder.path()).unwrap()), expected, "the folder around it will do");
    // Compaction drops finished jobs' tasks: what is left is read, and nothing is counted twice.
    let kept: Vec<u8> = lines[..lines.len() / 3 + 1]
        .iter()
        .filter(|line| !line.starts_with(b"{\"Event\":\"SparkListenerTask"))
        .copied()
        .collect::<Vec<_>>()
        .concat();
    fs::write(log.join("events_1_app.zstd.compact"), zstd::encode_all(&kept[..], 1).unwrap()).unwrap();
    let compacted = explain(log).unwrap();
    assert_eq!((compacted.jobs, compacted.complete), (expected.0, true));
    assert!(compacted.tasks < expected.2);
}

#[test]
fn a_log_in_progress_lasts_until_its_last_event() {
    let text = String::from_utf8(fixture()).unwrap();
    let cut: String =
        text.lines().take(text.lines().count() * 2 / 3).map(|line| format!("{line}\n")).collect();
    let (_folder, path) = place("app.inprogress", cut.as_bytes());
    let report = explain(&path).unwrap();
    assert!(!report.complete && report.wall_ms > 0.0);
    assert!(report.verdict.iter().any(|sentence| sentence.contains("has no end")));
    assert!((report.shares.values().sum::<f64>() - 1.0).abs() < 1e-9);
}

/// A small log, event by event.
#[derive(Default)]
struct Story(String);

impl Story {
    fn line(&mut self, event: &str, rest: &str) -> &mut Self {
        self.0.push_str(&format!("{{\"Event\":\"SparkListener{event}\",{rest}}}\n"));
        self
    }

    fn executor(&mut self, id: &str, at: u32) -> &mut Self {
        self.line(
            "ExecutorAdded",
            &format!(
                r#""Timestamp":{at},"Executor ID":"{id}","Executor Info":{{"Host":"h{id}","Total Cores":1}}"#
            ),
        )
    }

    fn stage(&mut self, event: &str, id: u32, attempt: u32, times: &str) -> &mut Self {
        self.line(event, &format!(r#""Stage Info":{{"Stage ID":{id},"Stage Attempt ID":{attempt},"Stage Name":"map at A.scala:1","Number of Tasks":2,"Parent IDs":[],"RDD Info":[],{times}}}"#))
    }

    fn task(
        &mut self,
        stage: (u32, u32),
        id: u32,
        executor: &str,
        from: u32,
        to: u32,
        how: &str,
    ) -> &mut Self {
        let run = (to - from).saturating_sub(5);
        let metrics =
            format!(r#""Task Metrics":{{"Executor Run Time":{run},"Executor Deserialize Time":3}}"#);
        let (reason, extra, metrics) = match how {
            "failed" => ("ExceptionFailure", r#""Failed":true"#, r#""Task Metrics":null"#.to_owned()),
            "killed" => ("TaskKilled", r#""Speculative":true,"Killed":true"#, metrics),
            "speculative" => ("Success", r#""Speculative":true"#, metrics),
            _ => ("Success", r#""Failed":false"#, metrics),
        };
        self.line("TaskEnd", &format!(r#""Stage ID":{},"Stage Attempt ID":{},"Task Type":"ShuffleMapTask","Task End Reason":{{"Reason":"{reason}"}},"Task Info":{{"Task ID":{id},"Index":{},"Launch Time":{from},"Finish Time":{to},"Executor ID":"{executor}",{extra}}},{metrics}"#, stage.0, stage.1, id % 2))
    }
}

#[test]
fn retries_speculation_skips_and_lost_executors() {
    let mut story = Story::default();
    story
        .line("LogStart", r#""Spark Version":"3.5.3""#)
        .line("ApplicationStart", r#""App Name":"hard times","App ID":"app-1","Timestamp":1000"#)
        .executor("1", 1100)
        .executor("2", 1200)
        .line("JobStart", r#""Job ID":0,"Submission Time":2000,"Stage IDs":[0,7]"#)
        .stage("StageSubmitted", 0, 0, r#""Submission Time":2010"#)
        .task((0, 0), 0, "1", 2020, 2300, "")
        .task((0, 0), 1, "2", 2020, 2200, "failed")
        .line("ExecutorRemoved", r#""Timestamp":2250,"Executor ID":"2","Removed Reason":"lost""#)
        .stage(
            "StageCompleted",
            0,
            0,
            r#""Submission Time":2010,"Completion Time":2310,"Failure Reason":"FetchFailed""#,
        )
        .executor("3", 2400)
        .stage("StageSubmitted", 0, 1, r#""Submission Time":2400"#)
        .task((0, 1), 3, "3", 2410, 2500, "speculative")
        .task((0, 1), 2, "1", 2410, 2505, "killed")
        .stage("StageCompleted", 0, 1, r#""Submission Time":2400,"Completion Time":2510"#)
        .line("JobEnd", r#""Job ID":0,"Completion Time":2520,"Job Result":{"Result":"JobSucceeded"}"#)
        .line("ApplicationEnd", r#""Timestamp":3000"#);
    let (_folder, path) = place("log", story.0.as_bytes());
    let report = explain(&path).unwrap();
    assert!(report.damage.is_none(), "{:?}", report.damage);
    assert_eq!((report.jobs, report.stages, report.tasks), (1, 2, 4));
    assert_eq!((report.retried_stages, report.failed_stages, report.skipped_stages), (1, 1, 1));
    assert_eq!((report.failed_tasks, report.speculative_tasks, report.executors), (2, 2, 3));
    assert!((report.shares.values().sum::<f64>() - 1.0).abs() < 1e-9);
    // The failed task says nothing of itself; what its time was spent on is no question, since it did not count.
    assert!(report.shares["failures"] > 0.0 && report.shares["unknown"] == 0.0, "{:?}", report.shares);
    assert_eq!((report.lost_executors, report.lost_task_ms), (1, 180 + 95));
}

#[test]
fn a_survey_has_a_row_a_log_and_passes_over_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b_lr.json"), fixture()).unwrap();
    fs::write(folder.path().join("a_notes.txt"), "not a log").unwrap();
    let survey = survey(folder.path()).unwrap();
    assert_eq!((survey.rows.len(), survey.failed.len()), (1, 0));
    let row = &survey.rows[0];
    assert_eq!((row.log.as_str(), row.iterations, row.sync_per_iteration), ("b_lr", 12, 3));
    assert!(
        (row.startup + row.driver + row.compute + row.shuffle + row.barrier + row.schedule - 1.0).abs()
            < 1e-6
    );
    assert_eq!(survey.markdown().lines().count(), 3);
}
