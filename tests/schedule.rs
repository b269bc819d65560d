//! `syncline schedule`, through the command.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::{path::Path, process::Command};

fn syncline(folder: &Path, arguments: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .arg("schedule")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What is printed to start from can be started from.
#[test]
fn the_printed_examples_are_planned_with() {
    let folder = tempfile::tempdir().unwrap();
    for form in ["jobs", "cluster"] {
        let (code, example, err) = syncline(folder.path(), &format!("schema {form} --example"));
        assert_eq!(code, 0, "{err}");
        std::fs::write(folder.path().join(format!("{form}.toml")), example).unwrap();
        let (code, schema, _) = syncline(folder.path(), &format!("schema {form}"));
        assert_eq!(code, 0);
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
    let (code, out, err) = syncline(folder.path(), "plan jobs.toml cluster.toml --job bert");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("bert: ADMITTED"), "{out}");
    // 9e5 samples are believed, of 0.2 s and a little, by eight workers.
    assert!(out.contains("it would take 6.39 h"), "{out}");
    let (code, _, err) = syncline(
        folder.path(),
        "simulate --jobs jobs.toml --cluster cluster.toml --policy syncline,drf --slots 48",
    );
    assert_eq!(code, 0, "{err}");
}

const SMALL: &str = "--jobs 10 --machines 6 --seeds 1..2";

#[test]
fn simulate_reports_recorded_decisions_that_replay() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("simulate --policy syncline,pd-ors {SMALL} --json --out report --record run.jsonl");
    let (code, out, err) = syncline(folder.path(), &command);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let policies = json["policies"].as_array().unwrap();
    assert_eq!(policies.len(), 2);
    for field in [
        "mean_utility",
        "ci95",
        "mean_jobs",
        "mean_admitted",
        "mean_completed",
        "mean_jct_of_completed_seconds",
        "makespan_seconds",
        "median_decision_ms",
    ] {
        assert!(policies.iter().all(|policy| policy[field].is_number()), "{field}");
    }
    // The second is compared with the first, in pairs; a job that never completes is later than all others.
    assert!(
        policies[0]["against_first"].is_null() && policies[1]["against_first"]["ci95"].is_number(),
        "{out}"
    );
    assert!(policies[0]["mean_utility"].as_f64() >= policies[1]["mean_utility"].as_f64());
    let files =
        ["summary.csv", "classes.csv", "jobs.csv", "summary.parquet", "classes.parquet", "jobs.parquet"];
    for name in files.into_iter().chain(["cdf.svg", "gantt-syncline.svg", "index.html"]) {
        assert!(folder.path().join("report").join(name).metadata().unwrap().len() > 100, "{name}");
    }
    let (code, out, err) = syncline(folder.path(), "replay run.jsonl");
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("syncline: ") && out.contains("all as recorded"), "{out}");
}

/// One cluster file and one jobs file, for whatever is asked of them.
#[test]
fn the_same_files_are_simulated_planned_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = r#"[{"name": "a", "array": 3, "arrival": 600, "workload": 5400, "batch": 2, "seconds_per_sample": 1,
        "worker": {"gpu": 1}, "workers": {"min": 1, "max": 2}, "speeds": {"k80": 0.5, "v100": 1},
        "utility": {"shape": "linear", "value": 10, "zero_at": 10}}]"#;
    let machines = r#"{"machines": [{"name": "old", "count": 2, "capacity": {"gpu": 1}, "device": "k80"},
        {"name": "new", "capacity": {"gpu": 2}, "device": "v100"}]}"#;
    std::fs::write(folder.path().join("jobs.json"), jobs).unwrap();
    std::fs::write(folder.path().join("cluster.json"), machines).unwrap();
    let json = |command: &str| {
        let (code, out, err) = syncline(folder.path(), command);
        assert_eq!(code, 0, "{command}: {err}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()
    };
    let files = "--jobs jobs.json --cluster cluster.json --slots 12 --json";
    let simulated = json(&format!("simulate --policy all {files} --seeds 1"));
    let policies = simulated["policies"].as_array().unwrap();
    assert_eq!(policies.len(), 15);
    // One seed has no interval.
    assert!(policies.iter().all(|policy| policy["ci95"].is_null()), "{simulated}");
    let of = |name: &str| {
        let row = policies.iter().find(|policy| policy["name"] == name).unwrap();
        row["mean_utility"].as_f64().unwrap()
    };
    let bound = json(&format!("bound --policy syncline {files} --seeds 1"));
    let most = bound["seeds"][0]["bound"].as_f64().unwrap();
    assert!(
        of("syncline") > 0.0
            && policies
                .iter()
                .all(|policy| { policy["mean_utility"].as_f64().unwrap() <= most * (1.0 + 1e-6) }),
        "{simulated} {bound}"
    );
    let planned = json("plan jobs.json cluster.json --policy syncline --job a-0 --json");
    assert_eq!(planned["explained"]["steps"][0]["placement"][0]["machine"], 2, "{planned}");
}

