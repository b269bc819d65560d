//! What is seen at one moment.

use serde::{Deserialize, Serialize};

use crate::life::ledger::Account;
use crate::{NodeId, State};

/// A program as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The program's name.
    pub program: String,
    /// Where its nodes run: `threads`, `processes`, `slurm`.
    pub executor: String,
    /// The launcher's process.
    pub pid: u32,
    /// For how long it has run, in ns.
    pub up_ns: u64,
    /// Whether it has been asked to stop.
    pub is_stopping: bool,
    /// Its nodes, without the driver.
    pub nodes: Vec<NodeView>,
    /// What each process tells of what has passed; that of the launcher comes first, and is of no node.
    pub accounts: Vec<(Option<NodeId>, Account)>,
}

/// A node as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// How often it had been started before.
    pub incarnation: u32,
    /// How it is.
    pub state: State,
    /// What it waits for, in words, as far as that is known.
    pub waits: Vec<String>,
}
