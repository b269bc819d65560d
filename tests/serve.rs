//! `syncline schedule serve`: a real daemon, real processes, and the commands that talk to it.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A daemon in a folder of its own; it and its jobs end with it.
struct Daemon {
    folder: tempfile::TempDir,
    child: Child,
    page: String,
    options: String,
}

fn start(folder: &Path, options: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["schedule", "serve", "--listen", "127.0.0.1:0", "--state"])
        .arg(folder.join("state"))
        .args(options.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line.is_empty() {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("serve did not start: {said}");
    }
    (child, line.trim().to_owned())
}

impl Daemon {
    fn new(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cluster.toml"), CLUSTER).unwrap();
        let options = format!("--cluster cluster.toml {options}");
        let (child, page) = start(folder.path(), &options);
        Self { folder, child, page, options }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let command = arguments[0];
        Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(["schedule", command, "--state"])
            .arg(self.folder.path().join("state"))
            .args(&arguments[1..])
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn job(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(&["status", name, "--json"])).unwrap()
    }

    fn until(&self, name: &str, what: impl Fn(&Value) -> bool) -> Value {
        self.within(60, name, what)
    }

    fn within(&self, seconds: u64, name: &str, what: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let job = self.job(name);
            if what(&job) {
                return job;
            }
            assert!(begun.elapsed() < Duration::from_secs(seconds), "{name} stays {job}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As if the machine's owner had pulled it out: no handler runs.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        (self.child, self.page) = start(self.folder.path(), &self.options);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // What still runs is cancelled while there is somebody to do it.
        for job in serde_json::from_slice::<Value>(&self.run(&["status", "--json"]).stdout)
            .ok()
            .and_then(|view| view["jobs"].as_array().cloned())
            .unwrap_or_default()
        {
            if job["ended_seconds"].is_null() {
                self.run(&["cancel", job["id"].as_str().unwrap()]);
            }
        }
        let begun = Instant::now();
        while String::from_utf8_lossy(&self.run(&["status", "--json"]).stdout).contains("\"stopping\"")
            && begun.elapsed() < Duration::from_secs(15)
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CLUSTER: &str = "[[machines]]\nname = 'box'\ncapacity = { cpu = 2 }\n";

#[test]
fn jobs_are_submitted_watched_explained_cancelled_and_replayed() {
    let daemon = Daemon::new("--policy fifo");
    let numbers = daemon.text(&[
        "submit",
        "--name",
        "a",
        "--seconds",
        "1",
        "--",
        "sh",
        "-c",
        "echo of $SYNCLINE_JOB {workers}",
    ]);
    assert_eq!(numbers.trim(), "j0");
    assert!(daemon.text(&["wait", "a"]).contains("a: it has ended with success"));
    let status = daemon.text(&["status", "a"]);
    assert!(status.contains("of a 1"), "{status}");

    // Two cores: one job holds both, the next waits and says for whom.
    daemon.text(&["submit", "--name", "wide", "--workers", "2", "--seconds", "60", "--", "sleep", "60"]);
    daemon.text(&["submit", "--name", "waits", "--seconds", "1", "--", "true"]);
    daemon.until("wide", |job| job["state"] == "running");
    let explained = daemon.text(&["explain", "waits"]);
    assert!(explained.contains("its worker needs 1 of cpu, and 0 is free; held by wide (2)"), "{explained}");
    let twice = daemon.refused(&["submit", "--name", "waits", "--", "true"]);
    assert!(twice.contains("waits is there already and not over"), "{twice}");
    let number = daemon.refused(&["submit", "--name", "j7", "--", "true"]);
    assert!(number.contains("job j7: such names are the numbers that jobs are given"), "{number}");
    assert_eq!(daemon.text(&["cancel", "wide"]).trim(), "wide is cancelled");
    assert!(daemon.text(&["wait", "waits"]).contains("success"));
    daemon.until("wide", |job| job["state"] == "cancelled");
    assert!(daemon.refused(&["cancel", "wide"]).contains("job wide is over: it was cancelled"));
    assert!(daemon.refused(&["wait", "wide"]).contains("1 of 1 jobs did not end with success"));
    assert!(daemon.refused(&["explain", "nobody"]).contains("there is no job nobody"));

    daemon.text(&["record", "live.jsonl"]);
    let replayed = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["schedule", "replay", "live.jsonl", "--simulate", "--plot", "jobs.svg"])
        .current_dir(daemon.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.status.success() && said.contains("all as recorded"), "{said}");
    assert!(said.contains("mean completion time of 2 jobs"), "{said}");
    let drawn = std::fs::read_to_string(daemon.folder.path().join("jobs.svg")).unwrap();
    assert!(drawn.contains("Completion times under fifo") && drawn.contains("<circle"), "{drawn}");
}

#[test]
fn files_of_jobs_say_what_is_wrong_before_anything_is_started() {
    let daemon = Daemon::new("--policy fifo");
    let submit = |text: &str| {
        std::fs::write(daemon.folder.path().join("jobs.toml"), text).unwrap();
        daemon.refused(&["submit", "jobs.toml"])
    };
    let first = "[[jobs]]\nname = 'fine'\ncommand = ['true']\n";
    for (second, message) in [
        ("[[jobs]]\ncommand = ['true']\nworker = { cpu = 5 }\n", "the largest machine has 2"),
        ("[[jobs]]\ncommand = ['true']\ncolour = 'red'\n", "colour"),
        ("[[jobs]]\nname = 'fine'\ncommand = ['true']\n", "two jobs are named `fine`"),
        ("[[jobs]]\nworkload = 5\n", "it has neither a `command` nor `train`"),
    ] {
        let said = submit(&format!("{first}{second}"));
        assert!(said.contains(message), "{said}");
    }
    assert!(daemon.text(&["status"]).contains("There is no job"));
}

fn request(daemon: &Daemon, text: &str) -> String {
    let address = daemon.page.trim_start_matches("http://").split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(text.replace("HERE", address).as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn strangers_are_not_served() {
    let daemon = Daemon::new("--policy fifo");
    let token = daemon.page.split('#').nth(1).unwrap();
    let get = |path: &str, host: &str, more: &str| {
        request(&daemon, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n"))
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert!(get("/", "HERE", "").starts_with("HTTP/1.1 200"));
    assert!(get("/api/status", "HERE", &bearer).starts_with("HTTP/1.1 200"));
    assert!(get("/api/status", "HERE", "").starts_with("HTTP/1.1 401"));
    assert!(get("/api/status", "HERE", "Authorization: Bearer x\r\n").starts_with("HTTP/1.1 401"));
    assert!(get("/api/status", "evil.example", &bearer).starts_with("HTTP/1.1 421"));
    assert!(get("/api/events", "HERE", "").starts_with("HTTP/1.1 401"));
    let large = format!(
        "POST /api/jobs HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n{bearer}Content-Length: {}\r\n\r\n",
        50 << 20
    );
    assert!(request(&daemon, &large).starts_with("HTTP/1.1 413"), "a body without bound is read");
    let nonsense = format!(
        "POST /api/jobs HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n{bearer}Content-Length: 2\r\n\r\n[}}"
    );
    assert!(request(&daemon, &nonsense).contains("this is not JSON"));
    let other = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["schedule", "serve", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(2));
}

/// A training job begins on one core, since another job holds the second, has both when that ends, and ends with the model that it
/// would have had alone: under bsp a second worker joins while it runs, under a policy whose workers do not come and go it goes on
/// from its checkpoint.
///
/// The other job ends when the first has shown how far it is, not after a time: on an idle machine the training takes ten times as
/// long as it then takes the daemon to hear of that end, and on a busy one both take longer.
#[test]
fn a_training_job_grows_and_shows_how_far_it_is() {
    grows("bsp", 120, (1, "resized"));
}

#[test]
fn a_training_job_that_cannot_be_told_grows_from_its_checkpoint() {
    grows("allreduce", 40, (2, "restarted"));
}

fn grows(sync: &str, epochs: u64, (attempts, way): (u64, &str)) {
    const PATIENCE: u64 = 400;
    let daemon = Daemon::new("--policy drf");
    let at = |name: &str| daemon.folder.path().join(name);
    let job = format!("workers = 2\nepochs = {epochs}\nmodel = \"mlp:32\"\nseed = 3\nsync = \"{sync}\"\n");
    std::fs::write(at("learns.toml"), job).unwrap();
    let waits = "while [ ! -e go ]; do sleep 0.1; done";
    daemon.text(&["submit", "--name", "other", "--seconds", "3", "--", "sh", "-c", waits]);
    assert_eq!(daemon.text(&["submit", "learns.toml"]).trim(), "j1");
    daemon.within(PATIENCE, "learns", |job| !job["training"].is_null() && job["workers"] == 1);
    std::fs::write(at("go"), "").unwrap();
    let done = daemon.within(PATIENCE, "learns", |job| job["state"] == "done");
    assert_eq!(done["attempts"], attempts, "{done}");
    let training = &done["training"];
    assert_eq!(training["epochs_done"], epochs, "{training}");
    assert!(training["losses"].as_array().unwrap().len() > 1, "{training}");
    let spans = done["spans"].as_array().unwrap();
    let ways: Vec<_> = spans.iter().map(|span| (span["workers"].as_u64(), span["way"].as_str())).collect();
    assert_eq!(ways, [(Some(1), Some("started")), (Some(2), Some(way))]);

    // The same job alone.
    let alone = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["train", "learns.toml", "--save", "alone.safetensors"])
        .current_dir(daemon.folder.path())
        .output()
        .unwrap();
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
    let run = at("state/runs/j1/files/run");
    let model = |path: &Path| std::fs::read(path).unwrap();
    assert!(model(&run.join("model.safetensors")) == model(&at("alone.safetensors")), "it is another model");

    // Where its time went, as a page.
    let token = daemon.page.split('#').nth(1).unwrap();
    let asked = format!(
        "GET /api/jobs/learns/report HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let page = request(&daemon, &asked);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<html"), "{}", &page[..page.len().min(300)]);
}

#[test]
fn training_jobs_that_the_scheduler_cannot_run_are_refused_with_the_key() {
    let daemon = Daemon::new("--policy fifo");
    for (text, message) in [
        ("workers = 2\nworker = 3\n", "learns.toml, line 2"),
        ("run_dir = \"x\"\n", "`run_dir` is for runs of one's own"),
        ("data = [\"-\"]\n", "standard input cannot be read again"),
        ("on = \"slurm\"\n", "threads or processes of its machine"),
    ] {
        std::fs::write(daemon.folder.path().join("learns.toml"), text).unwrap();
        let output = daemon.run(&["submit", "learns.toml"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(message), "{text}: {said}");
    }
    std::fs::write(daemon.folder.path().join("learns.toml"), "workers = 2\n").unwrap();
    let wide = "[[jobs]]\nname = 'a'\ntrain = 'learns.toml'\nworkers = { min = 1, max = 3 }\n";
    std::fs::write(daemon.folder.path().join("jobs.toml"), wide).unwrap();
    assert!(daemon.refused(&["submit", "jobs.toml"]).contains("the run has 2, and no use for more"));
}

/// Queues and the rest by the command: what is held back says why, and a limit ends a job.
#[test]
fn limits_and_dependencies_are_given_on_the_command_line() {
    let daemon = Daemon::new("--policy fifo");
    daemon.text(&["submit", "--name", "long", "--seconds", "60", "--limit", "1", "--", "sleep", "60"]);
    daemon.text(&["submit", "--name", "after", "--after-any", "long", "--seconds", "1", "--", "true"]);
    let explained = daemon.text(&["explain", "after"]);
    assert!(explained.contains("it comes after `long`, which is not over"), "{explained}");
    assert!(
        daemon
            .refused(&["submit", "--after", "nobody", "--", "true"])
            .contains("it names jobs that there are")
    );
    assert!(daemon.refused(&["submit", "--queue", "q", "--", "true"]).contains("the cluster has no queues"));
    assert!(daemon.text(&["wait", "after"]).contains("success"));
    assert_eq!(daemon.job("long")["state"], "timed-out");
    assert!(daemon.text(&["status", "long"]).contains("it had run for the 1 s that it may"));
}

#[test]
fn two_daemons_do_not_share_their_books() {
    let daemon = Daemon::new("--policy fifo");
    let second =
        daemon.run(&["serve", "--listen", "127.0.0.1:0", "--cluster", "cluster.toml", "--policy", "fifo"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another `schedule serve` keeps its books here"), "{said}");
}

#[test]
fn books_of_another_policy_are_not_gone_on_with() {
    let mut daemon = Daemon::new("--policy fifo");
    daemon.kill();
    let other =
        daemon.run(&["serve", "--listen", "127.0.0.1:0", "--cluster", "cluster.toml", "--policy", "drf"]);
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(said.contains("its books were begun with another policy"), "{said}");
    daemon.start_again();
}
