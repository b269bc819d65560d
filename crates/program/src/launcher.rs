//! The launcher: a thread that starts everything, hears all news, asks the supervisor what to do, and does it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, mpsc as blocking};
use std::thread::JoinHandle;
use std::time::Duration;

use syncline_wire::Listener;
use tokio::sync::mpsc;

use crate::context::Home;
use crate::control::{Control, News, Outcome};
use crate::executor::Sink;
use crate::failure::Cause;
use crate::node::{self, NodeEnd};
use crate::processes::fleet::{Fleet, Orders};
use crate::processes::meeting::Meeting;
use crate::processes::output::Printer;
use crate::program::LocalFuture;
use crate::signals::Signals;
use crate::sim::drive;
use crate::sim::world::World;
use crate::stop::Stop;
use crate::supervisor::{Action, End, Event, Supervisor};
use crate::{BoxError, Clock, Error, Failure, Interrupt, NodeName};

/// The work of a node that lives in this process, which stays on the thread where it is made.
pub(crate) type Work = Box<dyn FnOnce() -> LocalFuture<NodeEnd> + Send>;

/// What the parts of a run in the launching process share.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
    pub(crate) home: Arc<Home>,
    pub(crate) control: Arc<Control>,
    pub(crate) news: mpsc::UnboundedSender<News>,
    /// The simulation, if it is one.
    pub(crate) world: Option<World>,
}

/// All that is to be started.
pub(crate) struct Plan {
    pub(crate) program: String,
    pub(crate) supervisor: Supervisor,
    pub(crate) crew: Vec<(NodeName, Work)>,
    pub(crate) processes: Option<ProcessPlan>,
    pub(crate) sink: Sink,
}

/// The nodes that are to be processes.
pub(crate) struct ProcessPlan {
    pub(crate) nodes: Vec<NodeName>,
    pub(crate) meeting: Meeting,
    pub(crate) launch: usize,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Finished,
    Asked,
    Interrupted(Interrupt),
    Failed(Failure),
}

/// Starts the launcher's thread, and returns when all nodes have been started.
pub(crate) fn start(
    plan: Plan,
    stage: Stage,
    news: mpsc::UnboundedReceiver<News>,
) -> Result<JoinHandle<Ending>, Error> {
    let (started, starting) = blocking::sync_channel(1);
    let (world, heard_by) = (stage.world.clone(), stage.news.clone());
    let work = move || {
        let run = async move {
            let (launcher, begun) = Launcher::begin(plan, stage, news).await;
            // The other side waits for it.
            let _ = started.send(begun);
            launcher.run().await
        };
        let ending = match world {
            Some(world) => drive::run(world, &heard_by, run),
            None => node::runtime().map(|runtime| runtime.block_on(run)),
        };
        // Without a runtime `started` is dropped unsent, which the other side takes for a failure.
        ending.unwrap_or(Ending::Asked)
    };
    let thread = std::thread::Builder::new().name("launcher".to_owned()).spawn(work);
    let thread = thread.map_err(Error::system("cannot start the launcher's thread"))?;
    let lost = || Error::Handshake("the launcher's thread ended before it had begun".to_owned());
    match starting.recv().unwrap_or_else(|_| Err(lost())) {
        Ok(()) => Ok(thread),
        Err(error) => {
            // It was told to abandon what had been started; this waits until that is gone.
            let _ = thread.join();
            Err(error)
        }
    }
}

/// How many processes may be starting at once, on a machine with few cores.
const WINDOW: usize = 8;

struct Launcher {
    stage: Stage,
    supervisor: Supervisor,
    news: mpsc::UnboundedReceiver<News>,
    signals: Option<Signals>,
    crew: Vec<(NodeName, JoinHandle<()>)>,
    fleet: Fleet,
    errors: BTreeMap<NodeName, BoxError>,
    sink: Sink,
    /// How processes are started, and which are still to be.
    orders: Option<Orders>,
    pending: VecDeque<NodeName>,
    /// How many processes may be starting at once.
    window: usize,
    /// Kept for its directory, which vanishes with it.
    _meeting: Option<Meeting>,
    /// Should this thread panic, nobody else would end the threads of the nodes.
    _last_act: Insist,
}

/// Insists on the stop of everything in this process when dropped.
struct Insist(Stop);

impl Drop for Insist {
    fn drop(&mut self) {
        self.0.insist();
    }
}

