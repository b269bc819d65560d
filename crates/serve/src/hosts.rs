//! Whether the hosts of a cluster answer: each is asked every so many seconds, and at once when something there has ended without success.
//!
//! HOSTS-1: a host is told to be gone after two questions in a row without an answer, since one may be refused for a reason that passes
//! (a server of SSH that starts too many connections at once), and to be back after one that was answered.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use syncline_schedule::{Cluster, MachineId};

use crate::proc::uptime;

/// The exit code of an attempt whose host, or the connection to it, was lost, as `ssh` has it.
pub const LOST: i32 = 255;

/// The exit codes of what its engine asked to end: before its time is over (`EX_TEMPFAIL` of sysexits.h), or to make room (SIGTERM).
pub const ASKED_TO_END: [i32; 2] = [75, 143];

/// Seconds between two questions, where nobody says otherwise.
pub const EVERY: f64 = 10.0;

/// Seconds before a host that has not answered is asked again.
const AGAIN: f64 = 1.0;

/// Seconds after which a question counts as not answered, whoever has it.
const PATIENCE: f64 = 20.0;

/// Between two looks whether there is an answer.
const LOOK: Duration = Duration::from_millis(20);

/// The most questions at a time: each is a process and a connection.
const AT_ONCE: usize = 16;

/// Whether a host answers, or what was said of it.
pub type Answer = Result<(), String>;

/// A question that was asked for: which of its host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    machine: MachineId,
    question: u64,
}

/// The hosts of one cluster. Whoever asks them ends when it is dropped.
pub struct Hosts {
    shared: Arc<Shared>,
    named: BTreeMap<String, MachineId>,
}

struct Shared {
    hosts: Mutex<BTreeMap<MachineId, Host>>,
    changed: Condvar,
    /// The command that asks; the host's name is added.
    asker: Vec<OsString>,
    every: f64,
}

struct Host {
    name: String,
    /// When it is asked next, by the machine's uptime.
    due: f64,
    /// Questions begun.
    begun: u64,
    /// The latest of them that told whether it is there.
    told: u64,
    /// Whether it is being asked.
    busy: bool,
    /// Whether the latest question had no answer, and may have been refused for a reason that passes.
    doubtful: bool,
    answer: Option<Answer>,
}

impl Hosts {
    /// Those of `cluster`, asked every so many seconds by `asker` with the host's name as its last argument: it ends with success if the
    /// host answers, and else says why not.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn watch(cluster: &Cluster, asker: Vec<OsString>, every: f64) -> std::io::Result<Self> {
        let host = |id: MachineId| {
            let name = cluster.host(id)?.to_owned();
            let due = uptime();
            let host = Host { name, due, begun: 0, told: 0, busy: false, doubtful: false, answer: None };
            Some((id, host))
        };
        let hosts: BTreeMap<MachineId, Host> = cluster.ids().filter_map(host).collect();
        let named = hosts.iter().map(|(id, host)| (host.name.clone(), *id)).collect();
        let threads = hosts.len().min(AT_ONCE);
        let shared = Arc::new(Shared { hosts: Mutex::new(hosts), changed: Condvar::new(), asker, every });
        for _ in 0..threads {
            let shared = Arc::downgrade(&shared);
            thread::Builder::new().name("hosts".into()).spawn(move || attend(&shared))?;
        }
        Ok(Self { shared, named })
    }

    /// What is known of each, if anything is.
    pub fn answers(&self) -> Vec<(MachineId, Answer)> {
        let hosts = self.shared.lock();
        hosts.iter().filter_map(|(id, host)| Some((*id, host.answer.clone()?))).collect()
    }

    /// Has a host asked now, by a question that begins after this.
    pub fn ask(&self, name: &str) -> Option<Ticket> {
        let machine = *self.named.get(name)?;
        let mut hosts = self.shared.lock();
        let host = hosts.get_mut(&machine)?;
        host.due = uptime();
        self.shared.changed.notify_all();
        Some(Ticket { machine, question: host.begun + 1 })
    }

    /// What came of that; none while it is under way.
    pub fn answer(&self, ticket: Ticket) -> Option<Answer> {
        let hosts = self.shared.lock();
        let host = hosts.get(&ticket.machine)?;
        if host.told < ticket.question { None } else { host.answer.clone() }
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// A thread that panicked with it has left whole values behind: each is written in one step.
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<MachineId, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host whose turn it is; nothing after having waited for a turn, not long, since nobody may want to know any more.
    fn next(&self) -> Option<(MachineId, String)> {
        let mut hosts = self.lock();
        let now = uptime();
        let free = hosts.iter_mut().filter(|(_, host)| !host.busy);
        let first = free.min_by(|a, b| a.1.due.total_cmp(&b.1.due));
        let wait = match first {
            Some((id, host)) if host.due <= now => {
                (host.busy, host.due) = (true, now + self.every);
                host.begun += 1;
                return Some((*id, host.name.clone()));
            }
            Some((_, host)) => host.due - now,
            None => AGAIN,
        };
        drop(self.changed.wait_timeout(hosts, Duration::from_secs_f64(wait.clamp(0.01, AGAIN))));
        None
    }

    fn heard(&self, id: MachineId, answer: Answer) {
        let mut hosts = self.lock();
        let Some(host) = hosts.get_mut(&id) else { return };
        host.busy = false;
        let gone = matches!(host.answer, Some(Err(_)));
        if answer.is_err() && !gone && !host.doubtful {
            host.doubtful = true;
            host.due = uptime() + AGAIN;
        } else {
            host.doubtful = false;
            host.told = host.begun;
            host.answer = Some(answer);
        }
        self.changed.notify_all();
    }
}

