//! The coordinator: it lives in the launching process, hears from the workers and keeps the run's record.
//!
//! - COORD-1: a worker's end of an epoch counts once, also where one that was started again tells it again.
//! - COORD-2: what is told of a history that was given up does not count.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use syncline_learn::Score;
use syncline_trace::Span;
use syncline_wire::{ServiceError, Tensor, service};
use tokio::sync::watch;

use crate::{
    attendance::{Attendance, Take},
    deal::{Deal, Duty},
    patience::{Patience, SavedPatience},
    portions::{Dealer, Portions},
    protocol::{self, EpochEnd, WorkerTimes},
};

/// How far a run is, for whoever watches.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Samples that the whole run will train on.
    pub total_samples: u64,
    /// Samples trained on so far.
    pub samples: u64,
    /// The score of the samples trained on since the last such value.
    pub recent: Score,
    /// Epochs that all workers have ended.
    pub epochs_done: u32,
}

/// What is called when there is progress.
pub(crate) type OnProgress = Box<dyn FnMut(&Progress) + Send>;

/// One epoch as the workers reported it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EpochTally {
    /// What each worker reported, by worker, until all have: so that sums do not depend on who came first.
    parts: Vec<(u32, Score, Score)>,
    pub train: Score,
    pub validation: Score,
    /// Workers that have ended it.
    pub ended: u32,
    /// When the last of them did.
    pub at: Duration,
}

impl EpochTally {
    /// Whether this worker, of so many, has ended it.
    fn has_ended(&self, worker: u32, workers: usize) -> bool {
        self.ended as usize == workers || self.parts.iter().any(|(other, ..)| *other == worker)
    }

    /// Takes in what one worker did.
    fn add(&mut self, worker: u32, train: Score, validation: Score) {
        let at = self.parts.partition_point(|(other, ..)| *other < worker);
        self.parts.insert(at, (worker, train, validation));
        self.train = self.parts.iter().map(|(_, train, _)| *train).sum();
        self.validation = self.parts.iter().map(|(.., validation)| *validation).sum();
    }
}

/// What the coordinator has heard so far.
pub(crate) struct Record {
    /// Up to the last one of which something was heard.
    pub epochs: Vec<EpochTally>,
    /// How many there may be.
    most_epochs: u32,
    /// Decides when to stop early, where that was asked for.
    pub patience: Option<Patience>,
    pub workers: Vec<WorkerTimes>,
    /// When each worker was done with what it reported last.
    pub ended: Vec<Duration>,
    /// Spans that each worker could not keep.
    pub dropped: Vec<u64>,
    /// Spans that the driver has not written yet, as each report brought them: neither writing nor copying them should
    /// cost a worker time.
    pub spans: Vec<Vec<Span>>,
    /// What one stored unit of the targets is in the user's units, in which everything is told.
    deviation: f64,
    progress: Progress,
    on_progress: Option<OnProgress>,
    /// Which history of the run counts.
    history: u32,
    /// How long the run had lasted when this process began to go on with it.
    earlier: Duration,
    /// Who was there when.
    pub attendance: Attendance,
}

/// What is kept of a record beside a checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedRecord {
    epochs: Vec<EpochTally>,
    workers: Vec<WorkerTimes>,
    dropped: Vec<u64>,
    samples: u64,
    pub patience: Option<SavedPatience>,
    attendance: Attendance,
    portions: Portions,
}

/// The service that workers report to.
pub(crate) struct Coordinator {
    record: Mutex<Record>,
    /// Whether the run has trained for long enough.
    enough: watch::Sender<bool>,
    /// Which worker cannot do its work, and why.
    hopeless: watch::Sender<Option<(u32, String)>>,
    deal: watch::Sender<Deal>,
    /// Who decides how many rows each has.
    dealer: Dealer,
}

impl Coordinator {
    /// Of a run of so many workers, of whom the first `there` are there at the start.
    pub(crate) fn new(
        (workers, there): (usize, usize),
        rows: usize,
        epochs: u32,
        patience: Option<u32>,
        total_samples: u64,
        deviation: f64,
        on_progress: Option<OnProgress>,
    ) -> Self {
        let record = Record {
            epochs: Vec::new(),
            most_epochs: epochs,
            patience: patience.map(Patience::new),
            workers: vec![WorkerTimes::default(); workers],
            ended: vec![Duration::ZERO; workers],
            dropped: vec![0; workers],
            spans: Vec::new(),
            deviation,
            progress: Progress { total_samples, samples: 0, recent: Score::default(), epochs_done: 0 },
            on_progress,
            history: 0,
            earlier: Duration::ZERO,
            attendance: Attendance::default(),
        };
        Self {
            record: Mutex::new(record),
            enough: watch::Sender::new(false),
            hopeless: watch::Sender::new(None),
            deal: watch::Sender::new(Deal::new(workers, there)),
            dealer: Dealer::new(rows, workers),
        }
    }

