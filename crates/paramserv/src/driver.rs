//! The driver: it writes the trace and the checkpoints while the workers work, so that none of them waits for the disk, sees to
//! what is lost, and brings the parameters home when the workers are done.

use std::{future::pending, path::PathBuf, sync::Arc, time::Duration};

use syncline_program::{Context, Handle, Interrupt, Ledger, NodeResult, Roster, State, Values};
use syncline_trace::RunFile;

mod cuts;
mod recovery;
mod trace;

use self::{
    cuts::{Holding, held},
    recovery::Known,
    trace::{Trace, attended, describe_nodes, traffic},
};
use crate::{
    Error, Scaling,
    checkpoint::Checkpoint,
    coded::CodedRecord,
    coordinator::Coordinator,
    keeper::{CheckpointReport, Keeper},
    load::Load,
    patience::Patience,
    protocol::{ServerStatistics, ShardClient},
    report::outvoted,
    run::Run,
    server::Server,
    staff::{Staff, Wishes},
    way::Way,
};

/// How often the trace is brought up to date for those who read it meanwhile.
const TRACE_FLUSHED: Duration = Duration::from_secs(1);

/// How long a run that is ended early waits for the rounds under way: batch systems kill 30 s after they ask.
const LAST_ROUNDS: Duration = Duration::from_secs(10);

/// Is told, in a sentence, what a person should know while the run goes on.
pub(crate) type OnRemark = Box<dyn FnMut(&str) + Send>;

/// What the driver is given.
pub(crate) struct Orders {
    pub run: Arc<Run>,
    pub servers: Vec<Handle<Server>>,
    pub coordinator: Arc<Coordinator>,
    pub trace: Option<RunFile>,
    pub keeper: Option<Keeper>,
    /// What the run goes on from.
    pub resumed: Option<Checkpoint>,
    pub on_remark: Option<OnRemark>,
    /// By which the program says how many workers are to be there.
    pub scaling: Option<Scaling>,
    /// What the lead of a coded run will tell.
    pub led: Option<Values<CodedRecord>>,
}

/// What the driver brings home.
pub(crate) struct Outcome {
    pub parameters: Vec<f32>,
    pub servers: Vec<ServerStatistics>,
    /// Who ended the run before its time, if somebody did.
    pub interrupted: Option<Interrupt>,
    /// The run file, which is complete but for what passed between nodes.
    pub trace: Option<RunFile>,
    /// Why the trace is incomplete, if it is.
    pub trace_error: Option<syncline_trace::Error>,
    /// The last checkpoint, why a later one could not be written, and what they have cost.
    pub checkpoint: (Option<PathBuf>, Option<Error>, Option<CheckpointReport>),
    /// What was lost on the way, in sentences.
    pub losses: Vec<String>,
    /// What the products of a coded run came to.
    pub coded: Option<CodedRecord>,
}

/// A run on its way.
struct Drive {
    ctx: Context,
    run: Arc<Run>,
    servers: Vec<Way>,
    known: Known,
    history: u32,
    coordinator: Arc<Coordinator>,
    trace: Trace,
    keeper: Option<Keeper>,
    /// While a checkpoint is being taken.
    holding: Option<Holding>,
    interrupted: Option<Interrupt>,
    /// When the rest is no longer waited for.
    deadline: Option<Duration>,
    closed: bool,
    staff: Staff,
    wishes: Wishes,
    losses: Vec<String>,
    on_remark: Option<OnRemark>,
}

/// What the driver is woken by.
enum News {
    Finished,
    Hopeless(u32, String),
    Interrupted(Interrupt),
    Enough,
    Held(Result<(), Error>),
    Roster(Roster),
    /// So many workers are to be there.
    Wished(usize),
    /// A checkpoint is due.
    Due,
    /// The trace is to be flushed, or the deadline has come.
    Tick,
}

/// Sees the run to its end, and collects the parameters.
pub(crate) async fn drive(ctx: Context, orders: Orders) -> NodeResult<Outcome> {
    let Orders { run, servers, coordinator, trace, keeper, resumed, on_remark, scaling, led } = orders;
    // Processes of the run's own are not in this one's books.
    let is_alone = |file: &mut RunFile| file.info_mut().training().on.is_some_and(|on| on == "threads");
    let mut trace = Trace { file: trace, error: None };
    let load = trace.file.as_mut().is_some_and(is_alone).then(Load::now).flatten();
    let mut ways = Vec::new();
    for server in &servers {
        ways.push(Way::new(&ctx, server, run.follows).await?);
    }
    let mut drive = Drive {
        known: Known::new(ways.len(), run.has_standbys),
        staff: Staff::new(run.rows.len(), run.elastic),
        wishes: Wishes::new(ctx.clone(), run.elastic.is_some(), scaling),
        ctx,
        run,
        servers: ways,
        history: 0,
        coordinator,
        trace,
        keeper,
        holding: None,
        interrupted: None,
        deadline: None,
        closed: false,
        losses: Vec::new(),
        on_remark,
    };
    if let Some(checkpoint) = resumed {
        drive.coordinator.record().goes_on_after(checkpoint.rest.elapsed);
        drive.put_at(&checkpoint).await?;
    }
    let (parameters, statistics) = loop {
        drive.attend().await?;
        drive.flush_trace().await?;
        // A server that is lost now takes all back, and the workers are still there to do it again.
        if let Some(result) = unless_lost(drive.collect().await)?.filter(|_| drive.all_are_known()) {
            break result;
        }
        drive.recover().await?;
    };
    // A lead that did not come to its end in time tells nothing.
    let coded = match led.filter(|_| !drive.patience().is_zero()) {
        Some(led) => led.all(&drive.ctx).await?.pop(),
        None => None,
    };
    if coded.is_some() {
        // The last spans came with the lead's end.
        drive.flush_trace().await?;
    }
    drive.coordinator.dismiss();
    if drive.run.deals() && !drive.run.has_replicas() && drive.interrupted.is_none() {
        have_left(&drive.ctx).await?;
    }
    Ok(drive.come_home(parameters, statistics, load, coded))
}

