//! A process's own part in the run: find its node in the program, report, run it, report again, exit.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use syncline_runtime::{Ground, Waits};
use syncline_wire::{Client, Edges, Identity, Limits, Token};
use tokio::runtime::Runtime;

use super::enrolment::Enrolment;
use super::role::Role;
use super::{Control, Outcome, Reply, Request, meeting, pulse};
use crate::graph::colocation::Berthed;
use crate::graph::outline::Outline;
use crate::graph::program::{Body, Built};
use crate::launch::interrupt::Interrupts;
use crate::life::ledger::Account;
use crate::life::patience::Patience;
use crate::life::stop::Stop;
use crate::node::body::{self, NodeEnd};
use crate::node::context::{Context, Groups, Home};
use crate::node::crew::{self, Ended, Quarters};
use crate::node::directory::Directory;
use crate::{Clock, Error, NodeId, Program};

/// How often the launcher is asked for the time; the quickest answer counts.
const CLOCK_EXCHANGES: usize = 8;

/// How long the last report may take.
const LAST_REPORT: Duration = Duration::from_secs(1);

/// Runs the node of `place` and ends this process.
pub(crate) fn run<T: Send + 'static>(
    program: Program<T>,
    place: &'static Enrolment,
    patience: Patience,
) -> ! {
    let code = match take_part(program, place, patience) {
        Ok(Outcome::Failed(_)) => 1,
        Ok(Outcome::Finished | Outcome::Stopped) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    };
    std::process::exit(code)
}

fn take_part<T: Send + 'static>(
    program: Program<T>,
    place: &'static Enrolment,
    patience: Patience,
) -> Result<Outcome, Error> {
    let Enrolment { role, stop, .. } = place;
    let token = place.token()?;
    let outline = program.outline();
    let (limits, groups) = (program.message_limits(), program.groups());
    let unit = program.units().into_iter().find(|unit| unit.name.to_string() == role.node);
    let live = move || {
        let runtime = body::runtime()?;
        let identity = Identity::new(token.clone(), role.node.as_str());
        let control = runtime.block_on(Client::connect(&role.control, identity, &limits));
        let control = control.map_err(Error::wire("joining the launcher"))?;
        let stop = stop.clone();
        let seat = Seat { runtime, control, stop, token, limits, groups, role };
        let (waits, edges) = (Waits::default(), Edges::default());
        let id = NodeId { name: role.node.parse()?, incarnation: role.incarnation };
        seat.greet(&id, outline)?;
        // The launcher compared the outlines, so the node exists; the message is for the impossible.
        let unit = unit.ok_or_else(|| Error::Handshake(format!("no node `{}`", role.node)))?;
        pulse::start(
            id.clone(),
            role.control.clone(),
            seat.token.clone(),
            seat.limits.clone(),
            patience.silence,
            waits.clone(),
            edges.clone(),
        )?;
        seat.live(id, unit.body, waits, edges)
    };
    body::thread(&role.node, live)?
        .join()
        .unwrap_or_else(|_| Err(Error::Handshake("the node's thread panicked outside its node".to_owned())))
}

/// What a process has to run its node with.
struct Seat {
    runtime: Runtime,
    control: Client<Control>,
    stop: Stop,
    token: Token,
    limits: Limits,
    groups: Groups,
    role: &'static Role,
}

impl Seat {
    fn ask(&self, request: Request) -> Result<Reply, Error> {
        let answer = self.runtime.block_on(self.control.call(request));
        answer.map_err(|error| Error::wire("talking to the launcher")(error.into()))
    }

    fn greet(&self, node: &NodeId, outline: Outline) -> Result<(), Error> {
        match self.ask(Request::Hello { node: node.clone(), outline })? {
            Reply::Done => Ok(()),
            Reply::Different(difference) => {
                Err(Error::Handshake(format!("this process built another program: {difference}")))
            }
            other => Err(Error::Handshake(format!("the launcher answered {other:?}"))),
        }
    }

    /// Sets this process's clock by the launcher's.
    fn clock(&self) -> Result<Clock, Error> {
        let own = Clock::start();
        let mut best = own.clone();
        for exchange in 0..CLOCK_EXCHANGES {
            let asked = own.now();
            let Reply::Time(answer) = self.ask(Request::Time)? else { break };
            let set = own.set_by(asked, own.now(), answer);
            best = set.filter(|set| exchange == 0 || set.error() < best.error()).unwrap_or(best);
        }
        Ok(best)
    }

