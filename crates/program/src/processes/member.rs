//! A process's own part in the run: find its node in the program, report, run it, report again, exit.

use std::sync::Arc;
use std::time::Duration;

use syncline_runtime::Ground;
use syncline_wire::{Address, Client, Limits, Listener, Token};
use tokio::runtime::Runtime;

use super::enrolment::Enrolment;
use super::{meeting, pulse};
use crate::context::{Context, Home, Sizes};
use crate::control::{Control, Outcome, Reply, Request};
use crate::directory::Directory;
use crate::interrupt::Interrupts;
use crate::node::{self, NodeEnd};
use crate::program::{Body, Host};
use crate::stop::Stop;
use crate::supervisor::Patience;
use crate::{Clock, Error, NodeName, Program};

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
    let (limits, sizes) = (program.message_limits(), program.sizes());
    let member = program.members().find(|(name, _)| name.to_string() == role.node).cloned();
    let live = move || {
        let runtime = node::runtime()?;
        let control = runtime.block_on(Client::connect(&role.control, &token, &limits));
        let control = control.map_err(Error::wire("joining the launcher"))?;
        let (stop, meeting) = (stop.clone(), &role.control);
        let seat = Seat { runtime, control, stop, token, limits, sizes, meeting };
        seat.greet(&role.node, outline)?;
        // The launcher compared the outlines, so the node exists; the message is for the impossible.
        let (name, body) = member.ok_or_else(|| Error::Handshake(format!("no node `{}`", role.node)))?;
        pulse::start(
            name.clone(),
            role.control.clone(),
            seat.token.clone(),
            seat.limits.clone(),
            patience.silence,
        )?;
        seat.live(name, body)
    };
    let thread = std::thread::Builder::new().name(role.node.clone()).spawn(live);
    let thread = thread.map_err(Error::system("cannot start the node's thread"))?;
    thread
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
    sizes: Sizes,
    meeting: &'static Address,
}

impl Seat {
    fn ask(&self, request: Request) -> Result<Reply, Error> {
        let answer = self.runtime.block_on(self.control.call(request));
        Ok(answer.map_err(Error::wire("talking to the launcher"))?.body)
    }

    fn greet(&self, node: &str, outline: crate::fingerprint::Outline) -> Result<(), Error> {
        match self.ask(Request::Hello { node: node.parse()?, outline })? {
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

    fn live(self, name: NodeName, body: Body) -> Result<Outcome, Error> {
        let directory = Directory::new(std::iter::once(name.clone()));
        let home = Arc::new(Home {
            directory,
            token: self.token.clone(),
            limits: self.limits.clone(),
            interrupts: Interrupts::new(),
            sizes: self.sizes.clone(),
            net: None,
        });
        let stop = self.stop.for_node();
        let ground = Ground::machine(self.clock()?);
        let context =
            Context::new(name.clone(), ground, stop.clone(), Arc::clone(&home), self.control.clone());
        let end = node::run_on(&self.runtime, async {
            match body {
                Body::Plain(body) => node::body(&stop, async { body(context).await }, drop).await,
                Body::Service(build) => match build(&context) {
                    Ok(host) => self.serve(&name, host, &home).await,
                    Err(error) => NodeEnd::failed(error),
                },
                Body::Here(_) => NodeEnd::stopped(),
            }
        });
        let report = Request::Ended { node: name, outcome: end.outcome.clone() };
        let told = async { tokio::time::timeout(LAST_REPORT, self.control.call(report)).await };
        if !matches!(self.runtime.block_on(told), Ok(Ok(_))) {
            // A launcher that cannot be told is most likely gone. Then the leash is about to end this process with all that
            // it started, which an exit before it would leave behind. If it lives after all, it sees the exit code.
            std::thread::sleep(LAST_REPORT);
        }
        Ok(end.outcome)
    }

    async fn serve(&self, name: &NodeName, host: Arc<dyn Host>, home: &Home) -> NodeEnd {
        home.directory.publish(name.clone(), Arc::clone(&host).object());
        let address = meeting::beside(self.meeting, name);
        let listener = match Listener::bind(&address, self.token.clone(), self.limits.clone()).await {
            Ok(listener) => listener,
            Err(error) => return NodeEnd::failed(error.to_string().into()),
        };
        let address = listener.address().clone();
        let serving = async {
            let ready = self.control.call(Request::Ready { node: name.clone(), address });
            let (ready, ()) = tokio::join!(ready, host.serve(listener));
            ready
        };
        tokio::select! {
            _ = serving => NodeEnd::stopped(),
            () = self.stop.wait() => NodeEnd::stopped(),
        }
    }
}
