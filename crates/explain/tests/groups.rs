//! Ranks in several process groups, devices that idle, and traces of other tools than PyTorch's.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use syncline_explain::{Report, explain, explain_all};

fn kernel(name: &str, stream: u64, ts: u64, dur: u64, args: Value) -> Value {
    json!({"ph":"X","cat":"kernel","name":name,"pid":0,"tid":stream,"ts":ts,"dur":dur,"args":args})
}

fn all_reduce(group: &str, ranks: &str, size: u64, ts: u64, dur: u64) -> Value {
    let args = json!({"Collective name":"allreduce","Process Group Name":group,"Process Group Ranks":ranks,
        "In msg nelems":size});
    kernel("ncclDevKernel_AllReduce_Sum_f32_RING_LL", 20, ts, dur, args)
}

fn write(folder: &Path, rank: u64, events: &[Value]) -> PathBuf {
    let path = folder.join(format!("rank{rank}.json"));
    let trace =
        json!({"schemaVersion":1,"distributedInfo":{"rank":rank,"world_size":4},"traceEvents":events});
    fs::write(&path, trace.to_string()).unwrap();
    path
}

fn closes(report: &Report) {
    assert!((report.shares.values().sum::<f64>() - 1.0).abs() < 1e-9, "{:?}", report.shares);
    let path: f64 = report.critical_path.iter().map(|part| part.share).sum();
    assert!((path - 1.0).abs() < 1e-9, "{:?}", report.critical_path);
    for row in &report.devices.as_ref().unwrap().rows {
        assert!((row.shares.values().sum::<f64>() - 1.0).abs() < 1e-9, "{row:?}");
    }
}

/// Two pairs of ranks; in each both take the same time, in the second pair longer than in the first.
#[test]
fn groups_meet_only_among_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..4u64)
        .map(|rank| {
            let (group, ranks, work) =
                if rank < 2 { ("a", "[0, 1]", 7_000) } else { ("b", "[2, 3]", 15_000) };
            let events: Vec<Value> = (0..6)
                .flat_map(|step| {
                    let at = step * (work + 500);
                    [kernel("gemm", 7, at, work, json!({})), all_reduce(group, ranks, 64, at + work, 500)]
                })
                .collect();
            write(folder.path(), rank, &events)
        })
        .collect();
    let report = &explain_all(&paths).unwrap()[0];
    closes(report);
    assert!(report.damage.is_none());
    let idle: f64 = report.sync_points.iter().map(|point| point.idle_core_s).sum();
    assert_eq!((idle, report.stragglers.len(), report.clocks.len()), (0.0, 0, 0));
    assert_eq!(report.sync_points.iter().map(|point| point.count).collect::<Vec<_>>(), [6, 6]);
    let groups = &report.devices.as_ref().unwrap().groups;
    assert_eq!(
        groups.iter().map(|group| (group.name.as_str(), group.meetings)).collect::<Vec<_>>(),
        [("a [0, 1]", 6), ("b [2, 3]", 6)]
    );
    assert!(!report.shares.contains_key("wait"), "{:?}", report.shares);
}

#[test]
fn one_collective_more_is_resynchronised_and_said() {
    for sequences in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..2u64)
            .map(|rank| {
                let mut events = Vec::new();
                for step in 0..12u64 {
                    // Both end together; rank 1 works longer. After step 4 rank 0 runs one more.
                    let (at, work) = (step * 10_000, if rank == 1 { 8_000 } else { 5_000 });
                    events.push(kernel("gemm", 7, at, work, json!({})));
                    let mut found = all_reduce("0", "[0, 1]", 64, at + work, 9_000 - work);
                    if sequences {
                        found["args"]["Seq"] = json!(if rank == 0 && step > 4 { step + 1 } else { step });
                        // With sequence numbers, the one that is more has one of its own.
                        found["args"]["Seq"] = json!(2 * step);
                    }
                    events.push(found);
                    if rank == 0 && step == 4 {
                        let mut more = all_reduce("0", "[0, 1]", 64, at + 9_100, 100);
                        if sequences {
                            more["args"]["Seq"] = json!(9);
                        }
                        events.push(more);
                    }
                }
                write(folder.path(), rank, &events)
            })
            .collect();
        let report = &explain_all(&paths).unwrap()[0];
        closes(report);
        let point = &report.sync_points[0];
        assert_eq!(point.count, 12);
        assert!((point.idle_core_s - 12.0 * 0.003).abs() < 1e-6, "{point:?}");
        assert!(report.clocks.is_empty(), "{:?}", report.clocks);
        let notes = &report.devices.as_ref().unwrap().notes;
        assert!(notes.len() == 1 && notes[0].starts_with("rank/0 ran one operation"), "{notes:?}");
        assert!(report.damage.is_none(), "that is no damage");
    }
}

