//! The launcher: a thread that starts everything, hears all news, asks the supervisor what to do, and does it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, mpsc as blocking};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use super::cast::{Cast, Stage};
use super::executor::{Sink, Standstill};
use super::panes::Panes;
use super::signals::Signals;
use super::trace::Trace;
use crate::control::meeting::Meeting;
use crate::control::role::Which;
use crate::control::standing::Standing;
use crate::control::{News, Outcome};
use crate::engine::processes::fleet::{Orders, Processes};
use crate::engine::processes::output::{Printer, Voice};
use crate::engine::processes::way::Way;
use crate::engine::sim::drive;
use crate::engine::sim::engine::Simulated;
use crate::engine::threads::Threads;
use crate::engine::{Engine, Exits, LastWords, Reach};
use crate::life::exit::Sightings;
use crate::life::failure::Cause;
use crate::life::member::Role;
use crate::life::roster::State;
use crate::life::stall::Stall;
use crate::life::supervisor::{Action, End, Event, Supervisor};
use crate::live::window::{Open, View};
use crate::node::body::{self, NodeEnd};
use crate::node::context::Home;
use crate::{BoxError, Error, Failure, Interrupt, NodeId, NodeName};

/// All that is to be started.
pub(crate) struct Plan {
    pub(crate) program: String,
    /// Where it runs, in words.
    pub(crate) executor: String,
    pub(crate) roles: BTreeMap<NodeName, Role>,
    pub(crate) supervisor: Supervisor,
    pub(crate) cast: Cast,
    pub(crate) processes: Option<ProcessPlan>,
    pub(crate) sink: Sink,
    /// Where to write what has passed.
    pub(crate) trace: Option<Trace>,
    /// When nothing moves any more in real time.
    pub(crate) deadlock: Option<(Duration, Standstill)>,
}

/// How nodes are processes.
pub(crate) struct ProcessPlan {
    pub(crate) meeting: Meeting,
    /// How they are started.
    pub(crate) way: Box<dyn Way>,
    /// What there is to say beforehand.
    pub(crate) remarks: Vec<String>,
    pub(crate) launch: Which,
    /// What this binary is started with; its own arguments where nothing is said.
    pub(crate) arguments: Option<Vec<String>>,
    /// Where they are shown, if each has a window.
    pub(crate) panes: Option<Panes>,
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
            None => body::runtime().map(|runtime| runtime.block_on(run)),
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
    cast: Cast,
    /// Where nodes of this process run.
    here: Box<dyn Engine>,
    /// Where the others do.
    away: Option<Box<dyn Engine>>,
    started: BTreeSet<NodeName>,
    /// What has been seen of the nodes that are processes.
    seen: BTreeMap<NodeName, Sightings>,
    errors: BTreeMap<NodeName, BoxError>,
    say: Say,
    /// Looks whether anything moves, and what is to be done if not.
    stall: Option<(Stall, Standstill)>,
    /// Processes that are still to be started.
    pending: VecDeque<NodeId>,
    /// How many processes may be starting at once.
    window: usize,
    /// Whether the engine has given notice of the end.
    noticed: bool,
    trace: Option<Trace>,
    /// By which others look in.
    open: Option<Open>,
    /// Kept for its session, which ends with it.
    panes: Option<Panes>,
    /// Kept for its directory, which vanishes with it.
    meeting: Option<Meeting>,
}

/// How the launcher's own words come out.
enum Say {
    Directly(Sink),
    /// In order with the nodes' output.
    Among(Voice),
}

impl Launcher {
    /// Starts everything; after an error nothing more, and what had been started is abandoned.
    async fn begin(
        plan: Plan,
        stage: Stage,
        news: mpsc::UnboundedReceiver<News>,
    ) -> (Self, Result<(), Error>) {
        let Plan { program, executor, roles, supervisor, cast, processes, sink, trace, deadlock } = plan;
        let here: Box<dyn Engine> = match &stage.world {
            Some(world) => Box::new(Simulated::new(world.clone(), roles)),
            None => Box::new(Threads::default()),
        };
        let mut launcher = Self {
            stage,
            supervisor,
            news,
            signals: None,
            pending: cast.first(true).into(),
            cast,
            here,
            away: None,
            started: BTreeSet::new(),
            seen: BTreeMap::new(),
            errors: BTreeMap::new(),
            say: Say::Directly(Arc::clone(&sink)),
            stall: deadlock.map(|(silence, then)| (Stall::new(silence), then)),
            window: std::thread::available_parallelism().map_or(WINDOW, |cores| WINDOW.max(2 * cores.get())),
            noticed: false,
            trace,
            open: None,
            panes: None,
            meeting: None,
        };
        let begun = launcher.try_begin(program.clone(), processes, sink).await;
        match begun {
            Ok(()) => launcher.open_window(program, executor).await,
            Err(_) => launcher.abandon(),
        }
        (launcher, begun)
    }

