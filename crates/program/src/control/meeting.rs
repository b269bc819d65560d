//! Where the nodes of one run listen.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use syncline_wire::{self as wire, Address, Identity, Limits, Listener};
use tempfile::TempDir;

use crate::engine::hosts::site::source_toward;
use crate::launch::executor::Transport;
use crate::{Error, NodeId, NodeName};

/// What the name of a run's directory starts with.
pub(crate) const PREFIX: &str = "syncline-";

/// The longest path to a directory that leaves room for a node's socket: the kernel allows 108 bytes in all, other
/// systems 104.
const LONGEST: usize = 60;

/// The meeting point of a run; its directory, readable by its owner only, vanishes with it.
pub(crate) enum Meeting {
    Directory(TempDir),
    Loopback,
    Network(Ground),
}

/// Where on the network the launcher listens.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) host: IpAddr,
    /// The ports that may be used; all if none is named.
    pub(crate) ports: Option<RangeInclusive<u16>>,
    /// Whether everything travels in the clear.
    pub(crate) is_open: bool,
}

impl Ground {
    /// The launcher's address, still without the port, which is chosen when it listens.
    pub(crate) fn address(&self) -> Address {
        let (host, port) = (self.host.to_string(), 0);
        if self.is_open { Address::Tcp { host, port } } else { Address::Tls { host, port } }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the launcher would listen at {}, ", self.host)?;
        match &self.ports {
            Some(ports) => write!(f, "at the first free port of {} to {}", ports.start(), ports.end())?,
            None => f.write_str("at a port that the system chooses (0 below)")?,
        }
        f.write_str(if self.is_open { ", in the clear" } else { ", with TLS" })
    }
}

/// Somewhere to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    address: Address,
    ports: Option<RangeInclusive<u16>>,
    /// Whether other machines are to reach it.
    is_wide: bool,
}

impl Spot {
    fn within(address: Address) -> Self {
        Self { address, ports: None, is_wide: false }
    }

    /// Listens there, at the first port that is free.
    pub(crate) async fn listen(
        &self,
        identity: impl Into<Identity>,
        limits: &Limits,
    ) -> wire::Result<Listener> {
        let identity = identity.into();
        if !self.is_wide {
            return Listener::bind(&self.address, identity, limits.clone()).await;
        }
        let ports = self.ports.clone().unwrap_or(0..=0);
        let mut taken = None;
        for port in ports {
            let address = with_port(&self.address, port);
            match Listener::bind_beyond_loopback(&address, &identity, limits.clone()).await {
                Err(error @ wire::Error::Io { .. }) if is_taken(&error) => taken = Some(error),
                outcome => return outcome,
            }
        }
        Err(taken.unwrap_or_else(|| wire::Error::Address { text: self.address.to_string() }))
    }
}

fn with_port(address: &Address, at: u16) -> Address {
    let mut address = address.clone();
    if let Address::Tcp { port, .. } | Address::Tls { port, .. } = &mut address {
        *port = at;
    }
    address
}

fn is_taken(error: &wire::Error) -> bool {
    matches!(error, wire::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse)
}

impl Meeting {
    pub(crate) fn new(transport: Transport) -> Result<Self, Error> {
        let Transport::Unix = transport else { return Ok(Self::Loopback) };
        let doing = "cannot make a directory for the run's sockets";
        private_directory().map(Self::Directory).map_err(Error::system(doing))
    }

    /// The run's directory, if it has one.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(directory) => Some(directory.path()),
            Self::Loopback | Self::Network(_) => None,
        }
    }

    /// Where the launcher listens.
    pub(crate) fn control(&self) -> Spot {
        self.spot("control")
    }

    /// Where a service in the launching process listens.
    pub(crate) fn of(&self, node: &NodeName) -> Spot {
        self.spot(&node.file_name())
    }

    /// The ports that nodes may use.
    pub(crate) fn ports(&self) -> Option<RangeInclusive<u16>> {
        match self {
            Self::Network(Ground { ports, .. }) => ports.clone(),
            Self::Directory(_) | Self::Loopback => None,
        }
    }

    fn spot(&self, name: &str) -> Spot {
        match self {
            Self::Directory(directory) => {
                Spot::within(Address::Unix(directory.path().join(format!("{name}.sock"))))
            }
            Self::Loopback => Spot::within(any_port()),
            Self::Network(ground) => {
                Spot { address: ground.address(), ports: ground.ports.clone(), is_wide: true }
            }
        }
    }
}