impl Drive {
    /// Sees to what happens until the workers are done: with all epochs, or with the rounds under way once somebody interrupts
    /// the run or it has trained for long enough.
    async fn attend(&mut self) -> Result<(), Error> {
        let (ctx, coordinator) = (self.ctx.clone(), Arc::clone(&self.coordinator));
        let they_stay = self.run.deals() || self.run.has_replicas();
        let finished = finished(&ctx, &coordinator, self.run.workers(), they_stay);
        let (hopeless, interrupt, enough) = (coordinator.hopeless(), ctx.interrupted(), coordinator.enough());
        tokio::pin!(finished, hopeless, interrupt, enough);
        let mut heard_enough = false;
        let mut roster = Roster::default();
        loop {
            self.begin_due_cut();
            let (due_at, patience, heeds_roster) = (self.waits_for_due(), self.patience(), self.run.deals());
            let news = tokio::select! {
                biased;
                result = &mut finished => {
                    result?;
                    News::Finished
                }
                (worker, why) = &mut hopeless => News::Hopeless(worker, why),
                by = &mut interrupt, if self.interrupted.is_none() => News::Interrupted(by),
                () = &mut enough, if !heard_enough => News::Enough,
                held = held(&mut self.holding) => News::Held(held),
                changed = changed(&ctx, &roster, heeds_roster) => News::Roster(changed?),
                wished = self.wishes.next() => News::Wished(wished),
                () = due(&ctx, due_at) => News::Due,
                () = until_next_flush(&ctx, patience) => News::Tick,
            };
            match news {
                News::Finished => return Ok(()),
                News::Hopeless(worker, why) => return Err(Error::Hopeless { worker, why }),
                News::Interrupted(by) => {
                    self.interrupted = Some(by);
                    // Only an interrupt is in a hurry.
                    self.deadline = Some(ctx.clock().now() + LAST_ROUNDS);
                    if self.keeper.is_some() { self.begin_cut(0) } else { self.close().await? }
                }
                News::Enough => {
                    heard_enough = true;
                    self.close().await?;
                }
                News::Held(held) => self.all_held(held).await?,
                News::Roster(now) => {
                    self.see_to_losses(&now).await?;
                    roster = now;
                }
                News::Wished(size) => self.scale(size, &ctx.roster().await?).await?,
                News::Due => self.begin_cut(0),
                News::Tick if self.patience().is_zero() && self.closed => return Ok(()),
                News::Tick if self.patience().is_zero() => {
                    // The workers cannot be held in time: what they have is kept, the checkpoint is an earlier one.
                    self.holding = None;
                    self.close().await?;
                    return Ok(());
                }
                News::Tick => self.flush_trace().await?,
            }
        }
    }

    fn patience(&self) -> Duration {
        self.deadline.map_or(Duration::MAX, |at| at.saturating_sub(self.ctx.clock().now()))
    }

    /// Starts no round any more.
    async fn close(&mut self) -> Result<(), Error> {
        self.closed = true;
        for server in &self.servers {
            unless_lost(server.ask(async |client| client.close().await).await)?;
        }
        Ok(())
    }

    /// Has so many workers be there, and no others.
    async fn scale(&mut self, size: usize, roster: &Roster) -> Result<(), Error> {
        if self.closed || self.interrupted.is_some() {
            return Ok(());
        }
        let before = match self.staff.resize(size) {
            Ok(before) => before,
            Err(why) => {
                self.remark(&why);
                return Ok(());
            }
        };
        let called = self.staff.called_for(roster);
        if size == before && called.is_empty() {
            return Ok(());
        }
        let all = self.run.rows.len();
        self.remark(&format!("{size} of {all} workers are to be there; it was {before}"));
        self.coordinator.wants(size);
        for node in called {
            self.ctx.wake(&node).await?;
        }
        Ok(())
    }

    fn tell_loss(&mut self, loss: String) {
        self.remark(&loss);
        self.losses.push(loss);
    }

    fn remark(&mut self, text: &str) {
        if let Some(on_remark) = &mut self.on_remark {
            on_remark(text);
        }
    }