    async fn try_begin(
        &mut self,
        program: String,
        processes: Option<ProcessPlan>,
        sink: Sink,
    ) -> Result<(), Error> {
        self.signals = Some(Signals::listen().map_err(Error::system("cannot listen for signals"))?);
        // Processes first: they take longest, and if the binary cannot be started nothing else has been.
        if let Some(plan) = processes {
            self.open(program, plan, sink).await?;
            if let Some(first) = self.pending.front().cloned() {
                self.start(&first)?;
                self.pending.pop_front();
            }
        }
        self.cast.first(false).iter().try_for_each(|node| self.start(node))
    }

    /// Lets others look in. In virtual time there is nothing to be seen before all is over.
    async fn open_window(&mut self, program: String, executor: String) {
        if self.stage.world.is_some() {
            return;
        }
        let (control, waits) = (Arc::clone(&self.stage.control), self.stage.waits.clone());
        let directory = self.meeting.as_ref().and_then(Meeting::directory);
        // Where no directory can be made, nobody looks in; the program itself needs none.
        self.open = Open::new(directory, View { program, executor, control, waits }).await.ok();
    }

    /// Opens the door at which processes report.
    async fn open(&mut self, program: String, plan: ProcessPlan, sink: Sink) -> Result<(), Error> {
        let ProcessPlan { meeting, way, remarks, launch, arguments, panes } = plan;
        self.panes = panes;
        let Home { token, limits, .. } = &*self.stage.home;
        let listener = meeting.control().listen(token, limits).await;
        let listener = listener.map_err(Error::wire("starting the launcher"))?;
        let control = listener.address().clone();
        let printer = Printer::start(sink);
        let printer =
            printer.map_err(Error::system("cannot start the thread that prints the nodes' output"))?;
        self.say = Say::Among(printer.voice());
        remarks.iter().for_each(|remark| self.say(remark));
        if let Some(limit) = way.limit() {
            let news = self.stage.news.clone();
            // Nobody hears it after the run, which takes the task with it.
            let give_notice = async move {
                limit.near().await;
                let _ = news.send(News::Notice(Interrupt::TimeLimit));
            };
            tokio::spawn(give_notice);
        }
        let (ports, token) = (meeting.ports(), token.clone());
        let orders = Orders { program, launch, arguments, control, ports, token };
        self.away = Some(Box::new(Processes::new(orders, way, printer)));
        let service = Arc::clone(&self.stage.control);
        tokio::spawn(async move { listener.serve(service).await });
        self.meeting = Some(meeting);
        Ok(())
    }

    fn engine(&mut self, node: &NodeId) -> &mut dyn Engine {
        match &mut self.away {
            Some(away) if self.cast.is_away(&node.name) => away.as_mut(),
            _ => self.here.as_mut(),
        }
    }

    /// Starts an incarnation of a node.
    fn start(&mut self, node: &NodeId) -> Result<(), Error> {
        // What shares this process takes up its work at once, and gives no signs of life.
        let away = self.engine(node).reach() != Reach::SameProcess;
        let state = if away { State::Starting } else { State::Running };
        self.put_down(node, state);
        let Some(seat) = self.cast.seat(node) else { return Ok(()) };
        let exits = Exits::new(self.stage.news.clone());
        self.engine(node).start(seat, exits)?;
        self.started.insert(node.name.clone());
        if away {
            self.seen.insert(node.name.clone(), Sightings::default());
            self.decide(Event::Started(node.clone()));
        } else {
            self.is_there(node);
        }
        Ok(())
    }

    /// Starts it, or has it fail.
    fn start_or_fail(&mut self, node: NodeId) {
        if let Err(error) = self.start(&node) {
            let outcome = Outcome::Failed(Cause::NeverStarted(error.to_string()));
            // No process of it is left of which more could be seen.
            self.seen.remove(&node.name);
            self.tell(News::Ended(node, NodeEnd { error: Some(error.into()), ..NodeEnd::of(outcome) }));
        }
    }

