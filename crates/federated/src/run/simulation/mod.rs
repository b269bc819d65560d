//! The server's side of a run: it gives work out, and waits for news of it. On the virtual clock there is a task for each client that
//! works; elsewhere (`live`) nodes of a program do the work.
//!
//! Idle clients are numbers in a list. In virtual time a client at work is a timer and a note of what it was sent; its steps are computed
//! when its answer is folded (WORK-1), so what is lost, late or dropped costs nothing.

mod clients;
mod gossip;
mod judged;
mod report;
mod rounds;
mod updates;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use syncline_learn::Score;
use syncline_runtime::{Clock, Node, Scheduler, Sim, Turn};
use tokio::sync::mpsc;

pub(super) use self::judged::Judged;
use super::books::Books;
use super::device::Course;
use super::report::RoundReport;
use super::server::{Folded, Server};
use super::settings::Settings;
use super::strategy::Strategy;
use super::sum::noise_source;
use super::work::{Reply, Task, Workshop};
use super::{Federation, Trained};
use crate::{Error, Result};

/// Steps of the scheduler between two looks whether the run is over.
const STEPS: usize = 1 << 16;

/// What the server is told of a client at work.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// The number that its work was given.
    pub job: u64,
    pub is_lost: bool,
}

/// Where clients work.
pub(super) enum Ground {
    /// On the virtual clock, each a timer.
    Virtual { sim: Sim, node: Node, workshop: Box<Workshop> },
    /// On nodes of a program.
    #[cfg(feature = "program")]
    Live(std::sync::Arc<super::live::Desk>),
}

impl Ground {
    /// The answers of some tasks, in their order.
    fn replies(&mut self, tasks: &[Task]) -> Result<Vec<Reply>> {
        match self {
            Self::Virtual { workshop, .. } => workshop.replies(tasks),
            #[cfg(feature = "program")]
            Self::Live(desk) => Ok(desk.take(tasks)),
        }
    }

    /// A task whose answer counts nowhere.
    fn forget(&self, task: &Task) {
        match self {
            Self::Virtual { .. } => _ = task,
            #[cfg(feature = "program")]
            Self::Live(desk) => desk.forget(task),
        }
    }
}

/// A client at work.
#[derive(Clone, Debug)]
struct Job {
    task: Task,
    /// The version of the model that it was sent.
    version: u64,
    start: Duration,
    course: Course,
    lost_after: Option<f64>,
    down: u64,
    up: u64,
}

/// A run under way.
struct Simulation {
    federation: Federation,
    settings: Settings,
    server: Server,
    ground: Ground,
    books: Books,
    clock: Clock,
    tell: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
    jobs: BTreeMap<u64, Job>,
    /// Work of the open round whose answers are there.
    answered: Vec<u64>,
    /// Clients that a round has, or of which so many work at once.
    at_once: usize,
    /// Work that was given out so far.
    given_out: u64,
    /// Sums of bytes up to the last close.
    bytes: [u64; 2],
    /// What clients met in their first passes of rounds that are not over, where they are in different ones.
    met: BTreeMap<u64, Score>,
    ended_early: Option<String>,
}

/// Runs a federation in virtual time to its end.
pub(super) fn run(federation: Federation) -> Result<Trained> {
    let settings = &federation.settings;
    let workshop = Workshop::new(
        &*federation.model,
        Arc::clone(&federation.data),
        Arc::clone(&federation.rows),
        settings.clone(),
        noise_source(settings, 0xc2),
    )
    .of_own(federation.clients.clone());
    let sim = Sim::new(settings.seed);
    let (clock, (tell, news)) = (sim.clock(), mpsc::unbounded_channel());
    let ground =
        Ground::Virtual { node: sim.enter("clients"), workshop: Box::new(workshop), sim: sim.clone() };
    let (done, mut scheduler) = (Rc::new(RefCell::new(None)), Scheduler::new(sim.clone()));
    let told = Rc::clone(&done);
    scheduler.spawn(sim.enter("server"), async move {
        let result = complete(federation, ground, clock, tell, news).await;
        *told.borrow_mut() = Some(result);
    });
    loop {
        let turn = scheduler.turn(STEPS);
        if let Some(result) = done.borrow_mut().take() {
            return result;
        }
        if turn == Turn::Idle {
            let reason = "the server waits for clients of whom none is at work".to_owned();
            return Err(Error::SumFailed { reason });
        }
    }
}

/// Sees a federation to its end, whose clients work on this ground and tell of it.
pub(super) async fn complete(
    mut federation: Federation,
    ground: Ground,
    clock: Clock,
    tell: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
) -> Result<Trained> {
    let settings = federation.settings.clone();
    let first = federation.first_parameters();
    let samples = Arc::clone(&federation.examples);
    let server = Server::new(
        &settings,
        &first,
        &samples,
        noise_source(&settings, 0xc1),
        std::mem::take(&mut federation.own),
    )?;
    let at_once = settings.chosen(samples.len())?;
    let books = Books::new(federation.trace.is_some());
    let run = Simulation {
        federation,
        settings,
        server,
        ground,
        books,
        clock,
        tell,
        news,
        jobs: BTreeMap::new(),
        answered: Vec::new(),
        at_once,
        given_out: 0,
        bytes: [0; 2],
        met: BTreeMap::new(),
        ended_early: None,
    };
    run.complete().await
}

