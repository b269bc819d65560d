//! What each node does in the launching process, made anew for each of its incarnations.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use syncline_runtime::{Ground, Waits};
use syncline_wire::Client;
use tokio::sync::mpsc;

use super::run::Slot;
use crate::control::meeting::{Meeting, Spot};
use crate::control::{Control, News};
use crate::engine::sim::world::World;
use crate::engine::{Seat, Work};
use crate::graph::colocation::Berthed;
use crate::graph::program::{Body, Built, DRIVER, DriverBody, Host};
use crate::life::member::{Member, Role};
use crate::life::roster::State;
use crate::life::stop::Stop;
use crate::node::body::{self, NodeEnd};
use crate::node::context::{Context, Home};
use crate::node::crew::{self, Ended, Quarters};
use crate::{Clock, Error, Label, NodeId, NodeName, Resources};

/// What the parts of a run in the launching process share.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    /// The request to stop as the launcher's own tasks see it; each node has its own.
    pub(crate) stop: Stop,
    pub(crate) home: Arc<Home>,
    pub(crate) control: Arc<Control>,
    pub(crate) news: mpsc::UnboundedSender<News>,
    /// What the nodes of this process wait for.
    pub(crate) waits: Waits,
    /// The simulation, if it is one.
    pub(crate) world: Option<World>,
}

impl Stage {
    /// What a node of this process sees of the program.
    fn context(&self, id: NodeId, stop: Stop) -> Context {
        let control = Client::local(Arc::clone(&self.control));
        let ground = self.ground(&id.name);
        Context::new(id, ground, stop, Arc::clone(&self.home), control)
    }

    /// What a node of this process stands on.
    fn ground(&self, name: &NodeName) -> Ground {
        match &self.world {
            Some(world) => world.ground(name),
            None => Ground::watched(self.clock.clone(), self.waits.clone(), &name.to_string()),
        }
    }
}

/// Makes the work of an incarnation; nothing for a node that can only be started once, and was.
type Make = Box<dyn FnMut(NodeId, Stop) -> Option<Work> + Send>;

/// One node's part.
struct Part {
    make: Make,
    needs: Arc<Resources>,
    /// Whether a process of its own does it.
    away: bool,
}

/// All nodes that are to be started, and their parts.
pub(crate) struct Cast {
    stage: Stage,
    parts: BTreeMap<NodeName, Part>,
    /// In the order of the graph.
    order: Vec<NodeName>,
    /// The nodes of each colocation, and whether they have work that ends.
    crews: BTreeMap<NodeName, Vec<(NodeName, bool)>>,
    /// In which colocation a node is.
    units: BTreeMap<NodeName, NodeName>,
}

impl Cast {
    pub(crate) fn new(stage: Stage) -> Self {
        Self {
            stage,
            parts: BTreeMap::new(),
            order: Vec::new(),
            crews: BTreeMap::new(),
            units: BTreeMap::new(),
        }
    }

    /// Gives a node its part: here, or where processes meet in one of its own. Tells whether there is anything to start.
    pub(crate) fn add(
        &mut self,
        name: &NodeName,
        body: &Body,
        needs: &Arc<Resources>,
        meeting: Option<&Meeting>,
    ) -> bool {
        if let Body::Crew(crew) = body {
            let mates: Vec<_> = crew.nodes().iter().map(|node| (node.name.clone(), node.works)).collect();
            self.units.extend(mates.iter().map(|(mate, _)| (mate.clone(), name.clone())));
            self.crews.insert(name.clone(), mates);
        }
        let (stage, body) = (self.stage.clone(), body.clone());
        let (make, away): (Make, bool) = match (body, meeting) {
            (Body::Here(host), meeting) => {
                let first = NodeId::first(name.clone());
                let host = host(stage.ground(name), &stage.home.edges, first.peer());
                stage.home.directory.publish(&first, Arc::clone(&host).object());
                if let Some(world) = &stage.world {
                    world.keep_at_launcher(name);
                }
                let Some(meeting) = meeting else {
                    // It needs no thread where all nodes are threads, and is there from the start.
                    stage.control.post(|board| board.roster.set(&first, State::Running));
                    return false;
                };
                let spot = meeting.of(name);
                let make = move |id, stop| {
                    Some(serve_here(stage.clone(), spot.clone(), id, stop, Arc::clone(&host)))
                };
                (Box::new(make), false)
            }
            (_, Some(_)) => (Box::new(|_, _| Some(elsewhere())), true),
            (body, None) => {
                (Box::new(move |id, stop| Some(work(stage.clone(), id, stop, body.clone()))), false)
            }
        };
        self.insert(name.clone(), Part { make, needs: Arc::clone(needs), away });
        true
    }