    /// Returns with the worker that cannot do its work, which may be never, and why.
    pub(crate) async fn hopeless(&self) -> (u32, String) {
        let mut hopeless = self.hopeless.subscribe();
        match hopeless.wait_for(Option::is_some).await.ok().and_then(|found| found.clone()) {
            Some(found) => found,
            // The sender lives in `self`, so the channel cannot close under this borrow.
            None => std::future::pending().await,
        }
    }

    /// Returns once nothing is left of anybody's work, where workers say so.
    pub(crate) async fn all_done(&self) {
        // The sender lives in `self`, so the channel cannot close under this borrow.
        let _ = self.deal.subscribe().wait_for(Deal::are_done).await;
    }

    /// Lets workers end that were there in case all had to go back.
    pub(crate) fn dismiss(&self) {
        self.deal.send_modify(Deal::dismiss);
    }

    /// All went back to what was saved, in the history of this number.
    pub(crate) fn restore(&self, history: u32, saved: SavedRecord) {
        self.dealer.restore(history, saved.portions.clone());
        let mut record = self.record();
        record.restore(history, saved);
        // Under the lock, so that nothing that was done in the history before comes in between (COORD-2).
        self.deal.send_modify(Deal::anew);
    }

    /// What is kept of its books in a checkpoint.
    pub(crate) fn save(&self) -> SavedRecord {
        SavedRecord { portions: self.dealer.save(), ..self.record().save() }
    }

    /// Takes in that these workers are lost for good; says who does which shares of the work now.
    pub(crate) fn lost(&self, workers: &[u32]) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        self.deal.send_modify(|deal| found = deal.lost(workers));
        found
    }

    /// The first so many workers are wanted, and no others.
    pub(crate) fn wants(&self, workers: usize) {
        self.deal.send_modify(|deal| deal.wants(workers));
    }

    /// What a worker is to do next, if there is something.
    fn next_duty(&self, worker: u32, at: &[u32], leaving: &[u32]) -> Option<Duty> {
        let mut duty = None;
        // Who is told to leave is away from then on, which others need not hear of.
        self.deal.send_if_modified(|deal| {
            duty = deal.duty(worker, at, leaving);
            false
        });
        duty
    }

    /// Returns once the run has trained for long enough, which may be never.
    pub(crate) async fn enough(&self) {
        // The sender lives in `self`, so the channel cannot close under this borrow.
        let _ = self.enough.subscribe().wait_for(|enough| *enough).await;
    }

    /// The record. A panic under the lock has failed a call and with it the program.
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// What is kept of it in a checkpoint.
    fn save(&self) -> SavedRecord {
        SavedRecord {
            epochs: self.epochs.clone(),
            workers: self.workers.clone(),
            dropped: self.dropped.clone(),
            samples: self.progress.samples,
            patience: self.patience.as_ref().map(Patience::save),
            attendance: self.attendance.clone(),
            portions: Portions::default(),
        }
    }

    /// Begins anew from what was saved, in the history of this number.
    fn restore(&mut self, history: u32, saved: SavedRecord) {
        let SavedRecord { epochs, workers, dropped, samples, patience, attendance, .. } = saved;
        self.attendance = attendance;
        self.history = history;
        self.progress.samples = samples;
        self.epochs = epochs;
        if workers.len() == self.workers.len() {
            (self.workers, self.dropped) = (workers, dropped);
        }
        if let Some((patience, saved)) = self.patience.as_mut().zip(patience) {
            patience.restore(saved);
        }
        self.count_epochs();
    }

    /// Lets times that are told count from the beginning of the run, which had lasted so long before.
    pub(crate) fn goes_on_after(&mut self, earlier: Duration) {
        self.earlier = earlier;
    }

    /// How long the run had lasted before this process.
    pub(crate) fn earlier(&self) -> Duration {
        self.earlier
    }

    /// Whether what a worker says of an epoch is news (COORD-1, COORD-2).
    fn is_news(&self, end: &EpochEnd) -> bool {
        let known = self.epochs.get(end.epoch as usize);
        let told = known.is_some_and(|epoch| epoch.has_ended(end.worker, self.workers.len()));
        end.history == self.history && !told
    }

    /// Takes in what a worker did of an epoch, all of it or until it was stopped.
    fn take(&mut self, end: EpochEnd, ended: bool) -> Result<(), ServiceError> {
        let (worker, epoch) = (end.worker as usize, end.epoch as usize);
        if worker >= self.workers.len() || end.epoch >= self.most_epochs {
            return Err(ServiceError::new(format!(
                "worker {worker} ended epoch {epoch}, which does not exist"
            )));
        }
        if !self.is_news(&end) {
            self.spans.push(end.spans);
            return Ok(());
        }
        // An epoch ends for the others before its worker has looked at held-out rows.
        let evaluated = end.times.evaluate.saturating_sub(self.workers[worker].evaluate);
        self.ended[worker] = end.at + self.earlier + evaluated;
        self.workers[worker] = end.times;
        self.dropped[worker] = end.dropped;
        if epoch >= self.epochs.len() {
            self.epochs.resize(epoch + 1, EpochTally::default());
        }
        let deviation = self.deviation;
        let tally = &mut self.epochs[epoch];
        tally.add(end.worker, end.train.in_units(deviation), end.validation.in_units(deviation));
        tally.ended += u32::from(ended);
        tally.at = tally.at.max(end.at + self.earlier);
        self.spans.push(end.spans);
        if tally.ended as usize == self.workers.len() {
            tally.parts = Vec::new();
        }
        self.count_epochs();
        if let Some(patience) = &mut self.patience
            && ended
            && self.epochs[epoch].ended as usize == self.workers.len()
        {
            patience.hear(end.epoch, self.epochs[epoch].validation.mean_loss());
        }
        self.progressed(Score::default());
        Ok(())
    }

    fn count_epochs(&mut self) {
        let done = self.epochs.iter().take_while(|epoch| epoch.ended as usize == self.workers.len());
        self.progress.epochs_done = done.count() as u32;
    }

    fn progressed(&mut self, recent: Score) {
        self.progress.recent = recent;
        self.progress.samples += recent.rows;
        if let Some(on_progress) = &mut self.on_progress {
            on_progress(&self.progress);
        }
    }
}

