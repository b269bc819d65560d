//! Distributions that are the time of a chain of phases, as such: what M/PH/1 needs.

use super::{Distribution, Law, PhaseType};

impl Distribution {
    /// The distribution as a chain of phases, where it is one.
    pub(crate) fn phases(&self) -> Option<PhaseType> {
        match &self.0 {
            Law::Exponential { rate } => PhaseType::hypoexponential(&[*rate]).ok(),
            Law::Gamma { shape, rate } if shape.fract() == 0.0 && *shape <= 1000.0 => {
                PhaseType::hypoexponential(&vec![*rate; *shape as usize]).ok()
            }
            Law::HyperExponential { branches } => {
                let none = vec![vec![0.0; branches.len()]; branches.len()];
                let (initial, exits) = branches.iter().copied().unzip();
                PhaseType::new(initial, &none, exits).ok()
            }
            Law::PhaseType(phases) => Some(phases.clone()),
            _ => None,
        }
    }
}