    /// Gives the driver its part; its name.
    pub(crate) fn add_driver<T: Send + 'static>(
        &mut self,
        body: DriverBody<T>,
        slot: Slot<T>,
    ) -> Result<NodeName, Error> {
        let name = NodeName::single(Label::new(DRIVER)?);
        let stage = self.stage.clone();
        if let Some(world) = &stage.world {
            world.keep_at_launcher(&name);
        }
        let mut body = Some(body);
        let make = move |id, stop| Some(drive(stage.clone(), id, stop, body.take()?, Arc::clone(&slot)));
        self.insert(name.clone(), Part { make: Box::new(make), needs: Arc::default(), away: false });
        Ok(name)
    }

    fn insert(&mut self, name: NodeName, part: Part) {
        self.parts.insert(name.clone(), part);
        self.order.push(name);
    }

    /// The first incarnations of all nodes that are processes, or of all others.
    pub(crate) fn first(&self, away: bool) -> Vec<NodeId> {
        let wanted = |name: &&NodeName| self.is_away(name) == away;
        self.order.iter().filter(wanted).cloned().map(NodeId::first).collect()
    }

    /// Whether the node is a process of its own.
    pub(crate) fn is_away(&self, name: &NodeName) -> bool {
        self.parts.get(name).is_some_and(|part| part.away)
    }

    /// The nodes of this incarnation of a colocation, and whether each has work that ends; of another node none.
    pub(crate) fn mates(&self, node: &NodeId) -> Vec<(NodeId, bool)> {
        let mate = |(name, works): &(NodeName, bool)| {
            (NodeId { name: name.clone(), incarnation: node.incarnation }, *works)
        };
        self.crews.get(&node.name).into_iter().flatten().map(mate).collect()
    }

    /// The colocation that a node is in.
    pub(crate) fn unit_of(&self, node: &NodeName) -> Option<&NodeName> {
        self.units.get(node)
    }

    /// Who waits, and is waited for, in this member's name: it, or beside a colocation, of which itself nobody waits for
    /// anything, the nodes in it.
    pub(crate) fn parts_of(&self, member: &Member) -> Vec<(NodeName, Role)> {
        let name = member.id.name.clone();
        let Some(mates) = self.crews.get(&name) else { return vec![(name, member.role)] };
        let role = |works| if works { Role::Plain } else { Role::Service };
        let mates = mates.iter().map(|(mate, works)| (mate.clone(), role(*works)));
        mates.chain([(name, Role::Service)]).collect()
    }

    /// Those who live while this node does: it, or the nodes of a colocation in its place.
    pub(crate) fn lives(&self, node: &NodeId) -> Vec<NodeName> {
        match self.crews.get(&node.name) {
            Some(mates) => mates.iter().map(|(name, _)| name.clone()).collect(),
            None => vec![node.name.clone()],
        }
    }

    /// The seat of an incarnation.
    pub(crate) fn seat(&mut self, id: &NodeId) -> Option<Seat> {
        let group = self.parts.keys().filter(|name| name.label() == id.name.label()).count();
        let part = self.parts.get_mut(&id.name)?;
        let stop = Stop::new();
        let work = (part.make)(id.clone(), stop.clone())?;
        Some(Seat { id: id.clone(), work, stop, needs: Arc::clone(&part.needs), group })
    }
}

/// The work here of a node that a process of its own does.
fn elsewhere() -> Work {
    Box::new(|| Box::pin(async { NodeEnd::stopped() }))
}

fn drive<T: Send + 'static>(
    stage: Stage,
    id: NodeId,
    stop: Stop,
    body: DriverBody<T>,
    slot: Slot<T>,
) -> Work {
    Box::new(move || {
        Box::pin(async move {
            let context = stage.context(id, stop.clone());
            let keep = async {
                let value = body(context).await?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(Vec::new())
            };
            body::body(&stop, keep).await
        })
    })
}

/// The work of a plain node or a service in this process.
fn work(stage: Stage, id: NodeId, stop: Stop, body: Body) -> Work {
    Box::new(move || {
        Box::pin(async move {
            let context = stage.context(id.clone(), stop.clone());
            match body {
                Body::Crew(crew) => {
                    let control = Client::local(Arc::clone(&stage.control));
                    if let Some(world) = &stage.world {
                        world.share(&id, &crew.nodes());
                    }
                    crew::run(&crew, &id, &stop, &stage, &control).await
                }
                Body::Plain(body) => body::body(&stop, async { body(context).await }).await,
                Body::Service(build) => match build(&context) {
                    Ok(Built { host, run }) => {
                        stage.home.directory.publish(&id, host.object());
                        // Whoever is in this process calls the object itself.
                        body::service(&stop, std::future::pending(), run.map(|run| run(context))).await
                    }
                    Err(error) => NodeEnd::failed(error),
                },
                Body::Here(_) | Body::Declared => NodeEnd::stopped(),
            }
        })
    })
}

/// Nodes that share a process with all others.
impl Quarters for Stage {
    fn is_process(&self) -> bool {
        false
    }

    fn start(
        &self,
        id: NodeId,
        stop: Stop,
        node: &Berthed,
        ended: Ended,
    ) -> Result<Option<JoinHandle<()>>, Error> {
        let name = id.to_string();
        let work = work(self.clone(), id.clone(), stop, node.body.clone());
        if let Some(world) = &self.world {
            let role = if node.works { Role::Plain } else { Role::Service };
            world.start(id, role, work, ended);
            return Ok(None);
        }
        let run = move || ended(body::run(async { work().await }));
        body::thread(&name, run).map(Some)
    }
}

/// The work of serving `host` from this process to the others.
fn serve_here(stage: Stage, spot: Spot, id: NodeId, stop: Stop, host: Arc<dyn Host>) -> Work {
    Box::new(move || {
        Box::pin(async move {
            let Home { token, limits, .. } = &*stage.home;
            let listener = match spot.listen(id.identity(token.clone()), limits).await {
                Ok(listener) => listener,
                Err(error) => return NodeEnd::failed(error.to_string().into()),
            };
            let address = listener.address().clone();
            stage.control.post(|board| board.roster.listens(&id, address));
            body::service(&stop, host.serve(listener), None).await
        })
    })
}
