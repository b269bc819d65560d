//! How a process that was started again knows which node it is: by its environment.
//!
//! The environment is inherited, so what a node itself starts sees it too. It is therefore only believed by a process
//! that the launcher started itself: its child, or one that looks as launchers start theirs.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::stdin;
use std::num::ParseIntError;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::process::Command;
use std::str::FromStr;

use rustix::process::{Pid, getpgrp, getpid, getppid};
use syncline_wire::Address;

const NODE: &str = "SYNCLINE_NODE";
const CONTROL: &str = "SYNCLINE_CONTROL";
const LAUNCHER: &str = "SYNCLINE_LAUNCHER";
const LAUNCH: &str = "SYNCLINE_LAUNCH";
const PROGRAM: &str = "SYNCLINE_PROGRAM";
const INCARNATION: &str = "SYNCLINE_INCARNATION";
const PORTS: &str = "SYNCLINE_PORTS";

/// What a process was started to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// The node's name.
    pub(crate) node: String,
    /// Which incarnation of it.
    pub(crate) incarnation: u32,
    /// Where the launcher listens.
    pub(crate) control: Address,
    /// Which of this binary's launches on processes it belongs to.
    pub(crate) launch: Which,
    /// The program's name.
    pub(crate) program: String,
    /// The ports at which its service may listen, where not all are allowed.
    pub(crate) ports: Option<RangeInclusive<u16>>,
}

impl Role {
    /// The role of this process, if it was started to have one.
    pub(crate) fn of_this_process() -> Option<Self> {
        let variable = |name: &str| env::var(name).ok();
        let launcher = variable(LAUNCHER)?.parse().ok().and_then(Pid::from_raw)?;
        // The child of a launcher that is already dead has another parent by now, but it is still bound to it.
        let believed = getppid() == Some(launcher) || is_bound();
        if believed { Self::read(variable) } else { None }
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        Some(Self {
            node: variable(NODE)?,
            incarnation: variable(INCARNATION)?.parse().ok()?,
            control: variable(CONTROL)?.parse().ok()?,
            launch: variable(LAUNCH)?.parse().ok()?,
            program: variable(PROGRAM)?,
            ports: variable(PORTS).and_then(|range| read_ports(&range)),
        })
    }

    /// The variables that give the role to a process.
    pub(crate) fn variables(&self) -> [(&'static str, String); 6] {
        [
            (NODE, self.node.clone()),
            (INCARNATION, self.incarnation.to_string()),
            (CONTROL, self.control.to_string()),
            (LAUNCH, self.launch.to_string()),
            (PROGRAM, self.program.clone()),
            (
                PORTS,
                self.ports
                    .as_ref()
                    .map_or_else(String::new, |ports| format!("{}-{}", ports.start(), ports.end())),
            ),
        ]
    }
}

/// Reads a range as in 7000-7100.
fn read_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-')?;
    Some(from.parse().ok()?..=to.parse().ok()?)
}

/// Makes a process that this one is about to start believe its role.
pub(crate) fn bind_to_this_process(command: &mut Command) {
    command.env(LAUNCHER, getpid().as_raw_nonzero().to_string());
}

/// One of a binary's launches, by which the process of a node finds the one that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// By the main program, counted from 0.
    Main(usize),
    /// By a test, counted from 0 in that test: tests run side by side.
    Test(usize),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main(number) => write!(f, "{number}"),
            Self::Test(number) => write!(f, "test {number}"),
        }
    }
}

impl FromStr for Which {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        match text.strip_prefix("test ") {
            Some(number) => number.parse().map(Self::Test),
            None => text.parse().map(Self::Main),
        }
    }
}

/// Whether this process leads a group and reads from a pipe, as launchers start theirs.
fn is_bound() -> bool {
    getpgrp() == getpid() && is_input_a_pipe()
}

/// Whether the standard input is a pipe, or the pair of sockets that some servers of SSH use instead.
pub(crate) fn is_input_a_pipe() -> bool {
    let input = stdin().as_fd().try_clone_to_owned().map(File::from).and_then(|input| input.metadata());
    input.map(|input| input.file_type()).is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_given_is_the_role_read() {
        let role = Role {
            node: "worker/1".to_owned(),
            incarnation: 3,
            control: "unix:/tmp/syncline-x/control.sock".parse().unwrap(),
            launch: Which::Test(2),
            program: "train".to_owned(),
            ports: Some(7000..=7100),
        };
        let mut command = Command::new("true");
        command.envs(role.variables());
        bind_to_this_process(&mut command);
        let given = |name: &str| {
            command
                .get_envs()
                .find(|(key, _)| *key == name)?
                .1
                .map(|value| value.to_string_lossy().into_owned())
        };
        assert_eq!(given(LAUNCHER), Some(std::process::id().to_string()));
        assert_eq!(Role::read(given), Some(role));
        assert_eq!(Role::read(|_| None), None);
    }
}