    fn live(self, id: NodeId, body: Body, waits: Waits, edges: Edges) -> Result<Outcome, Error> {
        let directory = match &body {
            Body::Crew(crew) => Directory::new(crew.nodes().into_iter().map(|node| node.name.clone())),
            _ => Directory::new(std::iter::once(id.name.clone())),
        };
        let home = Arc::new(Home {
            directory,
            token: self.token.clone(),
            limits: self.limits.clone(),
            interrupts: Interrupts::new(),
            groups: self.groups.clone(),
            edges: edges.clone(),
            net: None,
        });
        let stop = self.stop.for_node();
        let aboard = Aboard { home, clock: self.clock()?, waits, role: self.role };
        let end = body::run_on(&self.runtime, async {
            match body {
                Body::Crew(crew) => crew::run(&crew, &id, &stop, &aboard, &self.control).await,
                body => aboard.run(&id, &stop, body, self.control.clone()).await,
            }
        });
        let NodeEnd { outcome, value, .. } = end;
        // Later than whatever the pulse tells, by its own clock.
        let account = Account::of(&edges, Duration::MAX, &self.limits);
        let passed = Request::Passed { node: id.clone(), account };
        let report = Request::Ended { node: id, outcome: outcome.clone(), value };
        let tell = async {
            let (_, ended) = tokio::join!(self.control.call(passed), self.control.call(report));
            ended
        };
        let told = async { tokio::time::timeout(LAST_REPORT, tell).await };
        if !matches!(self.runtime.block_on(told), Ok(Ok(_))) {
            // A launcher that cannot be told is most likely gone. Then the leash is about to end this process with all that
            // it started, which an exit before it would leave behind. If it lives after all, it sees the exit code.
            std::thread::sleep(LAST_REPORT);
        }
        Ok(outcome)
    }
}

/// What the nodes of this process share.
#[derive(Clone)]
struct Aboard {
    home: Arc<Home>,
    clock: Clock,
    waits: Waits,
    role: &'static Role,
}

impl Aboard {
    /// Runs a node on this thread, which reaches the launcher by `control`.
    async fn run(&self, id: &NodeId, stop: &Stop, body: Body, control: Client<Control>) -> NodeEnd {
        let ground = Ground::watched(self.clock.clone(), self.waits.clone(), &id.name.to_string());
        let context = Context::new(id.clone(), ground, stop.clone(), Arc::clone(&self.home), control.clone());
        match body {
            Body::Plain(body) => body::body(stop, async { body(context).await }).await,
            Body::Service(build) => match build(&context) {
                Ok(built) => self.serve(id, built, context, stop, &control).await,
                Err(error) => NodeEnd::failed(error),
            },
            Body::Crew(_) | Body::Here(_) | Body::Declared => NodeEnd::stopped(),
        }
    }

    async fn serve(
        &self,
        id: &NodeId,
        built: Built,
        context: Context,
        stop: &Stop,
        control: &Client<Control>,
    ) -> NodeEnd {
        let (Built { host, run }, Home { directory, token, limits, .. }) = (built, &*self.home);
        directory.publish(id, Arc::clone(&host).object());
        let spot = match meeting::beside(&self.role.control, id, self.role.ports.as_ref()) {
            Ok(spot) => spot,
            Err(error) => return NodeEnd::failed(error.into()),
        };
        let listener = match spot.listen(id.identity(token.clone()), limits).await {
            Ok(listener) => listener,
            Err(error) => return NodeEnd::failed(error.to_string().into()),
        };
        let address = listener.address().clone();
        let serving = async {
            let ready = control.call(Request::Ready { node: id.clone(), address });
            // A launcher that cannot be told is gone, which the leash sees to.
            let _ = tokio::join!(ready, host.serve(listener));
        };
        body::service(stop, serving, run.map(|run| run(context))).await
    }
}

/// Nodes that share this process, each with a thread and a connection to the launcher of its own.
impl Quarters for Aboard {
    fn is_process(&self) -> bool {
        true
    }

    fn start(
        &self,
        id: NodeId,
        stop: Stop,
        node: &Berthed,
        ended: Ended,
    ) -> Result<Option<JoinHandle<()>>, Error> {
        let (aboard, body, name) = (self.clone(), node.body.clone(), id.to_string());
        // Made on the thread, where it stays.
        let work = move || async move {
            let Home { token, limits, .. } = &*aboard.home;
            let control = Client::connect(&aboard.role.control, id.identity(token.clone()), limits).await;
            match control.map_err(Error::wire("joining the launcher")) {
                Ok(control) => aboard.run(&id, &stop, body, control).await,
                Err(error) => NodeEnd::failed(error.into()),
            }
        };
        let run = move || ended(body::run(work()));
        body::thread(&name, run).map(Some)
    }
}
