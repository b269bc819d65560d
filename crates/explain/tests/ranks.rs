//! Chrome and Kineto traces, and the way through our own export and back.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use syncline_explain::report::SyncKind;
use syncline_explain::{ExportFormat, explain, explain_all, export};
use syncline_trace::{Node, Phase, RunFile, RunInfo, Span, read};

/// A rank's trace as the PyTorch profiler writes it: 20 steps, each a kernel of work and an NCCL kernel that ends when
/// the last rank's work is done.
fn rank(folder: &Path, rank: u64, work_us: u64, slowest_us: u64, clock_us: u64) -> PathBuf {
    let mut events: Vec<Value> =
        vec![json!({"ph":"M","name":"process_name","pid":0,"args":{"name":"python"}})];
    let mut at = 1_000 + clock_us;
    for step in 0..20 {
        let name = format!("ProfilerStep#{step}");
        events.push(json!({"ph":"X","cat":"user_annotation","name":name,"pid":5,"tid":5,"ts":at,"dur":slowest_us + 150}));
        events.push(json!({"ph":"X","cat":"cpu_op","name":"aten::mm","pid":5,"tid":5,"ts":at,"dur":30}));
        events.push(json!({"ph":"X","cat":"kernel","name":"sgemm","pid":0,"tid":7,"ts":at,"dur":work_us}));
        events.push(json!({"ph":"X","cat":"kernel","name":"ncclDevKernel_AllReduce_Sum_f32_RING_LL","pid":0,"tid":20,
            "ts":at + work_us,"dur":slowest_us - work_us + 100,"args":{"Collective name":"allreduce","In msg nelems":1024}}));
        at += slowest_us + 150;
    }
    let path = folder.join(format!("rank{rank}.json"));
    let trace =
        json!({"schemaVersion":1,"distributedInfo":{"rank":rank,"world_size":3},"traceEvents":events});
    fs::write(&path, trace.to_string()).unwrap();
    path
}

#[test]
fn the_slow_rank_is_told_from_its_victims() {
    let folder = tempfile::tempdir().unwrap();
    // The third rank's clock is 5 s ahead.
    let ranks = [(0, 400, 0), (1, 1200, 0), (2, 420, 5_000_000)];
    let paths: Vec<PathBuf> =
        ranks.iter().map(|&(number, work, clock)| rank(folder.path(), number, work, 1200, clock)).collect();
    let reports = explain_all(&paths).unwrap();
    let [report] = &reports[..] else { panic!("one report of three ranks") };
    assert_eq!((report.system.as_str(), report.cores), ("kineto", 3));
    let slow = &report.stragglers[0];
    assert_eq!((slow.who.as_str(), slow.late), ("rank/1", 20));
    let point = &report.sync_points[0];
    assert_eq!((point.kind, point.count), (SyncKind::AllReduce, 20));
    assert!((point.idle_core_s - 20.0 * (0.8 + 0.78) / 1000.0).abs() < 1e-6, "{point:?}");
    assert!(point.split.slow_worker > 0.9 * point.idle_core_s, "{:?}", point.split);
    assert!(report.wall_ms < 100.0, "the clocks are aligned: {} ms", report.wall_ms);
    assert_eq!(report.clocks.len(), 1);
    assert!(
        (report.clocks[0].offset_ms + 5000.0).abs() < 1.0
            || (report.clocks[0].offset_ms - 5000.0).abs() < 1.0
    );
}

/// Four workers under BSP; the third computes for 30 ms, the others for 10 ms.
fn own_run(path: &Path) {
    let nodes = ["server/0", "worker/0", "worker/1", "worker/2", "worker/3"].map(Node::new).to_vec();
    let info = RunInfo {
        run: "train".into(),
        system: "syncline".into(),
        nodes,
        workers: 4,
        servers: 1,
        sync: "bsp".into(),
        ..RunInfo::default()
    };
    let mut file = RunFile::create(path, info).unwrap();
    for round in 0..30u64 {
        let start = round * 33_000_000;
        for worker in 1..=4u32 {
            let busy = if worker == 3 { 30_000_000 } else { 10_000_000 + u64::from(worker) * 10_000 };
            let span = |phase, from, to| Span { round, ..Span::new(worker, phase, from, to) };
            let pushed = start + 1_000_000 + busy + 500_000;
            file.append(&[
                span(Phase::Pull, start, start + 1_000_000),
                Span { records: 64, ..span(Phase::Compute, start + 1_000_000, start + 1_000_000 + busy) },
                span(Phase::Push, start + 1_000_000 + busy, pushed),
                Span {
                    round: round + 1,
                    sync: Some(round + 1),
                    ..span(Phase::Wait, pushed, start + 33_000_000)
                },
            ])
            .unwrap();
        }
        let span = Span::new(0, Phase::Apply, start + 31_500_000, start + 33_000_000);
        file.append(&[Span { round, ..span }]).unwrap();
    }
    file.finish().unwrap();
}

