//! How a training run was set up: written once by who trains, read once by who explains or predicts.
//!
//! - SETUP-1: what is not known is absent, never 0 or empty.
//! - SETUP-2: files without it are of before it was there, and have the same among their settings, as text by name; files of
//!   a later version are refused, because what they say may mean something else.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

/// The version that is written.
pub(crate) const VERSION: u32 = 1;

/// The settings of a training run that matter to who reads its trace; policies and the like in the words of the command line.
/// The workers, servers, synchronisation policy and seed stand in [`RunInfo`](crate::RunInfo).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingSetup {
    /// Rises when a field changes its meaning or goes, not when one is added.
    pub version: u32,
    /// Rows trained on in an epoch.
    pub rows: Option<u64>,
    /// Features of a row.
    pub features: Option<u64>,
    /// Parameters of the model, four bytes each.
    pub parameters: Option<u64>,
    /// Rows in one worker's batch.
    pub batch: Option<u64>,
    /// How often workers exchange with servers: `batch`, `batches:4`, `epoch`.
    pub every: Option<String>,
    /// How often all rows were to be gone through.
    pub epochs: Option<u64>,
    /// The optimiser.
    pub optimizer: Option<String>,
    /// How the learning rate changes.
    pub schedule: Option<String>,
    /// Whether each epoch has another order of rows.
    pub shuffle: Option<bool>,
    /// Who gets which rows: `random`, `weight:2,1,1`, `weight:measured`.
    pub partition: Option<String>,
    /// How gradients are combined.
    pub fold: Option<String>,
    /// What was done to make pushes and pulls shorter: `push=bf16,pull=bf16`; absent where nothing was.
    pub compress: Option<String>,
    /// Bytes of a push that has a value for every parameter, where those are not four each.
    pub whole_push_bytes: Option<u64>,
    /// What compression has saved.
    pub traffic: Option<Traffic>,
    /// Where the nodes ran: `threads`, `processes`, `sim ...`.
    pub on: Option<String>,
    /// Injected delays, one each.
    pub inject: Vec<String>,
    /// Who was there when, where workers came and went; the spans of a round's work are those of the worker whose share it is,
    /// whoever does it.
    pub attendance: Vec<Attended>,
    /// What was decoded, where workers held coded blocks and not rows.
    pub decoded: Option<Decoded>,
    /// Who gave other gradients than most of its group, where groups vote on them.
    pub outvoted: Vec<Outvoted>,
    /// Cores of the machine, or of a simulation as many as it has nodes.
    pub cores: Option<u64>,
    /// What the machine does to workers that share it, where that was measured.
    pub calibration: Option<Calibrated>,
    /// What else used the machine during the run, where that is known.
    pub load: Option<MachineLoad>,
}

impl Default for TrainingSetup {
    fn default() -> Self {
        Self {
            version: VERSION,
            rows: None,
            features: None,
            parameters: None,
            batch: None,
            every: None,
            epochs: None,
            optimizer: None,
            schedule: None,
            shuffle: None,
            partition: None,
            fold: None,
            compress: None,
            whole_push_bytes: None,
            traffic: None,
            on: None,
            inject: Vec::new(),
            attendance: Vec::new(),
            decoded: None,
            outvoted: Vec::new(),
            cores: None,
            calibration: None,
            load: None,
        }
    }
}

/// A stretch of a run in which the same workers did its work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attended {
    /// Its first round.
    pub from_round: u64,
    /// When it began, since the run's start.
    pub from_ns: u64,
    /// The workers.
    pub workers: Vec<u32>,
}

/// A worker whose gradients were not those of most of its group, and did not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outvoted {
    /// Which.
    pub worker: u32,
    /// In so many rounds.
    pub rounds: u64,
    /// The first of them.
    pub first_round: u64,
    /// The last of them.
    pub last_round: u64,
}

/// Products that were decoded from the answers of some workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decoded {
    /// How many.
    pub products: u64,
    /// Tasks that were not waited for, whose workers were told to stop.
    pub cancelled: u64,
    /// Time that workers had spent on those.
    pub thrown_away_ns: u64,
    /// Time from each request to the last answer that was needed.
    pub waited_ns: u64,
    /// Time that decodes took on top.
    pub decode_ns: u64,
    /// The largest condition number of the answers of a product: by how much rounding errors may have grown.
    pub worst_condition: f64,
    /// The first products, one by one.
    pub each: Vec<DecodedProduct>,
}

/// One product that was decoded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecodedProduct {
    /// The round that it was needed for.
    pub round: u64,
    /// Whose answers it was decoded from, in ascending order.
    pub answered: Vec<u32>,
    /// Their condition number.
    pub condition: f64,
    /// Time from the request to the last of them.
    pub waited_ns: u64,
    /// Time that the decode took on top.
    pub decode_ns: u64,
    /// Workers that were told to stop.
    pub cancelled: u32,
}

