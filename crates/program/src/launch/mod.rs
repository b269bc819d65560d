//! Launching: from a graph and an executor to a run.
//!
//! [`launch`] finds out whether this process is the launcher or runs one of its nodes. In the launcher the [`cast`] says
//! what each node does, and the [`launcher`] starts, hears and ends them on the engines of the [`executor`].

pub(crate) mod cast;
pub(crate) mod executor;
pub(crate) mod interrupt;
pub(crate) mod launcher;
pub(crate) mod output;
pub(crate) mod panes;
pub(crate) mod rehearsal;
pub(crate) mod run;
pub(crate) mod signals;
pub(crate) mod testing;
pub(crate) mod trace;

use std::sync::atomic::{self, AtomicUsize};
use std::sync::{Arc, Mutex};

use syncline_runtime::Waits;
use syncline_wire::{Edges, Token};
use tokio::sync::mpsc;

use crate::control::enrolment::Enrolment;
use crate::control::meeting::Meeting;
use crate::control::role::Which;
use crate::control::{Control, News, member};
use crate::engine::hosts::site::Farm;
use crate::engine::processes::way::{Here, Way};
use crate::engine::sim::world::World;
use crate::graph::colocation::Unit;
use crate::graph::program::{Body, Yield};
use crate::life::member::{Member, Role};
use crate::life::stop::Stop;
use crate::life::supervisor::Supervisor;
use crate::node::context::Home;
use crate::node::directory::Directory;
use crate::{Clock, Error, Executor, OnFailure, Program, Run};
use cast::{Cast, Stage};
use executor::{Place, Sink};
use interrupt::Interrupts;
use launcher::{Plan, ProcessPlan};
use panes::Panes;
use rehearsal::company;
use run::{Hold, Slot};
use trace::Trace;

/// How many launches on processes this process has seen, apart from those of tests.
static LAUNCHES: AtomicUsize = AtomicUsize::new(0);

/// First thing in `main`: where this process was started to run a node of a program launched elsewhere, takes up what binds
/// it to its launcher, so that from now on it ends when that does. What follows is then done up to the
/// [`launch`] that it belongs to, and should be quiet: its output is passed on. Tells whether it is such a process.
///
/// ```
/// use syncline_program::{Executor, Program, enrol, launch};
///
/// fn main() -> Result<(), syncline_program::Error> {
///     enrol();
///     let mut program = Program::new("hello");
///     program.node("greeter", async |_| Ok(println!("hello")));
///     launch(program, Executor::threads())?.wait()
/// }
/// ```
pub fn enrol() -> bool {
    launched_program().is_some()
}

