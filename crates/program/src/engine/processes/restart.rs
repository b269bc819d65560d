//! How this program is started again for its nodes.
//!
//! A binary starts itself with its own arguments. A program that an interpreter runs is not the binary of its process: it
//! says which interpreter, and what that is to run.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::Error;
use crate::engine::hosts::agent;

/// What was said.
struct Said {
    binary: PathBuf,
    program: Vec<OsString>,
    arguments: Vec<OsString>,
}

static SAID: OnceLock<Said> = OnceLock::new();

/// The interpreter that runs this process.
static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();

/// Says how this program is started again on this machine, where that is not its process's own binary: which binary, what comes
/// first among its arguments and makes it this program, and the program's own arguments. The first to say it is heeded.
///
/// ```no_run
/// let words = |words: &[&str]| words.iter().map(|word| word.into()).collect();
/// syncline_program::started_by("/usr/bin/python3".into(), words(&["train.py"]), words(&["--epochs", "5"]));
/// ```
pub fn started_by(binary: PathBuf, program: Vec<OsString>, arguments: Vec<OsString>) {
    SAID.get_or_init(|| Said { binary, program, arguments });
}

/// Says, as early as it can, which interpreter runs this process. A process that was started on a host to hold a node there does
/// so now, and does not return.
pub fn interpreted_by(interpreter: PathBuf) {
    INTERPRETER.get_or_init(|| interpreter);
    agent::be_if_asked();
}

/// What this process was started from: its interpreter, or its own binary.
pub(crate) fn started_from() -> io::Result<PathBuf> {
    INTERPRETER.get().map_or_else(env::current_exe, |interpreter| Ok(interpreter.clone()))
}

/// Whether it was said: this program is not its process's own binary.
pub(crate) fn is_said() -> bool {
    SAID.get().is_some()
}

/// The binary with which this program is started again, with [`words`].
///
/// # Errors
/// When the system does not say where it is.
pub(crate) fn binary() -> io::Result<PathBuf> {
    SAID.get().map_or_else(env::current_exe, |said| Ok(said.binary.clone()))
}

/// What makes that binary this program, and the program's own arguments.
pub(crate) fn words() -> Vec<OsString> {
    words_with(arguments())
}

/// What makes that binary this program, and these arguments.
pub(crate) fn words_with(arguments: Vec<OsString>) -> Vec<OsString> {
    let program = SAID.get().map(|said| said.program.clone()).unwrap_or_default();
    program.into_iter().chain(arguments).collect()
}

/// This program, still without arguments of its own.
///
/// # Errors
/// When the system does not say where the binary is.
pub fn this_program() -> Result<Command, Error> {
    let Some(said) = SAID.get() else {
        let binary = env::current_exe().map_err(Error::system("cannot find this program's own binary"))?;
        return Ok(Command::new(binary));
    };
    let mut command = Command::new(&said.binary);
    command.args(&said.program);
    Ok(command)
}

/// Its arguments.
pub(crate) fn arguments() -> Vec<OsString> {
    SAID.get().map_or_else(|| env::args_os().skip(1).collect(), |said| said.arguments.clone())
}
