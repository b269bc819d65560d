//! The connections to hosts, by the user's own `ssh`: a few to each, which its nodes share.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::Brought;
use crate::Error;
use crate::control::meeting::private_directory;
use crate::engine::hosts::hostfile::{self, Host};
use crate::engine::hosts::shell::{joined, quoted};

/// The variable that names another command than `ssh`, with its options, divided by blanks.
const COMMAND: &str = "SYNCLINE_SSH";

/// So many nodes share a connection: a server of SSH lets ten do so where nobody says otherwise (`MaxSessions`). What comes beyond
/// connects by itself, all at the same time, and of those it refuses some (`MaxStartups`).
const SHARED_BY: usize = 8;

/// What every command is called with: no question is asked, and a host that does not answer for 15 s is lost.
const OPTIONS: [&str; 4] =
    ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3"];

/// Who opens a connection leaves it to others; one that nobody uses for 30 s ends, also when the launcher could not end it.
const OPENS: [&str; 2] = ["ControlMaster=auto", "ControlPersist=30"];

/// Nodes use what is open. Where it has ended, since another host took long to be ready, each connects by itself: all would try to be
/// the one that opens it for the others, and say so.
const JOINS: [&str; 1] = ["ControlMaster=no"];

/// Who asks whether a host is there waits shorter, and not by a connection that is open already, which tells nothing of a new one.
const ASKS: [&str; 5] = [
    "BatchMode=yes",
    "ConnectTimeout=5",
    "ServerAliveInterval=2",
    "ServerAliveCountMax=3",
    "ControlPath=none",
];

fn with_options(command: &mut Command, options: &[&str]) {
    command.args(options.iter().flat_map(|option| ["-o", option]));
}

/// Has a command go to a host, where nothing else than the host's own shell is wanted.
pub(super) fn toward(command: &mut Command, host: &str) {
    command.arg("-T");
    command.args(destination(host));
}

/// The user's `ssh`, or what stands in for it.
fn ssh() -> Vec<OsString> {
    let words = |text: OsString| text.to_string_lossy().split_whitespace().map(OsString::from).collect();
    env::var_os(COMMAND)
        .map(words)
        .filter(|words: &Vec<OsString>| !words.is_empty())
        .unwrap_or_else(|| vec!["ssh".into()])
}

/// Asks a host, by a connection of its own, whether it lets programs be started: by how `ssh` reaches it, `name`, `user@name`
/// or `name:port`, without a question to anybody.
///
/// # Errors
/// What `ssh` says of it, in one line. A host that neither answers nor refuses is given up after some 10 s; one that
/// lets in and then starts nothing is waited for.
pub fn ask_host(host: &str) -> Result<(), String> {
    let words = ssh();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    with_options(&mut command, &ASKS);
    toward(&mut command, host);
    outcome(command.arg("exit").stdin(Stdio::null())).map(drop)
}

/// What a command of `ssh` printed, or why it failed, in one line.
fn outcome(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot start ssh: {error}"))?;
    let Output { status, stdout, stderr } = output;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&stderr).trim().replace("\r", "").replace('\n', "; ");
    Err(if said.is_empty() { format!("ssh ended with {status}") } else { said })
}

/// A host as `ssh` is told of it.
fn destination(host: &str) -> Vec<String> {
    let (name, port) = hostfile::destination(host).unwrap_or_else(|| (host.to_owned(), None));
    let port = port.map(|port| ["-p".to_owned(), port.to_string()]);
    port.into_iter().flatten().chain(["--".to_owned(), name]).collect()
}

/// The connections that the nodes of a host share, for as long as the value lives.
pub(super) struct Connections {
    /// Where `ssh` keeps the sockets of its connections.
    sockets: TempDir,
    command: Vec<OsString>,
    /// How many there are to each host.
    hosts: Vec<(String, usize)>,
}

impl Connections {
    pub(super) fn new(hosts: &[Host], nodes: usize) -> Result<Self, Error> {
        let sockets = private_directory();
        let sockets = sockets.map_err(Error::system("cannot make a directory for the connections of ssh"))?;
        let command = ssh();
        let count = |host: &Host| host.slots.min(nodes).div_ceil(SHARED_BY).max(1);
        let hosts = hosts.iter().map(|host| (host.name.clone(), count(host))).collect();
        Ok(Self { sockets, command, hosts })
    }

    /// The user's `ssh`, with what is the same for every run.
    pub(super) fn lasting(&self) -> Command {
        let mut command = Command::new(self.command.first().map_or("ssh".as_ref(), |word| word.as_os_str()));
        command.args(self.command.iter().skip(1));
        with_options(&mut command, &OPTIONS);
        command
    }

