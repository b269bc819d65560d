//! Training in groups on processes, as a user meets it: the same bits as on threads, whatever is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::fs;

use support::{children, csv, fails, json, run, samples, signal, start, stderr, wait_for};

#[test]
fn processes_have_the_bits_of_threads_also_where_a_worker_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 900);
    let path = |name: &str| folder.path().join(name);
    let arguments = |save: &str, further: &str| {
        let (data, save) = (data.display(), path(save));
        format!(
            "train {data} --workers 4 --epochs 40 --model mlp:8 --sync hierarchical:2,3 --save {} {further}",
            save.display()
        )
    };
    let whole = json(&arguments("whole", ""));
    assert_eq!((samples(&whole), &whole["settings"]["servers"]), (40 * 720, &0.into()));
    json(&arguments("processes", "--on processes"));
    let model = |save: &str| fs::read(path(save)).unwrap();
    assert!(model("processes") == model("whole"));

    let checkpoints = path("checkpoints");
    let survives =
        "--on processes --on-worker-loss restart --json --inject all:5ms --checkpoint-every rounds:20";
    let started = start(&arguments("killed", &format!("{survives} --checkpoint {}", checkpoints.display())));
    let is_one = |entry: fs::DirEntry| entry.path().extension().is_some_and(|name| name == "checkpoint");
    wait_for("a checkpoint", || fs::read_dir(&checkpoints).ok()?.flatten().any(is_one).then_some(()));
    let (pid, _) = children(started.id()).into_iter().find(|(_, name)| name == "worker/2").unwrap();
    signal(pid, "KILL");
    let output = started.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["losses"].to_string().contains("worker 2 was lost: all went back to round"), "{report}");
    assert!(model("killed") == model("whole"));
}

#[test]
fn groups_are_compared_explained_and_predicted_and_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 900);
    let (data, trace) = (data.display(), folder.path().join("run.parquet"));
    let slow = "--on sim --compute exp:1ms --network 2Mbit/1ms,hosts=worker:2";
    let compared = json(&format!(
        "compare {data} --workers 4 --epochs 3 --model mlp:64 --sync bsp,allreduce,hierarchical:2,8 {slow}"
    ));
    let runs = compared["runs"].as_array().unwrap();
    let seconds = |sync: &str| {
        let run = runs.iter().find(|run| run["sync"] == sync).unwrap_or_else(|| panic!("{compared}"));
        run["wall_s"].as_f64().unwrap_or_else(|| panic!("{run}"))
    };
    let (bsp, ring, groups) = (seconds("bsp"), seconds("allreduce"), seconds("hierarchical:2,8"));
    assert!(groups < 0.6 * ring.min(bsp), "{bsp} {ring} {groups}");

    let arguments = format!("train {data} --workers 4 --epochs 20 --sync hierarchical:2,3 {slow}");
    assert!(run(&format!("{arguments} --trace {}", trace.display())).status.success());
    let trace = trace.display();
    let report = json(&format!("trace report {trace}")).to_string();
    assert!(report.contains("4 workers, hierarchical:2,3"), "{report}");
    let predicted = json(&format!("predict {trace} --workers 4,8"));
    let answers = predicted["predictions"].as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["round_s"].is_array()), "{predicted}");
    for other in ["bsp", "allreduce", "hierarchical:2"] {
        let refused = run(&format!("predict {trace} --sync {other}"));
        let said = String::from_utf8_lossy(&refused.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("says nothing of what workers exchange under"), "{said}");
    }

    // The hosts of the simulated network are groups, as if they had been counted.
    let of_hosts = |sync: &str| {
        let save = folder.path().join("hosts.safetensors");
        let network = "--on sim --compute 1ms --network 1Gbit/1ms,hosts=worker:2";
        let told = json(&format!(
            "train {data} --workers 4 --epochs 3 --sync {sync} {network} --save {}",
            save.display()
        ));
        assert_eq!(told["settings"]["sync"], "hierarchical:2,3", "{sync}");
        fs::read(save).unwrap()
    };
    assert!(of_hosts("hierarchical:host,3") == of_hosts("hierarchical:2,3"));

    let refused = |further: &str, part: &str| fails(&format!("train {data} {further}"), 2, &[part]);
    refused("--workers 4 --sync hierarchical:3", "a divisor of the number of workers");
    refused("--workers 2 --sync hierarchical:2", "several groups");
    refused("--workers 4 --sync hierarchical:1", "local:STEPS");
    refused("--workers 4 --sync hierarchical:two", "hierarchical:GROUP,PERIOD");
    refused("--workers 4 --sync hierarchical:2 --servers 2", "leave --servers out");
    refused("--workers 4 --sync hierarchical:2 --elastic 2", "does not pass to others");
    refused("--workers 4 --sync hierarchical:host,3", "all 4 workers are on one");
    refused("--sync hierarchical:host,3", "add --workers");
    refused("--on slurm:nodes=2 --workers 4 --sync hierarchical:host,3", "hierarchical:4,3");
    let uneven = "--on sim --network 1Gbit/1ms,hosts=worker:4";
    refused(&format!("{uneven} --workers 6 --sync hierarchical:host,3"), "they have 4, 2");
    refused("--on sim --network 1Gbit/1ms,hosts=4", "hosts=worker:4");
}