impl Simulation {
    async fn complete(mut self) -> Result<Trained> {
        match self.settings.strategy {
            Strategy::Gossip => self.gossip().await?,
            strategy if strategy.has_rounds() => self.rounds().await?,
            _ => self.updates().await?,
        }
        self.finish().await
    }

    /// The next news of clients; nothing when none can come.
    async fn heard(&mut self) -> Option<News> {
        let news = self.news.recv().await?;
        #[cfg(feature = "program")]
        if let (Ground::Live(desk), Some(job)) = (&self.ground, self.jobs.get_mut(&news.job)) {
            // What took how long is known only now.
            let now = self.clock.now();
            let cut = now.saturating_sub(job.start).as_secs_f64();
            let cut = (Course { pulled: cut, computed: cut, answered: cut }, 0);
            (job.course, job.up) = desk.course(&job.task, job.start, now).unwrap_or(cut);
        }
        Some(news)
    }

    /// One client's answer counts in its round, whichever others are in.
    fn counted_in(&mut self, task: &Task, met: Score) {
        *self.met.entry(task.round).or_default() += met;
        self.books.totals.local_steps += task.steps as u64;
        *self.books.taken.entry(task.client).or_default() += 1;
    }

    /// The mean loss that clients met in their first passes of such a round, which is over.
    fn first_losses(&mut self, round: u64) -> Option<f64> {
        let met = self.met.remove(&round).filter(|met| met.rows > 0)?;
        Some(met.in_units(self.federation.data.target_scale().deviation).mean_loss())
    }

    fn folded(&mut self, tasks: &[Task], folded: &Folded, report: &mut RoundReport) {
        report.counted = folded.counted;
        report.bad = folded.bad.len();
        let uncounted = |client: &usize| folded.bad.contains(client) || folded.unheard.contains(client);
        report.lost += folded.unheard.iter().filter(|client| !folded.bad.contains(client)).count();
        report.client_loss = (folded.score.rows > 0)
            .then(|| folded.score.in_units(self.federation.data.target_scale().deviation).mean_loss());
        let totals = &mut self.books.totals;
        totals.carried_over += report.carried_over as u64;
        totals.up_bytes += folded.secure_bytes[0];
        totals.down_bytes += folded.secure_bytes[1];
        for task in tasks.iter().filter(|task| !uncounted(&task.client)) {
            totals.local_steps += task.steps as u64;
            *self.books.taken.entry(task.client).or_default() += 1;
        }
    }

    /// Completes the report of a round or an update, and tells of it.
    async fn close(&mut self, report: &mut RoundReport, number: u64) -> Result<()> {
        if !self.server.model().iter().all(|value| value.is_finite()) {
            return Err(Error::Diverged { round: number + 1 });
        }
        let totals = &mut self.books.totals;
        totals.duration_s = report.end_s;
        totals.selected += report.selected as u64;
        totals.counted += report.counted as u64;
        totals.lost += report.lost as u64;
        totals.bad += report.bad as u64;
        *if report.failed.is_some() { &mut totals.failed_rounds } else { &mut totals.folded_rounds } += 1;
        (report.down_bytes, report.up_bytes) =
            (totals.down_bytes - self.bytes[0], totals.up_bytes - self.bytes[1]);
        self.bytes = [totals.down_bytes, totals.up_bytes];
        report.epsilon = self.server.epsilon()?;
        let is_due = (number + 1).is_multiple_of(self.settings.evaluate_every);
        if is_due || number + 1 == self.settings.rounds {
            (report.loss, report.accuracy) = self.judged(number).await?;
        }
        if let Some(tell) = &mut self.federation.on_round {
            tell(report, self.server.model());
        }
        self.books.rounds.push(report.clone());
        Ok(())
    }

    fn is_enough(&mut self, report: &RoundReport) -> bool {
        let reached = report.loss.zip(self.settings.target_loss).filter(|(loss, target)| loss <= target);
        if let Some((loss, target)) = reached {
            self.ended_early = Some(format!("a loss of {loss:.4} is at most the target of {target}"));
        }
        reached.is_some()
    }

    async fn finish(mut self) -> Result<Trained> {
        let each = self.each_judged().await?;
        let end = self.clock.now();
        let left: Vec<Job> = std::mem::take(&mut self.jobs).into_values().collect();
        for job in left {
            // What it had not come to when the run was over, it never came to.
            self.work_done(&job, Some(end));
        }
        let parameters = self.server.model().to_vec();
        let trace_error = match &self.federation.trace {
            Some(path) => self.books.write(path, &self.settings, end, parameters.len()).err(),
            None => None,
        };
        let report = self.report(&parameters, &each)?;
        Ok(Trained { parameters, report, trace_error })
    }
}
