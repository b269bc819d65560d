//! The file that names hosts: `HOST slots=4 gpus=0,1` a line. HOST is what `ssh` takes: a name of its configuration or of the network, or an
//! address; behind it a colon and the port, where the configuration does not say that.

use std::path::Path;

use crate::Error;

/// A machine, and what of it the program may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// As `ssh` or Slurm know it.
    pub(crate) name: String,
    /// How many cores' worth of nodes it takes.
    pub(crate) slots: usize,
    /// The devices that its nodes may see.
    pub(crate) gpus: Vec<String>,
}

/// Reads the file at `path`. A host without `slots` takes one node; `#` begins a comment.
pub(crate) fn read(path: &Path) -> Result<Vec<Host>, Error> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(Error::system(format!("cannot read the hosts file {}", path.display())))?;
    let mut hosts: Vec<Host> = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let wrong = |why: String| Error::Hosts { place: format!("{}:{}", path.display(), number + 1), why };
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let host = words.try_fold(host(name).map_err(&wrong)?, with);
        let host = host.map_err(&wrong)?;
        if hosts.iter().any(|other| other.name == host.name) {
            return Err(wrong(format!("{} is named twice; give it all its slots in one line", host.name)));
        }
        hosts.push(host);
    }
    if hosts.is_empty() {
        let place = path.display().to_string();
        return Err(Error::Hosts { place, why: "it names no host; write one a line".to_owned() });
    }
    Ok(hosts)
}

/// A name that `ssh` cannot take for an option.
fn host(name: &str) -> Result<Host, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-_@:[]%".contains(letter);
    if name.starts_with('-') || !name.chars().all(plain) {
        return Err(format!("`{}` is no host's name", name.escape_debug()));
    }
    if destination(name).is_none() {
        return Err(format!("`{name}` has no port from 1 to 65535 behind its colon"));
    }
    Ok(Host { name: name.to_owned(), slots: 1, gpus: Vec::new() })
}

/// What `ssh` is to connect to, and the port where the name has one: `me@right:2222`, `[fe80::1]:2222`. An address with
/// several colons is an address, and a port stands only behind its brackets. Nothing where what should be a port is none.
pub(super) fn destination(name: &str) -> Option<(String, Option<u16>)> {
    let (user, host) = match name.rsplit_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), name),
    };
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, Some(rest.strip_prefix(':')?)),
        None => match host.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (host, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
        None => None,
    };
    Some((user + host, port))
}

fn with(mut host: Host, word: &str) -> Result<Host, String> {
    match word.split_once('=') {
        Some(("slots", count)) => {
            let count = count.parse().ok().filter(|count| *count > 0);
            host.slots = count.ok_or_else(|| format!("`{word}`: slots is a number from 1"))?;
        }
        Some(("gpus", devices)) => {
            host.gpus = devices.split(',').filter(|device| !device.is_empty()).map(str::to_owned).collect();
        }
        _ => return Err(format!("`{}` is neither slots=N nor gpus=0,1", word.escape_debug())),
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Host>, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn hosts_have_slots_and_devices() {
        let hosts = of("# two machines\r\nleft slots=4 gpus=0,1\r\n\nme@right.example # slow\n").unwrap();
        assert_eq!(hosts[0].slots, 4);
        assert_eq!(hosts[0].gpus, ["0", "1"]);
        assert_eq!((hosts[1].name.as_str(), hosts[1].slots), ("me@right.example", 1));
    }

    #[test]
    fn a_name_may_have_a_user_and_a_port() {
        let told = |name: &str| destination(name).unwrap();
        for (name, to, port) in [
            ("left", "left", None),
            ("me@left:2222", "me@left", Some(2222)),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("[fe80::1%eth0]", "fe80::1%eth0", None),
            ("me@[::1]:2222", "me@::1", Some(2222)),
        ] {
            assert_eq!(told(name), (to.to_owned(), port));
        }
        let hosts = of("left:22\tslots=2\r\nleft:2222\tslots=4\r\n").unwrap();
        assert_eq!(hosts.iter().map(|host| host.slots).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, says) in [
            ("a\n-oProxyCommand=x\n", ":2: `-oProxyCommand=x` is no host's name"),
            ("a slots=0\n", ":1: `slots=0`: slots is a number from 1"),
            ("a cpus=3\n", ":1: `cpus=3` is neither"),
            ("a\na\n", ":2: a is named twice"),
            ("a:\n", ":1: `a:` has no port"),
            ("[::1]2222\n", ":1: `[::1]2222` has no port"),
            ("a:70000\n", ":1: `a:70000` has no port"),
            ("# none\n", "it names no host"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
