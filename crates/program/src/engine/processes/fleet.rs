//! All processes of a run: the engine.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use syncline_wire::{Address, Token};

use super::output::Printer;
use super::process::Process;
use super::way::Way;
use crate::control::role::{Role, Which};
use crate::engine::{Engine, Exits, LastWords, Reach, Seat};
use crate::graph::program::LocalFuture;
use crate::{Error, NodeId, NodeName};

/// How long after a process's end its output may still arrive, from what it had started outside of its group.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What is needed to start processes.
pub(crate) struct Orders {
    pub(crate) program: String,
    pub(crate) launch: Which,
    /// What to start this binary with; its own arguments where nothing is said.
    pub(crate) arguments: Option<Vec<String>>,
    pub(crate) control: Address,
    pub(crate) ports: Option<RangeInclusive<u16>>,
    pub(crate) token: Token,
}

/// The processes by their nodes.
pub(crate) struct Processes {
    orders: Orders,
    printer: Printer,
    way: Box<dyn Way>,
    fleet: BTreeMap<NodeName, (NodeId, Process)>,
    /// Where each was last.
    hosts: BTreeMap<NodeName, String>,
}

impl Processes {
    pub(crate) fn new(orders: Orders, way: Box<dyn Way>, printer: Printer) -> Self {
        Self { orders, printer, way, fleet: BTreeMap::new(), hosts: BTreeMap::new() }
    }

    fn of(&mut self, node: &NodeId) -> Option<&mut Process> {
        self.fleet.get_mut(&node.name).filter(|(id, _)| id == node).map(|(_, process)| process)
    }
}

impl Engine for Processes {
    fn reach(&self) -> Reach {
        self.way.reach()
    }

    fn start(&mut self, seat: Seat, exits: Exits) -> Result<(), Error> {
        let Orders { program, launch, arguments, control, ports, token } = &self.orders;
        let id = seat.id.clone();
        let role = Role {
            node: id.name.to_string(),
            incarnation: id.incarnation,
            control: control.clone(),
            launch: *launch,
            program: program.clone(),
            ports: ports.clone(),
        };
        let exited = {
            let id = id.clone();
            move |exit| exits.exited(id, exit)
        };
        let mut start = self.way.start(&seat, &role, arguments.as_deref())?;
        self.hosts.extend(start.host.take().map(|host| (id.name.clone(), host)));
        let process = Process::start(&role.node, start, token, &self.printer, exited)?;
        if let Some((_, earlier)) = self.fleet.insert(id.name.clone(), (id, process)) {
            // It is gone, and has been told of; its descriptors must not outlive it for as long as the run lasts.
            tokio::spawn(async move { drop(earlier.bury().await) });
        }
        Ok(())
    }

    fn heard(&mut self, node: &NodeId) {
        if let Some(process) = self.of(node) {
            process.heard();
        }
    }

    fn ask(&mut self, node: &NodeId) {
        if let Some(process) = self.of(node) {
            process.ask_to_stop();
        }
    }

    fn kill(&mut self, node: &NodeId) {
        if let Some(process) = self.of(node) {
            process.kill();
        }
    }

    fn bury(self: Box<Self>, gone: &dyn Fn(&NodeName) -> bool) -> LocalFuture<LastWords> {
        let Self { fleet, hosts, printer, .. } = *self;
        let (gone, left): (Vec<_>, Vec<_>) = fleet.into_iter().partition(|(name, _)| gone(name));
        Box::pin(async move {
            let mut words = LastWords { hosts, ..LastWords::default() };
            for (name, (_, process)) in gone {
                let tail = tokio::time::timeout(LAST_WORDS, process.bury()).await;
                words.output.insert(name, tail.unwrap_or_default());
            }
            // What cannot be killed has no end to wait for.
            drop(left);
            printer.finish().await;
            words
        })
    }
}
