//! How the launcher begins: the door at which processes report, the first incarnations, and the window by which others look in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc as blocking};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::{Ending, Launcher, Plan, ProcessPlan, Say};
use crate::control::News;
use crate::control::meeting::Meeting;
use crate::engine::Engine;
use crate::engine::processes::fleet::{Orders, Processes};
use crate::engine::processes::output::Printer;
use crate::engine::sim::drive;
use crate::engine::sim::engine::Simulated;
use crate::engine::threads::Threads;
use crate::launch::cast::Stage;
use crate::launch::executor::Sink;
use crate::launch::signals::Signals;
use crate::life::roster::State;
use crate::life::stall::Stall;
use crate::live::window::{Open, View};
use crate::node::body;
use crate::node::context::Home;
use crate::{Error, Interrupt};

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
    // In virtual time all nodes live there.
    let thread = body::thread("launcher", work)?;
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
            pending: cast.first(true).into_iter().filter(|node| !supervisor.rests(&node.name)).collect(),
            stage,
            supervisor,
            news,
            signals: None,
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
        launcher.put_down_resting();
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
        let mut here = self.cast.first(false);
        here.retain(|node| !self.supervisor.rests(&node.name));
        here.iter().try_for_each(|node| self.start(node))
    }

    /// Puts down who is not there yet.
    fn put_down_resting(&self) {
        let all = self.cast.first(true).into_iter().chain(self.cast.first(false));
        all.filter(|node| self.supervisor.rests(&node.name))
            .for_each(|node| self.put_down(&node, State::Resting));
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
}
