//! Where a service listens: a Unix socket or a TCP port. Written as `unix:/path` or `tcp:127.0.0.1:1234`, the same text
//! in configuration, environment variables and error messages.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
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
    /// A TCP port; port 0 lets the system choose a free one when binding.
    Tcp(SocketAddr),
}

impl Address {
    /// Whether only this machine can reach the address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Address::Unix(_) => true,
            Address::Tcp(address) => address.ip().is_loopback(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Address { text: text.to_owned() };
        match text.split_once(':').ok_or_else(malformed)? {
            ("unix", path) if !path.is_empty() => Ok(Address::Unix(path.into())),
            ("tcp", socket) => socket.parse().map(Address::Tcp).map_err(|_| malformed()),
            _ => Err(malformed()),
        }
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
        for text in ["unix:/tmp/run/server-0", "unix:relative:odd", "tcp:127.0.0.1:80", "tcp:[::1]:0"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_valid_forms() {
        for text in ["", "unix", "unix:", "tcp:", "tcp:localhost:1", "http:127.0.0.1:1"] {
            let message = text.parse::<Address>().unwrap_err().to_string();
            assert!(message.contains("unix:/path") && message.contains("tcp:127.0.0.1:1234"), "{message}");
        }
    }
}
