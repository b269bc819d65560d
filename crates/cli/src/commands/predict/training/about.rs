//! What the trace itself tells: how well it predicts itself, what a round is made of, and what each synchronisation
//! point costs.

use serde::Serialize;
use syncline_predict::{
    BetweenProducts, Check, Compute, Error, Exchange, JobProfile, Machine, Machines, Question, Serving, Tail,
};

use super::three;
use crate::failure::Failure;

/// The run and what was fitted to it.
#[derive(Serialize)]
pub struct About {
    pub workers: usize,
    pub servers: usize,
    pub sync: String,
    pub rounds_per_worker: usize,
    pub measured_round_s: f64,
    pub predicted_round_s: f64,
    pub error: f64,
    pub measured_run_s: f64,
    pub predicted_run_s: f64,
    pub run_error: f64,
    /// Whether both errors are small enough to trust the other answers.
    pub trusted: bool,
    /// What may be behind them, as far as the trace tells.
    pub doubts: Vec<String>,
    /// The mean correlation of two workers in a round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
    pub shock_deviation_s: f64,
    pub course_deviation_s: f64,
    pub persistent_share: f64,
    pub persistent_s: Vec<f64>,
    pub deviation_s: f64,
    pub tail: Option<Tail>,
    pub compute: Compute,
    pub exchange: Exchange,
    pub serving: Serving,
    pub parameter_bytes: u64,
    /// What lies between products, where workers held coded blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<BetweenProducts>,
    /// Where workers were told to stop, the share of each one's rounds that last longer than any that was seen to its end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<f64>,
    pub machine: Option<Machine>,
    /// Where the workers asked about run.
    pub machines: Machines,
}

impl About {
    pub fn new(profile: &JobProfile, check: &Check, machines: Machines) -> Self {
        Self {
            workers: profile.measured.workers,
            servers: profile.measured.servers,
            sync: profile.measured.sync.clone(),
            rounds_per_worker: profile.rounds,
            measured_round_s: check.measured.value,
            predicted_round_s: check.predicted.round_s.value,
            error: check.error(),
            measured_run_s: check.measured_run_s,
            predicted_run_s: check.predicted.run_s.value,
            run_error: check.run_error(),
            trusted: check.is_trusted(),
            doubts: check.doubts().to_vec(),
            correlation: profile.variation.common.correlation,
            shock_deviation_s: profile.variation.common.shock_deviation_s(),
            course_deviation_s: profile.variation.common.course_deviation_s(),
            persistent_share: profile.persistent_share(),
            persistent_s: profile.variation.persistent_s.clone(),
            deviation_s: profile.variation.deviation_s,
            tail: profile.variation.tail,
            compute: profile.compute,
            exchange: profile.exchange,
            serving: profile.serving.clone(),
            parameter_bytes: profile.gradient_bytes(),
            products: profile.products,
            unseen: profile.unseen.clone(),
            machine: profile.machine.clone(),
            machines,
        }
    }
}

/// What a synchronisation point costs.
#[derive(Serialize)]
pub struct Worth {
    pub of: &'static str,
    pub round_s: [f64; 3],
    pub share: f64,
}

/// The price of each point of the run itself.
pub fn prices(profile: &JobProfile, own: &Question) -> Result<Vec<Worth>, Failure> {
    let prices = profile.prices(own).map_err(Failure::failed)?;
    Ok(prices
        .into_iter()
        .map(|price| Worth { of: price.of, round_s: three(price.round_s), share: price.share })
        .collect())
}

/// How many spare workers pay.
#[derive(Serialize)]
pub struct Spare {
    /// The best number under the live gate.
    pub best: usize,
    /// The best number if late workers were stopped.
    pub ideal_best: usize,
    pub list: Vec<Backup>,
}

#[derive(Serialize)]
pub struct Backup {
    pub spare: usize,
    pub samples_per_s: [f64; 3],
    pub ideal_samples_per_s: f64,
    pub machine_time: f64,
}

/// Backup workers of the run's own size; nothing for a run whose rounds do not close, or that has too few workers.
pub fn backups(profile: &JobProfile, own: &Question) -> Result<Option<Spare>, Failure> {
    if own.workers < 3 || own.sync.folds_alone() {
        return Ok(None);
    }
    let found = match profile.backups(own) {
        Err(Error::CannotTell { .. }) => return Ok(None),
        found => found.map_err(Failure::failed)?,
    };
    let list: Vec<Backup> = found
        .into_iter()
        .map(|backup| Backup {
            spare: backup.spare,
            samples_per_s: three(backup.samples_per_s),
            ideal_samples_per_s: backup.ideal_samples_per_s,
            machine_time: backup.machine_time,
        })
        .collect();
    let best = |speed: &dyn Fn(&Backup) -> f64| {
        list.iter().max_by(|a, b| speed(a).total_cmp(&speed(b))).map_or(0, |backup| backup.spare)
    };
    let (best, ideal_best) = (best(&|b| b.samples_per_s[1]), best(&|b| b.ideal_samples_per_s));
    Ok(Some(Spare { best, ideal_best, list }))
}
