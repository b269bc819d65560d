//! The side of those who look.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use syncline_wire::{Address, CallError, Client, Limits, Token};
use tokio::runtime::Runtime;

use super::snapshot::Snapshot;
use super::window::{SOCKET, TOKEN, VERSION, View, WindowClient, directories, is_ours, sweep};
use crate::Error;
use crate::node::body;

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A way to look into a running program of this user, by the directory of its run.
pub struct Viewer {
    directory: PathBuf,
    runtime: Runtime,
    client: Client<View>,
}

impl Viewer {
    /// Looks into the program whose run has this directory.
    ///
    /// # Errors
    /// [`Error::NoWindow`] where no program of this user answers there, or one of another version does.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let no_window = |why: String| Error::NoWindow { directory: directory.to_owned(), why };
        if !is_ours(directory) {
            return Err(no_window(
                "it is no directory of this user that only this user can enter".to_owned(),
            ));
        }
        let token = fs::read_to_string(directory.join(TOKEN));
        let token = token.map_err(|error| no_window(format!("cannot read {TOKEN}: {error}")))?;
        let token: Token = token.trim().parse().map_err(|_| no_window(format!("{TOKEN} is damaged")))?;
        let runtime = body::runtime()?;
        let limits = Limits { connect: Duration::from_millis(500), ..Limits::default() };
        let address = Address::Unix(directory.join(SOCKET));
        let look = async {
            let client = Client::<View>::connect(&address, token, &limits).await?.within(PATIENCE);
            let version = client.version().await?;
            Ok::<_, syncline_wire::Error>((client, version))
        };
        let (client, version) = runtime.block_on(look).map_err(|error| no_window(error.to_string()))?;
        if version != VERSION {
            return Err(no_window(format!(
                "its program shows version {version} of what is seen, and this is version {VERSION}: use the syncline \
                 that it was built with"
            )));
        }
        Ok(Self { directory: directory.to_owned(), runtime, client })
    }

    /// The run's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The program as it is now.
    ///
    /// # Errors
    /// [`Error::NoWindow`] when it has ended, or does not answer.
    pub fn look(&self) -> Result<Snapshot, Error> {
        let snapshot = self.runtime.block_on(self.client.look());
        snapshot
            .map_err(|error| Error::NoWindow { directory: self.directory.clone(), why: error.to_string() })
    }

    /// Wishes for so many nodes of a group that grows and shrinks to be there; how many were wished for before. The
    /// program's driver decides what becomes of it, which a later [look](Self::look) shows.
    ///
    /// # Errors
    /// [`Error::NoWindow`] when the program has ended or does not answer, [`Error::Refused`] where it has no such group or not of
    /// that size.
    pub fn wish(&self, group: &str, size: usize) -> Result<usize, Error> {
        let no_window = |error: syncline_wire::Error| Error::NoWindow {
            directory: self.directory.clone(),
            why: error.to_string(),
        };
        self.runtime.block_on(self.client.wish(group.to_owned(), size)).map_err(|error| match error {
            CallError::Service(refused) => Error::Refused(refused.to_string()),
            CallError::Wire(error) => no_window(error),
        })
    }
}

impl fmt::Debug for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Viewer({})", self.directory.display())
    }
}

/// The programs of this user that run on this machine in real time, by the directories of their runs.
pub fn running() -> Vec<Viewer> {
    sweep();
    let answers = |directory: PathBuf| Viewer::open(directory).ok();
    directories().into_iter().filter_map(answers).collect()
}
