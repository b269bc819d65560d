//! The scheduler places jobs on hosts that `ssh` reaches: servers of SSH on this machine, each at an address of its own.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{
    io::{BufRead, BufReader},
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
        "schedule serve --listen 127.0.0.1:0 --policy fifo --state {} --cluster {}",
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
        let farm = Farm::on_loopback()?;
        std::fs::write(farm.at("cluster.toml"), CLUSTER).unwrap();
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
        support::wait_for("the command", || (!daemon.farm.nodes().is_empty()).then_some(()));
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
