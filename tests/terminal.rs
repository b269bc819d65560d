//! What a person sees: no line is wider than the terminal, and no name from a file acts upon it.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod support;

use std::{fs, path::Path, process::Output};

use support::{command, run, stderr, write};
use syncline_terminal::width;

/// The command at a width, in a folder; its arguments are separated by blanks.
fn at(columns: usize, folder: &Path, arguments: &str) -> Output {
    command(arguments).current_dir(folder).env("COLUMNS", columns.to_string()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Files that every command can read, each of a kind.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    support::csv(folder.path(), 300);
    let train = "train animals.csv --workers 3 --epochs 25 --inject worker=1:2ms --batch 16 \
         --trace run.parquet --save model.safetensors";
    let trained = at(80, folder.path(), train);
    assert!(trained.status.success(), "{}", stderr(&trained));
    write(folder.path(), "app.json", &spark("local2_lr", |log| log.to_owned()));
    let job = r#"{"name": "NAME", "workload": 2e6, "batch": 64, "seconds_per_sample": 0.2, "gradient_mb": 100,
        "workers_per_server": 4, "worker": {"gpu": 1, "cpu": 4}, "server": {"cpu": 4}, "external_gbps": 1,
        "workers": {"min": 1, "max": 16}, "utility": {"shape": "sigmoid", "value": 50, "decay": 1, "target": 12}}"#;
    write(
        folder.path(),
        "jobs.json",
        &format!("[{}, {}]", job.replace("NAME", "a"), job.replace("NAME", HOSTILE_JSON)),
    );
    let machines =
        r#"{"machines": [{"capacity": {"gpu": 8, "cpu": 64}}, {"capacity": {"gpu": 8, "cpu": 64}}]}"#;
    write(folder.path(), "cluster.json", machines);
    folder
}

/// A log of ours, changed.
fn spark(name: &str, change: impl Fn(&str) -> String) -> String {
    let path = format!("{}/../explain/tests/fixtures/{name}.json.zst", env!("CARGO_MANIFEST_DIR"));
    let log = zstd::decode_all(&fs::read(path).unwrap()[..]).unwrap();
    change(&String::from_utf8(log).unwrap())
}

/// Clears the screen, rings, forges a line, runs backwards and hides.
const HOSTILE: &str = "x\u{1b}[2J\u{7}\rAll is well\nerror: forged\u{9b}31m\u{202e}drow\u{200b}";
const HOSTILE_JSON: &str = r"x\u001b[2J\u0007\rAll is well\nerror: forged\u009b31m\u202edrow\u200b";

/// Every command that prints for people, on real inputs.
const COMMANDS: [&str; 27] = [
    "train animals.csv --workers 4 --servers 2 --epochs 3 --sync ssp:2",
    "train --epochs 1 --model softmax --workers 3",
    "compare animals.csv --sync bsp,asp --workers 2,3 --epochs 1",
    "evaluate model.safetensors animals.csv",
    "trace report run.parquet",
    "trace report app.json",
    "trace report run.parquet app.json",
    "trace sync-points app.json",
    "trace compare app.json app.json",
    "trace validate app.json run.parquet",
    "trace survey .",
    "predict run.parquet --workers 1..3,8 --sync bsp,ssp:1..2,asp,backup:1",
    "predict run.parquet --job-rounds 500 --workers 3",
    "predict app.json",
    "queue stability --system 1-barrier --workers 10 --tasks 5 --arrivals exp:0.3 --service exp:1",
    "queue mean --system split-merge --workers 10 --arrivals exp:0.3 --service exp:1",
    "queue bound --system fork-join --workers 16 --arrivals exp:0.5 --service exp:1 --quantile 1e-6",
    "queue optimal-tasks --workers 10 --work 100 --task-departure 0.1",
    "queue simulate --system fork-join --workers 4 --arrivals exp:0.5 --service exp:1 --jobs 2000",
    "schedule simulate --policy fifo,syncline --jobs 5 --machines 5 --seeds 1..2",
    "schedule simulate --policy drf --jobs 5 --sweep jobs=5,10 --seeds 1..2",
    "schedule bound --jobs 5 --machines 3 --seeds 1..2",
    "schedule plan jobs.json cluster.json",
    "train absent.csv",
    "train animals.csv --label nobody",
    "trace report animals.csv",
    "schedule simulate --policy best",
];