#[test]
fn a_worker_three_times_slower_costs_what_was_injected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.parquet");
    own_run(&path);
    let report = explain(&path).unwrap();
    let slow = &report.stragglers[0];
    assert_eq!((slow.who.as_str(), slow.late, slow.meetings), ("worker/2", 30, 30));
    let injected = 30.0 * 0.020;
    assert!((slow.excess_s - injected).abs() < 0.1 * injected, "{slow:?}");
    let gate = &report.sync_points[0];
    assert_eq!((gate.kind, gate.count), (SyncKind::Gate, 30));
    assert!((gate.split.slow_worker - 3.0 * injected).abs() < 0.1 * 3.0 * injected, "{:?}", gate.split);
    // The path runs through the slow worker and the server.
    assert_eq!(
        (report.critical_path[0].stage.as_str(), report.critical_path[0].phase),
        ("worker/2", "compute")
    );
    let total: f64 = report.critical_path.iter().map(|part| part.ms).sum();
    assert!((total - report.wall_ms).abs() < 1e-3);
}

#[test]
fn export_to_chrome_and_back_tells_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (run, json) = (folder.path().join("run.parquet"), folder.path().join("run.json"));
    own_run(&run);
    assert!(export(&run, &json, ExportFormat::Chrome).unwrap().is_none());
    let (before, after) = (explain(&run).unwrap(), explain(&json).unwrap());
    assert_eq!(before.sync_points, after.sync_points);
    assert_eq!(before.stragglers, after.stragglers);
}

#[test]
fn a_spark_log_becomes_a_run_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/local2_lr.json.zst");
    let run = folder.path().join("lr.parquet");
    export(&log, &run, ExportFormat::Parquet).unwrap();
    let imported = read(&run).unwrap();
    assert_eq!((imported.info.system.as_str(), imported.info.complete), ("spark", true));
    let tasks: std::collections::BTreeSet<u64> = imported.spans.iter().filter_map(|span| span.task).collect();
    assert_eq!(tasks.len(), 70);
    let computed: u64 =
        imported.spans.iter().filter(|span| span.phase == Phase::Compute).map(Span::duration_ns).sum();
    assert!(computed > 6_000_000_000 && computed <= 7_106_000_000, "{computed}");
}

#[test]
fn csv_has_a_line_a_span_and_perfetto_a_packet_a_side() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (folder.path().join("run.parquet"), folder.path().join("out"));
    own_run(&run);
    let spans = read(&run).unwrap().spans.len();
    export(&run, &out, ExportFormat::Csv).unwrap();
    let csv = fs::read_to_string(&out).unwrap();
    assert_eq!(csv.lines().count(), spans + 1);
    assert!(csv.lines().nth(1).unwrap().starts_with("train,worker/0,"));
    export(&run, &out, ExportFormat::Perfetto).unwrap();
    let bytes = fs::read(&out).unwrap();
    let (mut at, mut packets) = (0, 0);
    while at < bytes.len() {
        assert_eq!(bytes[at], 0x0a, "a packet is field 1 of the trace");
        at += 2 + usize::from(bytes[at + 1]);
        packets += 1;
    }
    assert_eq!((at, packets), (bytes.len(), 2 * spans + 5));
}

#[test]
fn damaged_traces_of_ranks_have_a_clear_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let path = rank(folder.path(), 0, 400, 1200, 0);
    let whole = fs::read(&path).unwrap();
    for step in 0..400 {
        let mut damaged = whole.clone();
        let at = whole.len() * step / 400;
        match step % 3 {
            0 => damaged.truncate(at),
            1 => damaged[at] ^= 0x04,
            _ => drop(damaged.splice(at..at, *b"-1e308")),
        }
        fs::write(&path, &damaged).unwrap();
        match explain(&path) {
            Ok(report) => assert!((report.shares.values().sum::<f64>() - 1.0).abs() < 1e-6),
            Err(error) => assert!(error.to_string().len() > 20),
        }
    }
}

/// Two ranks of PyTorch's DistributedDataParallel over gloo, on CPUs, recorded by its profiler; before each of its 12
/// steps rank 1 slept for 30 ms in a range named `slow_input`.
#[test]
fn a_real_trace_of_two_ranks_names_the_slow_one() {
    let fixture = |rank: u64| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/ddp_rank{rank}.json.gz"))
    };
    let reports = explain_all(&[fixture(0), fixture(1)]).unwrap();
    let report = &reports[0];
    assert!(report.damage.is_none(), "{:?}", report.damage);
    let steps = &report.iterations[0];
    assert_eq!((steps.of, steps.count), ("steps", 12));
    assert!((30.0..60.0).contains(&steps.median_ms), "{}", steps.median_ms);
    let slow = &report.stragglers[0];
    assert_eq!((slow.who.as_str(), slow.late), ("rank/1", 12));
    let injected = 12.0 * 0.030;
    assert!((slow.excess_s - injected).abs() < 0.15 * injected, "{slow:?}");
    assert!(report.shares.get("unknown").is_none_or(|unknown| *unknown < 0.05), "{:?}", report.shares);
}
