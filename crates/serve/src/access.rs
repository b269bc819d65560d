//! Who may talk to the daemon: whoever can read its token, a file that only its owner can read.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{Read, Write},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// The token of a folder, made if there is none yet. The folder and the file are made its owner's alone.
///
/// # Errors
/// A folder that cannot be written.
pub fn token(folder: &Path) -> Result<String> {
    std::fs::create_dir_all(folder).map_err(Error::io("making the scheduler's folder", folder))?;
    let private = std::fs::set_permissions(folder, Permissions::from_mode(0o700));
    private.map_err(Error::io("making the scheduler's folder private", folder))?;
    let path = folder.join("token");
    if let Ok(token) = read_token(folder)
        && token.len() >= 32
    {
        return Ok(token);
    }
    let mut random = [0_u8; 24];
    let urandom = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
    urandom.map_err(Error::io("drawing a token", "/dev/urandom"))?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    write_private(&path, &token)?;
    Ok(token)
}

/// The token of a daemon's folder.
///
/// # Errors
/// No such file, or one that others keep to themselves.
pub fn read_token(folder: &Path) -> Result<String> {
    let path = folder.join("token");
    let text = std::fs::read_to_string(&path).map_err(Error::io("reading the scheduler's token", path))?;
    Ok(text.trim().to_owned())
}

/// Tells others where the daemon listens.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_address(folder: &Path, address: SocketAddr) -> Result<()> {
    write_private(&folder.join("address"), &address.to_string())
}

/// Where a daemon listens.
///
/// # Errors
/// There was never one with this folder.
pub fn read_address(folder: &Path) -> Result<String> {
    let path = folder.join("address");
    let missing = |error: std::io::Error| Error::Unreachable {
        address: path.display().to_string(),
        why: error.to_string(),
    };
    Ok(std::fs::read_to_string(&path).map_err(missing)?.trim().to_owned())
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    // Written beside and renamed, so that nobody reads half of it.
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        writeln!(file, "{text}")?;
        std::fs::rename(&beside, path)
    };
    write().map_err(Error::io("writing", path))
}

/// The usual folder of a user's scheduler.
pub fn usual_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("syncline/schedule")
}

/// Whether two secrets are the same, in a time that tells nothing of where they differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing helper fails the test")]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_its_owners_alone_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("deep/state");
        let first = token(&place).unwrap();
        assert_eq!(first.len(), 48);
        assert_eq!(token(&place).unwrap(), first);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(&place.join("token"))), (0o700, 0o600));
        assert!(same(&first, &first) && !same(&first, "x") && !same("aaab", "aaaa"));
    }
}
