//! The engine in which every node is a task of one simulation.

use std::collections::BTreeMap;

use super::world::World;
use crate::control::Outcome;
use crate::engine::{Engine, Exits, LastWords, Reach, Seat};
use crate::graph::program::LocalFuture;
use crate::life::failure::Cause;
use crate::life::member::Role;
use crate::life::stop::Stop;
use crate::node::body::NodeEnd;
use crate::{Error, NodeId, NodeName};

/// The nodes of a simulation.
pub(crate) struct Simulated {
    world: World,
    roles: BTreeMap<NodeName, Role>,
    stops: BTreeMap<NodeName, (NodeId, Stop)>,
    /// Where the end of one is told that is frozen.
    exits: Option<Exits>,
}

impl Simulated {
    pub(crate) fn new(world: World, roles: BTreeMap<NodeName, Role>) -> Self {
        Self { world, roles, stops: BTreeMap::new(), exits: None }
    }

    fn stop_of(&self, node: &NodeId) -> Option<&Stop> {
        self.stops.get(&node.name).filter(|(id, _)| id == node).map(|(_, stop)| stop)
    }
}

impl Engine for Simulated {
    fn reach(&self) -> Reach {
        Reach::SameProcess
    }

    fn start(&mut self, seat: Seat, exits: Exits) -> Result<(), Error> {
        let Seat { id, work, stop, .. } = seat;
        let role = self.roles.get(&id.name).copied().unwrap_or(Role::Plain);
        self.stops.insert(id.name.clone(), (id.clone(), stop));
        self.exits = Some(exits.clone());
        let node = id.clone();
        self.world.start(id, role, work, Box::new(move |end| exits.ended(node, end)));
        Ok(())
    }

    fn ask(&mut self, node: &NodeId) {
        self.stop_of(node).iter().for_each(|stop| stop.request());
    }

    fn kill(&mut self, node: &NodeId) {
        // It would not hear of it; a process that is stopped dies of SIGKILL, too.
        if self.world.is_frozen(node) && self.world.bury(node) {
            let killed = Outcome::Failed(Cause::Killed(9));
            if let Some(exits) = &self.exits {
                exits.ended(node.clone(), NodeEnd::of(killed));
            }
            return;
        }
        self.stop_of(node).iter().for_each(|stop| stop.insist());
    }

    fn bury(self: Box<Self>, _gone: &dyn Fn(&NodeName) -> bool) -> LocalFuture<LastWords> {
        // Its tasks go with the simulation.
        Box::pin(async { LastWords::default() })
    }
}
