//! Runs the tests, and lets a test hold a launcher: read its lines, signal it, and see that nothing is left of it.

use std::io::{BufRead, BufReader};
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A test and its name.
pub type Test = (&'static str, fn());

/// How long anything may take before the test gives up. A busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the tests whose names contain one of the arguments, or all.
pub fn run_all(tests: &[Test], arguments: &[String]) -> ExitCode {
    let filters: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter));
    let mut failed = 0;
    for (name, test) in tests.iter().filter(|(name, _)| wanted(name)) {
        let begun = Instant::now();
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {} ({:.2?})", if passed { "ok" } else { "FAILED" }, begun.elapsed());
        failed += usize::from(!passed);
    }
    println!("\n{failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A launcher in a process of its own, with a temporary directory of its own.
pub struct Launcher {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    directory: TempDir,
    begun: Instant,
    start_took: Duration,
}

/// What came of a launcher.
#[derive(Debug)]
pub struct Outcome {
    /// `None` when a signal killed it.
    pub code: Option<i32>,
    /// All that it wrote.
    pub text: String,
}

impl Launcher {
    pub fn start(scenario: &str) -> Self {
        Self::with(scenario, &[])
    }

    /// With these variables in its environment.
    pub fn with(scenario: &str, variables: &[(&str, &Path)]) -> Self {
        let directory = TempDir::new().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["scenario", scenario]).env("TMPDIR", directory.path()).env("RUST_BACKTRACE", "0");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let begun = Instant::now();
        let child = command.spawn().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(reader).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, seen: Vec::new(), directory, begun, start_took: Duration::ZERO }
    }

    /// Waits for a line that starts with `start`, and gives the rest of it.
    pub fn line(&mut self, start: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(rest) = self.seen.iter().find_map(|line| line.strip_prefix(start)) {
                if self.start_took.is_zero() {
                    self.start_took = self.begun.elapsed();
                }
                return rest.trim().to_owned();
            }
            match self.lines.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("no line `{start}` came; there were {:#?}", self.seen),
            }
        }
    }

    /// Waits for a line that starts with `start` and goes on after the one whose rest was `earlier`.
    pub fn later_line(&mut self, start: &str, earlier: &str) -> String {
        let begun = Instant::now();
        loop {
            let rests = self.seen.iter().filter_map(|line| line.strip_prefix(start)).map(str::trim);
            if let Some(later) = rests.skip_while(|rest| *rest != earlier).nth(1) {
                return later.to_owned();
            }
            match self.lines.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("no line `{start}` after `{earlier}` came; there were {:#?}", self.seen),
            }
        }
    }

    /// How long the first line that was waited for took: the pace of the machine.
    pub fn start_took(&self) -> Duration {
        self.start_took
    }

    /// Waits for `node` to tell its process's number.
    pub fn pid(&mut self, node: &str) -> i32 {
        self.line(&format!("[{node}] pid ")).parse().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        send(self.child.id().try_into().unwrap(), signal);
    }

    /// What marks the environment of all that it started.
    pub fn mark(&self) -> String {
        format!("TMPDIR={}", self.directory.path().display())
    }

    /// Where the run's sockets are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits for the end and checks that no file is left.
    pub fn end(mut self) -> Outcome {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "the launcher does not end");
            sleep(Duration::from_millis(2));
        };
        let begun = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
            self.seen.push(line);
        }
        let left = || std::fs::read_dir(self.directory.path()).unwrap().count();
        eventually("the run's files are gone", || left() == 0);
        Outcome { code: status.code(), text: self.seen.join("\n") }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // Only after a failed assertion is there still something to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn send(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Whether the process runs; a zombie that nobody has reaped yet does not.
pub fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// The living processes that have these variables in their environment. A launcher's temporary directory marks all
/// that it started.
pub fn marked(variables: &[String]) -> Vec<i32> {
    let has_all = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let has = |wanted: &String| environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes());
        variables.iter().all(has)
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(has_all).filter(|pid| lives(*pid)).collect()
}

pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "it never came to pass that {what}");
        sleep(Duration::from_millis(5));
    }
}

/// Checks that none of the processes lives, which must be so at once when their launcher has ended.
pub fn assert_gone(pids: &[i32]) {
    let left: Vec<_> = pids.iter().filter(|pid| lives(**pid)).collect();
    assert!(left.is_empty(), "still alive: {left:?}");
}
