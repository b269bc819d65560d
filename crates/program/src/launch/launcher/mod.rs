//! The launcher: a thread that starts everything, hears all news, asks the supervisor what to do, and does it.

mod begin;
mod presence;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use syncline_runtime::write_duration;
use tokio::sync::mpsc;

pub(crate) use self::begin::start;
use super::cast::{Cast, Stage};
use super::executor::{Sink, Standstill};
use super::panes::Panes;
use super::signals::Signals;
use super::trace::Trace;
use crate::control::meeting::Meeting;
use crate::control::role::Which;
use crate::control::standing::Standing;
use crate::control::{News, Outcome};
use crate::engine::processes::output::Voice;
use crate::engine::processes::way::Way;
use crate::engine::threads::Threads;
use crate::engine::{Engine, Exits, LastWords, Reach};
use crate::life::exit::Sightings;
use crate::life::failure::Cause;
use crate::life::member::Role;
use crate::life::roster::State;
use crate::life::stall::Stall;
use crate::life::supervisor::{Action, End, Event, Supervisor};
use crate::live::window::Open;
use crate::node::body::NodeEnd;
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
                self.engine(&node).heard(&node);
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
            News::Wished(label, size) => {
                if let Err(error) = self.stage.control.wish(&label, size) {
                    self.say(&error.to_string());
                }
                false
            }
            News::Ended(node, end) => self.ended(node, end),
            News::Exited(node, exit) => {
                let seen = self.seen.get(&node.name).cloned().unwrap_or_default();
                self.ended(node, NodeEnd::of(seen.outcome(exit)))
            }
        }
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

    /// Says which faults of a simulation did nothing, because the program was over before: it might be taken for having survived them.
    fn tell_idle_faults(&self) {
        let Some(world) = self.stage.world.as_ref().filter(|_| self.supervisor.is_well()) else { return };
        let over = self.stage.clock.now();
        for fault in world.faults_after(over) {
            self.say(&format!(
                "nothing came of the fault `{fault}`: all was over after {}",
                write_duration(over)
            ));
        }
    }

    async fn finish(mut self) -> Ending {
        self.tell_idle_faults();
        let here = std::mem::replace(&mut self.here, Box::new(Threads::default()));
        let mut words = here.bury(&|node| self.supervisor.has_ended(node)).await;
        for (node, why) in std::mem::take(&mut words.left) {
            self.say(&format!("{node} did not stop in time; it {why}"));
        }
        let away = self.away.take();
        if let Some(away) = away {
            let LastWords { output, hosts, .. } = away.bury(&|node| self.supervisor.has_ended(node)).await;
            words.output.extend(output);
            words.hosts = hosts;
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
                let (host, error) = (words.hosts.remove(&node), self.errors.remove(&node));
                let restarts = restarts.get(node.label()).copied().unwrap_or_default();
                Ending::Failed(Failure { node, host, cause, output, restarts, error })
            }
        }
    }

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
