//! What a run tells at its end: the epochs, the speed, and where the time went.

mod quality;
mod text;

pub use text::write_metrics;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Serialize;
use syncline_data::{Dataset, Targets};
use syncline_learn::{Metrics, Model, Score};

use crate::{
    ParamServ, Stretch,
    calibration::cores,
    coded::{CodedRecord, CodedWorker},
    coordinator::{EpochTally, Record},
    driver::Outcome,
    keeper::CheckpointReport,
    patience::Patience,
    protocol::{Outvoted, ServerStatistics, WorkerTimes},
};

/// The report of one run. Its `Display` is what a person reads; it serialises for machines. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What was asked for.
    pub settings: Settings,
    /// Samples a second whose gradients counted, from start to end, evaluation left out.
    pub samples_per_s: f64,
    /// From the first worker's start to the last worker's end.
    pub wall_s: f64,
    /// One entry an epoch.
    pub epochs: Vec<EpochReport>,
    /// With patience, the epoch of the least validation loss, whose parameters the model has; from 1.
    pub best_epoch: Option<u32>,
    /// Who ended the run before its time, if somebody did.
    pub interrupted: Option<String>,
    /// The round at which the run went on from a checkpoint, if it did; figures are of the whole run all the same.
    pub resumed_at_round: Option<u64>,
    /// What was lost on the way and what became of it, in sentences.
    pub losses: Vec<String>,
    /// Who was there when, where workers come and go, or others do the work of those that are lost.
    pub attendance: Vec<Stretch>,
    /// What its checkpoints have cost, where there were any.
    pub checkpoints: Option<CheckpointReport>,
    /// What the products of coded blocks came to, where workers held such.
    pub coded: Option<CodedReport>,
    /// Workers whose gradients were not those of most of their group, where groups vote on them, and so did not count.
    pub outvoted: Vec<Outvoted>,
    /// How good the trained model is.
    pub metrics: TrainedMetrics,
    /// Where each worker's time went.
    pub workers: Vec<WorkerReport>,
    /// What each server did, where there are some.
    pub servers: Vec<ServerReport>,
    /// The run in words.
    pub findings: Vec<String>,
}

/// The metrics of the trained model, where it predicts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TrainedMetrics {
    /// On the rows that it was trained on.
    pub train: Option<Metrics>,
    /// On the rows held out.
    pub validation: Option<Metrics>,
}

/// What was asked for, in the words of the command line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Rows trained on.
    pub rows: usize,
    /// Rows held out.
    pub validation_rows: usize,
    /// Features of a row.
    pub features: usize,
    /// Parameters of the model.
    pub parameters: usize,
    /// Workers.
    pub workers: usize,
    /// Servers; 0 where workers hold all parameters themselves.
    pub servers: usize,
    /// The synchronisation policy.
    pub sync: String,
    /// How often workers exchange with servers.
    pub every: String,
    /// Rows in a batch.
    pub batch: usize,
    /// Epochs.
    pub epochs: u32,
    /// The optimiser.
    pub optimizer: String,
    /// The learning rate.
    pub lr: f32,
    /// How the learning rate changes over the run.
    pub schedule: String,
    /// The length that a batch's gradient is shortened to.
    pub clip: Option<f32>,
    /// The weight of the L1 penalty.
    pub l1: f32,
    /// The weight of the L2 penalty.
    pub l2: f32,
    /// How rows count by their class.
    pub class_weight: Option<String>,
    /// Whether each epoch has another order of rows.
    pub shuffle: bool,
    /// Epochs without a smaller validation loss after which the run ends.
    pub patience: Option<u32>,
    /// How gradients are combined.
    pub fold: String,
    /// How rows are dealt out to workers.
    pub partition: String,
    /// What is done to make pushes and pulls shorter.
    pub compress: Option<String>,
    /// The seed of all randomness.
    pub seed: u64,
    /// Where the nodes ran.
    pub on: String,
    /// Injected delays.
    pub inject: Vec<String>,
    /// Workers that were to lie.
    pub liars: Vec<String>,
    /// How many workers were there at the start, where they come and go.
    pub elastic: Option<usize>,
    /// How many standbys each server had.
    pub replicas: usize,
}