impl Launcher {
    /// Starts everything; after an error nothing more, and what had been started is abandoned.
    async fn begin(
        plan: Plan,
        stage: Stage,
        news: mpsc::UnboundedReceiver<News>,
    ) -> (Self, Result<(), Error>) {
        let Plan { program, supervisor, crew, processes, sink } = plan;
        let mut launcher = Self {
            _last_act: Insist(stage.stop.clone()),
            stage,
            supervisor,
            news,
            signals: None,
            crew: Vec::new(),
            fleet: Fleet::default(),
            errors: BTreeMap::new(),
            sink,
            orders: None,
            pending: VecDeque::new(),
            window: std::thread::available_parallelism().map_or(WINDOW, |cores| WINDOW.max(2 * cores.get())),
            _meeting: None,
        };
        let begun = launcher.try_begin(program, crew, processes).await;
        if begun.is_err() {
            launcher.abandon();
        }
        (launcher, begun)
    }

    async fn try_begin(
        &mut self,
        program: String,
        crew: Vec<(NodeName, Work)>,
        processes: Option<ProcessPlan>,
    ) -> Result<(), Error> {
        self.signals = Some(Signals::listen().map_err(Error::system("cannot listen for signals"))?);
        // Processes first: they take longest, and if the binary cannot be started nothing else has been.
        if let Some(plan) = processes {
            self.start_processes(program, plan).await?;
        }
        for (name, work) in crew {
            match &self.stage.world {
                Some(world) => world.start(name, work, self.stage.news.clone()),
                None => self.start_thread(name, work)?,
            }
        }
        Ok(())
    }

    async fn start_processes(&mut self, program: String, plan: ProcessPlan) -> Result<(), Error> {
        let Home { token, limits, .. } = &*self.stage.home;
        let listener = Listener::bind(&plan.meeting.control(), token.clone(), limits.clone()).await;
        let listener = listener.map_err(Error::wire("starting the launcher"))?;
        let control = listener.address().clone();
        let printer = Printer::start(Arc::clone(&self.sink));
        let printer =
            printer.map_err(Error::system("cannot start the thread that prints the nodes' output"))?;
        let (token, news) = (token.clone(), self.stage.news.clone());
        let orders = Orders { program, launch: plan.launch, control, token, printer, news };
        let service = Arc::clone(&self.stage.control);
        tokio::spawn(async move { listener.serve(service).await });
        self._meeting = Some(plan.meeting);
        self.orders = Some(orders);
        self.pending = plan.nodes.into();
        self.start_next()
    }

    /// Starts the next process that waits for it.
    fn start_next(&mut self) -> Result<(), Error> {
        let (Some(orders), Some(node)) = (&self.orders, self.pending.front()) else { return Ok(()) };
        self.fleet.start(node, orders)?;
        self.decide(Event::Started(node.clone()));
        self.pending.pop_front();
        Ok(())
    }

    /// Whether a process waits to be started, and may be: too many at once would only hinder each other.
    fn may_start(&self) -> bool {
        !self.pending.is_empty() && self.supervisor.is_running() && self.fleet.starting() < self.window
    }

    fn start_thread(&mut self, name: NodeName, work: Work) -> Result<(), Error> {
        let (node, news) = (name.clone(), self.stage.news.clone());
        let work = move || {
            let NodeEnd { outcome, error } = node::run(async { work().await });
            // After the launcher's loop nobody is interested.
            let _ = news.send(News::Ended(node, outcome, error));
        };
        let thread = std::thread::Builder::new().name(name.to_string()).spawn(work);
        let doing = format!("cannot start the thread of {name}");
        self.crew.push((name, thread.map_err(Error::system(doing))?));
        Ok(())
    }

    /// Ends what has been started; what has not counts as ended.
    fn abandon(&mut self) {
        let missing =
            |node: &NodeName| !self.fleet.has(node) && !self.crew.iter().any(|(name, _)| name == node);
        for node in self.supervisor.left().into_iter().filter(missing) {
            self.tell(News::Ended(node, Outcome::Stopped, None));
        }
        self.pending.clear();
        self.tell(News::Event(Event::Abandoned));
    }

    async fn run(mut self) -> Ending {
        loop {
            let now = self.stage.clock.now();
            let wait = self.supervisor.due().map_or(Duration::MAX, |due| due.saturating_sub(now));
            let news = tokio::select! {
                // In this order, so that starting many never keeps news waiting.
                biased;
                // The stage holds a sender, so there is always another message to wait for.
                Some(news) = self.news.recv() => news,
                by = next(self.signals.as_mut()) => {
                    let heeded = self.stage.home.interrupts.are_heeded();
                    News::Event(Event::Interrupted { by, heeded })
                }
                () = tokio::task::yield_now(), if self.may_start() => {
                    self.continue_start();
                    continue;
                }
                () = self.stage.clock.sleep(wait) => News::Event(Event::Tick),
            };
            if self.take(news) {
                return self.finish().await;
            }
        }
    }