#[test]
fn no_line_is_wider_than_the_terminal() {
    let folder = files();
    for arguments in COMMANDS {
        for columns in [80, 60] {
            let output = at(columns, folder.path(), arguments);
            for line in text(&output.stdout).lines().chain(text(&output.stderr).lines()) {
                assert!(width(line) <= columns, "{arguments} at {columns}: {} columns: {line}", width(line));
            }
            let said = output.stdout.len() + output.stderr.len();
            assert!(said > 0, "{arguments} says nothing");
            assert_ne!(output.status.code(), Some(101), "{arguments}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_terminal_that_is_not_known_has_80_columns() {
    let folder = files();
    let output =
        command("trace report app.json").current_dir(folder.path()).env_remove("COLUMNS").output().unwrap();
    let widest = text(&output.stdout).lines().map(width).max().unwrap();
    assert!((60..=80).contains(&widest), "{widest}");
    let wide = text(&at(80, folder.path(), "trace report app.json --wide").stdout);
    assert!(wide.lines().any(|line| width(line) > 80), "{wide}");
}

#[test]
fn helps_fit_and_have_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for command in subcommands(folder.path(), "") {
        let output = at(80, folder.path(), &format!("{command} --help"));
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(help.lines().all(|line| width(line) <= 80), "{command}: {help}");
        assert!(help.contains("Example"), "{command}: {help}");
        let wrong = at(80, folder.path(), &format!("{command} --no-such-option"));
        assert_eq!(wrong.status.code(), Some(2), "{command}: {}", stderr(&wrong));
        let page = at(80, folder.path(), &format!("man {command}"));
        assert!(text(&page.stdout).starts_with(".ie"), "man {command}: {}", stderr(&page));
    }
}

/// All commands below this one, found in its help.
fn subcommands(folder: &Path, command: &str) -> Vec<String> {
    let help = text(&at(80, folder, &format!("{command} --help")).stdout);
    let Some(list) = help.split("\nCommands:\n").nth(1) else { return vec![command.to_owned()] };
    let names =
        list.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.flat_map(|name| subcommands(folder, format!("{command} {name}").trim())).collect()
}

/// Neither output has a character that a terminal obeys, and no line is forged.
fn is_harmless(what: &str, output: &Output) {
    for shown in [text(&output.stdout), text(&output.stderr)] {
        let acts = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{200b}".contains(c);
        assert!(!shown.contains(acts), "{what}: {shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("error: forged")), "{what}: {shown}");
        assert!(!shown.contains("\nAll is well"), "{what}: {shown}");
    }
}

#[test]
fn names_from_files_do_not_act() {
    let folder = files();
    let hostile = spark("local2_lr", |log| {
        let name = log.split("\"App Name\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        log.replace(&format!("\"App Name\":\"{name}\""), &format!("\"App Name\":\"{HOSTILE_JSON}\""))
            .replace("treeAggregate at", &format!("{HOSTILE_JSON} at"))
    });
    write(folder.path(), "hostile.json", &hostile);
    for arguments in [
        "trace report hostile.json",
        "trace report hostile.json --color always",
        "trace sync-points hostile.json",
        "trace compare hostile.json hostile.json",
        "trace compare hostile.json app.json",
        "trace validate hostile.json",
        "trace survey .",
        "trace survey . --markdown",
        "trace report hostile.json --json",
        "predict hostile.json",
        "predict hostile.json --json",
        "schedule plan jobs.json cluster.json",
        "schedule plan jobs.json cluster.json --job nobody",
    ] {
        let output = at(80, folder.path(), arguments);
        if arguments.contains("--color always") {
            let plain = text(&output.stdout).replace("\u{1b}[0m", "");
            let sequences: Vec<&str> = plain.split('\u{1b}').skip(1).map(|rest| &rest[..3]).collect();
            assert!(!sequences.is_empty() && sequences.iter().all(|found| *found != "[2J"), "{sequences:?}");
            continue;
        }
        is_harmless(arguments, &output);
        assert!(!output.stdout.is_empty() || output.status.code() == Some(2), "{arguments}");
    }
}

#[test]
fn names_of_files_do_not_act() {
    let folder = files();
    let names = ["animals.csv", "model.safetensors", "run.parquet", "app.json", "jobs.json"];
    let hostile = |name: &str| format!("{HOSTILE}{name}");
    for name in names {
        fs::copy(folder.path().join(name), folder.path().join(hostile(name))).unwrap();
    }
    write(folder.path(), &hostile("empty"), "");
    let (csv, model, log) = (hostile("animals.csv"), hostile("model.safetensors"), hostile("app.json"));
    let (run_file, empty) = (hostile("run.parquet"), hostile("empty"));
    let out = hostile("out");
    for arguments in [
        vec!["train", &csv, "--epochs", "1", "--save", &out],
        vec!["train", &csv, "--label", HOSTILE],
        vec!["train", &empty],
        vec!["train", HOSTILE],
        vec!["train", "--save", HOSTILE, "--trace", HOSTILE],
        vec!["train", "--lr", HOSTILE],
        vec!["evaluate", &model, &csv],
        vec!["evaluate", &csv, &csv],
        vec!["evaluate", &model, &empty],
        vec!["trace", "report", &log],
        vec!["trace", "report", &csv],
        vec!["trace", "report", &empty],
        vec!["trace", "report", HOSTILE],
        vec!["trace", "validate", &log, &csv, &run_file],
        vec!["trace", "export", &log, "--chrome", &out],
        vec!["trace", "survey", "."],
        vec!["trace", "survey", HOSTILE],
        vec!["predict", &run_file, "--profile", &out],
        vec!["predict", &csv],
        vec![
            "queue",
            "mean",
            "--system",
            "fork-join",
            "--workers",
            "2",
            "--service",
            &csv,
            "--arrivals",
            "exp:1",
        ],
        vec!["schedule", "plan", HOSTILE, &csv],
        vec!["schedule", "plan", &csv, &csv],
        vec!["schedule", "simulate", "--trace", &csv, "--format", "muri", "--cluster", "2x2"],
        vec!["schedule", "replay", &csv],
        vec![HOSTILE],
    ] {
        let output = command("").args(&arguments).current_dir(folder.path()).output().unwrap();
        assert_ne!(output.status.code(), Some(101), "{arguments:?}: {}", stderr(&output));
        is_harmless(&format!("{arguments:?}"), &output);
    }
}

#[test]
fn documents_say_what_they_are() {
    let folder = files();
    for (arguments, schema) in [
        ("train animals.csv --epochs 1", "syncline.train/2"),
        ("evaluate model.safetensors animals.csv", "syncline.evaluate/1"),
        ("trace report app.json", "syncline.trace.report/1"),
        ("trace report app.json run.parquet", "syncline.trace.report/1"),
        ("trace validate app.json", "syncline.trace.validate/1"),
        ("predict run.parquet", "syncline.predict/2"),
        (
            "queue sweep --system split-merge --workers 3 --service exp:1 --lambda 0.1..0.2:0.1 --no-simulation",
            "syncline.queue.sweep/2",
        ),
        ("schedule bound --jobs 4 --machines 3 --seeds 1", "syncline.schedule.bound/1"),
    ] {
        let output = at(80, folder.path(), &format!("{arguments} --json"));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(document["schema"], schema, "{arguments}: {}", stderr(&output));
    }
}

#[test]
fn quiet_is_the_answer_alone_and_verbose_is_all() {
    let folder = files();
    let train = "train animals.csv --epochs 30 --save again.safetensors";
    let output = at(80, folder.path(), train);
    assert!(stderr(&output).contains("wrote again.safetensors (") && !text(&output.stdout).contains("wrote"));
    assert!(text(&output.stdout).contains("\n  ..."), "{}", text(&output.stdout));
    let quiet = at(80, folder.path(), &format!("{train} -q"));
    assert_eq!(stderr(&quiet), "");
    assert!(!quiet.stdout.is_empty());
    let verbose = at(80, folder.path(), &format!("{train} -v"));
    assert!(!text(&verbose.stdout).contains("\n  ..."), "{}", text(&verbose.stdout));
    assert_eq!(run("train -q -v").status.code(), Some(2));
}

#[test]
fn shells_get_their_scripts() {
    for (shell, part) in
        [("bash", "complete -F"), ("zsh", "#compdef syncline"), ("fish", "complete -c syncline")]
    {
        let output = run(&format!("completions {shell}"));
        assert!(output.status.success() && text(&output.stdout).contains(part), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let output = at(80, folder.path(), "man --out pages");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(folder.path().join("pages/syncline-trace-report.1").exists());
    assert_eq!(at(80, folder.path(), "man nothing").status.code(), Some(2));
}