#[test]
fn receivers_wait_for_senders_and_no_clock_is_set_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..2u64)
        .map(|rank| {
            let name = if rank == 0 { "send" } else { "recv" };
            let events: Vec<Value> = (0..5u64)
                .flat_map(|step| {
                    let args = json!({"Collective name":name,"Process Group Name":"0","Process Group Ranks":"[0, 1]","Src Rank":0,"Dst Rank":1});
                    // The receiver waits from the start of the step; the sender comes 6 ms later and is gone at once.
                    let (from, dur) = if rank == 0 { (6_000, 100) } else { (0, 7_000) };
                    let at = step * 10_000;
                    [kernel("ncclDevKernel_SendRecv", 20, at + from, dur, args), kernel("gemm", 7, at + 7_500, 2_000, json!({}))]
                })
                .collect();
            write(folder.path(), rank, &events)
        })
        .collect();
    let report = &explain_all(&paths).unwrap()[0];
    closes(report);
    assert!(report.clocks.is_empty() && report.sync_points.is_empty());
    let rows = &report.devices.as_ref().unwrap().rows;
    let waited = |row: usize| rows[row].shares.get("wait").copied().unwrap_or(0.0) * report.wall_ms;
    assert!((waited(1) - 30.0).abs() < 1.0 && waited(0) == 0.0, "{rows:?}");
}

/// Each step: 2 ms of the loader, a kernel launched at once, a synchronising call, 1 ms of Python, an operator of 3 ms that
/// launches another kernel at its end.
#[test]
fn an_idle_device_is_explained_by_its_host() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = Vec::new();
    for step in 0..10u64 {
        let at = step * 10_000;
        let host = |cat: &str, name: &str, ts: u64, dur: u64, correlation: u64| json!({"ph":"X","cat":cat,"name":name,"pid":5,"tid":5,"ts":at + ts,"dur":dur,"args":{"correlation":correlation}});
        let device = |name: &str, ts: u64, dur: u64, correlation: u64| {
            kernel(name, 7, at + ts, dur, json!({"correlation":correlation}))
        };
        events.extend([
            host("user_annotation", &format!("ProfilerStep#{step}"), 0, 10_000, 0),
            host(
                "user_annotation",
                "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__",
                0,
                2_000,
                0,
            ),
            host("cuda_runtime", "cudaLaunchKernel", 2_000, 10, 2 * step + 1),
            device("first", 2_010, 1_990, 2 * step + 1),
            host("cuda_runtime", "cudaStreamSynchronize", 2_010, 1_990, 0),
            host("cpu_op", "aten::add", 5_000, 3_000, 0),
            host("cuda_runtime", "cudaLaunchKernel", 7_900, 100, 2 * step + 2),
            device("second", 8_000, 2_000, 2 * step + 2),
        ]);
    }
    let report = explain(&write(folder.path(), 0, &events)).unwrap();
    closes(&report);
    let share = |name: &str| (report.shares.get(name).copied().unwrap_or(0.0) * 1000.0).round() as i64;
    assert_eq!((share("data_loader"), share("compute")), (200, 399));
    // From the call's return on: 1 ms of Python, then the operators that must launch anew.
    assert_eq!((share("python"), share("synchronising"), share("launch")), (100, 300, 1));
    let devices = report.devices.as_ref().unwrap();
    assert_eq!(
        devices.kernels.iter().map(|row| (row.name.as_str(), row.count)).collect::<Vec<_>>(),
        [("second", 10), ("first", 10)]
    );
    assert_eq!((devices.launched_kernels, devices.shorter_than_launch), (20, 0));
    assert!(report.verdict.iter().any(|sentence| sentence.contains("data loader")), "{:?}", report.verdict);
}

/// As JAX writes it: devices are processes, steps and modules repeat what the operations tell, the last event is empty.
#[test]
fn a_trace_of_jax_tells_how_busy_its_device_was() {
    let folder = tempfile::tempdir().unwrap();
    let name = |what: &str, pid: u64, tid: u64, name: &str| json!({"ph":"M","name":what,"pid":pid,"tid":tid,"args":{"name":name}});
    let mut events = vec![
        name("process_name", 3, 0, "/device:TPU:0"),
        name("thread_name", 3, 1, "Steps"),
        name("thread_name", 3, 2, "XLA Ops"),
        name("process_name", 9, 0, "/host:CPU"),
        name("thread_name", 9, 4, "python"),
    ];
    for step in 0..4u64 {
        let at = step * 100_000;
        let slice = |pid: u64, tid: u64, name: &str, ts: u64, dur: u64| json!({"ph":"X","pid":pid,"tid":tid,"name":name,"ts":at + ts,"dur":dur});
        events.extend([
            slice(9, 4, "train_step", 0, 100_000),
            slice(3, 1, "1", 0, 100_000),
            slice(3, 2, "fusion.3", 75_000, 25_000),
        ]);
    }
    events.push(json!({}));
    let path = folder.path().join("trace.json");
    fs::write(&path, json!({"displayTimeUnit":"ns","traceEvents":events}).to_string()).unwrap();
    let report = explain(&path).unwrap();
    closes(&report);
    assert!(report.damage.is_none(), "{:?}", report.damage);
    assert!((report.shares["compute"] - 0.25).abs() < 1e-9, "{:?}", report.shares);
    assert!((report.shares["python"] - 0.75).abs() < 1e-9, "{:?}", report.shares);
    assert_eq!(report.devices.as_ref().unwrap().rows[0].name, "TPU:0");
}