/// One epoch. Accuracy is there for classes, RMSE for numbers; validation where rows were held out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u32,
    /// Whether all workers ended it; not so where a run was interrupted in it.
    pub complete: bool,
    /// How long it took until the last worker ended it.
    pub duration_s: f64,
    /// Mean loss of the training batches, each at the parameters that it was computed with; NaN, which is null in JSON, in a simulation
    /// that skips computing.
    pub train_loss: f64,
    /// Share of training samples classified correctly.
    pub train_accuracy: Option<f64>,
    /// Root of the mean squared error on training samples.
    pub train_rmse: Option<f64>,
    /// Mean loss on the held-out rows at the end of the epoch.
    pub validation_loss: Option<f64>,
    /// Share of held-out rows classified correctly.
    pub validation_accuracy: Option<f64>,
    /// Root of the mean squared error on held-out rows.
    pub validation_rmse: Option<f64>,
}

/// Where one worker's time went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerReport {
    /// From 0.
    pub worker: usize,
    /// Rounds worked.
    pub rounds: u64,
    /// Samples trained on.
    pub samples: u64,
    /// Bytes of values and coordinates that it pushed.
    pub pushed_bytes: u64,
    /// The same at 32 bits a value, before any was left out.
    pub uncompressed_pushed_bytes: u64,
    /// Bytes of values that it pulled.
    pub pulled_bytes: u64,
    /// The same at 32 bits a value.
    pub uncompressed_pulled_bytes: u64,
    /// Computing gradients, injected delays included.
    pub compute_s: f64,
    /// Injected delays.
    pub injected_s: f64,
    /// Of computing: in rounds at which it was told to stop, because they were over without it.
    pub stopped_s: f64,
    /// Handing gradients to the servers.
    pub push_s: f64,
    /// Fetching parameters, without the wait.
    pub pull_s: f64,
    /// Waiting at the gate.
    pub wait_s: f64,
    /// Waiting at the end, when it had gone through its rows, for the last worker.
    pub wait_end_s: f64,
    /// Evaluating held-out rows.
    pub evaluate_s: f64,
    /// All the rest.
    pub other_s: f64,
    /// Rounds that it closed as the last to arrive, where rounds close.
    pub last_arrivals: u64,
}

/// What the products of coded blocks came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CodedReport {
    /// Products, two a step.
    pub products: u64,
    /// From each request to the last answer that was needed.
    pub waited_s: f64,
    /// Decoding, on top.
    pub decode_s: f64,
    /// The largest condition number of a product's answers: by how much rounding errors may have grown.
    pub worst_condition: f64,
    /// Tasks at which a worker was told to stop.
    pub cancelled: u64,
    /// What workers had spent on those.
    pub thrown_away_s: f64,
    /// Answers that each worker gave.
    pub answered: Vec<u64>,
}

impl CodedReport {
    fn new(record: &CodedRecord) -> Self {
        let all = &record.decoded;
        let seconds = |ns: u64| ns as f64 / 1e9;
        Self {
            products: all.products,
            waited_s: seconds(all.waited_ns),
            decode_s: seconds(all.decode_ns),
            worst_condition: all.worst_condition,
            cancelled: all.cancelled,
            thrown_away_s: seconds(all.thrown_away_ns),
            answered: record.workers.iter().map(|worker| worker.given).collect(),
        }
    }
}

/// What one server did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// From 0.
    pub server: usize,
    /// Parameters that it holds.
    pub parameters: u64,
    /// Optimiser steps.
    pub updates: u64,
    /// Gradients received.
    pub pushes: u64,
    /// Gradients that came too late and were dropped.
    pub late: u64,
    /// How often a worker was told to stop, because its round was over without it.
    pub stopped: u64,
    /// Folding gradients and applying steps, which one pass does.
    pub fold_apply_s: f64,
}

/// Whether the model predicts classes, which accuracy measures, or numbers, which RMSE measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Accuracy,
    Rmse,
}

/// What a run without computing is good for.
const SKIPPED: &str = "computing was charged and not done: times and bytes are those of such a run, and there is no model and no loss";

/// Seconds for which whoever ends a run early waits until its model is judged: batch systems kill 30 s after they ask.
const LONGEST_JUDGING: f64 = 5.0;

/// What the trained model is judged by.
pub(crate) struct Judged {
    model: Box<dyn Model>,
    train: Arc<Dataset>,
    /// How much the rows trained on count, whatever their classes do.
    weights: Option<Vec<f32>>,
    validation: Option<Arc<Dataset>>,
    /// Whether nothing was computed, so that there is nothing to judge.
    is_skipped: bool,
}

impl Judged {
    pub(crate) fn new(run: &ParamServ, weights: Option<Vec<f32>>, is_skipped: bool) -> Self {
        Self {
            model: run.model.boxed_clone(),
            train: Arc::clone(&run.data),
            weights,
            validation: run.validation.clone(),
            is_skipped,
        }
    }

