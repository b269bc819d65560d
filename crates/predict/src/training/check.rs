//! How far off the prediction is for the very run that it was fitted to: said before anything else, part of every
//! interval, and beyond 15 % a reason not to trust any of them.

use syncline_trace::MachineLoad;

use crate::{Cycles, Error, Interval, JobProfile, Prediction};

/// The error on the run itself beyond which nothing is to be trusted.
const TRUSTED: f64 = 0.15;
/// The share of the machine that others may use without being named as a reason.
const BUSY: f64 = 0.1;
/// The same for what a hypervisor took away.
const STOLEN: f64 = 0.02;

/// A run's measured times beside its prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Measured seconds per round's worth of gradients.
    pub measured: Interval,
    /// Measured seconds of the whole run, without evaluations.
    pub measured_run_s: f64,
    /// The same, predicted for the run's own size and policy.
    pub predicted: Prediction,
    /// Why a prediction may be off, as far as the trace tells.
    doubts: Vec<String>,
}

impl Check {
    /// Asks a run about itself.
    ///
    /// # Errors
    /// As for [`Cycles::profile`], and [`Error::CannotTell`] for a trace without a stretch in which all worked.
    pub fn of(cycles: &Cycles) -> Result<Self, Error> {
        let profile = cycles.profile()?;
        let predicted = profile.predict(&profile.question()?)?;
        let (measured, measured_run_s) = (cycles.measured(), cycles.run_s());
        let sound = |interval: Interval| {
            interval.value > 0.0 && interval.low.is_finite() && interval.high.is_finite()
        };
        if !(sound(measured) && sound(predicted.round_s)) {
            let why =
                "the trace's times make no sense: no gradient was folded while all workers worked".to_owned();
            return Err(Error::CannotTell { why });
        }
        Ok(Self { measured, measured_run_s, predicted, doubts: doubts(cycles, &profile) })
    }

    /// Predicted over measured, less one.
    pub fn error(&self) -> f64 {
        self.predicted.round_s.value / self.measured.value - 1.0
    }

    /// The same for the time of the whole run.
    pub fn run_error(&self) -> f64 {
        if self.measured_run_s > 0.0 { self.predicted.run_s.value / self.measured_run_s - 1.0 } else { 0.0 }
    }

    /// Whether the run itself is predicted so well that the other answers may be trusted.
    pub fn is_trusted(&self) -> bool {
        self.error().abs() <= TRUSTED && self.run_error().abs() <= TRUSTED
    }

    /// What may be behind an error: what else used the machine, and assumptions that the trace's tests do not bear out.
    pub fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// A prediction with room for the whole error on the run itself, so that the interval of the very run that was
    /// measured holds what was measured.
    pub fn widen(&self, prediction: Prediction) -> Prediction {
        let round_s = prediction.round_s.missing(self.predicted.round_s.value, self.measured.value);
        let run_s = prediction.run_s.missing(self.predicted.run_s.value, self.measured_run_s);
        let samples = prediction.samples_per_s.value * prediction.run_s.value;
        Prediction { round_s, run_s, samples_per_s: run_s.map_inverse(samples), ..prediction }
    }
}

/// What of a trace makes predictions from it doubtful.
fn doubts(cycles: &Cycles, profile: &JobProfile) -> Vec<String> {
    let mut doubts = Vec::new();
    let share =
        |of: fn(&MachineLoad) -> f64| cycles.load().map(|load| of(&load)).filter(|x| (0.0..=1.0).contains(x));
    if let Some(busy) = share(|load| load.others_share).filter(|busy| *busy > BUSY) {
        doubts.push(format!(
            "the machine was busy: others used {:.0} % of its cores while the run was traced",
            100.0 * busy
        ));
    }
    if let Some(stolen) = share(|load| load.stolen_share).filter(|stolen| *stolen > STOLEN) {
        doubts.push(format!(
            "the machine was busy: {:.0} % of its time went to other virtual machines",
            100.0 * stolen
        ));
    }
    let common = &profile.variation.common;
    if common.drifts() {
        doubts.push(format!(
            "rounds drift: their mean moves by {:.0} % (standard deviation) in the course of the run",
            100.0 * common.course_deviation_s() / profile.work_s()
        ));
    }
    if let Some(correlation) = common.correlation.filter(|_| !common.shock_s.is_empty()) {
        doubts.push(format!(
            "workers are not independent: in the same round their times correlate by {correlation:.2}"
        ));
    }
    if !profile.variation.own.is_empty() {
        doubts.push("workers vary unequally".to_owned());
    }
    if profile.variation.tail.is_some_and(|tail| tail.shape >= 0.45) {
        doubts.push("rounds have so heavy a tail that their mean is uncertain".to_owned());
    }
    doubts
}
