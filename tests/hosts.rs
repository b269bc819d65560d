//! Programs on several hosts: three servers of SSH on this machine, each at a loopback address of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use support::{
    csv,
    farm::{Farm, free_port},
    libsvm, parent, run, signal, stderr, wait_for, write,
};

const TRAIN: &str = "train --quiet --workers 3 --servers 2 --epochs 2";

#[test]
fn a_model_is_the_same_on_hosts_as_on_threads() {
    let Some(farm) = Farm::on_loopback() else { return };
    let hosts = farm.hosts("left slots=2\nmiddle slots=2 # the next\nright\n");
    let at = |name: &str| farm.at(name);
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

/// Trains on a file as it lies, here, and as one that only the launcher has, on hosts; both must leave the same model.
fn is_the_same_lent(farm: &Farm, file: &Path, options: &str) -> Option<Output> {
    let hosts = farm.hosts("left slots=2\nmiddle slots=2\nright slots=2\n");
    let [here, lent] = ["here", "lent"].map(|name| farm.at(&format!("{name}.safetensors")));
    let train = |data: &str, save: &Path| {
        format!("train {data} --quiet --workers 3 --servers 2 --epochs 3 {options} --save {}", save.display())
    };
    let local = run(&train(&file.display().to_string(), &here));
    assert!(local.status.success(), "{}", stderr(&local));
    // Nobody but the launcher has a file of that name, or its folder.
    let name = format!("only-here.{}", file.extension().unwrap().display());
    let arguments = format!("{} --on ssh:{}", train(&name, &lent), hosts.display());
    let output = farm.command_apart(&name, file, &arguments)?.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read(lent).unwrap(), fs::read(here).unwrap(), "{options}");
    Some(output)
}

#[test]
fn workers_on_hosts_without_the_file_are_lent_their_rows() {
    let Some(farm) = Farm::on_loopback() else { return };
    let animals = csv(&farm.at(""), 900);
    let with_classes = "--partition stratified --class-weight balanced --validation 0.3";
    let Some(_) = is_the_same_lent(&farm, &animals, with_classes) else { return };
    let sparse = libsvm(&farm.at(""), 600, 5000);
    is_the_same_lent(&farm, &sparse, "--partition contiguous --on-worker-loss restart --validation 0");
    wait_for("the nodes' end", || farm.nodes().is_empty().then_some(()));
    // What can be read only once is no less than a file.
    let hosts = farm.hosts("left slots=2\nmiddle slots=2\n");
    let [file, stream] = ["file", "stream"].map(|name| farm.at(&format!("{name}.safetensors")));
    let train = |data: &str| format!("train {data} --quiet --workers 2 --epochs 2");
    let here = run(&format!("{} --save {}", train(&animals.display().to_string()), file.display()));
    assert!(here.status.success(), "{}", stderr(&here));
    let there = format!("{} --on ssh:{} --save {}", train("-"), hosts.display(), stream.display());
    let there = farm.command(&there).stdin(fs::File::open(&animals).unwrap()).output().unwrap();
    assert!(there.status.success(), "{}", stderr(&there));
    assert_eq!(fs::read(stream).unwrap(), fs::read(file).unwrap());
    // Who needs all rows at each worker says what to do.
    let measured = format!(
        "train mine.csv --workers 2 --epochs 2 --partition weight:measured --on ssh:{}",
        hosts.display()
    );
    let refused = farm.command_apart("mine.csv", &animals, &measured).unwrap().output().unwrap();
    let message = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{message}");
    let folded = message.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(folded.contains("this host has no mine.csv like the launcher's"), "{message}");
}

#[test]
fn a_lost_host_is_named_and_nothing_is_left() {
    let Some(farm) = Farm::on_loopback() else { return };
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
        message.contains("worker/2 on right was lost: its host, or the connection to it, is gone"),
        "{message}"
    );
    wait_for("the nodes' end", || farm.nodes().is_empty().then_some(()));
}

#[test]
fn nodes_on_hosts_do_not_outlive_their_launcher_and_hold_no_secret_in_the_open() {
    let Some(farm) = Farm::on_loopback() else { return };
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
    let Some(farm) = Farm::on_loopback() else { return };
    let fails = |hosts: &str, code: i32, says: &str| {
        let hosts = farm.hosts(hosts);
        let output = farm.command(&format!("{TRAIN} --on ssh:{}", hosts.display())).output().unwrap();
        let message = stderr(&output);
        let folded = message.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(folded.contains(says), "`{says}` is missing in: {message}");
    };
    let few = "5 nodes want 5 slots and the hosts offer 3 (left 2, right 1), so that worker/1, which needs 1 on one host, finds no place";
    fails("left slots=2\nright\n", 1, few);
    // Nothing was asked of the hosts, to which the binary would have been brought.
    assert!(!farm.at("cache").exists() && farm.connections().is_empty());
    let left_out = "offer 4 (left 4; 127.0.2.77 is left out: ";
    fails("left slots=4\n127.0.2.77\n", 1, left_out);
    fails("left cores=2\n", 1, "hosts.txt:1: `cores=2` is neither");
    let port = free_port();
    fails(&format!("ssh://127.0.2.9:{port}\n"), 1, "is no host's name");
    // One that has no room for the program says so.
    let no_room = "#!/bin/sh\nfor last; do :; done\nXDG_CACHE_HOME=/dev/full exec sh -c \"$last\"\n";
    let no_room = write(&farm.at(""), "ssh-without-room", no_room);
    let hosts = farm.hosts("left slots=5\n");
    let mut command = farm.command(&format!("{TRAIN} --on ssh:{},listen=127.0.0.1", hosts.display()));
    let output = command.env("SYNCLINE_SSH", format!("sh {}", no_room.display())).output().unwrap();
    let message = stderr(&output);
    assert!(message.contains("left is left out: the program cannot be brought to"), "{message}");
    // A host that is not there is left out, and the others do.
    let hosts = farm.hosts("127.0.2.77 slots=9\nleft slots=5\n");
    let output = farm.command(&format!("{TRAIN} --on ssh:{}", hosts.display())).output().unwrap();
    let message = stderr(&output);
    assert!(output.status.success() && message.contains("127.0.2.77 is left out"), "{message}");
}