/// Asks one host after the other, for as long as somebody wants to know.
fn attend(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        if let Some((id, name)) = shared.next() {
            let answer = asked(&shared.asker, &name);
            shared.heard(id, answer);
        }
    }
}

fn asked(asker: &[OsString], name: &str) -> Answer {
    let (program, arguments) = asker.split_first().ok_or("there is no command that asks hosts")?;
    let mut command = Command::new(program);
    command.args(arguments).arg(name).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let begun = uptime();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(said(&mut child).unwrap_or_else(|| status.to_string())),
            Ok(None) if uptime() - begun > PATIENCE => {
                end(&mut child);
                return Err(format!("it lets in, and has started nothing for {PATIENCE:.0} s"));
            }
            Ok(None) => thread::sleep(LOOK),
            Err(error) => {
                end(&mut child);
                return Err(error.to_string());
            }
        }
    }
}

/// What it said last, of what fits into a pipe.
fn said(child: &mut Child) -> Option<String> {
    let mut text = Vec::new();
    // It has ended, and so has everything that it started.
    let _ = child.stderr.take()?.take(65_536).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?.trim();
    Some(last.strip_prefix("error: ").unwrap_or(last).to_owned())
}

/// Ends it with what it started.
fn end(child: &mut Child) {
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        // It may have ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use syncline_schedule::jobs_file;

    use super::*;

    /// A host that answers while a file is there.
    fn hosts(folder: &Path) -> Hosts {
        let cluster = "[[machines]]\nname = 'a'\nlabels = { ssh = 'host' }\ncapacity = { cpu = 1 }\n";
        fs::write(folder.join("cluster.toml"), cluster).unwrap();
        let cluster = jobs_file::cluster(&folder.join("cluster.toml").to_string_lossy()).unwrap();
        let script = "echo asked $0 >> $PWD/asked; test -e there || { echo refused >&2; exit 1; }";
        let script = format!("cd {}; {script}", folder.display());
        let asker = ["sh", "-c", &script].map(OsString::from).to_vec();
        Hosts::watch(&cluster, asker, 3600.0).unwrap()
    }

    fn until_told(hosts: &Hosts) -> Answer {
        let ticket = hosts.ask("host").unwrap();
        loop {
            if let Some(answer) = hosts.answer(ticket) {
                return answer;
            }
            thread::sleep(LOOK);
        }
    }

    #[test]
    fn a_host_is_gone_after_two_questions_and_back_after_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("there"), "").unwrap();
        let hosts = hosts(folder.path());
        assert_eq!(until_told(&hosts), Ok(()));
        let asked = || fs::read_to_string(folder.path().join("asked")).unwrap().lines().count();
        let before = asked();
        fs::remove_file(folder.path().join("there")).unwrap();
        assert_eq!(until_told(&hosts), Err("refused".into()));
        assert_eq!(asked(), before + 2);
        assert_eq!(hosts.answers(), [(MachineId(0), Err("refused".into()))]);
        fs::write(folder.path().join("there"), "").unwrap();
        assert_eq!(until_told(&hosts), Ok(()));
        assert_eq!(asked(), before + 3);
        assert!(hosts.ask("another").is_none());
    }
}