/// Whether this process was started to run a node of a program launched elsewhere; as [`enrol`].
pub fn is_child() -> bool {
    enrol()
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
    if !executor.has_processes() {
        return start(program, executor, Which::Main(0));
    }
    let which = match &executor.restarted_with {
        None => Which::Main(LAUNCHES.fetch_add(1, atomic::Ordering::Relaxed)),
        Some(_) => Which::Test(testing::next_launch()),
    };
    let Some(place) = Enrolment::of_this_process() else { return start(program, executor, which) };
    match (which, place.role.launch) {
        (this, ours) if this == ours => member::run(program, place, executor.patience),
        (Which::Main(this), Which::Main(ours)) if this > ours => Err(Error::Nested(place.role.node.clone())),
        (Which::Test(this), Which::Test(ours)) if this > ours => Err(Error::Nested(place.role.node.clone())),
        _ => passed_by(program, &place.role.node),
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

fn start<T: Send + 'static>(program: Program<T>, executor: Executor, launch: Which) -> Result<Run<T>, Error> {
    let is_sim = executor.is_sim();
    let (news, heard) = mpsc::unbounded_channel();
    let mut sink = executor.sink();
    let mut yard = yard(&program, &executor.place, &sink)?;
    let panes = match executor.has_panes {
        true => Some(Panes::open(program.name(), &names(&program))?),
        false => None,
    };
    if let Some((panes, yard)) = panes.as_ref().zip(yard.as_mut()) {
        sink = panes.sink(executor.sink.clone());
        yard.remarks.push(panes.remark());
    }
    let world = match &executor.place {
        Place::Sim(setup) => Some(World::new(setup)),
        Place::Threads | Place::Processes(_) | Place::Hosts(_) => None,
    };
    let trace = executor.trace.as_ref().map(|path| Trace::create(path, program.name(), executor.sim_seed()));
    let trace = trace.transpose()?;
    let stage = stage(&program, news, yard.is_some(), world);
    let meeting = yard.as_ref().map(|yard| &yard.meeting);
    let mut cast = Cast::new(stage.clone());
    let (mut members, mut at_launcher) = (Vec::new(), Vec::new());
    for Unit { name, body, works, policy, resources, attendance } in program.units() {
        let role = if works { Role::Plain } else { Role::Service };
        if cast.add(&name, &body, &resources, meeting) {
            members.push(Member::new(name, role, policy).attending(attendance));
        } else {
            at_launcher.push(name);
        }
    }
    let (name, wishes) = (program.name().to_owned(), program.wishes());
    // The graph's own hold on services ends here: what is left of them goes with their nodes.
    let value = match program.into_source() {
        Yield::Nothing(value) => Slot::new(Mutex::new(Some(value))),
        Yield::Driver(body) => {
            let slot = Slot::default();
            let driver = cast.add_driver(body, Arc::clone(&slot))?;
            members.push(Member::new(driver, Role::Driver, OnFailure::Stop));
            slot
        }
    };
    let parts: Vec<_> = members.iter().flat_map(|member| cast.parts_of(member)).collect();
    if let Some(world) = &stage.world {
        world.check(
            &parts.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
            &at_launcher,
            &wishes,
        )?;
        let there = members.iter().filter(|member| !member.has_ended());
        let there = there.flat_map(|member| cast.parts_of(member));
        there.for_each(|(name, role)| world.expect(&name, role));
    }
    let plan = Plan {
        program: name.clone(),
        executor: executor.to_string(),
        trace,
        roles: parts.into_iter().collect(),
        supervisor: Supervisor::new(members, executor.patience),
        cast,
        processes: yard.map(|yard| {
            let Yard { meeting, way, remarks } = yard;
            ProcessPlan { meeting, way, remarks, launch, arguments: executor.restarted_with, panes }
        }),
        sink,
        // In virtual time a deadlock is certain at once.
        deadlock: executor.deadlock.filter(|_| !is_sim),
    };
    let launcher = launcher::start(plan, stage.clone(), heard)?;
    let hold = Hold { launcher, control: Arc::clone(&stage.control) };
    Ok(Run::new(name, stage.clock.clone(), value, Some(hold), stage.news.clone()))
}

/// The nodes that are processes.
fn names<T: Send + 'static>(program: &Program<T>) -> Vec<String> {
    let away = program.units().into_iter().filter(|unit| !matches!(unit.body, Body::Here(_)));
    away.map(|unit| unit.name.to_string()).collect()
}

/// Where processes meet, and how they are started.
struct Yard {
    meeting: Meeting,
    way: Box<dyn Way>,
    remarks: Vec<String>,
}

/// What a place has for the processes of a program; nothing where its nodes are none.
fn yard<T: Send + 'static>(program: &Program<T>, place: &Place, sink: &Sink) -> Result<Option<Yard>, Error> {
    Ok(match place {
        Place::Threads | Place::Sim(_) => None,
        Place::Processes(transport) => {
            let (meeting, way) = (Meeting::new(*transport)?, Box::new(Here::new()));
            Some(Yard { meeting, way, remarks: Vec::new() })
        }
        Place::Hosts(site) => {
            // What they are started with, the way to each host finds by itself.
            let Farm { way, ground, remarks } = site.open(&company(program, &[]), sink)?;
            Some(Yard { meeting: Meeting::Network(ground), way, remarks })
        }
    })
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
    let edges = Edges::on(clock.clone());
    let home = Arc::new(Home {
        directory,
        token: Token::random(),
        limits: program.message_limits(),
        interrupts: Interrupts::new(),
        groups: program.groups(),
        edges: edges.clone(),
        net: world.as_ref().map(|world| world.net.clone()),
    });
    // A colocation is one node to the launcher, beside those in it.
    let units = program.units().into_iter().filter(|unit| matches!(unit.body, Body::Crew(_)));
    let nodes = program.all_nodes().cloned().chain(units.map(|unit| unit.name)).collect();
    let briefing = program.briefing();
    let control =
        Arc::new(Control::new(program.outline(), briefing, nodes, clock.clone(), news.clone(), edges));
    control.post(|board| board.wishes = program.wishes());
    Stage { clock, stop: Stop::new(), home, control, news, waits: Waits::default(), world }
}
