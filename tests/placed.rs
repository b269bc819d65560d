//! The scheduler places jobs on hosts that `ssh` reaches: servers of SSH on this machine, each at an address of its own.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use support::farm::Farm;

const CLUSTER: &str = "\
[[machines]]
name = 'left'
labels = { ssh = 'left' }
capacity = { cpu = 1 }
[[machines]]
name = 'right'
labels = { ssh = 'right' }
capacity = { cpu = 1 }
";

struct Daemon {
    farm: Farm,
    child: Child,
}

fn start(farm: &Farm) -> Child {
    let arguments = format!(
        "schedule serve --listen 127.0.0.1:0 --policy fifo --ask-hosts-every 1 --state {} --cluster {}",
        farm.at("state").display(),
        farm.at("cluster.toml").display()
    );
    let mut child = farm.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("http://"), "the daemon did not start");
    child
}

impl Daemon {
    fn new() -> Option<Self> {
        Self::of(CLUSTER)
    }

    fn of(cluster: &str) -> Option<Self> {
        let farm = Farm::on_loopback()?;
        std::fs::write(farm.at("cluster.toml"), cluster).unwrap();
        let child = start(&farm);
        Some(Self { farm, child })
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Output {
        let mut schedule =
            self.farm.command(&format!("schedule {command} --state {}", self.farm.at("state").display()));
        schedule.args(arguments).current_dir(self.farm.at("")).output().unwrap()
    }

    fn submit(&self, jobs: &str) {
        std::fs::write(self.farm.at("jobs.toml"), jobs).unwrap();
        let output = self.run("submit", &["jobs.toml"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn job(&self, name: &str) -> Value {
        serde_json::from_slice(&self.run("status", &[name, "--json"]).stdout).unwrap()
    }

    fn until(&self, name: &str, what: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let job = self.job(name);
            if what(&job) {
                return job;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{name} stays {job}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.run("status", &["--all", "--json"]).stdout).unwrap()
    }

    /// What the daemon says of the machine that does not answer, if it says so.
    fn gone(&self, machine: &str) -> Option<String> {
        let status = self.status();
        let its = status["machines"].as_array().unwrap().iter().find(|one| one["name"] == machine).unwrap();
        its["gone"].as_str().map(str::to_owned)
    }

    fn over(&self, name: &str) -> Value {
        self.until(name, |job| !job["ended_seconds"].is_null())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn jobs_run_on_the_hosts_where_they_are_placed() {
    let Some(daemon) = Daemon::new() else { return };
    std::fs::write(daemon.farm.at("learns.toml"), "workers = 2\nepochs = 2\n").unwrap();
    daemon.submit(
        "[[jobs]]\nname = 'says'\nseconds = 1\ncommand = ['sh', '-c', 'echo in $SYNCLINE_NODE of $SYNCLINE_MACHINES; exit 3']\n\
         [[jobs]]\nname = 'takes'\nseconds = 1\ncommand = ['cat', '{hosts}']\n\
         [[jobs]]\nname = 'learns'\ntrain = 'learns.toml'\nworkers = { min = 2, max = 2 }\n\
         [[jobs]]\nname = 'half'\ntrain = 'learns.toml'\nworkers = { min = 1, max = 1 }\n\
         [[jobs]]\nname = 'stops'\nresume = true\ncommand = ['sh', '-c', 'trap \"echo asked; exit 0\" TERM; sleep 100 & wait']\n",
    );
    let says = daemon.over("says");
    let said = String::from_utf8_lossy(&daemon.run("status", &["says"]).stdout).into_owned();
    // The node's own process is there, and its exit code comes home.
    assert!(
        said.contains("in job")
            && said.contains(":1:0")
            && says["why"].as_str().unwrap().contains("exit code 3"),
        "{said} {says}"
    );
    assert_eq!(daemon.over("takes")["state"], "done");
    let said = String::from_utf8_lossy(&daemon.run("status", &["takes"]).stdout).into_owned();
    assert!(said.contains("slots=1"), "{said}");
    let learns = daemon.over("learns");
    let said = String::from_utf8_lossy(&daemon.run("status", &["learns"]).stdout).into_owned();
    assert_eq!(learns["state"], "done", "{said}");
    // One of the run's two workers is there, and does the work of both.
    let half = daemon.over("half");
    let said = String::from_utf8_lossy(&daemon.run("status", &["half"]).stdout).into_owned();
    assert_eq!(half["state"], "done", "{said}");
    daemon.until("stops", |job| job["state"] == "running");
    support::wait_for("the command", || (!daemon.farm.nodes().is_empty()).then_some(()));
    assert!(daemon.run("cancel", &["stops"]).status.success());
    daemon.until("stops", |job| job["state"] == "cancelled");
    support::wait_for("its end", || daemon.farm.nodes().is_empty().then_some(()));
}

/// Kills a process, unless it has ended since it was found.
fn kill(pid: u32) {
    Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status().unwrap();
}

/// The daemon, the command on its host, and the connection to it, each killed without warning.
#[test]
fn a_job_on_a_host_is_neither_lost_nor_run_twice() {
    let Some(mut daemon) = Daemon::new() else { return };
    let script = "exec 9>{folder}/lock; flock -n 9 || echo overlaps >> {folder}/log
        n=$(cat {folder}/n 2>/dev/null || echo 0)
        while [ $n -lt 60 ]; do sleep 0.1 9>&-; n=$((n + 1)); echo $n > {folder}/next; mv {folder}/next {folder}/n; done
        echo ends >> {folder}/log";
    let job = format!(
        "[[jobs]]\nname = 'counts'\nseconds = 6\nresume = true\nretries = 9\ncommand = ['sh', '-c', '''{script}''']\n"
    );
    daemon.submit(&job);
    for what in ["daemon", "node", "connection", "node"] {
        // After a lost connection it is begun again when a node that hears nothing has ended itself.
        let again = || (!daemon.farm.nodes().is_empty()).then_some(());
        support::wait_within(Duration::from_secs(90), "the command", again);
        std::thread::sleep(Duration::from_millis(300));
        match what {
            "daemon" => {
                daemon.child.kill().unwrap();
                daemon.child.wait().unwrap();
                daemon.child = start(&daemon.farm);
            }
            "node" => daemon.farm.nodes().iter().for_each(|(pid, _)| kill(*pid)),
            _ => {
                let is_ssh = |pid: &u32| {
                    std::fs::read_to_string(format!("/proc/{pid}/comm"))
                        .is_ok_and(|comm| comm.trim() == "ssh")
                };
                daemon.farm.connections().into_iter().filter(is_ssh).for_each(kill);
            }
        }
    }
    let job = daemon.over("counts");
    let log = std::fs::read_to_string(daemon.farm.at("state/runs/j0/files/log")).unwrap();
    assert_eq!((job["state"].as_str(), log.as_str()), (Some("done"), "ends\n"), "{job}");
}

/// Says which attempt begins, holds a lock while it runs, and says that it ends.
const RUNS: &str = "exec 9>{folder}/lock; flock -n 9 || echo overlaps >> {folder}/log
    echo $SYNCLINE_ATTEMPT >> {folder}/log; sleep LENGTH 9>&-; echo ends >> {folder}/log";

fn job(name: &str, length: f64, more: &str) -> String {
    let script = RUNS.replace("LENGTH", &length.to_string());
    format!("[[jobs]]\nname = '{name}'\nseconds = {length}\n{more}command = ['sh', '-c', '''{script}''']\n")
}

/// The same, but it goes on until it is let go by a file.
fn held(name: &str, by: &Path) -> String {
    let waits = format!("until [ -e {} ]; do sleep 0.1 9>&-; done", by.display());
    let script = RUNS.replace("sleep LENGTH 9>&-", &waits);
    format!("[[jobs]]\nname = '{name}'\nseconds = 4\ncommand = ['sh', '-c', '''{script}''']\n")
}

#[test]
fn nothing_is_placed_on_a_host_that_is_gone_until_it_answers_again() {
    let Some(mut daemon) = Daemon::new() else { return };
    // Both are there when the host crashes, and one when it is known to be gone, however slow this machine is.
    let go = daemon.farm.at("go");
    daemon.submit(&(held("first", &go) + &held("second", &go)));
    support::wait_for("both", || (daemon.farm.placed().len() == 2).then_some(()));
    let there = |daemon: &Daemon, name: &str| {
        let job = daemon.job(name);
        job["spans"].as_array().unwrap().last().map(|span| span["machine"].as_str().unwrap().to_owned())
    };
    let (lost, other) = if there(&daemon, "first").as_deref() == Some("left") {
        ("first", "second")
    } else {
        ("second", "first")
    };
    daemon.farm.crash("left");
    let why = support::wait_for("the daemon to know", || daemon.gone("left"));
    assert!(why.contains("refused"), "{why}");
    let said = String::from_utf8_lossy(&daemon.run("status", &[]).stdout).into_owned();
    assert!(said.contains("left does not answer"), "{said}");
    std::fs::write(&go, "").unwrap();
    daemon.submit(&(job("third", 0.1, "") + &job("fourth", 0.1, "")));
    for name in [other, "third", "fourth"] {
        assert_eq!(daemon.over(name)["state"], "done");
    }
    assert_eq!(there(&daemon, "third").as_deref(), Some("right"));
    assert_eq!(there(&daemon, "fourth").as_deref(), Some("right"));
    // It has no retries: that its host was lost is no failure of it.
    assert_eq!(daemon.over(lost)["state"], "done");
    assert_eq!(there(&daemon, lost).as_deref(), Some("right"));
    daemon.farm.boot("left");
    support::wait_for("the daemon to know", || daemon.gone("left").is_none().then_some(()));
    daemon.submit(&(job("fifth", 2.0, "") + &job("sixth", 2.0, "")));
    let both = [daemon.over("fifth"), daemon.over("sixth")];
    assert!(both.iter().any(|job| job["spans"][0]["machine"] == "left"), "{both:?}");
}

const THREE: &str = "\
[[machines]]
name = 'left'
labels = { ssh = 'left' }
capacity = { cpu = 2 }
[[machines]]
name = 'middle'
labels = { ssh = 'middle' }
capacity = { cpu = 2 }
[[machines]]
name = 'right'
labels = { ssh = 'right' }
capacity = { cpu = 2 }
";

/// A stream of numbers below one, the same for the same seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24)
    }
}

/// What the books say that runs where: job, attempt, host.
fn in_the_books(status: &Value) -> Vec<(String, String, String)> {
    let jobs = status["jobs"].as_array().unwrap().iter().filter(|job| job["state"] == "running");
    let of = |job: &Value| {
        let last = job["spans"].as_array().unwrap().last().unwrap()["machine"].as_str().unwrap().to_owned();
        (job["id"].as_str().unwrap().to_owned(), job["attempts"].to_string(), last)
    };
    let mut all: Vec<_> = jobs.map(of).collect();
    all.sort();
    all
}

/// Hosts that lose their power at random moments, and start again.
///
/// An attempt that has ended when its host crashes, and before that was heard of, is begun again: how it ended is lost with its host.
fn hosts_crash(times: usize, jobs: usize, longest: f64, seed: u64) {
    let Some(mut daemon) = Daemon::of(THREE) else { return };
    let mut draw = Draw(seed);
    let all: Vec<String> = (0..jobs)
        .map(|number| {
            let more = if number % 2 == 0 { "retries = 9\n" } else { "retries = 9\nresume = true\n" };
            job(&format!("job-{number}"), (longest * (3.0 + 7.0 * draw.next())).round() / 10.0, more)
        })
        .collect();
    daemon.submit(&all.concat());
    // What the books said that ran on a host at the moment of its crash: job and attempt.
    let mut struck: Vec<(String, String)> = Vec::new();
    for time in 0..times {
        // At most a minute passes without a job that runs: until what was lost may be begun again.
        let any = || (!daemon.farm.placed().is_empty()).then_some(());
        support::wait_within(Duration::from_secs(120), "a job that runs", any);
        std::thread::sleep(Duration::from_secs_f64(4.0 * draw.next()));
        let host = support::farm::HOSTS[(3.0 * draw.next()) as usize];
        let hit = daemon.farm.placed().iter().filter(|(.., on)| *on == host).count();
        let there = in_the_books(&daemon.status()).into_iter().filter(|(.., on)| on == host);
        struck.extend(there.map(|(id, attempt, _)| (id, attempt)));
        daemon.farm.crash(host);
        assert!(daemon.farm.placed().iter().all(|(.., on)| *on != host));
        let down = 3.0 * draw.next();
        std::thread::sleep(Duration::from_secs_f64(down));
        daemon.farm.boot(host);
        // At some moment soon the books are what runs: all that ended has been heard of, all that was begun has started.
        let agree = || {
            let placed = daemon.farm.placed();
            let mut ids: Vec<&String> = placed.iter().map(|(id, ..)| id).collect();
            ids.dedup();
            assert_eq!(ids.len(), placed.len(), "a job runs twice: {placed:?}");
            let placed: Vec<_> =
                placed.into_iter().map(|(id, attempt, host)| (id, attempt, host.to_owned())).collect();
            (in_the_books(&daemon.status()) == placed).then_some(placed.len())
        };
        let running = support::wait_within(Duration::from_secs(120), "books that are what runs", agree);
        eprintln!("{}: {host} is down for {down:.1} s with {hit} jobs; then {running} run", time + 1);
    }
    let mut attempts = 0;
    for number in 0..jobs {
        let name = format!("job-{number}");
        let begun = Instant::now();
        let job = loop {
            let job = daemon.job(&name);
            if !job["ended_seconds"].is_null() {
                break job;
            }
            assert!(begun.elapsed() < Duration::from_secs(300), "{name} stays {job}");
            std::thread::sleep(Duration::from_millis(200));
        };
        assert_eq!(job["state"], "done", "{job}");
        let log =
            std::fs::read_to_string(daemon.farm.at(&format!("state/runs/j{number}/files/log"))).unwrap();
        // Each attempt begins once at most, none while another runs, and the last one ends.
        let (mut latest, mut ended) = (0, None);
        for line in log.lines() {
            if line == "ends" {
                assert_eq!(ended.replace(latest), None, "{name}: {log}");
                continue;
            }
            let attempt: u64 = line.parse().unwrap_or_else(|_| panic!("{name}: {log}"));
            assert!(attempt > latest, "{name}: {log}");
            let unheard = |ended: u64| struck.contains(&(format!("j{number}"), ended.to_string()));
            assert!(ended.take().is_none_or(unheard), "{name} is run twice: {log}");
            latest = attempt;
        }
        assert_eq!(ended, Some(latest), "{name}: {log}");
        attempts += job["attempts"].as_u64().unwrap();
    }
    eprintln!("{jobs} jobs ended with success after {attempts} attempts");
    let record = daemon.farm.at("live.jsonl");
    assert!(daemon.run("record", &[&record.to_string_lossy()]).status.success());
    let replay = daemon.farm.command(&format!("schedule replay {}", record.display())).output().unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
}

#[test]
fn hosts_that_crash_lose_nothing() {
    hosts_crash(3, 12, 6.0, 5);
}

#[test]
#[ignore = "it takes minutes"]
fn hosts_that_crash_at_fifty_random_moments_lose_nothing() {
    hosts_crash(50, 160, 12.0, 11);
}
