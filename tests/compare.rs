//! `syncline compare`: policies side by side.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod support;

use std::fs;

use support::{fails, json, run, signal, start, stderr, wait_for};

#[test]
fn who_does_not_wait_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let data = support::csv(folder.path(), 400);
    let plots = folder.path().join("figures");
    let arguments = format!(
        "compare {} --sync bsp,asp --workers 2,3 --inject all:2ms --inject worker=1:6ms --epochs 2 --batch 16 --plots {}",
        data.display(),
        plots.display()
    );
    let found = json(&arguments);
    assert_eq!(found["schema"], "syncline.compare/1");
    let runs = found["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    let figure = |run: &serde_json::Value, key: &str| run[key].as_f64().unwrap();
    for (bsp, asp) in runs[..2].iter().zip(&runs[2..]) {
        assert_eq!((&bsp["sync"], &asp["sync"]), (&"bsp".into(), &"asp".into()));
        assert_eq!(bsp["workers"], asp["workers"]);
        assert!(figure(bsp, "waiting_share") > 0.2, "{bsp}");
        assert!(figure(asp, "waiting_share") < 0.5 * figure(bsp, "waiting_share"), "{asp}");
        assert_eq!(bsp["staleness"]["max"], 0, "{bsp}");
        // The fast ones take 2 ms a round, so that they are still at work when the slow one pushes.
        assert!(asp["staleness"]["mean"].as_f64().unwrap() > 0.1, "{asp}");
        let curve = bsp["curve"].as_array().unwrap();
        assert_eq!(curve.len(), 2);
        assert!(figure(&curve[1], "rounds") == figure(bsp, "rounds"), "{bsp}");
        assert!(figure(&curve[0], "time_s") < figure(&curve[1], "time_s"), "{bsp}");
    }
    for name in ["loss-time", "loss-rounds", "throughput", "waiting", "staleness"] {
        let plot = fs::read_to_string(plots.join(format!("{name}.svg"))).unwrap();
        assert!(plot.contains("<svg") && plot.contains("asp"), "{name}");
    }
    let text = run(&arguments);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("policy") && text.lines().count() >= 5, "{text}");
}

#[test]
fn the_options_of_train_reach_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = support::csv(folder.path(), 100);
    let data = data.display();
    let found =
        json(&format!("compare {data} --sync bsp --batch 10 --epochs 3 --validation 0.5 --on processes"));
    assert_eq!(found["runs"][0]["curve"].as_array().unwrap().len(), 3);
    // 50 rows of 2 workers in batches of 10.
    assert_eq!(found["runs"][0]["rounds"], 9, "{found}");
}

/// Something once a comparison trains under this policy.
fn trains(comparison: u32, policy: &str) -> Option<()> {
    let threads = fs::read_dir(format!("/proc/{comparison}/task")).ok()?.flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: String = children.collect::<Vec<_>>().join(" ");
    let is_given = |child: &str| {
        let line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&format!("--sync={policy}"))
    };
    children.split_whitespace().any(is_given).then_some(())
}

#[test]
fn an_interrupted_comparison_keeps_the_finished_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = support::csv(folder.path(), 400);
    let plots = folder.path().join("figures");
    // Rounds of 40 ms: a run takes a second and a half.
    let arguments = format!(
        "compare {} --sync bsp,asp --workers 2 --inject all:40ms --epochs 4 --batch 16 --json --plots {}",
        data.display(),
        plots.display()
    );
    for (name, code, told) in [("INT", 130, "Ctrl-C"), ("TERM", 143, "SIGTERM")] {
        let comparison = start(&arguments);
        wait_for("the second run", || trains(comparison.id(), "asp"));
        signal(comparison.id(), name);
        let output = comparison.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&found["interrupted"], &found["planned"]), (&told.into(), &2.into()), "{found}");
        let runs = found["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 1, "{found}");
        assert_eq!(runs[0]["sync"], "bsp");
        let plot = fs::read_to_string(plots.join("loss-time.svg")).unwrap();
        assert!(plot.contains("1 of 2 runs"), "{plot}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = support::csv(folder.path(), 60);
    let data = data.display();
    fails(&format!("compare {data} --sync bsp,backup:2 --workers 2,3"), 2, &["backup"]);
    fails(&format!("compare {data} --sync best"), 2, &["best"]);
    fails(&format!("compare {data} --workers 0"), 2, &["--workers 0"]);
    fails(&format!("compare {data} --save model.safetensors"), 2, &["--save"]);
    fails("compare -", 2, &["standard input"]);
    fails("compare absent.csv", 1, &["no run came to its end", "absent.csv"]);
    // One policy that fails is told beside those that do not.
    let output = run("compare --sync bsp --model linear --lr 1e30 --optimizer sgd --epochs 1");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}