/// Bytes of values and coordinates that all workers exchanged, as they were sent and as the same would have been at 32 bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Pushed.
    pub pushed_bytes: u64,
    /// Pushed, uncompressed.
    pub uncompressed_pushed_bytes: u64,
    /// Pulled.
    pub pulled_bytes: u64,
    /// Pulled, uncompressed.
    pub uncompressed_pulled_bytes: u64,
}

/// Times of one gradient and one update, of one core alone and of all at once, before the run began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// Cores that computed at once.
    pub cores: u64,
    /// A gradient of one core alone, in ns.
    pub gradient_alone_ns: f64,
    /// A gradient while all cores compute one, in ns.
    pub gradient_together_ns: f64,
    /// An update from one gradient, in ns; 0 where updates are sparse.
    #[serde(default)]
    pub update_alone_ns: f64,
    /// An update from a gradient of each core, in ns; 0 where updates are sparse.
    #[serde(default)]
    pub update_together_ns: f64,
    /// Relative standard error of the ratio of the two.
    #[serde(default)]
    pub error: f64,
}

/// Shares of all cores' time during the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineLoad {
    /// Used by other processes, from 0 to 1.
    pub others_share: f64,
    /// Given to other virtual machines, from 0 to 1.
    pub stolen_share: f64,
}

impl TrainingSetup {
    /// What a trace of before version 1 tells by name.
    pub(crate) fn of_settings(settings: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| settings.get(name).filter(|text| !text.is_empty()).cloned();
        let inject = text("inject").unwrap_or_default();
        Self {
            version: VERSION,
            rows: value(settings, "rows"),
            features: value(settings, "features"),
            parameters: value(settings, "parameters"),
            batch: value(settings, "batch"),
            every: text("every"),
            epochs: value(settings, "epochs"),
            optimizer: text("optimizer"),
            schedule: text("schedule"),
            shuffle: value(settings, "shuffle"),
            partition: None,
            fold: text("fold"),
            compress: None,
            whole_push_bytes: None,
            traffic: None,
            on: text("on"),
            inject: inject.split_whitespace().map(str::to_owned).collect(),
            attendance: Vec::new(),
            decoded: None,
            outvoted: Vec::new(),
            cores: value(settings, "cores"),
            calibration: Calibrated::of_settings(settings),
            load: MachineLoad::of_settings(settings),
        }
    }
}

impl Calibrated {
    fn of_settings(settings: &BTreeMap<String, String>) -> Option<Self> {
        let time = |name: &str| value(settings, &format!("calibration_{name}_ns"));
        Some(Self {
            cores: value(settings, "calibration_cores")?,
            gradient_alone_ns: time("gradient_alone")?,
            gradient_together_ns: time("gradient_together")?,
            update_alone_ns: time("update_alone").unwrap_or(0.0),
            update_together_ns: time("update_together").unwrap_or(0.0),
            error: value(settings, "calibration_error").unwrap_or(0.0),
        })
    }
}

impl MachineLoad {
    fn of_settings(settings: &BTreeMap<String, String>) -> Option<Self> {
        let (others_share, stolen_share) =
            (value(settings, "machine_others_share"), value(settings, "machine_stolen_share"));
        if others_share.is_none() && stolen_share.is_none() {
            return None;
        }
        Some(Self { others_share: others_share.unwrap_or(0.0), stolen_share: stolen_share.unwrap_or(0.0) })
    }
}

fn value<T: FromStr>(settings: &BTreeMap<String, String>, name: &str) -> Option<T> {
    settings.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_before_are_read_and_what_is_not_said_is_absent() {
        let settings = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(TrainingSetup::of_settings(&settings(&[])), TrainingSetup::default());
        let old = settings(&[
            ("batch", "64"),
            ("every", "batches:4"),
            ("rows", "many"),
            ("inject", "all:2ms worker=1:6ms"),
            ("calibration_cores", "2"),
            ("calibration_gradient_alone_ns", "1000"),
            ("calibration_gradient_together_ns", "1200"),
            ("machine_others_share", "0.25"),
        ]);
        let setup = TrainingSetup::of_settings(&old);
        assert_eq!((setup.batch, setup.every.as_deref(), setup.rows), (Some(64), Some("batches:4"), None));
        assert_eq!(setup.inject, ["all:2ms", "worker=1:6ms"]);
        assert_eq!(
            setup.calibration.map(|known| (known.cores, known.gradient_together_ns)),
            Some((2, 1200.0))
        );
        assert_eq!(setup.load, Some(MachineLoad { others_share: 0.25, stolen_share: 0.0 }));
    }
}
