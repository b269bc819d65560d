//! The coordinator: it lives in the launching process, hears from the workers and keeps the run's record.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use syncline_learn::Score;
use syncline_trace::Span;
use syncline_wire::{Message, Service, ServiceError};

use crate::protocol::{CoordinatorRequest, EpochEnd, WorkerTimes};

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
    pub train: Score,
    pub validation: Score,
    /// Workers that have ended it.
    pub ended: u32,
    /// When the last of them did.
    pub at: Duration,
}

/// What the coordinator has heard so far.
pub(crate) struct Record {
    pub epochs: Vec<EpochTally>,
    pub workers: Vec<WorkerTimes>,
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
}

impl Coordinator {
    pub(crate) fn new(
        workers: usize,
        epochs: u32,
        total_samples: u64,
        deviation: f64,
        on_progress: Option<OnProgress>,
    ) -> Self {
        let record = Record {
            epochs: vec![EpochTally::default(); epochs as usize],
            workers: vec![WorkerTimes::default(); workers],
            dropped: vec![0; workers],
            spans: Vec::new(),
            deviation,
            progress: Progress { total_samples, samples: 0, recent: Score::default(), epochs_done: 0 },
            on_progress,
        };
        Self { record: Mutex::new(record) }
    }

    /// The record. A panic under the lock has failed a call and with it the program.
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn hear(&mut self, request: CoordinatorRequest) -> Result<(), ServiceError> {
        match request {
            CoordinatorRequest::Progress { score, spans, .. } => {
                self.progressed(score.in_units(self.deviation));
                self.spans.push(spans);
                Ok(())
            }
            CoordinatorRequest::Epoch(end) => self.end_epoch(*end),
        }
    }

    fn end_epoch(&mut self, end: EpochEnd) -> Result<(), ServiceError> {
        let (worker, epoch) = (end.worker as usize, end.epoch as usize);
        if worker >= self.workers.len() || epoch >= self.epochs.len() {
            return Err(ServiceError::new(format!(
                "worker {worker} ended epoch {epoch}, which does not exist"
            )));
        }
        self.workers[worker] = end.times;
        self.dropped[worker] = end.dropped;
        let deviation = self.deviation;
        let tally = &mut self.epochs[epoch];
        tally.train += end.train.in_units(deviation);
        tally.validation += end.validation.in_units(deviation);
        tally.ended += 1;
        tally.at = tally.at.max(end.at);
        self.spans.push(end.spans);
        let done = self.epochs.iter().take_while(|epoch| epoch.ended as usize == self.workers.len());
        self.progress.epochs_done = done.count() as u32;
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

impl Service for Coordinator {
    type Request = CoordinatorRequest;
    type Reply = ();

    async fn call(&self, request: Message<CoordinatorRequest>) -> Result<Message<()>, ServiceError> {
        self.record().hear(request.body)?;
        Ok(().into())
    }
}
