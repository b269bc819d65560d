//! A worker: pull, compute, push, round after round.
//!
//! It measures where its time goes and tells the coordinator at the end of each epoch, and a few times a second in
//! between for whoever watches.
//!
//! All that it knows of the past it is told by the servers when it takes up its work: so a worker that is started again, one
//! of a run that goes on from a checkpoint, and one whose servers went back to one do the same thing as one that begins.

use std::{ops::Range, sync::Arc, time::Duration};

use syncline_data::Dataset;
use syncline_learn::Score;
use syncline_program::Context;
use syncline_trace::{Phase, Recorder, Span};
use syncline_wire::Client;
use tokio::task::coop::consume_budget;

#[cfg(feature = "coded")]
use crate::coded::Lead;
use crate::{
    Delay, Error, Lie,
    compression::TooLarge,
    computation::{CompactRound, Computation, Outcome, Pull},
    coordinator::Coordinator,
    duties::{Grip, Worked},
    exchange::{Exchange, Halt, Parameters, Pulled},
    portions::Dealt,
    protocol::{EpochEnd, Position, ProgressesClient, WorkerTimes},
};

/// How often a worker reports its progress.
const PROGRESS: Duration = Duration::from_millis(200);

/// One worker, ready to run.
pub(crate) struct Worker {
    pub ctx: Context,
    pub rank: u32,
    /// Its number in the trace.
    pub node: u32,
    pub exchange: Exchange,
    pub coordinator: Client<Coordinator>,
    pub computation: Computation,
    /// The rows that it evaluates at the end of an epoch.
    pub validation: Option<(Arc<Dataset>, Range<usize>)>,
    pub plan: Plan,
    pub pull: Pull,
    pub recorder: Recorder,
    /// Where its work may pass to another node.
    pub held: Option<Held>,
    /// Where rows are dealt out anew in each epoch.
    pub dealt: Option<Dealt>,
    /// Where its gradients are made of coded products.
    #[cfg(feature = "coded")]
    pub lead: Option<Lead>,
}

/// Work that a node does until it is to let go of it.
pub(crate) struct Held {
    pub grip: Grip,
    /// Whether what the work remembers is handed over.
    pub keeps_memory: bool,
}

/// What all workers have in common.
#[derive(Clone)]
pub(crate) struct Plan {
    pub rounds_per_epoch: u64,
    pub epochs: u32,
    pub seed: u64,
    pub rate: f32,
    pub delays: Vec<Delay>,
    pub lies: Vec<Lie>,
    /// Whether workers are told to stop whose round is over without them.
    pub stops_the_late: bool,
    /// Whether the parameters at the end of each epoch are kept, for the best of them.
    pub keep_epochs: bool,
    /// Batches of the run's size in one of a worker: under a code by repetition it has those of its whole group.
    pub copies: usize,
    /// Rows of a batch of the run, where those of a worker may be others: in virtual time they cost as much more or less.
    pub batch: Option<usize>,
}

/// What changes from round to round.
#[derive(Default)]
struct Tally {
    /// In which history of the run.
    history: u32,
    /// Which epoch it is in.
    epoch: u32,
    times: WorkerTimes,
    /// Of the current epoch.
    train: Score,
    /// Since the last report of progress.
    recent: Score,
    reported: Duration,
    /// The end of the last phase, at which the next one began.
    lap: Duration,
    /// Injected beyond what the delays said.
    overslept: Duration,
    /// In which epoch's rows it is, where they are dealt out anew.
    dealt: Option<u64>,
}

impl Worker {
    /// Works until the last epoch has ended, or the work is to pass to another node.
    pub(crate) async fn run(&mut self) -> Result<Worked, Error> {
        let mut known = None;
        loop {
            if self.is_to_let_go() {
                return Ok(Worked::LetGo);
            }
            let (history, next, position, memory) = self.exchange.take_up().await?;
            self.computation.recall(memory, known.replace(history) != Some(history))?;
            let mut tally = self.tally(history, position);
            self.tell_taken(next).await?;
            match self.rounds(next, &mut tally).await {
                Ok(worked) => return Ok(worked),
                Err(Halt::Anew) => {}
                Err(Halt::Failed(error)) => return Err(error),
            }
        }
    }