/// A log that was cut off is replayed as far as it goes, and says so.
#[test]
fn a_log_that_ends_early_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let command = "simulate --policy fifo --jobs 4 --machines 2 --seeds 1 --record run.jsonl";
    assert_eq!(syncline(folder.path(), command).0, 0);
    let text = std::fs::read_to_string(folder.path().join("run.jsonl")).unwrap();
    for keep in [text.len() - 5, text.len() / 2] {
        std::fs::write(folder.path().join("cut.jsonl"), &text[..keep]).unwrap();
        let (code, out, err) = syncline(folder.path(), "replay cut.jsonl");
        assert_eq!(code, 1, "{out}{err}");
        assert!(out.contains("all as recorded") && err.contains("the log ends early"), "{out}{err}");
    }
    assert_eq!(syncline(folder.path(), "replay run.jsonl").0, 0);
}

const JOB: &str = r#"{"workload": 2e6, "batch": 64, "seconds_per_sample": 0.2, "gradient_mb": 100,
  "workers_per_server": 4, "worker": {"gpu": 1, "cpu": 4}, "server": {"cpu": 4}, "external_gbps": 1,
  "workers": {"min": 1, "max": 16}, "utility": {"shape": "sigmoid", "value": VALUE, "decay": 1, "target": 12}}"#;

#[test]
fn plan_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = format!("[{},{}]", JOB.replace("VALUE", "50"), JOB.replace("VALUE", "1e-9"));
    std::fs::write(folder.path().join("jobs.json"), jobs).unwrap();
    let machines =
        r#"{"machines": [{"capacity": {"gpu": 8, "cpu": 64}}, {"capacity": {"gpu": 8, "cpu": 64}}]}"#;
    std::fs::write(folder.path().join("cluster.json"), machines).unwrap();
    let (code, out, err) = syncline(folder.path(), "plan jobs.json cluster.json --job j0");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("j0: ADMITTED") && out.contains("<- best"), "{out}");
    let (code, out, _) = syncline(folder.path(), "plan jobs.json cluster.json");
    assert_eq!(code, 0);
    assert!(out.contains("j1: TURNED DOWN") && out.contains("j0               runs with"), "{out}");
    let (code, out, err) = syncline(folder.path(), "plan jobs.json cluster.json --policy syncline");
    assert_eq!(code, 0, "{err}");
    // Eleven slots of the whole cluster each, and twenty are planned: the second cannot be done beside the first.
    // Text is broken to the width of the screen.
    let in_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let out = in_one_line(&out);
    assert!(out.contains("j1: TURNED DOWN: on the empty cluster it would need 11 slots"), "{out}");
    assert!(out.contains("what is planned for others leaves too little room"), "{out}");
    let (code, out, err) =
        syncline(folder.path(), "plan jobs.json cluster.json --policy syncline --slots 30");
    assert_eq!(code, 0, "{err}");
    let out = in_one_line(&out);
    assert!(out.contains("j1: ADMITTED: it has a plan"), "{out}");
    assert!(out.contains("beside the plan of one other job"), "{out}");
    let (code, _, err) = syncline(folder.path(), "plan jobs.json cluster.json --policy drf");
    assert_eq!(code, 2);
    assert!(err.contains("only pd-ors and syncline plan ahead"), "{err}");
    let (code, _, err) = syncline(folder.path(), "plan jobs.json cluster.json --job nobody");
    assert_eq!(code, 2);
    assert!(err.contains("there are j0, j1"), "{err}");
}