    /// By what epochs are measured; nothing where nobody computed anything.
    fn measure(&self) -> Option<Measure> {
        let measure = match self.train.targets() {
            Targets::Real(_) => Measure::Rmse,
            Targets::Class { .. } => Measure::Accuracy,
        };
        (!self.is_skipped).then_some(measure)
    }

    /// Seconds that the metrics take on all cores, by how long gradients have taken; a third of a gradient's work is the model.
    fn takes(&self, workers: &[WorkerTimes]) -> f64 {
        let samples: u64 = workers.iter().map(|times| times.samples).sum();
        let computed: Duration =
            workers.iter().map(|times| times.compute.saturating_sub(times.injected)).sum();
        let rows = self.train.rows() + self.validation.as_ref().map_or(0, |data| data.rows());
        rows as f64 * computed.as_secs_f64() / samples.max(1) as f64 / 3.0 / cores() as f64
    }

    fn metrics(&self, parameters: &[f32]) -> TrainedMetrics {
        // The nodes are gone, so that all cores are free.
        let of = |data: &Dataset, weights: Option<&[f32]>| {
            Metrics::weighted(&*self.model, parameters, data, weights, cores())
        };
        TrainedMetrics {
            train: of(&self.train, self.weights.as_deref()),
            validation: self.validation.as_deref().and_then(|data| of(data, data.weights())),
        }
    }
}

impl Report {
    /// Puts together what the coordinator and the servers recorded.
    pub(crate) fn new(
        settings: Settings,
        judged: Judged,
        record: &Record,
        outcome: &Outcome,
        resumed: Option<u64>,
    ) -> Self {
        let servers = &outcome.servers;
        let patience = record.patience.as_ref();
        // What workers did after the decision to stop, until they heard of it, belongs to no epoch.
        let counted = patience.and_then(Patience::over_after).map_or(usize::MAX, |epoch| epoch as usize + 1);
        let epochs = &record.epochs[..record.epochs.len().min(counted)];
        let started = record.workers.iter().map(|times| times.started).min().unwrap_or_default();
        let ended = record.epochs.last().map_or(started, |epoch| epoch.at);
        let wall = ended.saturating_sub(started);
        let evaluated = record.workers.iter().map(|times| times.evaluate).max().unwrap_or_default();
        // What came too late was computed in vain: every server drops the same gradients.
        let computed: u64 = record.workers.iter().map(|times| times.samples).sum();
        let samples = computed.saturating_sub(servers.first().map_or(0, |server| server.late_samples));
        let last_arrivals = servers.first().map_or(&[][..], |server| &server.last_arrivals);
        let worker = |(index, times): (usize, &WorkerTimes)| {
            let last = last_arrivals.get(index).copied().unwrap_or(0);
            WorkerReport::new(index, times, ended.saturating_sub(record.ended[index]), ended, last)
        };
        let takes = judged.takes(&record.workers);
        let is_judged = outcome.interrupted.is_none() || takes < LONGEST_JUDGING;
        // Workers that hold all parameters are no servers.
        let servers_told = settings.servers;
        let mut report = Self {
            settings,
            samples_per_s: samples as f64 / wall.saturating_sub(evaluated).as_secs_f64().max(1e-9),
            wall_s: wall.as_secs_f64(),
            epochs: epoch_reports(epochs, started, judged.measure(), record.workers.len()),
            best_epoch: patience.and_then(Patience::best).map(|best| best.epoch + 1),
            interrupted: outcome.interrupted.map(|interrupt| interrupt.to_string()),
            resumed_at_round: resumed,
            losses: outcome.losses.clone(),
            attendance: record.attendance.stretches(record.workers.len()),
            checkpoints: outcome.checkpoint.2.clone(),
            coded: outcome.coded.as_ref().map(CodedReport::new),
            outvoted: outvoted(servers),
            metrics: if is_judged { judged.metrics(&outcome.parameters) } else { TrainedMetrics::default() },
            workers: record.workers.iter().enumerate().map(worker).collect(),
            servers: servers.iter().enumerate().take(servers_told).map(ServerReport::new).collect(),
            findings: Vec::new(),
        };
        if let Some(coded) = &outcome.coded {
            // The lead only asks and waits; the time that counts is that of those who multiply.
            let workers = coded.workers.iter().enumerate();
            report.workers = workers.map(|(index, did)| WorkerReport::of_coded(index, did, wall)).collect();
        }
        report.findings = match judged.is_skipped {
            true => vec![SKIPPED.to_owned()],
            false => quality::findings(&report, judged.train.target_name()),
        };
        report.findings.extend(text::findings(&report));
        if !is_judged {
            let what = format!(
                "its metrics are left out: they would have taken {takes:.0} s, and whoever ends a run waits for its end"
            );
            report.findings.push(what);
        }
        report
    }
}

