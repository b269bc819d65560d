//! Where the nodes of one run listen.

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use syncline_wire::Address;
use tempfile::TempDir;

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
}

impl Meeting {
    pub(crate) fn new(transport: Transport) -> Result<Self, Error> {
        let Transport::Unix = transport else { return Ok(Self::Loopback) };
        let within = short_enough(std::env::temp_dir());
        let owner_only = Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix(PREFIX).permissions(owner_only).tempdir_in(&within);
        let doing = format!("cannot make a directory for the run's sockets in {}", within.display());
        made.map(Self::Directory).map_err(Error::system(doing))
    }

    /// Where the launcher listens.
    pub(crate) fn control(&self) -> Address {
        self.address("control")
    }

    /// Where a service in the launching process listens.
    pub(crate) fn of(&self, node: &NodeName) -> Address {
        self.address(&node.file_name())
    }

    fn address(&self, name: &str) -> Address {
        match self {
            Self::Directory(directory) => Address::Unix(directory.path().join(format!("{name}.sock"))),
            Self::Loopback => any_port(),
        }
    }
}

/// Where a node listens whose launcher listens at `control`.
pub(crate) fn beside(control: &Address, node: &NodeId) -> Address {
    match control {
        Address::Unix(path) => Address::Unix(path.with_file_name(format!("{}.sock", node.file_name()))),
        Address::Tcp { .. } | Address::Sim(_) => any_port(),
    }
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
        let Address::Unix(control) = meeting.control() else { panic!("not a path") };
        let directory = control.parent().unwrap().to_owned();
        assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        drop(meeting);
        assert!(!directory.exists());
    }

    #[test]
    fn an_orphan_clears_only_a_directory_of_ours() {
        let meeting = Meeting::new(Transport::Unix).unwrap();
        let Address::Unix(control) = meeting.control() else { panic!("not a path") };
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
        assert_eq!(beside(&control, &node), Address::Unix("/tmp/syncline-x/server.1.sock".into()));
        let again = Address::Unix("/tmp/syncline-x/server.1.1.sock".into());
        assert_eq!(beside(&control, &node.next()), again);
    }
}