/// The profile of a recorded run is fitted, and a thousand epochs of it planned.
#[test]
fn a_trained_run_is_planned() {
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(command.split_whitespace())
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../predict/tests/held_out/exp-4-bsp.parquet");
    run(&format!("predict {trace} --profile run.json"));
    let jobs = r#"[{"name": "softmax", "profile": "run.json", "epochs": 1000, "worker": {"cpu": 1},
                    "server": {"cpu": 1}, "external_gbps": 1}]"#;
    std::fs::write(folder.path().join("jobs.json"), jobs).unwrap();
    std::fs::write(folder.path().join("cluster.json"), r#"{"machines": [{"capacity": {"cpu": 4}}]}"#)
        .unwrap();
    let (code, out, err) = syncline(folder.path(), "plan jobs.json cluster.json --json");
    assert_eq!(code, 0, "{err}");
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["explained"]["admitted"], true, "{out}");
    let steps = plan["explained"]["steps"].as_array().unwrap();
    assert!(!steps.is_empty() && steps.iter().all(|step| step["internal"] == true), "{out}");
}

#[test]
fn bound_is_above_what_policies_reach() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = syncline(folder.path(), "bound --jobs 8 --machines 5 --seeds 1..2 --json");
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    for row in json["seeds"].as_array().unwrap() {
        for policy in row["policies"].as_array().unwrap() {
            assert!(
                policy["utility"].as_f64().unwrap() <= row["bound"].as_f64().unwrap() * (1.0 + 1e-6),
                "{row}"
            );
        }
    }
}

#[test]
fn bound_proves_the_optimum_of_small_instances() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) =
        syncline(folder.path(), "bound --setting small --exact --times paper --seeds 16..17 --json");
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    for row in json["seeds"].as_array().unwrap() {
        let [optimum, bound] = ["optimum", "bound"].map(|field| row[field].as_f64().unwrap());
        assert!(optimum <= bound * (1.0 + 1e-6), "{row}");
        for policy in row["policies"].as_array().unwrap() {
            assert!(policy["ratio"].as_f64().unwrap() >= 1.0 - 1e-6, "{row}");
        }
    }
    let command = "bound --jobs 12 --machines 6 --seeds 1 --exact --times paper --limit 1e-9 --policy drf";
    let (code, out, err) = syncline(folder.path(), command);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("the optimum is not known: ") && out.contains("bound / reached"), "{out}");
}

#[test]
fn mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, wanted_code, message) in [
        ("simulate --policy best", 2, "unknown policy `best`"),
        ("simulate --setting easy", 2, "unknown setting `easy`"),
        ("simulate --seeds 5..1", 2, "greater than"),
        ("simulate --trace absent.csv --format muri", 1, "absent.csv"),
        ("simulate --trace absent.trace --format gavel", 2, "--throughputs"),
        ("simulate --cluster 8by8 --trace a.csv --format muri", 2, "such as 8x8"),
        ("simulate --jobs 3 --cluster nonsense", 2, "such as 8x8"),
        ("simulate --jobs absent.json", 2, "also needs the machines"),
        ("simulate --jobs absent.json --cluster 2x2 --mix google", 2, "--mix has no effect here"),
        ("simulate --jobs absent.json --cluster 2x2", 1, "absent.json"),
        ("simulate --cluster 2x2 --machines 3", 2, "cannot be used with"),
        ("simulate --policy drf --floor free", 2, "--floor has no effect here"),
        ("simulate --policy drf --unfairness 0.2", 2, "--unfairness has no effect here"),
        ("simulate --policy drf --quanta 4", 2, "--quanta has no effect here"),
        ("simulate --format muri", 2, "--trace"),
        ("simulate --clock events --times paper", 2, "--times paper has no effect here"),
        ("plan absent.json nonsense", 2, "such as 8x8"),
        ("bound --jobs absent.json", 2, "also needs the machines"),
        ("bound --setting small --exact", 2, "--times paper"),
        ("simulate --outage 900:1..2", 2, "numbered from 0"),
        ("simulate --machines 0", 2, "no machine"),
        ("simulate --jobs 0", 2, "no job"),
        ("simulate --external-gbps 0..0", 2, "external_gbps"),
        ("simulate --quanta 0", 2, "1..=1000"),
        ("simulate --quanta-per-job 100000", 2, "1..=1000"),
        ("simulate --slots 100001", 2, "from 1 to 100000"),
        ("bound --slots 100000000000", 2, "from 1 to 100000"),
        ("bound --exact --limit 1e300", 2, "--limit"),
        ("plan absent.json absent.json --slots 18446744073709551615", 2, "from 1 to 100000"),
        ("bound --setting easy", 2, "unknown setting `easy`"),
        ("bound --exact --limit 0", 2, "--limit 0"),
        ("replay absent.jsonl", 1, "absent.jsonl"),
    ] {
        let (code, _, err) = syncline(folder.path(), arguments);
        assert_eq!(code, wanted_code, "{arguments}: {err}");
        assert!(err.contains(message), "{arguments}: {err}");
    }
}

