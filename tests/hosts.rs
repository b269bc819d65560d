//! Programs on several hosts: three servers of SSH on this machine, each at a loopback address of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use support::{command, run, signal, stderr, wait_for, write};
use tempfile::TempDir;

const HOSTS: [&str; 3] = ["left", "middle", "right"];

/// The servers, and the configuration with which `ssh` reaches them.
struct Farm {
    folder: TempDir,
    servers: Vec<Child>,
}

impl Farm {
    /// Starts the servers; nothing, with a notice, where there is no `sshd`.
    fn start() -> Option<Farm> {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let Some(sshd) = sshd else {
            eprintln!("skipped: there is no sshd on this machine");
            return None;
        };
        // Where it separates its privileges, if it is root's.
        let _ = fs::create_dir_all("/run/sshd");
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(at(key))
                .status();
            assert!(made.unwrap().success());
        }
        fs::copy(at("user.pub"), at("authorized")).unwrap();
        let port = free_port();
        let shared = folder.path().display().to_string();
        let mut client = format!(
            "Host *\nPort {port}\nIdentityFile {shared}/user\nUserKnownHostsFile {shared}/known\n\
             StrictHostKeyChecking no\nLogLevel ERROR\n"
        );
        let mut servers = Vec::new();
        for (number, host) in HOSTS.iter().enumerate() {
            let address = format!("127.0.2.{}", number + 1);
            write!(client, "Host {host}\nHostName {address}\n").unwrap();
            let settings = format!(
                "ListenAddress {address}\nPort {port}\nHostKey {shared}/host\nAuthorizedKeysFile {shared}/authorized\n\
                 PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
                 SetEnv XDG_CACHE_HOME={shared}/cache\n"
            );
            let settings = write(folder.path(), &format!("sshd.{host}"), &settings);
            let mut server = Command::new(sshd);
            server.args(["-D", "-e", "-f"]).arg(settings).stderr(Stdio::null());
            servers.push(server.spawn().unwrap());
        }
        write(folder.path(), "client", &client);
        let farm = Farm { folder, servers };
        for host in HOSTS {
            let answers = || {
                let mut ssh = Command::new("ssh");
                ssh.arg("-F")
                    .arg(farm.folder.path().join("client"))
                    .args([host, "true"])
                    .stderr(Stdio::null());
                ssh.status().unwrap().success().then_some(())
            };
            wait_for("sshd", answers);
        }
        Some(farm)
    }

    fn hosts(&self, text: &str) -> PathBuf {
        write(self.folder.path(), "hosts.txt", text)
    }

    /// The command, which reaches the hosts.
    fn command(&self, arguments: &str) -> Command {
        let mut command = command(arguments);
        let client = self.folder.path().join("client");
        command.env("SYNCLINE_SSH", format!("ssh -F {}", client.display()));
        command
    }

    /// The processes that hold the launcher's connections.
    fn connections(&self) -> Vec<u32> {
        let mark = format!("SYNCLINE_SSH=ssh -F {}", self.folder.path().join("client").display());
        processes()
            .into_iter()
            .filter(|(_, environment)| environment.contains(&mark))
            .map(|(pid, _)| pid)
            .collect()
    }

    /// The processes of nodes on the hosts: the number of each and its name.
    fn nodes(&self) -> Vec<(u32, String)> {
        let mark = format!("XDG_CACHE_HOME={}", self.folder.path().join("cache").display());
        processes()
            .into_iter()
            .filter_map(|(pid, environment)| {
                let node = environment.iter().find_map(|entry| entry.strip_prefix("SYNCLINE_NODE="))?;
                let is_node = environment.contains(&mark)
                    && !environment.iter().any(|entry| entry == "SYNCLINE_AGENT=1");
                is_node.then(|| (pid, node.to_owned()))
            })
            .collect()
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.2.1:0").unwrap().local_addr().unwrap().port()
}

/// All processes and their environments.
fn processes() -> Vec<(u32, Vec<String>)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let entries =
                environment.split(|byte| *byte == 0).map(|entry| String::from_utf8_lossy(entry).into_owned());
            Some((pid, entries.collect()))
        })
        .collect()
}

const TRAIN: &str = "train --quiet --workers 3 --servers 2 --epochs 2";

