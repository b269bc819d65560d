//! What the nodes of one simulation have in common: the virtual clock, the network, and who has come to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use syncline_runtime::{Ground, Knot, Link, Node, Sim};
use syncline_wire::Net;
use tokio::sync::mpsc::UnboundedSender;

use super::Simulation;
use super::faults::SimFault;
use crate::control::{News, Outcome};
use crate::engine::Work;
use crate::graph::colocation::Berthed;
use crate::life::failure::Cause;
use crate::life::member::Role;
use crate::life::supervisor::Event;
use crate::life::wish::Wishes;
use crate::node::body::{self, NodeEnd};
use crate::node::crew::Ended;
use crate::{Error, NodeId, NodeName};

/// The name under which the launcher's own tasks run; no node can have it.
const LAUNCHER: &str = "(launcher)";

/// What the nodes of a simulation share. Clones are the same world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) net: Net,
    faults: Vec<SimFault>,
    /// The nodes that have not come to their end.
    alive: Arc<Mutex<BTreeMap<NodeName, (NodeId, Role)>>>,
    /// Those of them that do nothing.
    frozen: Arc<Mutex<BTreeSet<NodeId>>>,
    /// In which colocation a node is.
    units: Arc<Mutex<BTreeMap<NodeName, NodeName>>>,
}

impl World {
    pub(crate) fn new(setup: &Simulation) -> Self {
        let sim = Sim::computing(setup.seed, setup.computing);
        let of_network = setup.faults.iter().filter_map(|fault| match fault {
            SimFault::Network(fault) => Some(fault.clone()),
            SimFault::Kill { .. } | SimFault::Freeze { .. } | SimFault::Scale { .. } => None,
        });
        let net = Net::new(sim.clone(), setup.network.clone(), of_network.collect());
        if let Some(listener) = setup.listener.clone() {
            net.listen(move |line| listener.hear(line));
        }
        let (alive, frozen, units) = (Arc::default(), Arc::default(), Arc::default());
        Self { sim, net, faults: setup.faults.clone(), alive, frozen, units }
    }

    /// Refuses a network or a script that names nodes which the program does not have, or wishes for what cannot be. Those at the
    /// launcher have messages, but nothing happens to them themselves.
    pub(crate) fn check(
        &self,
        nodes: &[NodeName],
        at_launcher: &[NodeName],
        wishes: &Wishes,
    ) -> Result<(), Error> {
        let names: Vec<String> = nodes.iter().chain(at_launcher).map(ToString::to_string).collect();
        if let Some(party) = self.net.unknown_party(&names) {
            return Err(Error::UnknownNode(party.to_string()));
        }
        self.faults.iter().try_for_each(|fault| match fault {
            SimFault::Kill { node, .. } | SimFault::Freeze { node, .. } if !nodes.contains(node) => {
                Err(Error::UnknownNode(node.to_string()))
            }
            SimFault::Scale { group, size, .. } => wishes.clone().wish(group, *size).map(drop),
            _ => Ok(()),
        })
    }

    /// What the node of `name` stands on.
    pub(crate) fn ground(&self, name: &NodeName) -> Ground {
        Ground::simulated(self.sim.clone(), self.sim.enter(&name.to_string()))
    }

    /// Announces a node, before anything runs.
    pub(crate) fn expect(&self, name: &NodeName, role: Role) {
        self.alive().insert(name.clone(), (NodeId::first(name.clone()), role));
    }

    /// Puts a node on the launcher's machine.
    pub(crate) fn keep_at_launcher(&self, name: &NodeName) {
        self.net.put_together(self.sim.enter(&name.to_string()));
    }

    /// Has these nodes share the machine and the end of a colocation, before they are started.
    pub(crate) fn share(&self, unit: &NodeId, nodes: &[&Berthed]) {
        let host = self.sim.enter(&unit.name.to_string());
        for Berthed { name, .. } in nodes {
            self.units().insert(name.clone(), unit.name.clone());
            self.net.put_at(self.enter(&NodeId { name: name.clone(), ..unit.clone() }), host);
        }
    }

    /// An incarnation as the network knows it: an earlier one is another node, at which nobody answers any more.
    fn enter(&self, id: &NodeId) -> Node {
        let name = id.name.to_string();
        if id.incarnation == 0 { self.sim.enter(&name) } else { self.sim.enter_anew(&name) }
    }

    /// Starts a node; its end is told.
    pub(crate) fn start(&self, id: NodeId, role: Role, work: Work, ended: Ended) {
        let is_shared = self.units().contains_key(&id.name);
        let node = if is_shared { self.sim.enter(&id.name.to_string()) } else { self.enter(&id) };
        if !is_shared {
            self.net.settle(node, &id.name.to_string());
        }
        self.alive().insert(id.name.clone(), (id.clone(), role));
        let world = self.clone();
        self.sim.spawn_local(node, move || {
            Box::pin(async move {
                let end = body::caught(async { work().await }).await;
                world.bury(&id);
                ended(end);
            })
        });
    }