/// Who was outvoted at any server, and in how many rounds at one at least: each votes on its own parameters.
pub(crate) fn outvoted(servers: &[ServerStatistics]) -> Vec<Outvoted> {
    let mut by_worker = BTreeMap::<u32, Outvoted>::new();
    for told in servers.iter().flat_map(|server| &server.outvoted) {
        let all = by_worker.entry(told.worker).or_insert(*told);
        all.rounds = all.rounds.max(told.rounds);
        all.first_round = all.first_round.min(told.first_round);
        all.last_round = all.last_round.max(told.last_round);
    }
    by_worker.into_values().collect()
}

fn epoch_reports(
    epochs: &[EpochTally],
    started: Duration,
    measure: Option<Measure>,
    workers: usize,
) -> Vec<EpochReport> {
    let starts = std::iter::once(started).chain(epochs.iter().map(|epoch| epoch.at));
    let entry = |((number, epoch), start): ((u32, &EpochTally), Duration)| {
        let validation = (epoch.validation.rows > 0).then_some(&epoch.validation);
        let accuracy = |score: &Score| (measure == Some(Measure::Accuracy)).then(|| score.accuracy());
        let rmse = |score: &Score| (measure == Some(Measure::Rmse)).then(|| score.rmse());
        EpochReport {
            epoch: number,
            complete: epoch.ended as usize == workers,
            duration_s: epoch.at.saturating_sub(start).as_secs_f64(),
            train_loss: measure.map_or(f64::NAN, |_| epoch.train.mean_loss()),
            train_accuracy: accuracy(&epoch.train),
            train_rmse: rmse(&epoch.train),
            validation_loss: validation.map(Score::mean_loss),
            validation_accuracy: validation.and_then(accuracy),
            validation_rmse: validation.and_then(rmse),
        }
    };
    (1..).zip(epochs).zip(starts).map(entry).collect()
}

impl WorkerReport {
    /// Of a worker that waited so long at the end, which came at `ended`.
    fn new(
        worker: usize,
        times: &WorkerTimes,
        wait_end: Duration,
        ended: Duration,
        last_arrivals: u64,
    ) -> Self {
        let known = times.compute + times.push + times.pull + times.wait + wait_end + times.evaluate;
        Self {
            worker,
            rounds: times.rounds,
            samples: times.samples,
            pushed_bytes: times.traffic.pushed,
            uncompressed_pushed_bytes: times.traffic.plain_pushed,
            pulled_bytes: times.traffic.pulled,
            uncompressed_pulled_bytes: times.traffic.plain_pulled,
            compute_s: times.compute.as_secs_f64(),
            injected_s: times.injected.as_secs_f64(),
            stopped_s: times.stopped.as_secs_f64(),
            push_s: times.push.as_secs_f64(),
            pull_s: times.pull.as_secs_f64(),
            wait_s: times.wait.as_secs_f64(),
            wait_end_s: wait_end.as_secs_f64(),
            evaluate_s: times.evaluate.as_secs_f64(),
            other_s: ended.saturating_sub(times.started).saturating_sub(known).as_secs_f64(),
            last_arrivals,
        }
    }
}

impl WorkerReport {
    /// Of a worker that held coded blocks, in a run that took `wall`.
    fn of_coded(worker: usize, did: &CodedWorker, wall: Duration) -> Self {
        let known = did.computed + did.sent + did.waited;
        Self {
            worker,
            rounds: did.given,
            samples: did.rows,
            pushed_bytes: 0,
            uncompressed_pushed_bytes: 0,
            pulled_bytes: 0,
            uncompressed_pulled_bytes: 0,
            compute_s: did.computed.as_secs_f64(),
            injected_s: 0.0,
            stopped_s: did.thrown_away.as_secs_f64(),
            push_s: did.sent.as_secs_f64(),
            pull_s: 0.0,
            wait_s: did.waited.as_secs_f64(),
            wait_end_s: 0.0,
            evaluate_s: 0.0,
            other_s: wall.saturating_sub(known).as_secs_f64(),
            last_arrivals: 0,
        }
    }
}

impl ServerReport {
    fn new((server, statistics): (usize, &ServerStatistics)) -> Self {
        Self {
            server,
            parameters: statistics.parameters,
            updates: statistics.updates,
            pushes: statistics.pushes,
            late: statistics.late,
            stopped: statistics.stopped,
            fold_apply_s: statistics.fold_apply.as_secs_f64(),
        }
    }
}
