//! Workers that share a machine: its cores, and how much slower each works when others work beside it.

use serde::{Deserialize, Serialize};
use syncline_trace::TrainingSetup;

/// Whether the workers that are asked about share the traced run's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machines {
    /// Each worker has a machine of its own, like the one of the trace.
    Own,
    /// All share the one machine, as in the traced run.
    One,
}

/// The machine of a trace, as the calibration at the start of the run found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its cores.
    pub cores: usize,
    /// How many times as long a gradient takes when every core computes one.
    pub slowdown: f64,
    /// How many times as long an update takes for each byte when other cores wrote the gradients.
    pub update_slowdown: f64,
    /// The relative error of these, from how far the calibration's two halves are apart.
    pub error: f64,
}

impl Machine {
    /// What a run's setup tells; nothing where the machine was not calibrated.
    pub(crate) fn of(setup: &TrainingSetup) -> Option<Self> {
        let positive = |time: f64| Some(time).filter(|time| time.is_finite() && *time > 0.0);
        let found = setup.calibration?;
        let alone = positive(found.gradient_alone_ns)?;
        let together = positive(found.gradient_together_ns)?;
        // An update reads and writes the parameters once and reads each gradient once.
        let per_pass = |time: f64, gradients: f64| positive(time).map(|time| time / (2.0 + gradients));
        let update_alone = per_pass(found.update_alone_ns, 1.0);
        let update_together = per_pass(found.update_together_ns, found.cores as f64);
        let update_slowdown =
            update_alone.zip(update_together).map_or(1.0, |(alone, together)| together / alone);
        Some(Self {
            cores: setup.cores.unwrap_or(found.cores).max(1) as usize,
            // Company helps nobody: a ratio below one is the measurement's noise.
            slowdown: (together / alone).max(1.0),
            update_slowdown: update_slowdown.max(1.0),
            error: Some(found.error).filter(|error| *error >= 0.0).unwrap_or(0.0).min(1.0),
        })
    }

    /// Whether there can be such a machine.
    pub(crate) fn is_sound(&self) -> bool {
        let Self { cores, slowdown, update_slowdown, error } = self;
        *cores > 0
            && [slowdown, update_slowdown].iter().all(|x| (1.0..1e6).contains(*x))
            && (0.0..=1.0).contains(error)
    }

    /// A machine that the calibration allows as well: `off` standard errors slower or faster.
    pub(crate) fn but(&self, off: f64) -> Self {
        let times = |ratio: f64| (ratio * (1.0 + off * self.error)).max(1.0);
        Self { slowdown: times(self.slowdown), update_slowdown: times(self.update_slowdown), ..self.clone() }
    }

    /// The speed of each of `active` workers that compute at once, over the speed of one alone: up to the number of
    /// cores it falls to 1 / slowdown, beyond it they take turns.
    pub fn speed(&self, active: f64) -> f64 {
        let cores = self.cores as f64;
        if active <= 1.0 {
            return 1.0;
        }
        let crowd = (active.min(cores) - 1.0) / (cores - 1.0).max(1.0);
        let beside = 1.0 / (1.0 + (self.slowdown - 1.0) * crowd);
        if active <= cores { beside } else { beside * cores / active }
    }
}

#[cfg(test)]
mod tests {
    use syncline_trace::Calibrated;

    use super::*;

    #[test]
    fn workers_beyond_the_cores_take_turns() {
        let machine = Machine { cores: 4, slowdown: 1.5, update_slowdown: 1.0, error: 0.0 };
        assert_eq!(machine.speed(1.0), 1.0);
        assert!((machine.speed(4.0) - 1.0 / 1.5).abs() < 1e-12);
        assert!((machine.speed(2.5) - 1.0 / 1.25).abs() < 1e-12);
        assert!((machine.speed(8.0) - 0.5 / 1.5).abs() < 1e-12);
        let one = Machine { cores: 1, slowdown: 1.0, update_slowdown: 1.0, error: 0.0 };
        assert_eq!(one.speed(4.0), 0.25);
    }

    #[test]
    fn a_trace_without_calibration_has_no_machine() {
        let cores = TrainingSetup { cores: Some(2), ..TrainingSetup::default() };
        assert_eq!(Machine::of(&cores), None);
        let calibration = Calibrated {
            cores: 2,
            gradient_alone_ns: 1000.0,
            gradient_together_ns: 1200.0,
            update_alone_ns: 30.0,
            update_together_ns: 80.0,
            error: 0.0,
        };
        let given = TrainingSetup { calibration: Some(calibration), ..cores.clone() };
        let expected = Machine { cores: 2, slowdown: 1.2, update_slowdown: 2.0, error: 0.0 };
        assert_eq!(Machine::of(&given), Some(expected));
        let bad = Calibrated { gradient_alone_ns: 0.0, ..calibration };
        assert_eq!(Machine::of(&TrainingSetup { calibration: Some(bad), ..cores }), None);
    }
}