    /// A command to a host by one of its connections, whatever the number, still without what is to be done there.
    pub(super) fn to(&self, host: &str, number: usize) -> Command {
        self.by(host, number, &JOINS)
    }

    fn by(&self, host: &str, number: usize, options: &[&str]) -> Command {
        let mut command = self.lasting();
        with_options(&mut command, options);
        // A short name, since the kernel allows 108 bytes to the whole of it, of which `ssh` itself needs 17.
        let at = self.hosts.iter().position(|(name, _)| name == host).unwrap_or_default();
        let name = format!("{at}.{}", number % self.count(host));
        let mut path = OsString::from("ControlPath=");
        path.push(self.sockets.path().join(name));
        command.arg("-o").arg(path);
        toward(&mut command, host);
        command
    }

    /// How many connections to a host there are.
    fn count(&self, host: &str) -> usize {
        self.hosts.iter().find(|(name, _)| name == host).map_or(1, |(_, count)| *count)
    }

    /// Does something on a host; what it printed.
    fn run(&self, host: &str, script: OsString, input: Stdio) -> Result<String, String> {
        let mut command = self.by(host, 0, &OPENS);
        command.arg(joined(["exec".into(), "sh".into(), "-c".into(), quoted(script)])).stdin(input);
        outcome(&mut command)
    }

    /// Opens the connections, and sees to it that what starts nodes is there.
    pub(super) fn prepare(&self, host: &str, brought: &Brought) -> Result<(), String> {
        self.bring(host, brought)?;
        for number in 1..self.count(host) {
            // Without it nodes connect by themselves.
            let _ = self.by(host, number, &OPENS).arg("exit").stdin(Stdio::null()).output();
        }
        Ok(())
    }

    /// Brings what starts nodes, where it is not there.
    fn bring(&self, host: &str, brought: &Brought) -> Result<(), String> {
        let word = brought.word();
        let look = joined(["test -x".into(), word, "&& echo there || echo missing".into()]);
        // Before that a shell may have said what its user has it say to everybody.
        if self.run(host, look, Stdio::null())?.ends_with("there") {
            return Ok(());
        }
        let (own, there) = match brought {
            Brought::Binary { own, there } => (own, there),
            Brought::Interpreter(path) => {
                return Err(format!(
                    "there is no {}: the interpreter and the packages of the script must be at the same path on every host",
                    path.display()
                ));
            }
        };
        let binary = File::open(own).map_err(|error| format!("cannot read {}: {error}", own.display()))?;
        let target = below_cache(there);
        let folder = below_cache(there.parent().unwrap_or(there));
        // Under its name only when it is whole.
        let mut copy = OsString::from("umask 077; t=");
        copy.push(&target);
        copy.push("; mkdir -p ");
        copy.push(&folder);
        copy.push(
            r#" && cat >"$t.$$" && chmod 700 "$t.$$" && mv "$t.$$" "$t" || { rm -f "$t.$$"; exit 1; }"#,
        );
        copy.push(r#"; test -x "$t" || { rm -f "$t"; echo "$t could not be executed there" >&2; exit 1; }"#);
        self.run(host, copy, binary.into()).map(drop).map_err(|why| {
            format!("the program cannot be brought to ~/.cache/syncline, or where XDG_CACHE_HOME says there: {why}")
        })
    }

    /// The name under which the network knows a host that the configuration may call otherwise.
    pub(super) fn real_name(&self, host: &str) -> String {
        let output = self.lasting().arg("-G").args(destination(host)).stdin(Stdio::null()).output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let named = text.lines().find_map(|line| line.strip_prefix("hostname "));
        let own = hostfile::destination(host).map_or_else(|| host.to_owned(), |(name, _)| name);
        named.map_or_else(|| own.rsplit('@').next().unwrap_or(&own).to_owned(), str::to_owned)
    }
}

/// Closes the connections that are open.
impl Drop for Connections {
    fn drop(&mut self) {
        let sockets = std::fs::read_dir(self.sockets.path()).into_iter().flatten().flatten();
        for socket in sockets {
            let mut exit = Command::new(self.command.first().map_or("ssh".as_ref(), |word| word.as_os_str()));
            exit.args(self.command.iter().skip(1)).arg("-S").arg(socket.path());
            // What has ended already need not be asked.
            let _ = exit.args(["-O", "exit", "--", "host"]).stdin(Stdio::null()).output();
        }
    }
}

/// A path below the cache of the user whose shell reads it.
pub(super) fn below_cache(path: &Path) -> OsString {
    let mut word = OsString::from(r#""${XDG_CACHE_HOME:-$HOME/.cache}"/"#);
    word.push(quoted(path));
    word
}