    /// The books of a worker that had come so far.
    fn tally(&self, history: u32, Position { epoch, train, times }: Position) -> Tally {
        let now = self.now();
        let mut tally = Tally { history, epoch, times, train, reported: now, lap: now, ..Tally::default() };
        tally.times.clock_error = self.ctx.clock().error();
        if tally.times.rounds == 0 {
            tally.times.started = now;
        }
        tally
    }

    /// Whether the work is to pass to another node.
    fn is_to_let_go(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.grip.is_loose())
    }

    /// Tells who does this work from this round on, where that may change.
    async fn tell_taken(&self, next: u64) -> Result<(), Error> {
        if self.held.is_some() {
            self.coordinator.takes(self.ctx.rank() as u32, self.rank, next, self.now()).await?;
        }
        Ok(())
    }

    /// Leaves the work to another node, between two rounds: with the servers is all that there is to know of it.
    async fn hand_over(&mut self, next: u64, tally: &mut Tally) -> Result<(), Halt> {
        if self.held.as_ref().is_some_and(|held| held.keeps_memory) {
            self.exchange.leave(next, self.computation.memory()).await?;
        }
        Ok(self.tell_progress(tally).await?)
    }

    /// Works from round `next` on.
    async fn rounds(&mut self, mut next: u64, tally: &mut Tally) -> Result<Worked, Halt> {
        loop {
            // Calls of this process may always be ready: without this the runtime could never stop the worker.
            consume_budget().await;
            self.ctx.check().map_err(Error::from)?;
            if self.is_to_let_go() {
                self.hand_over(next, tally).await?;
                return Ok(Worked::LetGo);
            }
            self.deal(next, tally).await?;
            let Some((pulled, touched)) = self.pull(next, tally).await? else {
                self.computation.end(None);
                self.report_cut(tally).await?;
                return Ok(Worked::Done(tally.history));
            };
            let clock = pulled.clock;
            while tally.epoch < self.plan.epochs
                && u64::from(tally.epoch) < clock / self.plan.rounds_per_epoch
            {
                self.end_epoch(&pulled.values, tally).await?;
            }
            if tally.epoch == self.plan.epochs {
                let whole = touched.is_none().then_some(&pulled.values[..]);
                self.computation.end(whole);
                return Ok(Worked::Done(tally.history));
            }
            match self.outcome_unless_over(clock, pulled.values, touched, tally).await? {
                Some(outcome) => {
                    self.computed(clock, &outcome.score, tally);
                    self.push(clock, outcome, tally).await?;
                    self.computation.settle();
                }
                None => self.stopped(clock, tally),
            }
            self.report_progress(tally).await?;
            next = clock + 1;
        }
    }

    /// Takes up the rows that this worker has in the epoch of round `next`, where they are dealt out anew.
    async fn deal(&mut self, next: u64, tally: &mut Tally) -> Result<(), Error> {
        let epoch = next / self.plan.rounds_per_epoch;
        if self.dealt.is_none() || epoch >= u64::from(self.plan.epochs) || tally.dealt == Some(epoch) {
            return Ok(());
        }
        let asked = self.coordinator.portions(self.rank, tally.history, epoch as u32, tally.times);
        let counts = asked.await?;
        // For the slowest, as at the gate.
        let (start, end) = self.lap(tally);
        tally.times.wait += end - start;
        self.record(self.span(Phase::Wait, next, start, end));
        let Some(dealt) = &self.dealt else { return Ok(()) };
        let rows: Vec<usize> = counts.iter().map(|&count| count as usize).collect();
        let batches: Vec<_> = rows.iter().map(|&rows| dealt.batches(rows)).collect();
        let own = self.rank as usize;
        self.computation.deal(Arc::new(dealt.rows(self.rank, &counts)), batches[own].clone());
        self.exchange.deal(epoch, batches);
        tally.dealt = Some(epoch);
        // Copying rows is neither waiting nor fetching.
        self.lap(tally);
        Ok(())
    }

    /// Fetches the parameters of round `next`, or of the later one that the gate says: all of them, or those of the
    /// compact round. Nothing once the run is ended early.
    async fn pull(
        &mut self,
        next: u64,
        tally: &mut Tally,
    ) -> Result<Option<(Pulled, Option<Arc<CompactRound>>)>, Halt> {
        let compact = match next % self.plan.rounds_per_epoch {
            // At the end of an epoch the whole model is looked at.
            0 if self.validation.is_some() => None,
            _ if self.pull == Pull::Whole => None,
            _ => {
                let compact = self.computation.compact(next, self.exchange.shards());
                // Finding out what to ask for is neither waiting nor fetching.
                self.lap(tally);
                compact
            }
        };
        let touched = compact.as_ref().map(|compact| &compact.touched);
        self.exchange.is_eager = self.held.as_ref().is_none_or(|held| held.grip.is_alone());
        let Self { exchange, computation, .. } = self;
        let Some(pulled) = exchange.pull(next, touched, &|| computation.memory()).await? else {
            return Ok(None);
        };
        let (start, end) = self.lap(tally);
        let opened = end.min(start + pulled.held);
        tally.times.wait += opened - start;
        tally.times.pull += end - opened;
        if opened > start {
            self.record(Span {
                sync: Some(pulled.clock),
                ..self.span(Phase::Wait, pulled.clock, start, opened)
            });
        }
        tally.times.traffic.pulled += pulled.bytes;
        tally.times.traffic.plain_pulled += pulled.plain_bytes;
        self.record(Span { bytes: pulled.bytes, ..self.span(Phase::Pull, pulled.clock, opened, end) });
        Ok(Some((pulled, compact)))
    }

    /// What a round gives, after injected delays; nothing where the worker is told to stop, because the round is over without it. It
    /// looks wherever it awaits something: between batches in virtual time, while a delay lasts, and before it hands anything over.
    async fn outcome_unless_over(
        &mut self,
        clock: u64,
        pulled: Parameters,
        touched: Option<Arc<CompactRound>>,
        tally: &mut Tally,
    ) -> Result<Option<Outcome>, Error> {
        if !self.plan.stops_the_late {
            return self.delayed_outcome(clock, pulled, touched, tally).await.map(Some);
        }
        let (over, is_virtual) = (self.exchange.over(clock), self.ctx.clock().is_virtual());
        let work = async {
            let outcome = self.delayed_outcome(clock, pulled, touched, tally).await;
            // What came while it computed is heard now; in virtual time nothing comes meanwhile that was not awaited.
            if !is_virtual {
                tokio::task::yield_now().await;
            }
            outcome
        };
        tokio::select! {
            biased;
            () = over => Ok(None),
            outcome = work => outcome.map(Some),
        }
    }

    /// What a round gives, once it is to be handed over.
    async fn delayed_outcome(
        &mut self,
        clock: u64,
        pulled: Parameters,
        touched: Option<Arc<CompactRound>>,
        tally: &mut Tally,
    ) -> Result<Outcome, Error> {
        let mut outcome = self.outcome(clock, &pulled, touched).await?;
        self.charge_further_batches(clock).await;
        self.exchange.release(pulled);
        self.check(&outcome, clock)?;
        self.delay(clock, tally).await;
        self.plan
            .lies
            .iter()
            .for_each(|lie| lie.tell(self.plan.seed, self.rank, clock, &mut outcome.gradient));
        Ok(outcome)
    }

    /// Accounts for a round that was over before this worker had done its part.
    fn stopped(&mut self, clock: u64, tally: &mut Tally) {
        let (start, end) = self.lap(tally);
        tally.times.compute += end - start;
        tally.times.stopped += end - start;
        self.record(self.span(Phase::Compute, clock, start, end));
    }

    /// Computes a round from what was pulled.
    async fn outcome(
        &mut self,
        clock: u64,
        pulled: &[f32],
        touched: Option<Arc<CompactRound>>,
    ) -> Result<Outcome, Error> {
        #[cfg(feature = "coded")]
        if let Some(lead) = &mut self.lead {
            return lead.gradient(clock, pulled).await;
        }
        let times = self.batch_share(clock);
        let (computation, shards) = (&mut self.computation, self.exchange.shards());
        let work = || computation.run(clock, pulled, touched, shards);
        Ok(self.ctx.compute_times(times, work).await)
    }

    /// Where virtual time says what computing costs, that is the cost of one batch.
    async fn charge_further_batches(&mut self, clock: u64) {
        if !self.ctx.clock().is_virtual() {
            return;
        }
        let times = self.batch_share(clock);
        for _ in 1..self.computation.batches_of(clock) * self.plan.copies {
            self.ctx.compute_times(times, || ()).await;
        }
    }

    /// What a batch of a round costs in virtual time, over what one of the run does.
    fn batch_share(&self, clock: u64) -> f64 {
        self.plan.batch.map_or(1.0, |batch| self.computation.batch_share(clock, batch))
    }

    /// Refuses to go on from a loss or a gradient that is no number, and to let others have it.
    fn check(&mut self, outcome: &Outcome, clock: u64) -> Result<(), Error> {
        let loss = outcome.score.loss;
        let what = match loss.is_finite() || loss.is_nan() && !self.computation.tells_loss() {
            false => "loss",
            true if outcome.gradient.is_finite() => return Ok(()),
            true => "gradient",
        };
        let epoch = clock / self.plan.rounds_per_epoch + 1;
        let suspect = self.computation.suspect(clock);
        Err(Error::Diverged { what, epoch, round: clock, worker: self.rank, rate: self.plan.rate, suspect })
    }

    /// Sleeps for as long as the injected delays say. A sleep lasts a little longer than it was meant to; that is taken
    /// off the next one, so that many short delays are right on average.
    async fn delay(&self, clock: u64, tally: &mut Tally) {
        if self.plan.delays.is_empty() {
            return;
        }
        let computed = self.now() - tally.lap;
        let draw = |delay: &Delay| delay.draw(self.plan.seed, self.rank, clock, computed);
        let time: Duration = self.plan.delays.iter().map(draw).sum();
        let asleep = self.now();
        sleep(&self.ctx, time.saturating_sub(tally.overslept)).await;
        let slept = self.now() - asleep;
        tally.times.injected += slept;
        tally.overslept = (tally.overslept + slept).saturating_sub(time);
    }

    /// Accounts for a computation that has just ended.
    fn computed(&mut self, clock: u64, score: &Score, tally: &mut Tally) {
        let (start, end) = self.lap(tally);
        tally.times.compute += end - start;
        tally.times.rounds += 1;
        tally.times.samples += score.rows;
        tally.train += *score;
        tally.recent += *score;
        self.record(Span { records: score.rows, ..self.span(Phase::Compute, clock, start, end) });
    }

    /// Hands the gradient to the servers.
    async fn push(&mut self, clock: u64, outcome: Outcome, tally: &mut Tally) -> Result<(), Halt> {
        let plain = self.exchange.plain_bytes(&outcome.gradient);
        let too_large = |TooLarge(value)| Error::TooLarge { value, round: clock, worker: self.rank };
        let gradient = self.computation.pack(outcome.gradient).map_err(too_large)?;
        let position = |bytes: u64| {
            tally.times.traffic.pushed += bytes;
            tally.times.traffic.plain_pushed += plain.unwrap_or(bytes);
            Position { epoch: tally.epoch, train: tally.train, times: tally.times }
        };
        let bytes = self.exchange.push(clock, outcome.score.rows, gradient, position).await?;
        let (start, end) = self.lap(tally);
        tally.times.push += end - start;
        self.record(Span { bytes, ..self.span(Phase::Push, clock, start, end) });
        Ok(())
    }

    /// Evaluates this worker's share of the validation rows and reports the epoch, which is over then.
    async fn end_epoch(&mut self, parameters: &[f32], tally: &mut Tally) -> Result<(), Error> {
        let at = tally.lap;
        let mut validation = Score::default();
        if let Some((data, rows)) = &self.validation {
            validation = self.computation.score(parameters, data, rows.clone());
            let (start, end) = self.lap(tally);
            tally.times.evaluate += end - start;
            let clock = u64::from(tally.epoch + 1) * self.plan.rounds_per_epoch;
            self.record(Span { records: validation.rows, ..self.span(Phase::Evaluate, clock, start, end) });
        }
        let end = self.epoch_end(validation, at, tally);
        let keeps = self.plan.keep_epochs && self.rank == 0;
        let kept = keeps.then(|| parameters.to_vec().into());
        self.coordinator.epoch(end, kept).await?;
        self.lap(tally);
        tally.epoch += 1;
        Ok(())
    }

    /// Reports what it has done of an epoch that will not be ended.
    async fn report_cut(&mut self, tally: &mut Tally) -> Result<(), Error> {
        let (_, at) = self.lap(tally);
        let end = self.epoch_end(Score::default(), at, tally);
        self.coordinator.cut(end).await?;
        Ok(())
    }

    fn epoch_end(&mut self, validation: Score, at: Duration, tally: &mut Tally) -> EpochEnd {
        EpochEnd {
            worker: self.rank,
            history: tally.history,
            epoch: tally.epoch,
            train: std::mem::take(&mut tally.train),
            validation,
            at,
            times: tally.times,
            spans: self.spans(),
            dropped: self.recorder.dropped(),
        }
    }

    /// Tells the coordinator how far it is, a few times a second.
    async fn report_progress(&mut self, tally: &mut Tally) -> Result<(), Error> {
        let now = tally.lap;
        if now - tally.reported < PROGRESS && !self.recorder.is_filling() {
            return Ok(());
        }
        self.tell_progress(tally).await
    }

    /// Tells what it has done since the last time.
    async fn tell_progress(&mut self, tally: &mut Tally) -> Result<(), Error> {
        tally.reported = tally.lap;
        let score = std::mem::take(&mut tally.recent);
        let spans = self.spans();
        self.coordinator.progress(score, spans).await?;
        self.lap(tally);
        Ok(())
    }

    fn now(&self) -> Duration {
        self.ctx.clock().now()
    }

    /// Ends a phase: when it began and when it ended. One phase begins where another ends, so that a round needs few
    /// looks at the clock.
    fn lap(&self, tally: &mut Tally) -> (Duration, Duration) {
        let start = std::mem::replace(&mut tally.lap, self.now());
        (start, tally.lap)
    }

    /// A span of this worker.
    fn span(&self, phase: Phase, clock: u64, start: Duration, end: Duration) -> Span {
        let iteration = (clock / self.plan.rounds_per_epoch) as u32;
        Span { round: clock, iteration, ..Span::new(self.node, phase, nanoseconds(start), nanoseconds(end)) }
    }

    fn record(&mut self, span: Span) {
        // What a lead exchanges with the server stands for nobody's time: its workers have theirs.
        #[cfg(feature = "coded")]
        if self.lead.is_some() && span.phase != Phase::Evaluate {
            return;
        }
        self.recorder.record(span);
    }

    /// What was recorded since the last message.
    fn spans(&mut self) -> Vec<Span> {
        let spans = self.recorder.drain();
        #[cfg(feature = "coded")]
        let spans = spans.into_iter().chain(self.lead.iter_mut().flat_map(Lead::drain)).collect();
        spans
    }
}

/// Nanoseconds of a time since the run's start; 2^64 of them are 584 years.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos() as u64
}

/// The timer's granularity: shorter sleeps it rounds up.
const TIMER: Duration = Duration::from_millis(2);

/// Sleeps for `time`, to a fraction of a millisecond: the runtime's timer for all but the end, so that a stopped program
/// does not wait for it, and the thread for the rest. Virtual time is exact, and passes only where nodes await.
async fn sleep(ctx: &Context, time: Duration) {
    if ctx.clock().is_virtual() {
        return ctx.sleep(time).await;
    }
    let until = ctx.clock().now() + time;
    if time > TIMER {
        ctx.sleep(time - TIMER).await;
    }
    std::thread::sleep(until.saturating_sub(ctx.clock().now()));
}