    /// Sets what is to go wrong going.
    pub(crate) fn let_go_wrong(&self, news: &UnboundedSender<News>) {
        let launcher = self.sim.enter(LAUNCHER);
        for fault in &self.faults {
            let (world, news, fault) = (self.clone(), news.clone(), fault.clone());
            self.sim.spawn(launcher, async move {
                // After the launcher's loop nobody is interested in what is told.
                match fault {
                    SimFault::Kill { node, at } => {
                        world.sim.clock().sleep_until(at).await;
                        // One that is gone at that time has nothing to be killed.
                        let Some(id) = world.incarnation(&node) else { return };
                        if world.bury(&id) {
                            // SIGKILL, as everywhere.
                            let killed = Outcome::Failed(Cause::Killed(9));
                            let _ = news.send(News::Ended(id, NodeEnd::of(killed)));
                        }
                    }
                    SimFault::Freeze { node, at, until } => {
                        world.sim.clock().sleep_until(at).await;
                        let Some(id) = world.incarnation(&node) else { return };
                        world.freeze(&id);
                        let _ = news.send(News::Event(Event::Froze(id.clone())));
                        let Some(until) = until else { return };
                        world.sim.clock().sleep_until(until).await;
                        if world.thaw(&id) {
                            let _ = news.send(News::Event(Event::Thawed(id)));
                        }
                    }
                    SimFault::Scale { group, size, at } => {
                        world.sim.clock().sleep_until(at).await;
                        let _ = news.send(News::Wished(group, size));
                    }
                    SimFault::Network(_) => {}
                }
            });
        }
    }

    /// Those that were to strike a node after this time.
    pub(crate) fn faults_after(&self, time: Duration) -> impl Iterator<Item = &SimFault> {
        self.faults.iter().filter(move |fault| match fault {
            SimFault::Kill { at, .. } | SimFault::Freeze { at, .. } | SimFault::Scale { at, .. } => {
                *at > time
            }
            SimFault::Network(_) => false,
        })
    }

    /// The incarnation of a node that is alive; of one in a colocation, that of the whole.
    fn incarnation(&self, name: &NodeName) -> Option<NodeId> {
        let unit = self.units().get(name).cloned();
        let name = unit.as_ref().unwrap_or(name);
        self.alive().get(name).map(|(id, _)| id.clone())
    }

    /// Nothing of a node goes on, and it gives no sign of life.
    fn freeze(&self, id: &NodeId) {
        self.frozen().insert(id.clone());
        self.parts(id).into_iter().for_each(|part| self.sim.freeze(part));
    }

    /// A frozen node goes on; false if it is not frozen any more, because it has been ended.
    fn thaw(&self, id: &NodeId) -> bool {
        let was_frozen = self.frozen().remove(id);
        if was_frozen {
            self.parts(id).into_iter().for_each(|part| self.sim.thaw(part));
        }
        was_frozen
    }

    /// Whether a node is frozen, so that it would hear nothing of a request.
    pub(crate) fn is_frozen(&self, id: &NodeId) -> bool {
        self.frozen().contains(id)
    }

    /// What a member consists of: a colocation of several nodes besides itself.
    fn parts(&self, id: &NodeId) -> Vec<Node> {
        let mates = self.mates(id).into_iter().map(|name| self.sim.enter(&name.to_string()));
        mates.chain([self.sim.enter(&id.name.to_string())]).collect()
    }

    /// The nodes of a colocation.
    fn mates(&self, unit: &NodeId) -> Vec<NodeName> {
        let units = self.units();
        let mates = units.iter().filter(|(_, of)| **of == unit.name);
        mates.map(|(name, _)| name.clone()).collect()
    }

    /// A node and all its tasks end here; false if it had come to its end before.
    pub(crate) fn bury(&self, id: &NodeId) -> bool {
        let alive = {
            let mut all = self.alive();
            let there = all.get(&id.name).is_some_and(|(alive, _)| alive == id);
            there && all.remove(&id.name).is_some()
        };
        if alive {
            self.frozen().remove(id);
            for name in self.mates(id) {
                self.bury(&NodeId { name, ..id.clone() });
            }
            let node = self.sim.enter(&id.name.to_string());
            self.sim.kill(node);
            self.net.take_away(node);
        }
        alive
    }

    /// When nothing goes on: whether that is a deadlock, whom it is told of, and what it looks like. A program that only
    /// waits to be stopped is none. Of a node that is frozen for good nobody else hears anything any more.
    pub(crate) fn stuck(&self) -> Option<(NodeId, Knot)> {
        if let Some(id) = self.frozen().first().cloned() {
            let wait = "is frozen for good, and nothing bounds how long that is borne (--silence)".to_owned();
            let links = vec![Link { node: id.to_string(), wait }];
            return Some((id, Knot { is_circle: false, links }));
        }
        let waits = self.sim.waits();
        let alive = self.alive().clone();
        let working = alive.values().filter(|(_, role)| *role != Role::Service).map(|(id, _)| id);
        let all: Vec<_> = working.map(|id| (id, self.sim.enter(&id.name.to_string()))).collect();
        let (first, _) = all.iter().find(|(_, node)| !waits.awaits_stop(*node))?;
        let nodes: Vec<_> = all.iter().map(|(_, node)| *node).collect();
        let knot = waits.knot(&nodes)?;
        let named: Option<NodeName> = knot.links.first().and_then(|link| link.node.parse().ok());
        let named = named.filter(|_| knot.is_circle).and_then(|name| Some(alive.get(&name)?.0.clone()));
        let blamed = named.unwrap_or_else(|| (*first).clone());
        Some((self.incarnation(&blamed.name).unwrap_or(blamed), knot))
    }

    pub(crate) fn launcher(&self) -> syncline_runtime::Node {
        self.sim.enter(LAUNCHER)
    }

    fn units(&self) -> MutexGuard<'_, BTreeMap<NodeName, NodeName>> {
        // As below.
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn frozen(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        // As below.
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> MutexGuard<'_, BTreeMap<NodeName, (NodeId, Role)>> {
        // No code that holds the lock can panic half-way through a change.
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
