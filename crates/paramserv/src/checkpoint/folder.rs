//! The folder of a run's checkpoints: a file a round, the newest few of them.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{Checkpoint, Checkpoints, Identity, file};
use crate::Error;

const PREFIX: &str = "round-";
const SUFFIX: &str = ".checkpoint";

/// How the names of files begin that are being written.
const WRITING: &str = ".writing-";

/// The file by which one run keeps others from writing into its folder.
const LOCK: &str = ".lock";

/// A checkpoint that was found whole.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// The round that it goes on with.
    pub round: u64,
    /// Newer ones that are damaged, and what is wrong with each.
    pub damaged: Vec<(PathBuf, String)>,
}

/// A folder that this run writes checkpoints into.
#[derive(Debug)]
pub(crate) struct Folder {
    settings: Checkpoints,
    identity: Identity,
    /// Those that are known to be whole, oldest first.
    whole: Vec<PathBuf>,
    /// Held as long as the run may write.
    _lock: File,
}

impl Folder {
    /// Opens the folder for a run that goes on from `resumed`, or begins.
    ///
    /// # Errors
    /// When it cannot be written, another run writes there, or it has checkpoints of an earlier run.
    pub(crate) fn open(
        settings: &Checkpoints,
        identity: Identity,
        resumed: Option<&Found>,
    ) -> Result<Self, Error> {
        let path = &settings.folder;
        fs::create_dir_all(path).map_err(failed("make the folder of checkpoints", path))?;
        let lock = File::create(path.join(LOCK)).map_err(failed("write to", path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Error::Occupied { path: path.clone(), by: "another run writes there now".to_owned() }
            }
            TryLockError::Error(error) => failed("lock", path)(error),
        })?;
        remove_unfinished(path)?;
        let mut whole = listed(path)?;
        match resumed.filter(|found| same_folder(&found.path, path)) {
            None => {
                if let Some((round, _)) = whole.last() {
                    let (path, shown) = (path.clone(), syncline_terminal::path(path));
                    let by = format!(
                        "it has checkpoints of an earlier run, up to round {round}; --resume {shown} goes on with that one"
                    );
                    return Err(Error::Occupied { path, by });
                }
            }
            Some(found) => {
                // What is newer and damaged must not look like the newest for ever.
                for (damaged, _) in &found.damaged {
                    fs::rename(damaged, damaged.with_extension("damaged"))
                        .map_err(failed("put aside", damaged))?;
                }
                whole.retain(|(round, _)| *round <= found.round);
            }
        }
        let whole = whole.into_iter().map(|(_, path)| path).collect();
        Ok(Self { settings: settings.clone(), identity, whole, _lock: lock })
    }

    /// How often one is taken.
    pub(crate) fn settings(&self) -> &Checkpoints {
        &self.settings
    }

    /// Writes a checkpoint (CKPT-1), and removes those that are no longer kept. Returns its file.
    ///
    /// # Errors
    /// When it cannot be written; the earlier ones are still there then.
    pub(crate) fn write(&mut self, checkpoint: &Checkpoint) -> Result<PathBuf, Error> {
        let folder = &self.settings.folder;
        let path = folder.join(format!("{PREFIX}{:015}{SUFFIX}", checkpoint.round()));
        let mut builder = tempfile::Builder::new();
        builder.prefix(WRITING);
        // What a new file usually gets; the user's umask still applies.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let beside = builder.tempfile_in(folder);
        let beside = beside.map_err(failed("write a checkpoint into", folder))?;
        let wrong = |reason: String| Error::Checkpoint { path: path.clone(), reason };
        file::write(beside.path(), checkpoint, &self.identity).map_err(wrong)?;
        // Written by its name: on the disk it is when its data, its name and the folder are.
        let written = File::open(beside.path()).and_then(|file| file.sync_all());
        written.map_err(failed("bring to the disk", &path))?;
        beside.persist(&path).map_err(|error| failed("write", &path)(error.error))?;
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(failed("bring to the disk", folder))?;
        self.whole.retain(|other| *other != path);
        self.whole.push(path.clone());
        while self.whole.len() > self.settings.kept {
            let oldest = self.whole.remove(0);
            // One that somebody else has removed is as gone as it should be.
            let _ = fs::remove_file(oldest);
        }
        Ok(path)
    }
}

/// The newest whole checkpoint in a folder, or the one in a file.
///
/// # Errors
/// When there is none: what is wrong with each.
pub(crate) fn newest(path: &Path) -> Result<(Checkpoint, Identity, Found), Error> {
    let candidates = if path.is_dir() { listed(path)? } else { vec![(0, path.to_owned())] };
    let mut damaged = Vec::new();
    for (_, path) in candidates.into_iter().rev() {
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        match file::read(&bytes) {
            Ok((checkpoint, identity)) => {
                let found = Found { path, round: checkpoint.round(), damaged };
                return Ok((checkpoint, identity, found));
            }
            Err(reason) => damaged.push((path, reason)),
        }
    }
    let reason = match damaged.first() {
        None => "there is no checkpoint here: a run takes its first one after what --checkpoint-every says, a minute by default, and \
                 one that comes to its end before that has none to go on from; leave --resume out to begin anew"
            .to_owned(),
        Some((path, reason)) => {
            format!("no checkpoint here is whole; {}: {reason}", syncline_terminal::path(path))
        }
    };
    Err(Error::Checkpoint { path: path.to_owned(), reason })
}

/// Removes what a run that was killed had not finished writing; the lock says that nobody is at it.
fn remove_unfinished(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let entry = entry.map_err(failed("read", folder))?;
        if entry.file_name().to_string_lossy().starts_with(WRITING) {
            fs::remove_file(entry.path()).map_err(failed("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// The checkpoints of a folder by round.
fn listed(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let path = entry.map_err(failed("read", folder))?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let round = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
        if let Some(round) = round.and_then(|round| round.parse().ok()) {
            found.push((round, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn same_folder(file: &Path, folder: &Path) -> bool {
    let parent = file.parent().and_then(|parent| parent.canonicalize().ok());
    parent.is_some() && parent == folder.canonicalize().ok()
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}