    fn continue_start(&mut self) {
        if let Err(error) = self.start_next()
            && let Some(node) = self.pending.pop_front()
        {
            let outcome = Outcome::Failed(Cause::NeverStarted(error.to_string()));
            self.tell(News::Ended(node, outcome, Some(error.into())));
        }
    }

    fn tell(&self, news: News) {
        // The other end is this launcher's own.
        let _ = self.stage.news.send(news);
    }

    /// Takes in one piece of news; true when all is over.
    fn take(&mut self, news: News) -> bool {
        match news {
            News::Event(event) => {
                if let Event::Joined(node) = &event {
                    self.fleet.joined(node);
                }
                self.decide(event)
            }
            News::Ended(node, outcome, error) if self.fleet.has(&node) => {
                drop(error);
                self.fleet.reported(&node, outcome.clone());
                self.heard(&node, outcome)
            }
            News::Ended(node, outcome, error) => {
                self.errors.extend(error.map(|error| (node.clone(), error)));
                self.ended(node, outcome)
            }
            News::Exited(node, status) => {
                let outcome = self.fleet.outcome(&node, status);
                self.ended(node, outcome)
            }
        }
    }

    /// A node's body has ended; itself it may live on for a moment.
    fn heard(&mut self, node: &NodeName, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Failed(cause) => self.decide(Event::Failed(node.clone(), cause)),
            Outcome::Finished => {
                self.stage.control.post(|board| {
                    board.finished.insert(node.clone());
                });
                false
            }
            Outcome::Stopped => false,
        }
    }

    fn ended(&mut self, node: NodeName, outcome: Outcome) -> bool {
        let finished = outcome == Outcome::Finished;
        self.heard(&node, outcome) | self.decide(Event::Ended { node, finished })
    }

    fn decide(&mut self, event: Event) -> bool {
        let interrupted = matches!(event, Event::Interrupted { .. });
        let action = self.supervisor.on(self.stage.clock.now(), event);
        for remark in self.supervisor.take_remarks() {
            self.say(&remark.to_string());
        }
        match action {
            None => false,
            Some(Action::Finish) => true,
            Some(Action::Heed(interrupt)) => {
                self.say(&format!("{interrupt}: asked to come to an end; once more ends everything at once"));
                self.stage.home.interrupts.raise(interrupt);
                false
            }
            Some(Action::Stop) => {
                if interrupted {
                    self.say("interrupted: the nodes are asked to stop; once more kills them");
                }
                self.stage.control.post(|board| board.stopping = true);
                self.stage.stop.request();
                self.stage.home.directory.close();
                self.fleet.ask_to_stop();
                for node in std::mem::take(&mut self.pending) {
                    self.tell(News::Ended(node, Outcome::Stopped, None));
                }
                false
            }
            Some(Action::Kill) => {
                self.stage.stop.insist();
                self.fleet.kill();
                self.tell_of_the_late();
                false
            }
        }
    }

    fn say(&self, line: &str) {
        match &self.orders {
            Some(orders) => orders.printer.say(line),
            None => (self.sink)("launcher", line),
        }
    }

    /// Says which processes are killed because they did not stop in time.
    fn tell_of_the_late(&self) {
        for node in self.supervisor.left().iter().filter(|node| self.fleet.has(node)) {
            self.say(&format!("{node} did not stop in time and is killed"));
        }
    }

    async fn finish(mut self) -> Ending {
        let gone = |node: &NodeName| self.supervisor.has_ended(node);
        for (node, thread) in std::mem::take(&mut self.crew) {
            if gone(&node) {
                // Its last act was to report; a panic in it has been reported, too.
                let _ = thread.join();
            } else {
                let why = "is a thread and cannot be killed: it runs on until this process ends";
                self.say(&format!("{node} did not stop in time; it {why}"));
            }
        }
        let mut words = std::mem::take(&mut self.fleet).bury(gone).await;
        if let Some(orders) = self.orders.take() {
            orders.printer.finish().await;
        }
        match self.supervisor.into_end() {
            End::Finished => Ending::Finished,
            End::Asked => Ending::Asked,
            End::Interrupted(by) => Ending::Interrupted(by),
            End::Failed(node, cause) => {
                let output = words.remove(&node).unwrap_or_default();
                Ending::Failed(Failure { error: self.errors.remove(&node), node, cause, output })
            }
        }
    }
}

async fn next(signals: Option<&mut Signals>) -> Interrupt {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}
