//! The launcher's side: the window.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::geteuid;
use syncline_runtime::Waits;
use syncline_wire::{Address, Limits, Listener, ServiceError, Token, service};
use tempfile::TempDir;

use super::snapshot::{NodeView, Snapshot};
use crate::control::Control;
use crate::control::meeting::{self, PREFIX};
use crate::control::standing::Standing;

/// Rises when a [`Snapshot`] is written in another way.
pub(crate) const VERSION: u32 = 2;

/// Where viewers connect.
pub(crate) const SOCKET: &str = "top.sock";
/// What lets them in.
pub(crate) const TOKEN: &str = "top.token";
/// Is locked for as long as the launcher lives.
const LOCK: &str = "top.lock";

/// Edges that are shown, at most.
const EDGES: usize = 50_000;

/// What is answered there.
#[service]
pub(crate) trait Window {
    /// The version of what `look` answers.
    async fn version(&self) -> u32;
    /// The program as it is now.
    async fn look(&self) -> Snapshot;
    /// Wishes for so many nodes of a group to be there; how many were wished for before.
    async fn wish(&self, group: String, size: usize) -> Result<usize, ServiceError>;
}

/// What can be seen.
pub(crate) struct View {
    pub(crate) program: String,
    pub(crate) executor: String,
    pub(crate) control: Arc<Control>,
    /// What the nodes of this process wait for.
    pub(crate) waits: Waits,
}

#[service]
impl Window for View {
    async fn version(&self) -> u32 {
        VERSION
    }

    async fn wish(&self, group: String, size: usize) -> Result<usize, ServiceError> {
        let before = self.control.wish(&group, size);
        Ok(before.map_err(|error| ServiceError::new(error.to_string()))?.size)
    }

    async fn look(&self) -> Snapshot {
        let Self { program, executor, control, waits } = self;
        let now = control.clock().now();
        let (own, others) = control.books.accounts(now, &Limits::default());
        let mut accounts: Vec<_> = std::iter::once((None, own))
            .chain(others.into_iter().map(|(node, account)| (Some(node), account)))
            .collect();
        let mut room = EDGES;
        for (_, account) in &mut accounts {
            account.edges.truncate(room);
            room -= account.edges.len();
        }
        Snapshot {
            program: program.clone(),
            executor: executor.clone(),
            pid: std::process::id(),
            up_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            is_stopping: control.is_stopping(),
            nodes: nodes(control, waits),
            accounts,
        }
    }
}

fn nodes(control: &Control, waits: &Waits) -> Vec<NodeView> {
    let roster = control.roster();
    let mut standings = control.standings_of(roster.nodes().map(|(name, _)| name));
    standings.push(Standing::of(waits));
    // What gates of this process are for is asked now and seen the next time.
    waits.ask();
    let told: Vec<_> = standings.iter().flat_map(Standing::told).collect();
    let view = |(name, presence): (&crate::NodeName, &crate::Presence)| {
        let name = name.to_string();
        let of_it = told.iter().filter(|told| told.node == name && !presence.state.is_over());
        let waits = of_it.map(syncline_runtime::Told::words).filter(|words| !words.is_empty()).collect();
        NodeView { name, incarnation: presence.incarnation, state: presence.state, waits }
    };
    roster.nodes().map(view).collect()
}

/// An open window; closed when dropped.
pub(crate) struct Open {
    /// The directory, where it was made for this.
    _directory: Option<TempDir>,
    _lock: File,
    /// Those that are in the run's own directory.
    files: Vec<PathBuf>,
}

impl Open {
    /// Opens a window in the run's directory, or in a new one, and serves it as a task of this runtime.
    ///
    /// # Errors
    /// What the system refused.
    pub(crate) async fn new(directory: Option<&Path>, view: View) -> io::Result<Self> {
        sweep();
        let own = match directory {
            Some(_) => None,
            None => Some(meeting::private_directory()?),
        };
        let place = directory.or(own.as_ref().map(TempDir::path)).unwrap_or(Path::new("."));
        let token = Token::random();
        let address = Address::Unix(place.join(SOCKET));
        let listener = Listener::bind(&address, token.clone(), Limits::default()).await;
        let listener = listener.map_err(io::Error::other)?;
        private_file(&place.join(TOKEN))?.write_all(token.to_hex().as_bytes())?;
        let lock = locked(place)?;
        tokio::spawn(async move { listener.serve(Arc::new(view)).await });
        let files = [TOKEN, LOCK].map(|name| place.join(name)).into();
        Ok(Self { _directory: own, _lock: lock, files })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // The directory may be gone already.
        self.files.iter().for_each(|file| drop(fs::remove_file(file)));
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// A locked file in `place`, which gets its name when it is locked: whoever finds it unlocked knows that its owner is gone.
fn locked(place: &Path) -> io::Result<File> {
    let unnamed = place.join(format!("{LOCK}.new"));
    let file = private_file(&unnamed)?;
    file.lock()?;
    fs::rename(unnamed, place.join(LOCK))?;
    Ok(file)
}

/// Directories of runs of this user, which may be dead.
pub(super) fn directories() -> Vec<PathBuf> {
    let mut places = vec![std::env::temp_dir(), PathBuf::from("/tmp")];
    places.dedup();
    let mut found: Vec<_> = places.iter().flat_map(|place| in_place(place)).collect();
    found.sort();
    found.dedup();
    found
}

fn in_place(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    named.map(|entry| entry.path()).filter(|path| is_ours(path)).collect()
}

/// Whether it is a directory of this user that nobody else can enter.
pub(super) fn is_ours(directory: &Path) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|found| {
        let is_private = found.permissions().mode() & 0o077 == 0;
        found.is_dir() && found.uid() == geteuid().as_raw() && is_private
    })
}

/// Whether a launcher with an open window was here and is gone.
pub(super) fn is_dead(directory: &Path) -> bool {
    File::open(directory.join(LOCK)).is_ok_and(|file| file.try_lock().is_ok())
}

/// Removes what launchers that were killed have left.
pub(super) fn sweep() {
    for directory in directories().into_iter().filter(|directory| is_dead(directory)) {
        // Another one may be at it, too.
        let _ = fs::remove_dir_all(directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn live_2_what_a_dead_launcher_left_is_removed_and_nothing_else() {
        let [alive, dead, other] = [(); 3].map(|()| meeting::private_directory().unwrap());
        let held = locked(alive.path()).unwrap();
        drop(locked(dead.path()).unwrap());
        fs::write(other.path().join("data"), "").unwrap();
        assert!(directories().contains(&dead.path().to_owned()));
        sweep();
        assert_eq!([&alive, &dead, &other].map(|directory| directory.path().exists()), [true, false, true]);
        drop(held);
    }

    #[test]
    fn a_directory_that_others_can_enter_is_not_ours() {
        let directory = meeting::private_directory().unwrap();
        assert!(is_ours(directory.path()));
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(!is_ours(directory.path()));
        assert!(!is_ours(&directory.path().join("nothing")));
    }
}