#[service]
impl protocol::Progresses for Coordinator {
    async fn progress(&self, score: Score, spans: Vec<Span>) {
        let mut record = self.record();
        let score = score.in_units(record.deviation);
        record.progressed(score);
        record.spans.push(spans);
    }

    async fn epoch(&self, end: EpochEnd, parameters: Option<Tensor<f32>>) -> Result<(), ServiceError> {
        let mut record = self.record();
        if !record.is_news(&end) {
            return record.take(end, true);
        }
        if let Some((patience, parameters)) = record.patience.as_mut().zip(parameters) {
            patience.keep(end.epoch, parameters);
        }
        record.take(end, true)?;
        let enough = record.patience.as_ref().is_some_and(Patience::is_over);
        drop(record);
        self.enough.send_if_modified(|known| std::mem::replace(known, enough) != enough);
        Ok(())
    }

    async fn cut(&self, end: EpochEnd) -> Result<(), ServiceError> {
        self.dealer.is_cut();
        self.record().take(end, false)
    }

    async fn portions(&self, worker: u32, history: u32, epoch: u32, times: WorkerTimes) -> Vec<u64> {
        self.dealer.portions(worker, history, epoch, times).await
    }

    async fn hopeless(&self, worker: u32, why: String) {
        self.hopeless.send_replace(Some((worker, why)));
    }

    async fn duty(&self, worker: u32, at: Vec<u32>, leaving: Vec<u32>) -> Duty {
        self.deal.send_if_modified(|deal| deal.hears(worker, &at));
        let mut changes = self.deal.subscribe();
        loop {
            if let Some(duty) = self.next_duty(worker, &at, &leaving) {
                return duty;
            }
            // The sender lives in `self`, so the channel cannot close under this borrow.
            if changes.changed().await.is_err() {
                return Duty::Leave;
            }
        }
    }

    async fn takes(&self, worker: u32, share: u32, round: u64, at: Duration) {
        let mut record = self.record();
        let at = at + record.earlier;
        record.attendance.take(Take { round, at, share, worker });
    }

    async fn done(&self, worker: u32, history: u32) {
        let record = self.record();
        if record.history == history {
            self.deal.send_modify(|deal| deal.done(worker));
        }
    }
}
