//! Launching: from a graph and an executor to a run.

use std::cmp::Ordering;
use std::sync::atomic::{self, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};

use syncline_runtime::Ground;
use syncline_wire::{Client, Listener, Token};
use tokio::sync::mpsc;

use crate::context::{Context, Home};
use crate::control::{Control, News};
use crate::directory::Directory;
use crate::executor::{Place, Transport};
use crate::interrupt::Interrupts;
use crate::launcher::{self, Plan, ProcessPlan, Stage, Work};
use crate::node::{self, NodeEnd};
use crate::processes::enrolment::Enrolment;
use crate::processes::meeting::Meeting;
use crate::processes::member;
use crate::program::{Body, DRIVER, DriverBody, Host, LocalFuture, Yield};
use crate::run::Slot;
use crate::sim::world::World;
use crate::stop::Stop;
use crate::supervisor::{Role, Supervisor};
use crate::{Clock, Error, Executor, Label, NodeName, Program, Run};

/// How many launches on processes this process has seen.
static LAUNCHES: AtomicUsize = AtomicUsize::new(0);

/// Whether this process was started to run a node of a program launched elsewhere. Such a process should do what leads
/// to that `launch`, and quietly: its output is passed on by the launcher.
///
/// Best asked first thing in `main`: from then on a node's process ends when its launcher does.
pub fn is_child() -> bool {
    launched_program().is_some()
}

/// The name of the program that this process was started to run a node of.
pub fn launched_program() -> Option<&'static str> {
    Enrolment::of_this_process().map(|place| place.role.program.as_str())
}

/// Starts `program` on `executor`.
///
/// On processes, this binary is started again for every node. There this same call runs the node, and **does not
/// return**: the process ends with it. What comes before `launch` in `main` happens in every process, what comes after
/// only in the launcher.
///
/// # Errors
/// A mistake made while building the program; whatever the system refused. Nothing is left running then.
pub fn launch<T: Send + 'static>(mut program: Program<T>, executor: Executor) -> Result<Run<T>, Error> {
    program.check()?;
    let Place::Processes(transport) = executor.place else { return start(program, executor, None) };
    let launch = LAUNCHES.fetch_add(1, atomic::Ordering::Relaxed);
    let Some(place) = Enrolment::of_this_process() else {
        return start(program, executor, Some((transport, launch)));
    };
    match launch.cmp(&place.role.launch) {
        Ordering::Less => passed_by(program, &place.role.node),
        Ordering::Equal => member::run(program, place, executor.patience),
        Ordering::Greater => Err(Error::Nested(place.role.node.clone())),
    }
}

/// An earlier program, in a process that belongs to a later one: it has run already, elsewhere.
fn passed_by<T: Send + 'static>(program: Program<T>, node: &str) -> Result<Run<T>, Error> {
    let name = program.name().to_owned();
    let Yield::Nothing(value) = program.into_source() else {
        return Err(Error::Elsewhere { program: name, node: node.to_owned() });
    };
    let (news, _) = mpsc::unbounded_channel();
    let slot = Arc::new(Mutex::new(Some(value)));
    Ok(Run::new(name, Clock::start(), slot, None, news))
}

fn start<T: Send + 'static>(
    program: Program<T>,
    executor: Executor,
    processes: Option<(Transport, usize)>,
) -> Result<Run<T>, Error> {
    let (news, heard) = mpsc::unbounded_channel();
    let meeting = processes.map(|(transport, _)| Meeting::new(transport)).transpose()?;
    let world = match &executor.place {
        Place::Sim(setup) => Some(World::new(setup)),
        Place::Threads | Place::Processes(_) => None,
    };
    let stage = stage(&program, news, meeting.is_some(), world);
    let mut casting =
        Casting { stage: &stage, meeting: meeting.as_ref(), members: vec![], crew: vec![], nodes: vec![] };
    for (name, body) in program.members() {
        casting.cast(name, body);
    }
    let name = program.name().to_owned();
    // The graph's own hold on services ends here: what is left of them goes with their nodes.
    let value = match program.into_source() {
        Yield::Nothing(value) => Slot::new(Mutex::new(Some(value))),
        Yield::Driver(body) => {
            let slot = Slot::default();
            casting.add_driver(NodeName::single(Label::new(DRIVER)?), body, Arc::clone(&slot));
            slot
        }
    };
    let Casting { members, crew, nodes, .. } = casting;
    if let Some(world) = &stage.world {
        let all: Vec<_> = members.iter().map(|(name, _)| name.clone()).collect();
        world.check(&all)?;
        members.iter().for_each(|(name, role)| world.expect(name, *role));
    }
    let plan = Plan {
        program: name.clone(),
        supervisor: Supervisor::new(members, executor.patience),
        crew,
        processes: meeting.zip(processes).map(|(meeting, (_, launch))| ProcessPlan {
            nodes,
            meeting,
            launch,
        }),
        sink: executor.sink,
    };
    let launcher = launcher::start(plan, stage.clone(), heard)?;
    Ok(Run::new(name, stage.clock.clone(), value, Some(launcher), stage.news.clone()))
}

