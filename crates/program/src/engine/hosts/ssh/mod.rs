//! The way to hosts by the user's own `ssh`, with its configuration, keys, agent and jump hosts.
//!
//! A few connections a host carry all its nodes. The binary is copied once for each content, into the user's cache there, and
//! works where the launcher does if there is such a directory, else in the user's home. Of an interpreter, which brings no program
//! along, the directory must exist.

mod connections;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

pub use self::connections::ask_host;
use self::connections::{Connections, below_cache, toward};
use super::agent::{self, AGENT};
use super::hostfile::Host;
use super::placement::Placement;
use super::rehearsal::{self, Company};
use super::shell::{joined, quoted, written};
use super::site::Opened;
use crate::control::meeting::Ground;
use crate::control::role::Role;
use crate::engine::processes::allotment::{DEVICES, Share};
use crate::engine::processes::restart;
use crate::engine::processes::way::{self, Start, Way};
use crate::engine::{Reach, Seat};
use crate::launch::executor::Sink;
use crate::life::exit::Exit;
use crate::{Error, Resources};
use sha2::{Digest, Sha256};

/// With this code `ssh` ends when it cannot connect, or has lost the connection.
const LOST: i32 = 255;

/// The port to which the route to a host is looked up; nothing is sent there.
const ANY_PORT: u16 = 22;

/// The hosts and the connections to them.
pub(super) struct Ssh {
    placement: Placement,
    connections: Connections,
    brought: Brought,
    directory: PathBuf,
    unreachable: Unreachable,
    /// How many nodes have been started on each host.
    begun: BTreeMap<String, usize>,
}

/// What starts nodes on every host.
#[derive(Clone)]
enum Brought {
    /// This binary, of which a copy lies there below the cache.
    Binary { own: PathBuf, there: PathBuf },
    /// An interpreter with all that the program needs, which must be there at the same path.
    Interpreter(PathBuf),
}

impl Brought {
    fn of_this_program() -> Result<Self, Error> {
        let own = way::this_binary("the first node")?;
        if restart::is_said() {
            return Ok(Self::Interpreter(own));
        }
        let there = place_of(&own).map_err(Error::system(format!("cannot read {}", own.display())))?;
        Ok(Self::Binary { own, there })
    }

    /// As a word for the shell of a host.
    fn word(&self) -> OsString {
        match self {
            Self::Binary { there, .. } => below_cache(there),
            Self::Interpreter(path) => quoted(path),
        }
    }
}

/// Hosts to which nothing more is sent.
#[derive(Clone)]
struct Unreachable {
    names: Arc<Mutex<BTreeSet<String>>>,
    sink: Sink,
}

impl Unreachable {
    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        // No code that holds the lock can panic half-way through a change.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node that was started again has lost its host at once, or once more.
    fn add(&self, host: &str) {
        if self.names().insert(host.to_owned()) {
            (self.sink)(
                "launcher",
                &format!("{host} cannot be reached any more: its nodes go to the others"),
            );
        }
    }
}

impl Ssh {
    /// Connects to all hosts at once and brings the binary where it is not; an interpreter is only looked for. Hosts that cannot be used are
    /// left out, with the reason; there must be room at the others.
    pub(super) fn open(hosts: Vec<Host>, company: &Company<'_>, sink: &Sink) -> Result<Opened, Error> {
        company.check_room(&Placement::new(hosts.clone()))?;
        let connections = Connections::new(&hosts, company.nodes.len())?;
        let brought = Brought::of_this_program()?;
        let prepared: Vec<_> = thread::scope(|scope| {
            let prepare = |host: &Host| connections.prepare(&host.name, &brought);
            let begun: Vec<_> = hosts.iter().map(|host| scope.spawn(move || prepare(host))).collect();
            begun
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".to_owned())))
                .collect()
        });
        let (mut usable, mut remarks) = (Vec::new(), Vec::new());
        for (host, outcome) in hosts.into_iter().zip(prepared) {
            match outcome {
                Ok(()) => usable.push(host),
                Err(why) => remarks.push(format!("{} is left out: {why}", host.name)),
            }
        }
        let Some(first) = usable.first() else { return Err(Error::NoHost(remarks.join("; "))) };
        let toward = (connections.real_name(&first.name), ANY_PORT);
        let placement = Placement::new(usable);
        company.check_room(&placement).map_err(|error| with_remarks(error, &remarks))?;
        let unreachable = Unreachable { names: Arc::default(), sink: Arc::clone(sink) };
        let (directory, begun) = (directory()?, BTreeMap::new());
        let way = Self { placement, connections, brought, directory, unreachable, begun };
        Ok(Opened { way: Box::new(way), toward, remarks })
    }

