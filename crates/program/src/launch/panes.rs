//! A window of tmux for each node, where its output is to be seen.
//!
//! The nodes are processes as everywhere: the launcher hears what they say, and writes it to a file each; the windows follow the
//! files. So whoever closes one, or all of them, ends nothing, and after the run there is no session and no file.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::executor::Sink;
use super::output;
use crate::Error;

/// A session of tmux that lasts as long as this.
pub(crate) struct Panes {
    session: String,
    directory: TempDir,
}

impl Panes {
    /// Opens a session for a program, with a window for each of its nodes.
    ///
    /// # Errors
    /// [`Error::Tmux`] when tmux is not there, or refuses.
    pub(super) fn open(program: &str, nodes: &[String]) -> Result<Self, Error> {
        let directory = tempfile::Builder::new().prefix("tmux-of-syncline-").tempdir();
        let directory = directory.map_err(Error::system("cannot make a directory for the nodes' output"))?;
        let panes = Self { session: session(program, std::process::id()), directory };
        for (at, node) in nodes.iter().enumerate() {
            panes.add(node, at == 0)?;
        }
        Ok(panes)
    }

    fn add(&self, node: &str, first: bool) -> Result<(), Error> {
        let file = output::file_of(self.directory.path(), node);
        // It is there before the window looks for it.
        File::create(&file).map_err(Error::system(format!("cannot create {}", file.display())))?;
        let within = format!("={}:", self.session);
        let place = match first {
            true => ["new-session", "-d", "-s", &self.session],
            false => ["new-window", "-d", "-t", &within],
        };
        let mut command = Command::new("tmux");
        command.args(place).args(["-n", node]).args(follow(&file));
        told(command)
    }

    /// Where lines go: the nodes' to the windows, all of them to whoever else is to have them, and without anybody the
    /// launcher's to standard error.
    pub(super) fn sink(&self, own: Option<Sink>) -> Sink {
        let (files, otherwise) = (output::to_files(self.directory.path().to_owned()), output::to_stderr());
        Arc::new(move |node, line| {
            match &own {
                Some(own) => own(node, line),
                None if node == "launcher" => otherwise(node, line),
                None => {}
            }
            if node != "launcher" {
                files(node, line);
            }
        })
    }

    /// How a person gets to see it.
    pub(super) fn remark(&self) -> String {
        format!("every node has a window: tmux attach -t {}", self.session)
    }
}

impl Drop for Panes {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        command.args(["kill-session", "-t", &format!("={}", self.session)]);
        // Somebody may have closed it.
        let _ = told(command);
    }
}

/// What a window runs.
fn follow(file: &Path) -> [String; 5] {
    ["tail", "-n", "+1", "-f", &file.to_string_lossy()].map(str::to_owned)
}

/// A session's name must not have what tmux divides names by.
fn session(program: &str, process: u32) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    format!("{}-{process}", program.chars().map(allowed).collect::<String>())
}

/// Runs a command of tmux.
fn told(mut command: Command) -> Result<(), Error> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| Error::Tmux(format!("it cannot be started: {error}")))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::Tmux(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_called_as_tmux_allows() {
        assert_eq!(session("actor.learner:2 ü", 7), "actor-learner-2---7");
    }
}
