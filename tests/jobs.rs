//! Jobs in files, runs in folders: what `syncline train job.toml --run-dir` and `syncline runs` do for a user.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{fs, path::Path};

use support::{command, csv, fails, json, run, signal, start, stderr, wait_for, write};

fn succeeded(arguments: &str) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with data and a job of them.
fn job(further: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    csv(folder.path(), 300);
    write(
        folder.path(),
        "job.toml",
        &format!("data = [\"animals.csv\"]\nlabel = 4\nmodel = \"softmax\"\nepochs = 3\nseed = 5\n{further}"),
    );
    folder
}

#[test]
fn a_job_trains_like_its_flags_and_flags_override_it() {
    let folder = job("lr = 0.05\nsync = \"ssp:1\"\nshuffle = false\n");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let of_job = json(&format!("train {} --workers 1", path("job.toml")));
    let flags = "--label 4 --model softmax --epochs 3 --seed 5 --lr 0.05 --sync ssp:1 --no-shuffle";
    let of_flags = json(&format!("train {} {flags} --workers 1", path("animals.csv")));
    assert_eq!(of_job["settings"], of_flags["settings"]);
    assert_eq!(of_job["metrics"], of_flags["metrics"]);
    let over =
        json(&format!("train {} --workers 1 --sync bsp --no-shuffle=false --epochs 2", path("job.toml")));
    assert_eq!(
        (&over["settings"]["sync"], &over["settings"]["shuffle"], &over["settings"]["epochs"]),
        (&"bsp".into(), &true.into(), &2.into())
    );
    assert_eq!(over["settings"]["seed"], 5, "what no flag says is the file's");
}

