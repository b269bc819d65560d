//! What a job leaves open, decided by the model and the data.

use syncline_data::{Dataset, Features, Targets};
use syncline_learn::ModelSpec;
use syncline_round::Rule;

/// A model for data when the user names none and a [trial](super::choice) does not decide: a small network, or over many
/// sparse features a linear model.
pub(super) fn suitable(data: &Dataset) -> ModelSpec {
    match data.features() {
        Features::Dense(_) => network(),
        Features::Sparse(_) => line(data),
    }
}

/// A small network.
pub(super) fn network() -> ModelSpec {
    ModelSpec::Mlp(vec![64, 32])
}

/// The linear model for such targets.
pub(super) fn line(data: &Dataset) -> ModelSpec {
    match data.targets() {
        Targets::Class { .. } => ModelSpec::Softmax,
        Targets::Real(_) => ModelSpec::Linear,
    }
}

/// The rate of a run that is not given one. Adam moves each weight by about the rate in every step: the few weights of a
/// linear model have further to go than the many of a network, which learns small tables by heart where they move fast.
pub(super) fn usual_rate(rule: Rule, spec: &ModelSpec) -> f32 {
    match (rule, spec) {
        (Rule::Adam, ModelSpec::Mlp(_)) => 0.002,
        (Rule::Adam, _) => 0.03,
        (rule, _) => rule.default_rate(),
    }
}

/// The L2 penalty of a run that is not given one. A network that has learnt few rows by heart is surer of classes than it may
/// be, and a small penalty takes that away. That of logistic regression by custom (1 / rows, scikit-learn's C = 1) is too
/// much where classes are far apart; amounts gain nothing (docs/measurements/foreign-tables.md).
pub(super) fn usual_l2(spec: &ModelSpec, train: &Dataset) -> f32 {
    match (spec, train.features(), train.targets()) {
        (ModelSpec::Mlp(_), Features::Dense(_), Targets::Class { .. }) => 0.3 / train.rows().max(1) as f32,
        _ => 0.0,
    }
}

/// Rows of a batch: for a linear model so few that an epoch of few rows has several steps too. A network has enough steps
/// to learn few rows by heart as it is.
pub(super) fn usual_batch(spec: &ModelSpec, rows: usize, workers: usize) -> usize {
    match spec {
        ModelSpec::Mlp(_) => 64,
        _ => (rows / workers.max(1) / 8).clamp(4, 64),
    }
}

/// Steps over all rows of a linear model, after which Adam at its usual rate has come about as far as it comes.
pub(super) const CODED_STEPS: u32 = 200;

/// Samples after which a small model has usually learnt what there is.
const ENOUGH_SAMPLES: usize = 200_000;

/// Epochs for so many rows: few rows make few steps an epoch.
pub(super) fn enough_epochs(rows: usize) -> u32 {
    ENOUGH_SAMPLES.div_ceil(rows.max(1)).clamp(10, 200) as u32
}
