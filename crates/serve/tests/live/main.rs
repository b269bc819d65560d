//! A real daemon with real processes, killed without warning.
//!
//! The daemon, and the small process of every attempt, are this test's own program under other arguments, so it has a `main`.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use syncline_schedule::{Cluster, PolicyName, Resources, replay::Recording};
use syncline_serve::{Client, Server, attempt, server, view::JobView};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("attempt") => attempt::run(Path::new(&arguments[2])).unwrap(),
        Some("serve") => serve(Path::new(&arguments[2]), arguments[3].parse().unwrap()),
        filter => test(filter.filter(|filter| !filter.starts_with('-')), &arguments),
    }
}

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("ends_are_stated", ends_are_stated),
    ("who_does_not_hear_sigterm_is_killed_with_all_its_children", who_does_not_hear_is_killed),
    ("a_small_process_that_is_killed_takes_its_job_along", a_killed_starter_takes_its_job_along),
    ("an_elastic_job_grows_when_another_ends", an_elastic_job_grows),
    ("a_job_is_told_of_its_size_though_the_daemon_dies_meanwhile", a_job_is_told_of_its_size),
    ("a_daemon_killed_at_random_moments_loses_nothing", || nothing_is_lost(6, 3)),
];

/// Named in full only: it takes minutes.
const LONG: Test = ("a_daemon_killed_at_fifty_random_moments_loses_nothing", || nothing_is_lost(50, 7));

fn test(filter: Option<&str>, arguments: &[String]) {
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let long = arguments.iter().any(|argument| argument == "--ignored");
    let all: &[Test] = if long { &[LONG] } else { TESTS };
    for (name, test) in all.iter().filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter))) {
        test();
        println!("test {name} ... ok");
    }
}

fn serve(folder: &Path, policy: PolicyName) {
    let cluster = Cluster::uniform(1, Resources::new(0.0, 2.0, 0.0, 0.0)).unwrap();
    let own = env::current_exe().unwrap().into_os_string();
    let server = Server {
        folder: folder.into(),
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        header: server::header(policy, cluster, 10.0, 20_000).unwrap(),
        starter: vec![own, OsString::from("attempt")],
        asker: Vec::new(),
        ask_every: syncline_serve::hosts::EVERY,
        log: |_| {},
    };
    server.run(|page| println!("{page}")).unwrap();
}

struct Daemon {
    folder: tempfile::TempDir,
    policy: PolicyName,
    child: Child,
    client: Client,
}

fn start(folder: &Path, policy: PolicyName) -> (Child, Client) {
    let mut child = Command::new(env::current_exe().unwrap())
        .arg("serve")
        .arg(folder.join("state"))
        .arg(policy.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("http://127.0.0.1:"), "the daemon did not start");
    (child, Client::of(&folder.join("state")).unwrap())
}