/// A new directory for temporary files that only this user can enter, and whose path leaves room for sockets' names.
///
/// # Errors
/// What the system refused, and where.
pub(crate) fn private_directory() -> io::Result<TempDir> {
    let within = short_enough(std::env::temp_dir());
    let owner_only = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix(PREFIX).permissions(owner_only).tempdir_in(within)
}

/// Where a node listens whose launcher listens at `control`: where that is on the network, at the address by which this
/// machine reaches it.
pub(crate) fn beside(
    control: &Address,
    node: &NodeId,
    ports: Option<&RangeInclusive<u16>>,
) -> Result<Spot, Error> {
    let own = |host: &str, port: u16| {
        let own = source_toward(host, port);
        let own =
            own.map_err(Error::system(format!("cannot tell the own address toward the launcher at {host}")))?;
        Ok::<_, Error>(own.to_string())
    };
    let address = match control {
        Address::Unix(path) => Address::Unix(path.with_file_name(format!("{}.sock", node.file_name()))),
        Address::Tls { host, port } => Address::Tls { host: own(host, *port)?, port: 0 },
        Address::Tcp { host, port } => Address::Tcp { host: own(host, *port)?, port: 0 },
        Address::Sim(_) => any_port(),
    };
    Ok(Spot { is_wide: !address.is_loopback() || ports.is_some(), address, ports: ports.cloned() })
}

/// Removes what a dead launcher could not: the directory in which it listened.
pub(crate) fn clear(control: &Address) {
    let Address::Unix(path) = control else { return };
    let ours = |directory: &Path| {
        directory.file_name().is_some_and(|name| name.as_bytes().starts_with(PREFIX.as_bytes()))
    };
    if let Some(directory) = path.parent().filter(|directory| ours(directory)) {
        // All orphans try; those that come too late find nothing.
        let _ = std::fs::remove_dir_all(directory);
    }
}

fn any_port() -> Address {
    Address::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn short_enough(directory: PathBuf) -> PathBuf {
    if directory.as_os_str().len() <= LONGEST { directory } else { PathBuf::from("/tmp") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_private_and_vanishes() {
        let meeting = Meeting::new(Transport::Unix).unwrap();
        let Address::Unix(control) = meeting.control().address else { panic!("not a path") };
        let directory = control.parent().unwrap().to_owned();
        assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        drop(meeting);
        assert!(!directory.exists());
    }

    #[test]
    fn an_orphan_clears_only_a_directory_of_ours() {
        let meeting = Meeting::new(Transport::Unix).unwrap();
        let Address::Unix(control) = meeting.control().address else { panic!("not a path") };
        clear(&Address::Unix(control.clone()));
        assert!(!control.parent().unwrap().exists());

        let other = tempfile::Builder::new().prefix("other-").tempdir().unwrap();
        clear(&Address::Unix(other.path().join("control.sock")));
        assert!(other.path().exists());
    }

    #[test]
    fn a_temporary_directory_with_a_long_path_is_not_used() {
        assert_eq!(short_enough("/var/tmp".into()), PathBuf::from("/var/tmp"));
        assert_eq!(short_enough(format!("/{}", "x".repeat(60)).into()), PathBuf::from("/tmp"));
    }

    #[test]
    fn a_node_listens_beside_its_launcher() {
        let node = NodeId::first("server/1".parse().unwrap());
        let control = Address::Unix("/tmp/syncline-x/control.sock".into());
        let at = |node: &NodeId| beside(&control, node, None).unwrap().address;
        assert_eq!(at(&node), Address::Unix("/tmp/syncline-x/server.1.sock".into()));
        assert_eq!(at(&node.next()), Address::Unix("/tmp/syncline-x/server.1.1.sock".into()));
        let control = Address::Tls { host: "127.0.0.1".to_owned(), port: 9 };
        let spot = beside(&control, &node, Some(&(7000..=7001))).unwrap();
        assert_eq!(spot.address, Address::Tls { host: "127.0.0.1".to_owned(), port: 0 });
        assert!(spot.is_wide, "a range of ports is gone through");
    }
}
