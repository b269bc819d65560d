//! A change on its way from a node: in as few bytes as bring it back to the same bit.
//!
//! TRAVEL-1: what arrives is what was sent, bit for bit, so that a model does not depend on where clients are. TRAVEL-2: bytes are those
//! of the numbers that travel, which the report counts.

use serde::{Deserialize, Serialize};
use syncline_wire::Tensor;

/// A change, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Travelling {
    /// None: it stays where it is (a secure sum), or has no numbers.
    Nothing,
    /// The client's model, from which the change is taken: 4 bytes a value.
    Model(Tensor<f32>),
    /// Numbers whose lower half is empty, as by bf16: 2 bytes a value.
    Halves(Tensor<u16>),
    /// Those that are not 0, as by top-k: 8 bytes each.
    Few(Tensor<u32>, Tensor<f32>),
    /// As it is, where noise or levels have made it: 8 bytes a value.
    Whole(Tensor<f64>),
}

impl Travelling {
    /// The shortest form of a change from this model.
    pub(super) fn new(change: Vec<f64>, model: &[f32]) -> Self {
        if change.is_empty() {
            return Self::Nothing;
        }
        let singles: Option<Vec<f32>> = change.iter().map(|value| single(*value)).collect();
        if let Some(singles) = &singles {
            let (few, halves) = (few(singles), halves(singles));
            if let Some((indices, values)) = few.filter(|(indices, _)| 8 * indices.len() < 2 * change.len()) {
                return Self::Few(indices.into(), values.into());
            }
            if let Some(halves) = halves {
                return Self::Halves(halves.into());
            }
        }
        match whole_model(&change, model) {
            Some(model) => Self::Model(model.into()),
            None => Self::Whole(change.into()),
        }
    }

    /// Bytes of its numbers.
    pub(super) fn bytes(&self) -> u64 {
        (match self {
            Self::Nothing => 0,
            Self::Model(values) => 4 * values.len(),
            Self::Halves(values) => 2 * values.len(),
            Self::Few(indices, _) => 8 * indices.len(),
            Self::Whole(values) => 8 * values.len(),
        }) as u64
    }

    /// The change again; nothing where it is not one from this model.
    pub(super) fn change(self, model: &[f32]) -> Option<Vec<f64>> {
        let change: Vec<f64> = match self {
            Self::Nothing => Vec::new(),
            Self::Model(values) if values.len() == model.len() => {
                values.iter().zip(model).map(|(y, x)| f64::from(*y) - f64::from(*x)).collect()
            }
            Self::Halves(values) => {
                values.iter().map(|half| f64::from(f32::from_bits(u32::from(*half) << 16))).collect()
            }
            Self::Few(indices, values) if indices.len() == values.len() => {
                let mut change = vec![0.0; model.len()];
                for (index, value) in indices.iter().zip(values.iter()) {
                    *change.get_mut(*index as usize)? = f64::from(*value);
                }
                change
            }
            Self::Whole(values) => values.into_vec(),
            Self::Model(_) | Self::Few(..) => return None,
        };
        Some(change)
    }
}

/// The number in single precision, if it is one.
fn single(value: f64) -> Option<f32> {
    let single = value as f32;
    (f64::from(single).to_bits() == value.to_bits()).then_some(single)
}

/// The values that are not 0, and where they are; -0 is not.
fn few(values: &[f32]) -> Option<(Vec<u32>, Vec<f32>)> {
    let is_told = |(_, value): &(usize, &f32)| value.to_bits() != 0;
    let told = values.iter().enumerate().filter(is_told);
    let told = told.map(|(index, value)| Some((u32::try_from(index).ok()?, *value)));
    told.collect::<Option<Vec<_>>>().map(|told| told.into_iter().unzip())
}

/// The upper halves, where the lower are empty.
fn halves(values: &[f32]) -> Option<Vec<u16>> {
    let half = |value: &f32| (value.to_bits() & 0xffff == 0).then_some((value.to_bits() >> 16) as u16);
    values.iter().map(half).collect()
}

/// The model from which this change is made to the bit, if there is one in single precision.
fn whole_model(change: &[f64], model: &[f32]) -> Option<Vec<f32>> {
    if change.len() != model.len() {
        return None;
    }
    let at = |(change, x): (&f64, &f32)| {
        let y = (f64::from(*x) + change) as f32;
        ((f64::from(y) - f64::from(*x)).to_bits() == change.to_bits()).then_some(y)
    };
    change.iter().zip(model).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(change: &[f64], model: &[f32]) -> u64 {
        let travelling = Travelling::new(change.to_vec(), model);
        let bytes = travelling.bytes();
        let back = travelling.change(model).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(change), "TRAVEL-1");
        bytes
    }

    proptest! {
        #[test]
        fn what_arrives_is_what_was_sent(pairs in prop::collection::vec((any::<f32>(), any::<f64>()), 0..40)) {
            let (model, change): (Vec<f32>, Vec<f64>) = pairs.into_iter().unzip();
            there_and_back(&change, &model);
        }

        #[test]
        fn a_step_of_a_model_takes_four_bytes_a_value(pairs in prop::collection::vec((-9f32..9.0, -9f32..9.0), 1..40)) {
            let change: Vec<f64> = pairs.iter().map(|(x, y)| f64::from(*y) - f64::from(*x)).collect();
            let model: Vec<f32> = pairs.iter().map(|(x, _)| *x).collect();
            prop_assert!(there_and_back(&change, &model) <= 4 * change.len() as u64);
        }
    }

    #[test]
    fn each_kind_has_its_bytes() {
        let model = [1.0f32; 16];
        let mut few = vec![0.0; 16];
        few[3] = f64::from(0.1f32);
        assert_eq!(there_and_back(&few, &model), 8);
        assert_eq!(there_and_back(&[0.5; 16], &model), 32);
        assert_eq!(there_and_back(&[f64::from(1.1f32) - 1.0; 16], &model), 64);
        assert_eq!(there_and_back(&[0.1; 16], &model), 128, "no model in single precision has it");
        assert_eq!(there_and_back(&[-0.0; 16], &model), 32);
        assert_eq!(there_and_back(&[], &model), 0);
    }

    #[test]
    fn what_is_no_change_of_the_model_is_refused() {
        assert!(Travelling::Few(vec![7].into(), vec![1.0].into()).change(&[0.0; 3]).is_none());
        assert!(Travelling::Model(vec![1.0].into()).change(&[0.0; 3]).is_none());
    }
}