impl Daemon {
    fn new(policy: PolicyName) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, client) = start(folder.path(), policy);
        Self { folder, policy, child, client }
    }

    fn submit(&self, mut job: Value) {
        job["directory"] = json!(self.folder.path());
        self.client.submit(vec![job]).unwrap();
    }

    fn until(&self, name: &str, what: impl Fn(&JobView) -> bool) -> JobView {
        let begun = Instant::now();
        loop {
            let job = self.client.job(name).unwrap();
            if what(&job) {
                return job;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{name} stays {job:?}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn over(&self, name: &str) -> JobView {
        self.until(name, JobView::is_over)
    }

    /// As if somebody had pulled the plug: no handler runs.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        (self.child, self.client) = start(self.folder.path(), self.policy);
    }

    /// Kills the command of a running job, or the small process that waits for it; its name.
    fn kill_a_job(&self, random: u64) -> Option<String> {
        let running: Vec<JobView> =
            self.client.status().unwrap().jobs.into_iter().filter(|job| job.state == "running").collect();
        let job = running.get(random as usize / 2 % running.len().max(1))?;
        // Whose processes vanish without a word too often is given up: that is another test.
        let attempt = Some(job.attempts).filter(|attempts| *attempts < 3)?;
        let folder = self.folder.path().join("state/runs").join(&job.id).join(attempt.to_string());
        let file = if random.is_multiple_of(2) { "job" } else { "claim" };
        let process: Value = serde_json::from_str(&std::fs::read_to_string(folder.join(file)).ok()?).ok()?;
        let killed = Command::new("kill").args(["-KILL", &process["pid"].to_string()]).status().unwrap();
        killed.success().then(|| job.name.clone())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(view) = self.client.status() {
            let open: Vec<_> =
                view.jobs.iter().filter(|job| !job.is_over()).map(|job| job.id.clone()).collect();
            let ends = |job: &String| self.client.cancel(job).is_ok() && self.client.wait(job).is_ok();
            open.iter().for_each(|job| assert!(ends(job) || std::thread::panicking()));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shell(name: &str, script: &str) -> Value {
    json!({ "name": name, "seconds": 2, "command": ["sh", "-c", script] })
}

fn ends_are_stated() {
    let daemon = Daemon::new(PolicyName::Fifo);
    daemon.submit(shell("good", "echo of $SYNCLINE_JOB on {workers} >> log"));
    daemon.submit(json!({ "name": "gone", "command": ["no-such-program-anywhere"] }));
    daemon.submit(json!({ "name": "bad", "retries": 1, "command": ["sh", "-c", "echo try >> log; exit 3"] }));
    daemon.submit(shell("killed", "kill -9 $$"));
    assert_eq!(
        (daemon.over("good").state, daemon.log().lines().next()),
        ("done".into(), Some("of good on 1"))
    );
    let why = daemon.over("gone").why;
    assert!(why.starts_with("it failed: it could not be started: `no-such-program-anywhere`"), "{why}");
    assert_eq!(daemon.over("bad").why, "it failed: exit code 3");
    assert_eq!(daemon.log().matches("try").count(), 2);
    assert_eq!(daemon.over("killed").why, "it failed: killed by signal 9");
    // The room is free again.
    daemon.submit(
        json!({ "name": "wide", "seconds": 1, "workers": { "min": 2, "max": 2 }, "command": ["true"] }),
    );
    assert_eq!(daemon.over("wide").state, "done");
}

/// Processes that carry the mark of a job's attempt.
fn processes(daemon: &Daemon, attempt: &str) -> Vec<i32> {
    let folder = daemon.folder.path().canonicalize().unwrap().join("state/runs").join(attempt);
    syncline_serve::proc::marked(&folder.to_string_lossy())
}

fn who_does_not_hear_is_killed() {
    let daemon = Daemon::new(PolicyName::Fifo);
    let mut deaf = shell("deaf", "trap '' TERM; setsid sleep 61 & sleep 62");
    deaf["grace"] = json!(0.5);
    daemon.submit(deaf);
    daemon.until("deaf", |job| job.state == "running");
    while processes(&daemon, "j0/1").len() < 3 {
        std::thread::sleep(Duration::from_millis(30));
    }
    daemon.client.cancel("deaf").unwrap();
    assert_eq!(daemon.over("deaf").state, "cancelled");
    assert_eq!(processes(&daemon, "j0/1"), Vec::<i32>::new());
}

fn a_killed_starter_takes_its_job_along() {
    let daemon = Daemon::new(PolicyName::Fifo);
    daemon.submit(shell("job", "echo starts >> log; sleep 3; echo ends >> log"));
    let claim = daemon.folder.path().join("state/runs/j0/1/claim");
    while !daemon.log().contains("starts") {
        std::thread::sleep(Duration::from_millis(30));
    }
    let starter = attempt::read_process(&claim).unwrap();
    assert!(Command::new("kill").args(["-9", &starter.pid.to_string()]).status().unwrap().success());
    // Nobody knows how that attempt would have ended, so it is ended and begun again.
    let job = daemon.over("job");
    assert_eq!((job.state.as_str(), job.attempts), ("done", 2));
    assert_eq!(daemon.log(), "starts\nstarts\nends\n");
}

fn an_elastic_job_grows() {
    let daemon = Daemon::new(PolicyName::Drf);
    let mut grows = shell(
        "grows",
        "n=$(cat {folder}/n 2>/dev/null || echo 0); echo \"with {workers} from $n\" >> log
        while [ $n -lt 60 ]; do sleep 0.1; n=$((n + {workers})); echo $n > {folder}/next; mv {folder}/next {folder}/n; done
        echo done >> log",
    );
    (grows["seconds"], grows["resume"], grows["workers"]) =
        (json!(6), json!(true), json!({ "min": 1, "max": 2 }));
    let short = shell("short", "sleep 2");
    let jobs = [short, grows].map(|mut job| {
        job["directory"] = json!(daemon.folder.path());
        job
    });
    daemon.client.submit(jobs.to_vec()).unwrap();
    assert_eq!(daemon.over("grows").attempts, 2);
    let log = daemon.log();
    let lines: Vec<&str> = log.lines().collect();
    let fine = lines[0] == "with 1 from 0" && lines[1].starts_with("with 2 from ") && lines[2..] == ["done"];
    assert!(fine, "{log}");
}

/// The same, told while it runs: its command writes the size that its loop reads.
fn a_job_is_told_of_its_size() {
    let mut daemon = Daemon::new(PolicyName::Drf);
    let mut grows = shell(
        "grows",
        "n=0; echo {workers} > {folder}/size; echo begins >> log
        while [ $n -lt 60 ]; do sleep 0.1; n=$((n + $(cat {folder}/size))); done
        echo done >> log",
    );
    (grows["seconds"], grows["resume"], grows["workers"]) =
        (json!(6), json!(true), json!({ "min": 1, "max": 2 }));
    // It takes its time, so that the daemon can die meanwhile.
    grows["scale"] =
        json!(["sh", "-c", "sleep 1; echo {workers} > {folder}/next; mv {folder}/next {folder}/size"]);
    grows["pin"] = json!(true);
    let jobs = [shell("short", "sleep 1"), grows].map(|mut job| {
        job["directory"] = json!(daemon.folder.path());
        job
    });
    daemon.client.submit(jobs.to_vec()).unwrap();
    daemon.until("grows", |job| job.why.contains("has 2 at its next round"));
    daemon.kill();
    daemon.start_again();
    let job = daemon.over("grows");
    let ways: Vec<(u32, &str)> = job.spans.iter().map(|span| (span.workers, span.way.as_str())).collect();
    assert_eq!((job.attempts, ways), (1, vec![(1, "started"), (2, "resized")]));
    assert_eq!(daemon.log(), "begins\ndone\n");
}

/// A job whose log shows what must not happen: a start or an end twice, two attempts at once.
fn careful(number: usize) -> Value {
    let mut job = shell(
        &format!("job-{number}"),
        "exec 9>{folder}/lock; flock -n 9 || echo {name} overlaps >> log
        echo {name} starts >> log
        n=$(cat {folder}/n 2>/dev/null || echo 0)
        while [ $n -lt 15 ]; do sleep 0.1 9>&-; n=$((n + {workers})); echo $n > {folder}/next; mv {folder}/next {folder}/n; done
        echo {name} ends >> log",
    );
    // For those that are killed.
    job["retries"] = json!(9);
    job["resume"] = json!(number.is_multiple_of(2));
    job["workers"] = json!({ "min": 1, "max": 1 + u32::from(number.is_multiple_of(3)) });
    if number.is_multiple_of(6) {
        // Its loop goes on as it began: what counts is that it is told, and not stopped.
        job["scale"] = json!(["sh", "-c", "sleep 0.2"]);
    }
    job
}

/// Kills the daemon, and at every other moment a job or its small process, at so many moments of a random walk while jobs come, run
/// and go.
fn nothing_is_lost(times: usize, seed: u64) {
    let mut daemon = Daemon::new(PolicyName::Drf);
    let mut random = seed;
    let mut victims = BTreeSet::new();
    for number in 0..times {
        // Knuth's generator: any will do.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        daemon.submit(careful(number));
        std::thread::sleep(Duration::from_millis((random >> 33) % 700));
        if number % 2 == 1 {
            victims.extend(daemon.kill_a_job(random >> 40));
        }
        daemon.kill();
        if random >> 62 == 0 {
            // Jobs go on, and end, while nobody looks.
            std::thread::sleep(Duration::from_millis(500));
        }
        daemon.start_again();
    }
    for number in 0..times {
        let name = format!("job-{number}");
        let job = daemon.over(&name);
        let log = daemon.log();
        let count = |what: &str| log.lines().filter(|line| *line == format!("{name} {what}")).count();
        // One that was killed after its last word and before its end is begun again, and says it again.
        let ends = count("ends");
        let ended = ends == 1 || (ends > 1 && victims.contains(&name));
        assert!(job.state == "done" && ended, "{name}: {job:?}\n{log}");
        // What cannot resume was begun once, unless it was killed.
        let may_start_again = number.is_multiple_of(2) || victims.contains(&name);
        assert!(may_start_again || count("starts") == 1, "{name}: {job:?}\n{log}");
    }
    assert!(!daemon.log().contains("overlaps"), "{}", daemon.log());
    let file = daemon.folder.path().join("live.jsonl");
    std::fs::write(&file, daemon.client.recording().unwrap()).unwrap();
    let recording = Recording::read(&file).unwrap();
    assert!(recording.complete && recording.replay().unwrap() > times);
}
