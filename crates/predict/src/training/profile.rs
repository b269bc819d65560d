//! What one job costs, fitted to one run: what the prediction and the schedule know of it.
//!
//! A profile is plain data and can be kept: [`JobProfile::to_json`] writes it, [`JobProfile::from_json`] reads and checks
//! it. docs/book/predicting.md lists its fields.

use serde::{Deserialize, Serialize};

use super::coded::BetweenProducts;
use super::cost::{Compute, Exchange, Serving};
use super::cycles::{Cycle, Cycles};
use super::machine::Machine;
use super::setup::{Injected, Setup};
use super::tail::Tail;
use super::variation::{Residuals, Variation};
use crate::{Error, Question};

/// Rounds per worker below which nothing is predicted.
const FEWEST: usize = 20;

/// The version of the format.
pub const PROFILE_FORMAT: &str = "syncline-job-profile/1";

/// What one job costs. Times are in seconds.
///
/// ```no_run
/// use syncline_predict::{JobProfile, Placement};
///
/// // Written by `syncline predict run.parquet --profile job.json`.
/// let profile = JobProfile::from_json(&std::fs::read_to_string("job.json")?)?;
/// let speed = profile.speed(8, 2, Placement::Across { gbps: 10.0 }, "bsp".parse()?)?;
/// println!("{:.0} samples a second, {:.0} to {:.0}", speed.value, speed.low, speed.high);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobProfile {
    /// [`PROFILE_FORMAT`].
    pub format: String,
    /// The run that was measured.
    pub measured: Setup,
    /// Rounds of its worker with the fewest.
    pub rounds: usize,
    /// Rounds below which nothing would have been predicted.
    pub fewest_rounds: usize,
    /// Computing a gradient.
    pub compute: Compute,
    /// Pull and push.
    pub exchange: Exchange,
    /// The servers.
    pub serving: Serving,
    /// How workers and rounds differ from the mean of compute, pull and push.
    pub variation: Variation,
    /// The machine that the workers shared, where it was calibrated and they computed (and did not just sleep).
    pub machine: Option<Machine>,
    /// How many workers computed at once, on average, while any did.
    pub concurrency: f64,
    /// Where workers were told to stop, the share of each one's rounds that last longer than any that was seen to its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<f64>,
    /// What lies between products, where workers held coded blocks: rounds are then products, and `compute` is of a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products: Option<BetweenProducts>,
}

impl JobProfile {
    pub(crate) fn fit(cycles: &Cycles) -> Result<Self, Error> {
        let rounds = cycles.of_worker().iter().map(Vec::len).min().unwrap_or(0);
        if rounds < FEWEST {
            return Err(Error::TooShort { have: rounds, need: FEWEST });
        }
        let measured = cycles.setup().clone();
        let compute = Compute::fit(cycles, &measured);
        let machine = cycles.machine().cloned().filter(|_| measured.injected == Injected::Nothing);
        let exchange = Exchange::fit(cycles);
        let slower = machine.as_ref().map_or(1.0, |machine| machine.update_slowdown);
        // What a round would have taken with a full batch.
        let full = |cycle: &Cycle| match measured.shares.differ() {
            true => cycle.exchange_s() + compute.full_of(cycle, measured.injected),
            false => {
                let of = |samples: f64| compute.of(samples, measured.injected);
                cycle.work_s() - of(cycle.samples as f64) + of(compute.samples)
            }
        };
        let rounds_of = |list: &Vec<Cycle>| list.iter().map(|cycle| (cycle.round, full(cycle))).collect();
        let works: Vec<Vec<(u64, f64)>> = cycles.of_worker().iter().map(rounds_of).collect();
        let (_, variation) = Variation::fit(&works);
        Ok(Self {
            format: PROFILE_FORMAT.to_owned(),
            rounds,
            fewest_rounds: FEWEST,
            serving: Serving::fit(cycles, &measured, &exchange, slower),
            exchange,
            concurrency: cycles.concurrency(),
            unseen: cycles.unseen().to_vec(),
            products: cycles.products(),
            compute,
            variation,
            machine,
            measured,
        })
    }

    /// The question whose answer is the traced run itself.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`] where its trace did not say in known words how it was set up.
    pub fn question(&self) -> Result<Question, Error> {
        // Under backup workers nobody takes part in every round.
        Question::about(&self.measured, self.measured.rounds.max(self.rounds as u64))
    }

    /// The share of the work's variance that belongs to workers and not to rounds.
    pub fn persistent_share(&self) -> f64 {
        self.variation.persistent_share()
    }

    /// The profile as JSON.
    ///
    /// # Errors
    /// [`Error::Profile`] if a number is not finite.
    pub fn to_json(&self) -> Result<String, Error> {
        self.check()?;
        serde_json::to_string_pretty(self).map_err(|error| Error::Profile { what: error.to_string() })
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// [`Error::Profile`] for what is no profile of this format, or one whose numbers cannot be.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let profile: Self =
            serde_json::from_str(text).map_err(|error| Error::Profile { what: error.to_string() })?;
        profile.check()?;
        Ok(profile)
    }