#[test]
fn timelines_of_horovod_and_ray_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    let horovod = concat!(
        "[\n{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": 1, \"args\": {\"name\": \"grad/dense\"}},\n",
        "{\"name\": \"process_sort_index\", \"ph\": \"M\", \"pid\": 1, \"args\": {\"sort_index\": 1}},\n",
        "{\"ph\": \"B\", \"name\": \"NEGOTIATE_ALLREDUCE\", \"ts\": 100, \"pid\": 1},\n",
        "{\"ph\": \"X\", \"name\": \"0\", \"ts\": 110, \"pid\": 1, \"dur\": 0},\n",
        "{\"ph\": \"E\", \"ts\": 500, \"pid\": 1},\n",
        "{\"ph\": \"B\", \"name\": \"ALLREDUCE\", \"ts\": 500, \"pid\": 1},\n",
        "{\"ph\": \"E\", \"ts\": 900, \"pid\": 1, \"args\": {\"dtype\": \"float32\", \"shape\": \"[5]\"}},\n",
    );
    let ray = r#"[{"ph":"M","name":"process_name","pid":"node","args":{"name":"Node 10.0.0.1"}},
        {"cat":"task::train","name":"train","pid":"node","tid":"worker:1","ts":5.5,"dur":20.25,"ph":"X","cname":"rail_load","args":{"task_id":"a"}},
        {"cat":"task:deserialize_arguments","name":"task:deserialize_arguments","pid":"node","tid":"worker:1","ts":6,"dur":1,"ph":"X","args":{}}]"#;
    for (name, text) in [("horovod", horovod), ("ray", ray)] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let report = explain(&path).unwrap();
        assert!(report.damage.is_none(), "{name}: {:?}", report.damage);
        assert!((report.shares.values().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn a_trace_of_instants_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("instants.json");
    fs::write(&path, r#"[{"ph":"i","name":"a","ts":1,"pid":1,"tid":1,"s":"g"}]"#).unwrap();
    assert!(explain(&path).unwrap_err().to_string().contains("no event that takes time"));
}

/// A device whose host runs one operator for long before the first kernel, or as long in all before each of many.
#[test]
fn what_is_done_once_is_not_called_slow_launches() {
    let operator = |ts: f64, dur: f64, correlation: u64| {
        [
            json!({"ph":"X","cat":"cpu_op","name":"aten::conv2d","pid":9,"tid":1,"ts":ts,"dur":dur}),
            json!({"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":9,"tid":1,"ts":ts + dur - 10.0,"dur":10.0,
                "args":{"correlation":correlation}}),
        ]
    };
    let gemm = |ts: f64, correlation: u64| json!({"ph":"X","cat":"kernel","name":"gemm","pid":0,"tid":7,"ts":ts,"dur":100.0,"args":{"correlation":correlation}});
    let report = |first: f64, each: f64| {
        let (mut events, mut at) = (vec![gemm(0.0, 0)], 100.0);
        for launch in 1..=20u64 {
            let dur = if launch == 1 { first } else { each };
            events.extend(operator(at, dur, launch));
            at += dur;
            events.push(gemm(at, launch));
            at += 100.0;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), 0, &events);
        let report = explain(&path).unwrap();
        closes(&report);
        (report.wall_ms, report.verdict.join("\n"))
    };
    let (_, once) = report(500_000.0, 200.0);
    assert!(once.contains("is one stretch of 500 ms, 100 us from the start"), "{once}");
    assert!(!once.contains("graphs, fused operators"), "{once}");
    let (wall_ms, always) = report(400.5, 400.0);
    assert!(always.contains("graphs, fused operators") && !always.contains("one stretch"), "{always}");
    // A short run is told in the digits that it has.
    assert!((wall_ms - (21.0 * 0.1 + 20.0 * 0.4 + 0.0005)).abs() < 1e-9, "{wall_ms}");
    assert!(always.contains("of 10.1 ms"), "{always}");
}

#[test]
fn a_device_that_waits_for_another_stream_does_not_compute() {
    let folder = tempfile::tempdir().unwrap();
    let on = |name: &str, stream: u64, ts: u64, dur: u64| json!({"ph":"X","cat":"mtia_ccp_events","name":name,"pid":17,"tid":stream,"ts":ts,"dur":dur});
    let events = [on("fc", 1, 0, 1000), on("event_wait", 2, 0, 4000), on("merge", 2, 4000, 1000)];
    let report = explain(&write(folder.path(), 0, &events)).unwrap();
    closes(&report);
    assert!((report.shares["compute"] - 0.4).abs() < 1e-9, "{:?}", report.shares);
    let kernels: Vec<&str> =
        report.devices.as_ref().unwrap().kernels.iter().map(|kernel| kernel.name.as_str()).collect();
    assert_eq!(kernels, ["fc", "merge"]);
}
