//! How a process that was started again knows which node it is: by its environment.
//!
//! The environment is inherited, so what a node itself starts sees it too. It is therefore only believed by the
//! launcher's own children.

use std::env;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Pid, getpid, getppid, test_kill_process};
use syncline_wire::Address;

const NODE: &str = "SYNCLINE_NODE";
const CONTROL: &str = "SYNCLINE_CONTROL";
const LAUNCHER: &str = "SYNCLINE_LAUNCHER";
const LAUNCH: &str = "SYNCLINE_LAUNCH";
const PROGRAM: &str = "SYNCLINE_PROGRAM";

/// What a process was started to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// The node's name.
    pub(crate) node: String,
    /// Where the launcher listens.
    pub(crate) control: Address,
    /// Which of the main program's launches on processes this one is, from 0.
    pub(crate) launch: usize,
    /// The program's name.
    pub(crate) program: String,
    /// Whether the launcher had gone before this was looked at.
    pub(crate) orphaned: bool,
}

impl Role {
    /// The role of this process, if it was started to have one.
    pub(crate) fn of_this_process() -> Option<&'static Self> {
        static ROLE: OnceLock<Option<Role>> = OnceLock::new();
        ROLE.get_or_init(|| Self::read(|name| env::var(name).ok(), Parentage::of_launcher)).as_ref()
    }

    fn read(
        variable: impl Fn(&str) -> Option<String>,
        parentage: impl FnOnce(i32) -> Parentage,
    ) -> Option<Self> {
        let launcher = variable(LAUNCHER)?.parse().ok()?;
        let orphaned = match parentage(launcher) {
            Parentage::Child => false,
            Parentage::Orphan => true,
            Parentage::Stranger => return None,
        };
        Some(Self {
            node: variable(NODE)?,
            control: variable(CONTROL)?.parse().ok()?,
            launch: variable(LAUNCH)?.parse().ok()?,
            program: variable(PROGRAM)?,
            orphaned,
        })
    }

    /// Gives the role to a process that this one is about to start.
    pub(crate) fn give_to(&self, command: &mut Command) {
        command.env(NODE, &self.node).env(CONTROL, self.control.to_string());
        command.env(LAUNCH, self.launch.to_string()).env(PROGRAM, &self.program);
        command.env(LAUNCHER, getpid().as_raw_nonzero().to_string());
    }
}

/// What this process is to a launcher.
#[derive(Clone, Copy, Debug)]
enum Parentage {
    Child,
    /// The launcher is dead.
    Orphan,
    /// The launcher lives, but another process started this one.
    Stranger,
}

impl Parentage {
    fn of_launcher(launcher: i32) -> Self {
        let launcher = Pid::from_raw(launcher);
        if launcher.is_some() && launcher == getppid() {
            Self::Child
        } else if launcher.is_some_and(|launcher| test_kill_process(launcher).is_ok()) {
            Self::Stranger
        } else {
            Self::Orphan
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        let value = match name {
            NODE => "worker/1",
            CONTROL => "unix:/tmp/syncline-x/control.sock",
            LAUNCHER => "77",
            LAUNCH => "0",
            PROGRAM => "train",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn only_the_launchers_own_child_believes_its_environment() {
        let child = Role::read(variable, |_| Parentage::Child).unwrap();
        assert_eq!((child.node.as_str(), child.orphaned), ("worker/1", false));
        assert!(Role::read(variable, |_| Parentage::Orphan).unwrap().orphaned);
        assert_eq!(Role::read(variable, |_| Parentage::Stranger), None);
        assert_eq!(Role::read(|_| None, |_| Parentage::Child), None);
    }

    #[test]
    fn a_role_given_is_the_role_read() {
        let role = Role::read(variable, |_| Parentage::Child).unwrap();
        let mut command = Command::new("true");
        role.give_to(&mut command);
        let given = |name: &str| {
            command.get_envs().find(|(key, _)| *key == name)?.1.map(|v| v.to_string_lossy().into_owned())
        };
        assert_eq!(Role::read(given, |_| Parentage::Child), Some(role));
    }
}
