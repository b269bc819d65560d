//! Workers that share a machine: its cores, and how much slower each works when others work beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    /// What a trace's settings tell; nothing where it was not calibrated.
    pub(crate) fn of(settings: &BTreeMap<String, String>) -> Option<Self> {
        let number =
            |name: &str| settings.get(name)?.parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0);
        let positive = |name: &str| number(name).filter(|x| *x > 0.0);
        let calibrated = number("calibration_cores")?;
        let alone = positive("calibration_gradient_alone_ns")?;
        let together = positive("calibration_gradient_together_ns")?;
        // An update reads and writes the parameters once and reads each gradient once.
        let per_pass = |name: &str, gradients: f64| positive(name).map(|time| time / (2.0 + gradients));
        let update_alone = per_pass("calibration_update_alone_ns", 1.0);
        let update_together = per_pass("calibration_update_together_ns", calibrated);
        let update_slowdown =
            update_alone.zip(update_together).map_or(1.0, |(alone, together)| together / alone);
        Some(Self {
            cores: number("cores").unwrap_or(calibrated).max(1.0) as usize,
            // Company helps nobody: a ratio below one is the measurement's noise.
            slowdown: (together / alone).max(1.0),
            update_slowdown: update_slowdown.max(1.0),
            error: number("calibration_error").unwrap_or(0.0).min(1.0),
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
        let settings = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        assert_eq!(Machine::of(&settings(&[("cores", "2")])), None);
        let given = settings(&[
            ("cores", "2"),
            ("calibration_cores", "2"),
            ("calibration_gradient_alone_ns", "1000"),
            ("calibration_gradient_together_ns", "1200"),
            ("calibration_update_alone_ns", "30"),
            ("calibration_update_together_ns", "80"),
        ]);
        let expected = Machine { cores: 2, slowdown: 1.2, update_slowdown: 2.0, error: 0.0 };
        assert_eq!(Machine::of(&given), Some(expected));
        let bad = settings(&[("calibration_cores", "2"), ("calibration_gradient_alone_ns", "0")]);
        assert_eq!(Machine::of(&bad), None);
    }
}