    /// Whether a process waits to be started, and may be: too many at once would only hinder each other.
    fn may_start(&self) -> bool {
        !self.pending.is_empty() && self.supervisor.is_running() && self.supervisor.starting() < self.window
    }

    /// Ends what has been started; what has not counts as ended.
    fn abandon(&mut self) {
        let left = self.supervisor.left();
        for node in left.into_iter().filter(|node| !self.started.contains(&node.name)) {
            self.tell(News::Ended(node, NodeEnd::stopped()));
        }
        self.pending.clear();
        self.tell(News::Event(Event::Abandoned));
    }

    async fn run(mut self) -> Ending {
        loop {
            let now = self.stage.clock.now();
            let wait = self
                .supervisor
                .due()
                .map_or(Duration::MAX, |due| due.saturating_sub(now))
                .min(self.look_in());
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
                    if let Some(node) = self.pending.pop_front() {
                        self.start_or_fail(node);
                    }
                    continue;
                }
                () = self.stage.clock.sleep(wait) => {
                    if let Some(news) = self.look_for_standstill() {
                        self.tell(news);
                    }
                    News::Event(Event::Tick)
                }
            };
            if self.take(news) {
                return self.finish().await;
            }
        }
    }

    /// How soon to look whether anything moves.
    fn look_in(&self) -> Duration {
        let looks = self.stall.as_ref().filter(|_| self.supervisor.is_running());
        looks.map_or(Duration::MAX, |(stall, _)| stall.period())
    }

    /// Tells of a standstill; news of it, if it is to end the program.
    fn look_for_standstill(&mut self) -> Option<News> {
        if !self.supervisor.is_running() {
            return None;
        }
        let working = self.working();
        let (stall, then) = self.stall.as_mut()?;
        let then = *then;
        let mut standings = self.stage.control.standings_of(self.seen.keys());
        standings.push(Standing::of(&self.stage.waits));
        // What gates of this process are for is asked now and seen the next time.
        self.stage.waits.ask();
        let knot = stall.look(self.stage.clock.now(), &standings, &working)?;
        if then == Standstill::Told {
            self.say(&format!("nothing has moved for a while: {knot}"));
            return None;
        }
        let named: Option<NodeName> = knot.links.first().and_then(|link| link.node.parse().ok());
        let named = named.map(|name| self.cast.unit_of(&name).cloned().unwrap_or(name));
        let left = self.supervisor.left();
        let node = left.iter().find(|id| Some(&id.name) == named.as_ref()).or(left.first())?;
        Some(News::Event(Event::Failed(node.clone(), Cause::Deadlocked(knot.to_string()))))
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
                    self.joined(node);
                }
                self.decide(event)
            }
            News::Reported(node, end) => {
                if let Some(unit) = self.cast.unit_of(&node.name) {
                    let unit = NodeId { name: unit.clone(), incarnation: node.incarnation };
                    return self.mate_ended(&node, unit, end);
                }
                if let Some(seen) = self.seen.get_mut(&node.name) {
                    seen.reported = Some(end.outcome.clone());
                }
                self.heard(&node, end)
            }
            News::Notice(by) => {
                // Every node of a job may tell of its end, and the launcher may have been asked itself: only a user who
                // asks again means at once.
                let known = std::mem::replace(&mut self.noticed, true) || self.supervisor.is_interrupted();
                let heeded = self.stage.home.interrupts.are_heeded();
                !known && self.decide(Event::Interrupted { by, heeded })
            }
            News::Ended(node, end) => self.ended(node, end),
            News::Exited(node, exit) => {
                let seen = self.seen.get(&node.name).cloned().unwrap_or_default();
                self.ended(node, NodeEnd::of(seen.outcome(exit)))
            }
        }
    }

    fn joined(&mut self, node: &NodeId) {
        if let Some(seen) = self.seen.get_mut(&node.name) {
            seen.joined = true;
        }
        self.put_down(node, State::Running);
        self.is_there(node);
    }

    /// Puts down the state of a node, and of those that share its process, as far as they have not come to an end of their own.
    fn put_down(&self, node: &NodeId, state: State) {
        let mates = self.cast.mates(node);
        self.stage.control.post(|board| {
            board.roster.set(node, state);
            for (mate, _) in mates {
                let known = board.roster.get(&mate.name);
                if !known.is_some_and(|known| known.incarnation == mate.incarnation && known.state.is_over())
                {
                    board.roster.set(&mate, state);
                }
            }
        });
    }

    /// A node has come to its end in a process that it shares, and that lives on.
    fn mate_ended(&mut self, mate: &NodeId, unit: NodeId, end: NodeEnd) -> bool {
        if !self.supervisor.is_current(&unit) {
            return false;
        }
        let NodeEnd { outcome, value, .. } = end;
        let is_finished = outcome == Outcome::Finished;
        self.stage.control.post(|board| {
            board.roster.set(mate, if is_finished { State::Finished } else { State::Stopped });
            if is_finished {
                board.values.insert(mate.name.clone(), value);
            }
        });
        if let Some(trace) = &mut self.trace {
            trace.ends(&mate.name, self.stage.clock.now());
        }
        let roster = self.stage.control.roster();
        let is_over = |mate: &NodeId| roster.get(&mate.name).is_none_or(|presence| presence.state.is_over());
        let (working, serving): (Vec<_>, Vec<_>) =
            self.cast.mates(&unit).into_iter().partition(|(_, works)| *works);
        let is_idle =
            working.iter().all(|(mate, _)| is_over(mate)) && serving.iter().any(|(mate, _)| !is_over(mate));
        is_idle && self.decide(Event::Idle(unit))
    }

    /// The nodes whose work goes on, each in its own name.
    fn working(&self) -> Vec<NodeName> {
        let roster = self.stage.control.roster();
        let is_over = |mate: &NodeName| roster.get(mate).is_none_or(|presence| presence.state.is_over());
        let own = |name: NodeName| match self.cast.mates(&NodeId::first(name.clone())) {
            mates if mates.is_empty() => vec![name],
            mates => mates
                .into_iter()
                .filter(|(mate, works)| *works && !is_over(&mate.name))
                .map(|(mate, _)| mate.name)
                .collect(),
        };
        self.supervisor.working().into_iter().flat_map(own).collect()
    }

    /// A node has taken up its work.
    fn is_there(&mut self, node: &NodeId) {
        let now = self.stage.clock.now();
        let lives = self.cast.lives(node);
        if let Some(trace) = &mut self.trace {
            lives.iter().for_each(|name| trace.begins(name, now));
        }
    }

    /// A node's body has ended; itself it may live on for a moment.
    fn heard(&mut self, node: &NodeId, end: NodeEnd) -> bool {
        let NodeEnd { outcome, value, error } = end;
        self.errors.extend(error.map(|error| (node.name.clone(), error)));
        match outcome {
            Outcome::Failed(cause) => self.decide(Event::Failed(node.clone(), cause)),
            Outcome::Finished => {
                self.stage.control.post(|board| {
                    board.roster.set(node, State::Finished);
                    // Its process tells its end twice: when its body has ended, and when itself has.
                    board.values.entry(node.name.clone()).or_insert(value);
                });
                false
            }
            Outcome::Stopped => false,
        }
    }

    fn ended(&mut self, node: NodeId, end: NodeEnd) -> bool {
        let finished = end.outcome == Outcome::Finished;
        let over = self.heard(&node, end) | self.decide(Event::Ended { node: node.clone(), finished });
        self.stage.control.books.close(&node);
        let lives = self.cast.lives(&node);
        if let Some(trace) = &mut self.trace {
            lives.iter().for_each(|name| trace.ends(name, self.stage.clock.now()));
        }
        let all = self.cast.mates(&node).into_iter().map(|(mate, _)| mate).chain([node]);
        self.stage.control.post(|board| {
            for node in all {
                let state = board.roster.get(&node.name).map(|presence| presence.state);
                if state.is_some_and(|state| !state.is_over()) {
                    board.roster.set(&node, State::Stopped);
                }
            }
        });
        over
    }

    fn decide(&mut self, event: Event) -> bool {
        let interrupted = matches!(event, Event::Interrupted { .. });
        let failed = match &event {
            Event::Failed(node, _) => Some(node.clone()),
            _ => None,
        };
        // News of an earlier incarnation says nothing of the one that is there now.
        let failed = failed.filter(|node| self.supervisor.is_current(node));
        let running = self.supervisor.is_running();
        let actions = self.supervisor.on(self.stage.clock.now(), event);
        if let Some(node) = failed.filter(|_| running) {
            self.write_off(&node);
        }
        for remark in self.supervisor.take_remarks() {
            self.say(&remark.to_string());
        }
        let mut over = false;
        for action in actions {
            over |= self.act(action, interrupted);
        }
        over
    }

    /// A node has failed: nobody should look for it where it was.
    fn write_off(&mut self, node: &NodeId) {
        let again = self.supervisor.will_restart(node);
        let directory = &self.stage.home.directory;
        directory.withdraw(&node.name, !again);
        self.cast.mates(node).iter().for_each(|(mate, _)| directory.withdraw(&mate.name, !again));
        match again {
            true => self.put_down(&node.next(), State::Waiting),
            false => self.put_down(node, State::Failed),
        }
    }

    /// Does what was decided; true when all is over.
    fn act(&mut self, action: Action, interrupted: bool) -> bool {
        match action {
            Action::Finish => return true,
            Action::Heed(interrupt) => {
                self.say(&format!("{interrupt}: asked to come to an end; once more ends everything at once"));
                self.stage.home.interrupts.raise(interrupt);
            }
            Action::Start(node) if self.cast.is_away(&node.name) => self.pending.push_back(node),
            Action::Start(node) => self.start_or_fail(node),
            Action::End(node) => {
                // Of a silent node no news has come that would have been the reason before.
                self.write_off(&node);
                self.kill(&node);
            }
            Action::Stop => self.stop(interrupted),
            Action::Kill => {
                self.stage.stop.insist();
                let left = self.supervisor.left();
                left.iter().for_each(|node| self.kill(node));
                for node in left.iter().filter(|node| self.seen.contains_key(&node.name)) {
                    self.say(&format!("{node} did not stop in time and is killed"));
                }
            }
        }
        false
    }

    fn kill(&mut self, node: &NodeId) {
        if let Some(seen) = self.seen.get_mut(&node.name) {
            seen.killed = true;
        }
        self.engine(node).kill(node);
    }

    fn stop(&mut self, interrupted: bool) {
        if interrupted {
            self.say("interrupted: the nodes are asked to stop; once more kills them");
        }
        self.stage.control.post(|board| board.stopping = true);
        self.stage.stop.request();
        self.stage.home.directory.close();
        for node in self.supervisor.left() {
            self.engine(&node).ask(&node);
        }
        for node in std::mem::take(&mut self.pending) {
            self.tell(News::Ended(node, NodeEnd::stopped()));
        }
    }

    fn say(&self, line: &str) {
        match &self.say {
            Say::Directly(sink) => sink("launcher", line),
            Say::Among(voice) => voice.say(line),
        }
    }

    async fn finish(mut self) -> Ending {
        let here = std::mem::replace(&mut self.here, Box::new(Threads::default()));
        let mut words = here.bury(&|node| self.supervisor.has_ended(node)).await;
        for (node, why) in std::mem::take(&mut words.left) {
            self.say(&format!("{node} did not stop in time; it {why}"));
        }
        let away = self.away.take();
        if let Some(away) = away {
            let LastWords { output, .. } = away.bury(&|node| self.supervisor.has_ended(node)).await;
            words.output.extend(output);
        }
        drop(self.open.take());
        drop(self.panes.take());
        self.write_trace();
        let (end, restarts) = self.supervisor.into_end();
        match end {
            End::Finished => Ending::Finished,
            End::Asked => Ending::Asked,
            End::Interrupted(by) => Ending::Interrupted(by),
            End::Failed(NodeId { name: node, .. }, cause) => {
                let output = words.output.remove(&node).unwrap_or_default();
                let restarts = restarts.get(node.label()).copied().unwrap_or_default();
                Ending::Failed(Failure { error: self.errors.remove(&node), node, cause, output, restarts })
            }
        }
    }
}

impl Launcher {
    /// Writes down what has passed.
    fn write_trace(&mut self) {
        let Some(trace) = self.trace.take() else { return };
        let (now, control) = (self.stage.clock.now(), &self.stage.control);
        if let Err(error) = trace.finish(now, &control.books.ledger(), self.supervisor.is_well()) {
            self.say(&format!("the trace is not complete: {error}"));
        }
    }
}

async fn next(signals: Option<&mut Signals>) -> Interrupt {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}