    /// Who would go where and what would be run there, if all hosts can be used; none is asked.
    ///
    /// `listen` finds the launcher's address by the names of hosts and a port there.
    pub(super) fn rehearse(
        hosts: Vec<Host>,
        company: &Company<'_>,
        listen: impl Fn(&[String], u16) -> Result<Ground, Error>,
    ) -> Result<String, Error> {
        let connections = Connections::new(&hosts, company.nodes.len())?;
        let brought = Brought::of_this_program()?;
        let names: Vec<_> = hosts.iter().map(|host| connections.real_name(&host.name)).collect();
        let ground = listen(&names, ANY_PORT)?;
        let unreachable = Unreachable { names: Arc::default(), sink: Arc::new(|_, _| {}) };
        let (placement, directory) = (Placement::new(hosts), directory()?);
        let mut way =
            Self { placement, connections, brought, directory, unreachable, begun: BTreeMap::new() };
        let places = company.places(&mut way.placement)?;
        let mut text = company.told(&way.placement, &places);
        text.push_str(&format!("{ground}\n"));
        for (number, node, needs) in company.first_of_each_group() {
            let Some(place) = &places[number] else { continue };
            let role = company.role(node, &ground);
            let mut command = way.connections.lasting();
            toward(&mut command, &way.placement.host(place).name);
            let needs = way.placement.told(node, place, company.group(node), needs);
            command.arg(way.script(&needs, &role, &place.gpus, company.arguments.to_vec()));
            text.push_str(&rehearsal::started_by(node, &command));
        }
        Ok(text)
    }

    /// What the shell of a host is to do: become the agent of a node.
    fn script(&self, needs: &Resources, role: &Role, gpus: &[String], arguments: Vec<OsString>) -> OsString {
        let mut words: Vec<OsString> = vec!["cd".into(), written(self.directory.as_os_str())];
        words.push(match self.brought {
            Brought::Binary { .. } => "2>/dev/null || cd &&".into(),
            Brought::Interpreter(_) => "&&".into(),
        });
        if let Some(bytes) = needs.memory {
            words.push(format!("ulimit -v {} &&", bytes.div_ceil(1024)).into());
        }
        words.extend(["exec", "env"].map(OsString::from));
        words.extend(needs.environment.iter().map(|(name, value)| assignment(name, value)));
        if !gpus.is_empty() {
            words.push(assignment(DEVICES, &gpus.join(",")));
        }
        words.extend(role.variables().iter().map(|(name, value)| assignment(name, value)));
        words.push(assignment(AGENT, "1"));
        words.push(self.brought.word());
        words.extend(arguments.iter().map(|argument| written(argument)));
        // Whatever the user's shell is there, `sh` reads this.
        joined(["exec".into(), "sh".into(), "-c".into(), quoted(joined(words))])
    }
}

impl Way for Ssh {
    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn start(&mut self, seat: &Seat, role: &Role, arguments: Option<&[String]>) -> Result<Start, Error> {
        self.placement.lose(&self.unreachable.names());
        let place = self.placement.place(&seat.id, &seat.needs)?;
        let arguments = match arguments {
            Some(arguments) => arguments.iter().map(OsString::from).collect(),
            None => restart::words(),
        };
        let host = self.placement.host(&place).name.clone();
        let begun = self.begun.entry(host.clone()).or_default();
        let mut command = self.connections.to(&host, *begun);
        *begun += 1;
        let needs = self.placement.told(&seat.id.name, &place, seat.group, &seat.needs);
        command.arg(self.script(&needs, role, &place.gpus, arguments));
        let (unreachable, again) = (self.unreachable.clone(), seat.id.incarnation > 0);
        let at = Some(host.clone());
        let told = move |status, _| {
            let exit = told(status);
            if again && exit == Exit::Lost {
                unreachable.add(&host);
            }
            exit
        };
        Ok(Start { command, host: at, share: Share::default(), told: Box::new(told) })
    }
}

/// With the hosts that are left out beside those that have too little room.
fn with_remarks(error: Error, remarks: &[String]) -> Error {
    match error {
        Error::Crowded { nodes, wanted, what, offered, each, node, asked } => {
            let each = [&[each], remarks].concat().join("; ");
            Error::Crowded { nodes, wanted, what, offered, each, node, asked }
        }
        error => error,
    }
}

/// Where nodes work: where the launcher does.
fn directory() -> Result<PathBuf, Error> {
    env::current_dir().map_err(Error::system("cannot tell the working directory"))
}

/// What the end of `ssh` tells of the node's.
fn told(status: ExitStatus) -> Exit {
    match agent::told(status) {
        Exit::Code(LOST) => Exit::Lost,
        exit => exit,
    }
}

/// `NAME=value`, as `env` takes it.
fn assignment(name: &str, value: &str) -> OsString {
    let mut pair = OsString::from(name);
    pair.push("=");
    pair.push(written(value.as_ref()));
    pair
}

/// Where a binary lies in the cache, by its content.
fn place_of(binary: &Path) -> io::Result<PathBuf> {
    let (mut file, mut hash, mut piece) = (File::open(binary)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
    }
    let hash: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let name = binary.file_name().unwrap_or("program".as_ref());
    Ok(Path::new("syncline").join(hash).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn an_end_of_ssh_tells_of_the_nodes() {
        let ended = |code: i32| told(ExitStatus::from_raw(code << 8));
        assert_eq!((ended(0), ended(3)), (Exit::Code(0), Exit::Code(3)));
        assert_eq!((ended(137), ended(255)), (Exit::Signal(9), Exit::Lost));
        assert_eq!(told(ExitStatus::from_raw(9)), Exit::Signal(9));
    }

    #[test]
    fn a_binary_lies_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "abc").unwrap();
        let place = place_of(&file).unwrap();
        // SHA-256 of `abc`, from FIPS 180-2.
        assert_eq!(place, Path::new("syncline/ba7816bf8f01cfea414140de5dae2223/tool"));
    }
}