fn stage<T: Send + 'static>(
    program: &Program<T>,
    news: mpsc::UnboundedSender<News>,
    apart: bool,
    world: Option<World>,
) -> Stage {
    let clock = world.as_ref().map_or_else(Clock::start, |world| world.sim.clock());
    let here = |body: &Body| !apart || matches!(body, Body::Here(_));
    let local = program.members().filter(|(_, body)| here(body)).map(|(name, _)| name.clone());
    let directory = Directory::new(local);
    let home = Arc::new(Home {
        directory,
        token: Token::random(),
        limits: program.message_limits(),
        interrupts: Interrupts::new(),
        sizes: program.sizes(),
        net: world.as_ref().map(|world| world.net.clone()),
    });
    let nodes = program.all_nodes().cloned().collect();
    let control = Arc::new(Control::new(program.outline(), nodes, clock.clone(), news.clone()));
    Stage { clock, stop: Stop::new(), home, control, news, world }
}

/// Gives every node its place: a thread here, or a process.
struct Casting<'a> {
    stage: &'a Stage,
    /// Where processes meet; `None` where all nodes are threads.
    meeting: Option<&'a Meeting>,
    members: Vec<(NodeName, Role)>,
    crew: Vec<(NodeName, Work)>,
    nodes: Vec<NodeName>,
}

impl Casting<'_> {
    fn cast(&mut self, name: &NodeName, body: &Body) {
        let role = if matches!(body, Body::Plain(_)) { Role::Plain } else { Role::Service };
        match (body.clone(), self.meeting) {
            (Body::Here(host), meeting) => {
                self.stage.home.directory.publish(name.clone(), Arc::clone(&host).object());
                if let Some(world) = &self.stage.world {
                    world.keep_at_launcher(name);
                }
                if let Some(meeting) = meeting {
                    let work = serve_here(self.stage.clone(), meeting, name.clone(), host);
                    self.add_thread(name, role, work);
                }
            }
            (_, Some(_)) => {
                self.members.push((name.clone(), role));
                self.nodes.push(name.clone());
            }
            (body, None) => {
                let work = work_on_thread(self.stage.clone(), name.clone(), body);
                self.add_thread(name, role, work);
            }
        }
    }

    fn add_thread(&mut self, name: &NodeName, role: Role, work: Work) {
        self.members.push((name.clone(), role));
        self.crew.push((name.clone(), work));
    }

    fn add_driver<T: Send + 'static>(&mut self, name: NodeName, body: DriverBody<T>, slot: Slot<T>) {
        let (stage, node) = (self.stage.clone(), name.clone());
        if let Some(world) = &stage.world {
            world.keep_at_launcher(&name);
        }
        let work = move || -> LocalFuture<NodeEnd> {
            Box::pin(async move {
                let (context, stop) = stage.seat(node);
                let keep = |value| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                node::body(&stop, async { body(context).await }, keep).await
            })
        };
        self.add_thread(&name, Role::Driver, Box::new(work));
    }
}

impl Stage {
    /// What the node of `name` runs with in this process.
    fn seat(&self, name: NodeName) -> (Context, Stop) {
        let stop = self.stop.for_node();
        let control = Client::local(Arc::clone(&self.control));
        let ground = match &self.world {
            Some(world) => world.ground(&name),
            None => Ground::machine(self.clock.clone()),
        };
        (Context::new(name, ground, stop.clone(), Arc::clone(&self.home), control), stop)
    }
}

/// The work of a plain node or a service in this process.
fn work_on_thread(stage: Stage, name: NodeName, body: Body) -> Work {
    Box::new(move || {
        Box::pin(async move {
            let (context, stop) = stage.seat(name.clone());
            match body {
                Body::Plain(body) => node::body(&stop, async { body(context).await }, drop).await,
                Body::Service(build) => match build(&context) {
                    Ok(host) => {
                        stage.home.directory.publish(name, host.object());
                        stop.wait().await;
                        NodeEnd::stopped()
                    }
                    Err(error) => NodeEnd::failed(error),
                },
                // It has no thread where all nodes are threads.
                Body::Here(_) => NodeEnd::stopped(),
            }
        })
    })
}

/// The work of serving `host` from this process to the others.
fn serve_here(stage: Stage, meeting: &Meeting, name: NodeName, host: Arc<dyn Host>) -> Work {
    let address = meeting.of(&name);
    Box::new(move || {
        Box::pin(async move {
            let Home { token, limits, .. } = &*stage.home;
            let listener = match Listener::bind(&address, token.clone(), limits.clone()).await {
                Ok(listener) => listener,
                Err(error) => return NodeEnd::failed(error.to_string().into()),
            };
            let address = listener.address().clone();
            stage.control.post(|board| drop(board.addresses.insert(name, address)));
            tokio::select! {
                () = host.serve(listener) => {}
                () = stage.stop.wait() => {}
            }
            NodeEnd::stopped()
        })
    })
}