    /// Checks every field.
    fn check(&self) -> Result<(), Error> {
        if self.format != PROFILE_FORMAT {
            return wrong(format!("its format is '{}', known is {PROFILE_FORMAT}", self.format));
        }
        self.check_times()?;
        self.check_counts()?;
        self.check_variation()?;
        if !self.measured.shares.is_sound(self.measured.workers) {
            return wrong("measured.shares: there is a positive weight for each worker".into());
        }
        if self.machine.as_ref().is_some_and(|machine| !machine.is_sound()) {
            return wrong(
                "machine: there is at least one core, a slow-down is 1 or more, an error at most 1".into(),
            );
        }
        self.question().map(|_| ())
    }

    fn check_times(&self) -> Result<(), Error> {
        let Self { compute, exchange, serving, variation, .. } = self;
        let longest = |list: &[f64]| list.iter().copied().fold(0.0, f64::max);
        let times = [
            ("compute.full_s", compute.full_s),
            ("compute.samples", compute.samples),
            ("compute.fixed_s", compute.fixed_s.unwrap_or(0.0)),
            ("compute.per_sample_s", compute.per_sample_s.unwrap_or(0.0)),
            ("exchange.pull_s", exchange.pull_s),
            ("exchange.push_s", exchange.push_s),
            ("exchange.bytes", exchange.bytes),
            ("exchange.pushed_bytes", exchange.pushed_bytes),
            ("exchange.latency_s", exchange.latency_s.unwrap_or(0.0)),
            ("exchange.per_byte_s", exchange.per_byte_s.unwrap_or(0.0)),
            ("serving.pass_s", serving.pass_s),
            ("serving.wakes_s", longest(&serving.wakes_s)),
            ("variation.deviation_s", variation.deviation_s),
            ("variation.persistent_sure", variation.persistent_sure),
            ("concurrency", self.concurrency),
            ("products.gap_s", self.products.map_or(0.0, |between| between.gap_s)),
            ("products.decode_s", self.products.map_or(0.0, |between| between.decode_s)),
        ];
        if let Some((name, value)) =
            times.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0))
        {
            return wrong(format!("{name} is {value}: it must be a number, zero or more"));
        }
        if serving.wakes_s.iter().any(|x| x.is_nan() || *x < 0.0) {
            return wrong("serving.wakes_s: a time is not a number, zero or more".into());
        }
        if self.unseen.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return wrong("unseen: a share is not between 0 and 1".into());
        }
        if compute.full_s <= 0.0 {
            return wrong("compute.full_s is 0: a gradient takes some time".into());
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), Error> {
        let counts = [
            ("measured.workers", self.measured.workers),
            ("measured.servers", self.measured.servers),
            ("rounds", self.rounds),
            ("products.needed", self.products.map_or(1, |between| between.needed)),
            ("variation.samples", self.variation.samples),
            ("variation.persistent_s", self.variation.persistent_s.len()),
            ("variation.residual_s", self.variation.residual_s.len()),
        ];
        match counts.into_iter().find(|(_, count)| !(1..=100_000_000).contains(count)) {
            Some((name, count)) => wrong(format!("{name}: {count} is not between 1 and 100 million")),
            None => Ok(()),
        }
    }

    fn check_variation(&self) -> Result<(), Error> {
        let Variation { persistent_s, residual_s, tail, own, common, .. } = &self.variation;
        let sound = |own: &Residuals| {
            let Residuals { residual_s, deviation_s, samples, tail } = own;
            !residual_s.is_empty()
                && *samples > 0
                && residual_s.iter().chain([deviation_s]).all(|x| x.is_finite())
                && tail.as_ref().is_none_or(Tail::is_sound)
        };
        if !(own.is_empty() || own.len() == persistent_s.len()) || !own.iter().all(sound) {
            return wrong(
                "variation.own: each worker has residuals that are finite numbers, or none has".into(),
            );
        }
        if !common.is_sound() {
            return wrong("variation.common: a time is not a finite number, or a course is empty".into());
        }
        if persistent_s.iter().chain(residual_s).any(|x| !x.is_finite()) {
            return wrong("variation: a time is not a finite number".into());
        }
        if tail.as_ref().is_some_and(|tail| !tail.is_sound()) {
            return wrong("variation.tail: the scale must be zero or more and the shape below 1".into());
        }
        Ok(())
    }

    /// Mean seconds of a full round of a worker by itself.
    pub fn work_s(&self) -> f64 {
        self.compute.full_s + self.exchange.total_s()
    }
}

fn wrong<T>(what: String) -> Result<T, Error> {
    Err(Error::Profile { what })
}