/// Two nodes of two cores, as Slurm prints them; one job runs, one waits.
const QUEUE: &str = r#"{"jobs": [
 {"job_id": 1, "name": "first", "user_name": "anna", "partition": "all", "job_state": "RUNNING", "priority": 9, "submit_time": 1795968000,
  "start_time": 1795968000, "time_limit": 10, "cpus": 4, "tasks": 4, "node_count": 2, "nodes": "n[1-2]"},
 {"job_id": 2, "name": "second", "user_name": "bob", "partition": "all", "job_state": "PENDING", "state_reason": "Resources", "priority": 8,
  "submit_time": 1795968060, "time_limit": 5, "cpus": 2, "tasks": 2, "node_count": 1}]}
{"nodes": [{"name": "n1", "cpus": 2, "real_memory": 100, "gres": "", "state": "allocated", "partitions": ["all"]},
 {"name": "n2", "cpus": 2, "real_memory": 100, "gres": "", "state": "allocated", "partitions": ["all"]}]}
PartitionName=all State=UP MaxNodes=UNLIMITED MaxTime=UNLIMITED PriorityTier=1
"#;

#[test]
fn the_queue_of_another_scheduler_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("queue.json"), QUEUE).unwrap();
    let (code, out, err) = syncline(folder.path(), "plan --from queue.json --job second --rivals fifo,srtf");
    assert_eq!(code, 0, "{err}");
    let text = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "it needs 2 of cpu, and 0 of cpu is free on the 2 nodes of partition all; held by 1 (first) of anna (4 until 16:10:00 at the latest)",
        "in 9 min, at 16:10:00 UTC",
        "2 more nodes like its 0 s 0 s largest",
        "fifo 1",
        "srtf 1",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    let (code, out, _) = syncline(folder.path(), "plan --from queue.json --json");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, answer["system"].as_str()), (0, Some("slurm")));
    assert_eq!(answer["schema"], "syncline.schedule.plan.snapshot/1");
    assert_eq!(answer["waiting"][0]["lack"]["unit"], "cores");
    assert_eq!(answer["waiting"][0]["start_by_limits_unix_seconds"], 1_795_968_600.0);
    assert_eq!(answer["waiting"][0]["lack"]["held_by"][0]["amount"], 4.0);
}

#[test]
fn what_is_asked_wrongly_of_a_queue_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("queue.json"), QUEUE).unwrap();
    std::fs::write(folder.path().join("columns.txt"), "JOBID PARTITION\n 1 all\n").unwrap();
    for (arguments, code, told) in [
        ("plan --from queue.json --job 3", 1, "there is no job 3 in the snapshot"),
        ("plan --from columns.txt", 1, "columns.txt:1: neither JSON"),
        ("plan --from nowhere.json", 2, "neither `slurm` nor `kueue`"),
        ("plan --from queue.json jobs.json", 2, "cannot be used with"),
        ("plan --from queue.json --slots 3", 2, "cannot be used with"),
        ("plan --from queue.json --save kept", 2, "--save has no effect with a file"),
        ("plan --from queue.json --nodes 3", 2, "--job"),
        ("plan jobs.json cluster.json --rivals all", 2, "it goes with --from"),
        ("plan jobs.json cluster.json --seed 2", 2, "it goes with --from"),
    ] {
        let (found, _, err) = syncline(folder.path(), arguments);
        assert_eq!(found, code, "{arguments}: {err}");
        assert!(err.contains(told), "{arguments}: {err}");
    }
}
