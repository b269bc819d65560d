//! Where a service listens: a Unix socket, a TCP port with or without encryption, a node of a simulation. Written as
//! `unix:/path`, `tcp:127.0.0.1:1234`, `tls:10.0.0.7:1234` or `sim:server/0`, the same text in configuration, environment variables and error messages.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The address of a listening service.
///
/// ```
/// use syncline_wire::Address;
/// let address: Address = "tcp:127.0.0.1:4000".parse()?;
/// assert!(address.is_loopback());
/// assert_eq!(address.to_string(), "tcp:127.0.0.1:4000");
/// # Ok::<(), syncline_wire::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// A Unix socket at this path (at most about 100 bytes long).
    Unix(PathBuf),
    /// A TCP port of a host, which is a name or an IP address; port 0 lets the system choose a free one when binding.
    Tcp {
        /// An IPv6 address stands without its brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// The same, with everything that passes encrypted (feature `tls`).
    Tls {
        /// As for TCP.
        host: String,
        /// The port.
        port: u16,
    },
    /// A node of a simulation, by its name.
    Sim(String),
}

impl Address {
    /// Whether only this machine can reach the address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Address::Unix(_) | Address::Sim(_) => true,
            Address::Tcp { host, .. } | Address::Tls { host, .. } => {
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp { host, port } => write_socket(f, "tcp", host, *port),
            Address::Tls { host, port } => write_socket(f, "tls", host, *port),
            Address::Sim(node) => write!(f, "sim:{node}"),
        }
    }
}

fn write_socket(f: &mut fmt::Formatter<'_>, scheme: &str, host: &str, port: u16) -> fmt::Result {
    match host.contains(':') {
        true => write!(f, "{scheme}:[{host}]:{port}"),
        false => write!(f, "{scheme}:{host}:{port}"),
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Address { text: text.to_owned() };
        match text.split_once(':').ok_or_else(malformed)? {
            ("unix", path) if !path.is_empty() => Ok(Address::Unix(path.into())),
            ("tcp", socket) => {
                parse_host(socket).map(|(host, port)| Address::Tcp { host, port }).ok_or_else(malformed)
            }
            ("tls", socket) => {
                parse_host(socket).map(|(host, port)| Address::Tls { host, port }).ok_or_else(malformed)
            }
            ("sim", node) if !node.is_empty() => Ok(Address::Sim(node.to_owned())),
            _ => Err(malformed()),
        }
    }
}

/// Reads `host:port`, with an IPv6 address in brackets.
fn parse_host(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').filter(|host| host.parse::<IpAddr>().is_ok())?,
        None => host,
    };
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':');
    // A colon without brackets could not be told from the port's.
    let fits =
        !host.is_empty() && host.chars().all(is_plain) && (text.starts_with('[') || !host.contains(':'));
    fits.then(|| (host.to_owned(), port))
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp { host: address.ip().to_string(), port: address.port() }
    }
}

impl TryFrom<String> for Address {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "unix:/tmp/run/server-0",
            "unix:relative:odd",
            "tcp:127.0.0.1:80",
            "tcp:[::1]:0",
            "tls:node-7:9",
            "tls:[::1]:1",
            "sim:server/0",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let loopback = |text: &str| text.parse::<Address>().unwrap().is_loopback();
        assert!(loopback("tcp:localhost:1") && loopback("tcp:[::1]:1"));
        assert!(loopback("tls:127.0.0.1:1") && !loopback("tls:10.0.0.1:1"));
        assert!(!loopback("tcp:node-7.cluster:4000") && !loopback("tcp:0.0.0.0:1"));
    }

    #[test]
    fn nonsense_is_refused_with_the_valid_forms() {
        for text in [
            "",
            "unix",
            "unix:",
            "tcp:",
            "tcp:localhost",
            "tcp::1",
            "tcp:::1:5",
            "tcp:a b:1",
            "sim:",
            "http:127.0.0.1:1",
        ] {
            let message = text.parse::<Address>().unwrap_err().to_string();
            assert!(message.contains("unix:/path") && message.contains("tcp:127.0.0.1:1234"), "{message}");
        }
    }
}
