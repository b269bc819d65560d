//! The coordinator: it lives in the launching process, hears from the workers and keeps the run's record.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use syncline_learn::Score;
use syncline_trace::Span;
use syncline_wire::{ServiceError, Tensor, service};
use tokio::sync::watch;

use crate::{
    patience::Patience,
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
#[derive(Clone, Debug, Default)]
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
}

/// The service that workers report to.
pub(crate) struct Coordinator {
    record: Mutex<Record>,
    /// Whether the run has trained for long enough.
    enough: watch::Sender<bool>,
}

impl Coordinator {
    pub(crate) fn new(
        workers: usize,
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
        };
        Self { record: Mutex::new(record), enough: watch::Sender::new(false) }
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
    /// Takes in what a worker did of an epoch, all of it or until it was stopped.
    fn take(&mut self, end: EpochEnd, ended: bool) -> Result<(), ServiceError> {
        let (worker, epoch) = (end.worker as usize, end.epoch as usize);
        if worker >= self.workers.len() || end.epoch >= self.most_epochs {
            return Err(ServiceError::new(format!(
                "worker {worker} ended epoch {epoch}, which does not exist"
            )));
        }
        // An epoch ends for the others before its worker has looked at held-out rows.
        let evaluated = end.times.evaluate.saturating_sub(self.workers[worker].evaluate);
        self.ended[worker] = end.at + evaluated;
        self.workers[worker] = end.times;
        self.dropped[worker] = end.dropped;
        if epoch >= self.epochs.len() {
            self.epochs.resize(epoch + 1, EpochTally::default());
        }
        let deviation = self.deviation;
        let tally = &mut self.epochs[epoch];
        tally.add(end.worker, end.train.in_units(deviation), end.validation.in_units(deviation));
        tally.ended += u32::from(ended);
        tally.at = tally.at.max(end.at);
        self.spans.push(end.spans);
        if tally.ended as usize == self.workers.len() {
            tally.parts = Vec::new();
        }
        let done = self.epochs.iter().take_while(|epoch| epoch.ended as usize == self.workers.len());
        self.progress.epochs_done = done.count() as u32;
        if let Some(patience) = &mut self.patience
            && ended
            && self.epochs[epoch].ended as usize == self.workers.len()
        {
            patience.hear(end.epoch, self.epochs[epoch].validation.mean_loss());
        }
        self.progressed(Score::default());
        Ok(())
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
        self.record().take(end, false)
    }
}
