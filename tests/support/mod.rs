//! Running the command as a user does.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

pub mod farm;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The command with these arguments, separated by blanks.
pub fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
    command.args(arguments.split_whitespace()).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(arguments: &str) -> Output {
    command(arguments).output().unwrap()
}

/// Runs it, which must succeed, and reads the JSON that it prints.
pub fn json(arguments: &str) -> Value {
    let output = run(&format!("{arguments} --json"));
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Samples that all workers of a run have gone through, by its report.
pub fn samples(report: &Value) -> u64 {
    report["workers"].as_array().unwrap().iter().map(|worker| worker["samples"].as_u64().unwrap()).sum()
}

/// What it wrote to standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that it fails with this exit code and a message that contains all of `parts`.
pub fn fails(arguments: &str, code: i32, parts: &[&str]) {
    let output = run(arguments);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {message}");
    // clap wraps lines; blanks are folded on both sides.
    let folded = message.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(folded.contains(part), "{arguments}: `{part}` is missing in: {message}");
    }
    assert!(!message.contains("panicked"), "{arguments}: {message}");
}

/// A CSV file of two classes along a line, with three columns and a header.
pub fn csv(folder: &Path, rows: usize) -> PathBuf {
    let mut text = "height,width,depth,kind\n".to_owned();
    for row in 0..rows {
        let x = (row as f64 * 0.7).sin() * 3.0;
        let y = (row as f64 * 1.3).cos() * 2.0;
        let kind = if x + y > 0.0 { "cat" } else { "dog" };
        writeln!(text, "{x:.4},{y:.4},{},{kind}", row % 7).unwrap();
    }
    write(folder, "animals.csv", &text)
}

/// A LIBSVM file of two classes with `features` features, 8 of which each row has.
pub fn libsvm(folder: &Path, rows: usize, features: usize) -> PathBuf {
    let mut text = String::new();
    for row in 0..rows {
        let mut columns: Vec<usize> =
            (0..8).map(|k| 1 + (row * 7919 + k * 104_729 + k * k * 31) % features).collect();
        columns.sort_unstable();
        columns.dedup();
        let label = if columns.iter().filter(|&&c| c % 2 == 0).count() * 2 > columns.len() { 1 } else { -1 };
        write!(text, "{label}").unwrap();
        columns.iter().for_each(|c| write!(text, " {c}:1").unwrap());
        text.push('\n');
    }
    write(folder, "sparse.svm", &text)
}

/// A file of a job, and its data beside it: a network of which every engine must make the same, to the bit.
pub fn job_file(folder: &Path) -> PathBuf {
    csv(folder, 1200);
    let job = "data = [\"animals.csv\"]\nlabel = \"kind\"\nmodel = \"mlp:16\"\nsync = \"bsp\"\nworkers = 3\nservers = 2\nepochs = 3\n\
               batch = 32\noptimizer = \"adam\"\nseed = 7\n";
    write(folder, "job.toml", job)
}

/// Writes a file.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The running children of a process: their numbers and the names of the nodes that they run.
pub fn children(parent: u32) -> Vec<(u32, String)> {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let of_tasks: String = tasks
        .map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let mut pids: Vec<u32> =
        format!("{children} {of_tasks}").split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().filter_map(|pid| Some((pid, node(pid)?))).collect()
}

/// The node that a process runs.
fn node(pid: u32) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let entries = environment.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    entries.filter_map(|entry| entry.strip_prefix("SYNCLINE_NODE=").map(str::to_owned)).next()
}

/// Waits until `condition` gives a value.
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(Duration::from_secs(120), what, condition)
}

/// Waits until `condition` has a value, for so long at most.
pub fn wait_within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// All processes and their environments.
pub fn processes() -> Vec<(u32, Vec<String>)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let environment = std::fs::read(entry.path().join("environ")).ok()?;
            let entries =
                environment.split(|byte| *byte == 0).map(|entry| String::from_utf8_lossy(entry).into_owned());
            Some((pid, entries.collect()))
        })
        .collect()
}

/// The process that started another, while it exists.
pub fn parent(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
    (parent > 1).then_some(parent)
}

/// Starts it with its output kept.
pub fn start(arguments: &str) -> Child {
    command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Whether a process still exists and is not just waiting to be collected.
pub fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

/// Waits until a process has a thread of this name, and then for it to have done a little.
pub fn wait_for_thread(pid: u32, name: &str) {
    wait_for(name, || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.map(|comm| comm.trim() == name).reduce(|a, b| a || b).filter(|&found| found)
    });
    std::thread::sleep(Duration::from_millis(300));
}