#[test]
fn more_nodes_than_share_a_connection_run_on_a_host() {
    let Some(farm) = Farm::on_loopback() else { return };
    let address = "127.0.2.1";
    let hosts = farm.hosts(&format!("{address}:{}\tslots=12\r\n", farm.port()));
    let output =
        farm.command(&format!("train --quiet --workers 11 --epochs 1 --on ssh:{}", hosts.display())).output();
    let (output, opened) = (output.unwrap(), ["ControlSocket", "mux_client", "session open refused"]);
    // `ssh` tells of connections that it had to open besides; a login shell may say what it will.
    let told = stderr(&output);
    assert!(output.status.success() && !opened.iter().any(|what| told.contains(what)), "{told}");
    wait_for("the nodes' end", || farm.nodes().is_empty().then_some(()));
}

#[test]
fn what_would_be_run_where_is_told_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    // No host is asked: there is nobody at these addresses.
    let hosts = write(folder.path(), "hosts.txt", "127.0.2.7 slots=2\n127.0.2.8 slots=4 gpus=0 # idle\n");
    let arguments = format!("{TRAIN} --dry-run --on ssh:{},ports=7000-7100", hosts.display());
    let output = run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = String::from_utf8(output.stdout).unwrap();
    for line in [
        "# 127.0.2.7, 2 of 2 slots: server/0, server/1",
        "# 127.0.2.8, 3 of 4 slots: worker/0, worker/1, worker/2",
        "# the launcher would listen at 127.0.0.1, at the first free port of 7000 to 7100, with TLS",
        "# worker/0 would be started by",
    ] {
        assert!(told.lines().any(|found| found == line), "`{line}` is missing in: {told}");
    }
    let command =
        told.lines().find(|line| line.contains("SYNCLINE_NODE=") && line.contains("worker/0")).unwrap();
    assert!(command.contains("-T -- 127.0.2.8 ") && command.contains("--workers"), "{command}");
    assert!(!command.contains("--dry-run"), "{command}");
    let is_secret = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(!told.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_secret), "{told}");
    // It is still a job, of the same training.
    let job = write(folder.path(), "job.toml", &told);
    let again = run(&format!("train {} --dry-run", job.display()));
    assert!(again.status.success(), "{}", stderr(&again));
    let settings =
        |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(settings(&String::from_utf8(again.stdout).unwrap()), settings(&told));
    // What a launch would refuse is refused.
    write(folder.path(), "hosts.txt", "127.0.2.7 slots=2\n");
    let full = run(&arguments);
    assert_eq!(full.status.code(), Some(1));
    let said = stderr(&full);
    assert!(said.contains("5 nodes want 5 slots and the hosts offer 2 (127.0.2.7 2)"), "{said}");
}

/// The process of `sshd` that serves the session in which `pid` runs.
fn session_of(pid: u32) -> u32 {
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    let mut ancestors = std::iter::successors(Some(pid), |pid| parent(*pid));
    ancestors.find(|pid| name(*pid).starts_with("sshd")).unwrap()
}

/// Hosts of their own on a network of their own. Ten seconds after the launcher has taken a silent worker for lost the worker
/// has not heard of the launcher for 30 s either, and ends itself.
#[test]
#[ignore = "it takes a minute"]
fn a_pulled_cable_costs_no_more_than_its_host_and_leaves_nobody_behind_it() {
    let Some(farm) = Farm::on_network() else { return };
    let train = "train --quiet --workers 3 --servers 1 --epochs 15 --inject all:5ms";
    let at = |name: &str| farm.at(name);
    let whole = run(&format!("{train} --save {}", at("whole.safetensors").display()));
    assert!(whole.status.success(), "{}", stderr(&whole));
    let hosts = farm.hosts("left slots=2\nmiddle slots=2\nright slots=1\n");
    let saved = at("cut.safetensors");
    let cut = format!(
        "{train} --on-worker-loss restart --silence 5s --save {} --on ssh:{}",
        saved.display(),
        hosts.display()
    );
    // Three take the first two hosts' first places; the cable of the second host is pulled.
    let running = farm.command(&cut).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let nodes = wait_for("four nodes", || Some(farm.nodes()).filter(|nodes| nodes.len() == 4));
    std::thread::sleep(Duration::from_secs(2));
    let behind: Vec<_> = nodes.into_iter().filter(|(pid, _)| farm.host_of(*pid) == Some("middle")).collect();
    assert_eq!(behind.len(), 2);
    farm.link("middle", "down");
    let output = running.wait_with_output().unwrap();
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    assert!(message.contains("is started again"), "{message}");
    assert_eq!(fs::read(saved).unwrap(), fs::read(at("whole.safetensors")).unwrap());
    std::thread::sleep(Duration::from_secs(30));
    wait_for("the end of those behind the cable", || farm.nodes().is_empty().then_some(()));
    farm.link("middle", "up");
}