#[test]
fn a_model_is_the_same_on_hosts_as_on_threads() {
    let Some(farm) = Farm::start() else { return };
    let hosts = farm.hosts("left slots=2\nmiddle slots=2 # the next\nright\n");
    let at = |name: &str| farm.folder.path().join(name);
    let of = |path: &Path| fs::read(path).unwrap();
    let here = run(&format!("{TRAIN} --save {}", at("threads.safetensors").display()));
    assert!(here.status.success(), "{}", stderr(&here));
    for (name, more) in [("tls", ""), ("open", "--insecure-network")] {
        let saved = at(&format!("{name}.safetensors"));
        let arguments = format!("{TRAIN} --on ssh:{} --save {} {more}", hosts.display(), saved.display());
        let there = farm.command(&arguments).output().unwrap();
        assert!(there.status.success(), "{}", stderr(&there));
        assert_eq!(of(&saved), of(&at("threads.safetensors")), "{name}");
    }
    wait_for("the nodes' end", || farm.nodes().is_empty().then_some(()));
}

#[test]
fn a_lost_host_is_named_and_nothing_is_left() {
    let Some(farm) = Farm::start() else { return };
    let hosts = farm.hosts("left slots=3\nmiddle slots=1\nright slots=1\n");
    let long =
        format!("train --workers 3 --servers 2 --epochs 1000 --inject all:5ms --on ssh:{}", hosts.display());
    let running = farm.command(&long).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let nodes = wait_for("five nodes", || Some(farm.nodes()).filter(|nodes| nodes.len() == 5));
    std::thread::sleep(Duration::from_millis(1500));
    // The last worker is alone on the last host; the server's part of its connection is killed.
    let (pid, _) = nodes.iter().find(|(_, name)| name == "worker/2").unwrap();
    signal(session_of(*pid), "KILL");
    let output = running.wait_with_output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("worker/2") && message.contains("its host, or the connection to it, is gone"),
        "{message}"
    );
    wait_for("the nodes' end", || farm.nodes().is_empty().then_some(()));
}

#[test]
fn nodes_on_hosts_do_not_outlive_their_launcher_and_hold_no_secret_in_the_open() {
    let Some(farm) = Farm::start() else { return };
    let hosts = farm.hosts("left slots=3\nmiddle\nright\n");
    let long =
        format!("train --workers 3 --servers 2 --epochs 1000 --inject all:5ms --on ssh:{}", hosts.display());
    let mut running = farm.command(&long).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let nodes = wait_for("five nodes", || Some(farm.nodes()).filter(|nodes| nodes.len() == 5));
    for (pid, name) in nodes {
        let is_secret = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        for place in ["environ", "cmdline"] {
            let text = fs::read(format!("/proc/{pid}/{place}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.split(['\0', '=', ' ']).any(is_secret), "{place} of {name}");
        }
    }
    running.kill().unwrap();
    running.wait().unwrap();
    wait_for("the nodes' end", || farm.nodes().is_empty().then_some(()));
    // What `ssh` keeps open for whoever comes next ends soon after the last has gone.
    wait_for("the connections' end", || farm.connections().is_empty().then_some(()));
}

#[test]
fn what_cannot_run_says_why() {
    let Some(farm) = Farm::start() else { return };
    let fails = |hosts: &str, code: i32, says: &str| {
        let hosts = farm.hosts(hosts);
        let output = farm.command(&format!("{TRAIN} --on ssh:{}", hosts.display())).output().unwrap();
        let message = stderr(&output);
        let folded = message.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(folded.contains(says), "`{says}` is missing in: {message}");
    };
    fails("left slots=2\nright\n", 1, "the most that is free anywhere is 0");
    fails("left cores=2\n", 1, "hosts.txt:1: `cores=2` is neither");
    let port = free_port();
    fails(&format!("ssh://127.0.2.9:{port}\n"), 1, "is no host's name");
    // A host that is not there is left out, and the others do.
    let hosts = farm.hosts("127.0.2.77 slots=9\nleft slots=5\n");
    let output = farm.command(&format!("{TRAIN} --on ssh:{}", hosts.display())).output().unwrap();
    let message = stderr(&output);
    assert!(output.status.success() && message.contains("127.0.2.77 is left out"), "{message}");
}

/// The process of `sshd` that serves the session in which `pid` runs.
fn session_of(pid: u32) -> u32 {
    let mut pid = pid;
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        if field("Name:").starts_with("sshd") {
            return pid;
        }
        pid = field("PPid:").parse().unwrap();
    }
}