    /// Writes the spans that workers have reported and servers have recorded since the last time.
    async fn flush_trace(&mut self) -> Result<(), Error> {
        // Taken also when the file has been given up, so that they do not pile up.
        let mut spans = std::mem::take(&mut self.coordinator.record().spans);
        if self.trace.file.is_none() {
            return Ok(());
        }
        for server in &self.servers {
            spans.extend(unless_lost(server.ask(async |client| client.spans().await).await)?);
        }
        self.trace.write(|file| {
            spans.iter().try_for_each(|spans| file.append(spans))?;
            file.flush()
        });
        Ok(())
    }

    /// The parameters, and what the servers did.
    async fn collect(&self) -> Result<(Vec<f32>, Vec<ServerStatistics>), Error> {
        let (mut parameters, mut statistics) = (Vec::new(), Vec::new());
        for server in &self.servers {
            // All replicas are the same.
            if parameters.is_empty() || !self.run.has_replicas() {
                let values = server.ask(async |client| client.parameters().await).await?;
                parameters.extend_from_slice(&values);
            }
            statistics.push(server.ask(async |client| client.statistics().await).await?);
        }
        Ok((parameters, statistics))
    }

    /// Completes the trace, and says how it went.
    fn come_home(
        self,
        parameters: Vec<f32>,
        servers: Vec<ServerStatistics>,
        load: Option<Load>,
        coded: Option<CodedRecord>,
    ) -> Outcome {
        let Self { mut trace, run, coordinator, keeper, interrupted, losses, .. } = self;
        let checkpoint = keeper.map(Keeper::into_last).unwrap_or_default();
        let best = coordinator
            .record()
            .patience
            .as_ref()
            .and_then(Patience::best)
            .map(|best| best.parameters.to_vec());
        let parameters = best.unwrap_or(parameters);
        trace.write(|file| {
            // Workers that hold coded blocks tell nothing of their clocks.
            if coded.is_none() {
                describe_nodes(file, &coordinator, if run.has_replicas() { &[] } else { &servers });
            }
            let passed = load.zip(Load::now()).and_then(|(before, now)| now.since(before));
            let setup = file.info_mut().setup.get_or_insert_default();
            setup.load = passed;
            setup.attendance = attended(&coordinator);
            setup.outvoted = outvoted(&servers).into_iter().map(trace::outvoted).collect();
            setup.decoded = coded.as_ref().map(|coded| coded.decoded.clone());
            let traffic = traffic(&coordinator);
            let is_shorter = traffic.pulled_bytes < traffic.uncompressed_pulled_bytes;
            setup.traffic = (setup.compress.is_some() || is_shorter).then_some(traffic);
            Ok(())
        });
        let Trace { file: trace, error: trace_error } = trace;
        Outcome { parameters, servers, interrupted, trace, trace_error, checkpoint, losses, coded }
    }
}

impl Outcome {
    /// Completes the run file with what passed between nodes over the whole run.
    pub(crate) fn finish_trace(&mut self, ledger: &Ledger) {
        let Some(mut file) = self.trace.take() else { return };
        file.info_mut().edges = ledger.traced();
        self.trace_error = file.finish().err();
    }
}

/// Returns when the workers are done. Where a loss does not end the run they say so, and stay until they are dismissed.
async fn finished(
    ctx: &Context,
    coordinator: &Coordinator,
    workers: &str,
    they_stay: bool,
) -> Result<(), Error> {
    if they_stay {
        coordinator.all_done().await;
        return Ok(());
    }
    Ok(ctx.finished(workers).await?)
}

/// Returns when workers that were dismissed have left: whoever computes their gradients may have something to do at the end, for
/// which the end of the driver would give it little time.
async fn have_left(ctx: &Context) -> Result<(), Error> {
    let mut roster = ctx.roster().await?;
    while roster
        .group("worker")
        .any(|(_, presence)| !(presence.state.is_over() || presence.state == State::Resting))
    {
        roster = ctx.roster_after(&roster).await?;
    }
    Ok(())
}

/// What was answered, or nothing where the server is gone.
fn unless_lost<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Program(syncline_program::Error::PeerLost(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who is there once that is not what it was, where it matters.
async fn changed(ctx: &Context, known: &Roster, matters: bool) -> Result<Roster, Error> {
    if matters { Ok(ctx.roster_after(known).await?) } else { pending().await }
}

async fn due(ctx: &Context, at: Option<Duration>) {
    match at {
        Some(at) => ctx.clock().sleep(at.saturating_sub(ctx.clock().now())).await,
        None => pending().await,
    }
}

/// In virtual time nobody reads the trace meanwhile, and a clock that always has something to come to would hide a
/// deadlock: only a deadline is waited for.
async fn until_next_flush(ctx: &Context, patience: Duration) {
    if !ctx.clock().is_virtual() {
        return ctx.clock().sleep(TRACE_FLUSHED.min(patience)).await;
    }
    if patience > LAST_ROUNDS {
        return pending().await;
    }
    ctx.clock().sleep(patience).await;
}