#[test]
fn a_dry_run_prints_a_job_that_is_the_same_run() {
    let folder = job("");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = succeeded(&format!("train {} --workers 2 --dry-run", path("job.toml")));
    write(folder.path(), "whole.toml", &text);
    assert_eq!(succeeded(&format!("train {} --dry-run", path("whole.toml"))), text, "nothing was left open");
    for key in ["lr = 0.03\n", "optimizer = \"adam\"\n", "batch = ", "sync = \"bsp\"\n", "workers = 2\n"] {
        assert!(text.contains(key), "{key} is missing in {text}");
    }
    let (first, second) = (path("first.safetensors"), path("second.safetensors"));
    succeeded(&format!("train {} --workers 2 --save {first}", path("job.toml")));
    succeeded(&format!("train {} --save {second} --on processes", path("whole.toml")));
    assert!(fs::read(first).unwrap() == fs::read(second).unwrap());
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn what_is_wrong_with_a_job_is_said_with_its_line() {
    let folder = job("wrokers = 3\n");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fails(&format!("train {}", path("job.toml")), 2, &["job.toml, line 6", "`wrokers`", "`workers`"]);
    for (line, parts) in [
        ("sync = \"sso:1\"", &["line 2", "`sso:1`", "ssp:BOUND"] as &[&str]),
        ("workers = \"many\"", &["line 2", "\"many\""]),
        ("inject = [\"worker=2\"]", &["line 2", "WHO:AMOUNT"]),
        ("validation = true", &["line 2", "a share of the rows such as 0.2, or a file"]),
        ("lr = 0.1\nlr = 0.2", &["line 3", "duplicate key"]),
        ("on = \"moon\"", &["line 2", "`moon`"]),
        ("network = \"1Gbit/1ms\"", &["add --on sim"]),
        ("keep = 2", &["add --checkpoint"]),
        ("workers = 0", &["workers is 0"]),
    ] {
        write(folder.path(), "wrong.toml", &format!("model = \"softmax\"\n{line}\n"));
        fails(&format!("train {} --dry-run", path("wrong.toml")), 2, parts);
    }
    fails(&format!("train {}", path("nowhere.toml")), 1, &["nowhere.toml", "No such file"]);
}

/// Files of a run's folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_has_a_folder_and_runs_can_be_listed_shown_and_compared() {
    let folder = job("");
    let path = |name: &str| folder.path().join(name).display().to_string();
    succeeded(&format!("train {} --run-dir {}", path("job.toml"), path("runs/a")));
    succeeded(&format!("train {} --run-dir {} --sync asp --lr 0.1", path("job.toml"), path("runs/b")));
    assert_eq!(
        names(&folder.path().join("runs/a")),
        [
            ".lock",
            "checkpoints",
            "job.toml",
            "log",
            "model.safetensors",
            "outcome.json",
            "progress.jsonl",
            "report.json",
            "report.txt",
            "trace.parquet"
        ]
    );
    let list = json(&format!("runs {}", path("runs")));
    let runs = list["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["run"], &runs[1]["state"]), (2, &"a".into(), &"finished".into()));
    assert!(runs[0]["figures"]["train_loss"].as_f64().unwrap() > 0.0);
    let text = succeeded(&format!("runs {}", path("runs")));
    assert!(text.contains("softmax") && text.contains("finished"), "{text}");
    let shown = succeeded(&format!("runs show {}", path("runs/b")));
    assert!(shown.contains("sync = \"asp\"") && shown.contains("where the time went"), "{shown}");
    let compared = json(&format!("runs compare {}", path("runs")));
    assert_eq!(compared["differences"], serde_json::json!({"lr": ["0.03", "0.1"], "sync": ["bsp", "asp"]}));
    let scored = succeeded(&format!("apply {} {}", path("runs/a/model.safetensors"), path("animals.csv")));
    assert!(scored.lines().count() > 300);
    succeeded(&format!("trace report {}", path("runs/a/trace.parquet")));
    fails(
        &format!("train {} --run-dir {}", path("job.toml"), path("runs/a")),
        2,
        &["an earlier run", "runs resume"],
    );
    fails(&format!("runs resume {}", path("runs/a")), 2, &["came to its end"]);
    fails(&format!("runs show {}", path("runs")), 1, &["job.toml", "No such file"]);
    let data = path("animals.csv");
    fs::hard_link(&data, path("other.csv")).unwrap();
    fails(&format!("train {data} --save {}", path("other.csv")), 2, &["named twice"]);
}

#[test]
fn a_killed_run_goes_on_in_its_folder_to_the_same_bytes_and_a_running_one_is_let_alone() {
    let folder = job("");
    write(
        folder.path(),
        "job.toml",
        "data = [\"animals.csv\"]\nworkers = 2\nepochs = 60\ncheckpoint_every = \"rounds:20\"\n",
    );
    let path = |name: &str| folder.path().join(name).display().to_string();
    let job = path("job.toml");
    succeeded(&format!("train {job} --run-dir {}", path("whole")));
    let mut killed =
        start(&format!("train {job} --on processes --inject all:10ms --run-dir {}", path("killed")));
    let checkpoints = folder.path().join("killed/checkpoints");
    wait_for("a checkpoint", || {
        let found = fs::read_dir(&checkpoints).ok()?.flatten();
        found
            .into_iter()
            .any(|entry| entry.path().extension().is_some_and(|end| end == "checkpoint"))
            .then_some(())
    });
    fails(&format!("runs resume {}", path("killed")), 2, &["another run writes there now"]);
    assert_eq!(json(&format!("runs {}", path("killed")))["runs"][0]["state"], "running");
    signal(killed.id(), "KILL");
    killed.wait().unwrap();
    let line = &json(&format!("runs {}", path("killed")))["runs"][0];
    assert_eq!(line["state"], "killed");
    assert!(line["checkpoint_round"].as_u64().unwrap() >= 20);
    let mut resumed = command(&format!("runs resume {}", path("killed")));
    let output = resumed.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let model = |run: &str| fs::read(path(&format!("{run}/model.safetensors"))).unwrap();
    assert!(model("killed") == model("whole"));
    assert!(names(&folder.path().join("killed")).contains(&"trace-1.parquet".to_owned()));
    let log = fs::read_to_string(path("killed/log")).unwrap();
    let said: Vec<&str> = log.lines().filter_map(|line| line.split_once(' ')).map(|(_, said)| said).collect();
    assert!(said.contains(&"begins") && said.contains(&"goes on"), "{log}");
    assert_eq!(said.last(), Some(&"finished"));
}
