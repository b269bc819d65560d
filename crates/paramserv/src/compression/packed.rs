//! Numbers as they travel.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use syncline_wire::{Tensor, bf16, f16};

use super::Format;
use crate::shards::LINE;

/// Neighbours that share a scale in int8. Shards are cut between lines of as many, so that no block lies in two.
pub(super) const BLOCK: usize = LINE;

/// The largest whole multiple of a scale.
const LARGEST: f32 = 127.0;

/// Numbers of 32 bits, as they are or in a shorter format. What a peer sent may be anything: it is
/// [checked](Packed::check) before it is unpacked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Packed {
    F32(Tensor<f32>),
    Bf16(Tensor<bf16>),
    F16(Tensor<f16>),
    /// A value is its number times the scale of its block.
    Int8 {
        scales: Tensor<bf16>,
        values: Tensor<i8>,
    },
}

/// A number that a format cannot hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TooLarge(pub f32);

impl Packed {
    /// Packs numbers; where no format is asked for they stay as they are.
    pub(crate) fn pack(format: Option<Format>, values: &Tensor<f32>) -> Result<Self, TooLarge> {
        Ok(match format {
            None => Self::F32(values.clone()),
            Some(Format::Bf16) => {
                Self::Bf16(values.iter().map(|&value| bf16::from_f32(value)).collect::<Vec<_>>().into())
            }
            Some(Format::F16) => {
                let halves: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
                let lost = |(half, value): &(&f16, &f32)| half.is_infinite() && value.is_finite();
                if let Some((_, value)) = halves.iter().zip(values.iter()).find(lost) {
                    return Err(TooLarge(*value));
                }
                Self::F16(halves.into())
            }
            Some(Format::Int8) => int8(values),
        })
    }

    /// How many numbers these are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::Int8 { values, .. } => values.len(),
        }
    }

    /// Bytes that travel.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::F32(values) => size_of_val(&values[..]),
            Self::Bf16(values) => size_of_val(&values[..]),
            Self::F16(values) => size_of_val(&values[..]),
            Self::Int8 { scales, values } => size_of_val(&scales[..]) + size_of_val(&values[..]),
        };
        bytes as u64
    }

    /// Those of a range that begins with a block and ends with one or with the last number.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        match self {
            Self::F32(values) => Self::F32(values.slice(range)),
            Self::Bf16(values) => Self::Bf16(values.slice(range)),
            Self::F16(values) => Self::F16(values.slice(range)),
            Self::Int8 { scales, values } => Self::Int8 {
                scales: scales.slice(range.start.div_ceil(BLOCK)..range.end.div_ceil(BLOCK)),
                values: values.slice(range),
            },
        }
    }

    /// Whether its parts fit together; otherwise what does not.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Self::Int8 { scales, values } = self
            && scales.len() != values.len().div_ceil(BLOCK)
        {
            let (scales, values) = (scales.len(), values.len());
            return Err(format!("{values} numbers of a byte have {scales} scales, not one for each {BLOCK}"));
        }
        Ok(())
    }

    /// Whether no block has a scale that is no number: a worker sends none.
    pub(crate) fn has_usable_scales(&self) -> bool {
        let Self::Int8 { scales, .. } = self else { return true };
        scales.iter().all(|scale| scale.is_finite() && !scale.is_sign_negative())
    }

    /// Appends the numbers to others.
    pub(crate) fn unpack_onto(&self, out: &mut Vec<f32>) {
        match self {
            Self::F32(values) => out.extend_from_slice(values),
            Self::Bf16(values) => out.extend(values.iter().map(|value| value.to_f32())),
            Self::F16(values) => out.extend(values.iter().map(|value| value.to_f32())),
            Self::Int8 { scales, values } => {
                for (block, scale) in values.chunks(BLOCK).zip(scales.iter()) {
                    let scale = scale.to_f32();
                    out.extend(block.iter().map(|&value| f32::from(value) * scale));
                }
            }
        }
    }

    /// The numbers, without a copy where they are as they were.
    pub(crate) fn unpacked(self) -> Tensor<f32> {
        if let Self::F32(values) = self {
            return values;
        }
        let mut values = Vec::with_capacity(self.len());
        self.unpack_onto(&mut values);
        values.into()
    }
}

/// Each block as whole multiples of a scale; one with a value that is no number has a scale that is none.
fn int8(values: &[f32]) -> Packed {
    let (mut scales, mut numbers) =
        (Vec::with_capacity(values.len().div_ceil(BLOCK)), Vec::with_capacity(values.len()));
    for block in values.chunks(BLOCK) {
        let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let scale = match block.iter().all(|value| value.is_finite()) {
            true => upwards(largest / LARGEST),
            false => bf16::NAN,
        };
        scales.push(scale);
        let scale = scale.to_f32();
        numbers.extend(block.iter().map(|value| nearest(value / scale)));
    }
    Packed::Int8 { scales: scales.into(), values: numbers.into() }
}

/// The least number of 16 bits that is not less than this one of 32, which is not negative.
fn upwards(value: f32) -> bf16 {
    bf16::from_bits((value.to_bits().saturating_add(0xffff) >> 16) as u16)
}

/// The nearest whole number, ties to even, for a quotient of up to 127. Beside 1.5 x 2^23 a number of 32 bits has no
/// room for a fraction, so that the addition rounds: an addition exists in vectors on every machine, a rounding does not.
fn nearest(quotient: f32) -> i8 {
    const ROOM: f32 = 12_582_912.0;
    ((quotient + ROOM) - ROOM) as i8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(format: Format, values: &[f32]) -> Packed {
        Packed::pack(Some(format), &values.to_vec().into()).unwrap()
    }

    /// Numbers of gradients and parameters: of any size that f16 holds, small ones, and zero.
    fn numbers() -> impl Strategy<Value = Vec<f32>> {
        let number = prop_oneof![-1.0f32..1.0, -6e4f32..6e4, -1e-3f32..1e-3, -1e-30f32..1e-30, Just(0.0f32)];
        prop::collection::vec(number, 0..100)
    }

    proptest! {
        #[test]
        fn each_number_comes_back_within_the_bound_of_its_format(values in numbers()) {
            for format in [Format::Bf16, Format::F16, Format::Int8] {
                let packed = packed(format, &values);
                prop_assert!(packed.check().is_ok() && packed.has_usable_scales());
                prop_assert_eq!(packed.len(), values.len());
                prop_assert_eq!(packed.bytes(), format.bytes(values.len()));
                let back = packed.unpacked();
                for (at, (&value, &back)) in values.iter().zip(back.iter()).enumerate() {
                    let block = &values[at / BLOCK * BLOCK..values.len().min((at / BLOCK + 1) * BLOCK)];
                    let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
                    let bound = match format {
                        // Half of the last of 8 and of 11 bits; f16 counts below 2^-14 in steps of 2^-24.
                        Format::Bf16 => value.abs() / 256.0,
                        Format::F16 => (value.abs() / 2048.0).max(2f32.powi(-25)),
                        // Half of a scale, which is at most a 128th larger than a 127th of the largest.
                        Format::Int8 => largest / 127.0 / 2.0 * (1.0 + 1.0 / 64.0),
                    };
                    prop_assert!((value - back).abs() <= bound + f32::MIN_POSITIVE, "{}: {} came back as {}", format, value, back);
                }
            }
        }

        #[test]
        fn comp_1_what_a_shard_gets_is_what_it_would_have_packed(values in numbers(), line in 0usize..7) {
            let cut = (line * LINE).min(values.len());
            for format in [Format::Bf16, Format::F16, Format::Int8] {
                let whole = packed(format, &values);
                for part in [0..cut, cut..values.len()] {
                    let (ours, theirs) = (whole.slice(part.clone()), packed(format, &values[part]));
                    prop_assert!(ours.check().is_ok());
                    prop_assert_eq!(&ours.unpacked()[..], &theirs.unpacked()[..]);
                }
            }
        }
    }

    #[test]
    fn the_largest_of_a_block_and_the_ends_of_the_range_hold() {
        let back = |format, values: &[f32]| packed(format, values).unpacked().to_vec();
        assert_eq!(back(Format::Int8, &[0.0; 20]), [0.0; 20]);
        assert_eq!(back(Format::Int8, &[127.0, -127.0, 3.0, 2.5, 3.5]), [127.0, -127.0, 3.0, 2.0, 4.0]);
        let tiny = back(Format::Int8, &[f32::from_bits(1), 0.0]);
        assert!(tiny.iter().all(|value| value.is_finite()), "{tiny:?}");
        assert!(back(Format::Int8, &[f32::MAX, 1.0])[0] > 0.99 * f32::MAX);
        assert_eq!(back(Format::F16, &[65504.0, -65504.0]), [65504.0, -65504.0]);
        let values: Tensor<f32> = vec![1.0, -1e5].into();
        assert_eq!(Packed::pack(Some(Format::F16), &values).unwrap_err(), TooLarge(-1e5));
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for format in [Format::Bf16, Format::F16, Format::Int8] {
            for odd in [f32::NAN, f32::INFINITY] {
                let values = packed(format, &[1.0, odd]).unpacked();
                assert!(!values[1].is_finite(), "{format}: {values:?}");
            }
        }
        assert!(!packed(Format::Int8, &[f32::NAN]).has_usable_scales());
    }

    #[test]
    fn parts_that_do_not_fit_are_found_out() {
        let odd = |scales: usize, values: usize| Packed::Int8 {
            scales: vec![bf16::ONE; scales].into(),
            values: vec![1; values].into(),
        };
        for (scales, values) in [(0, 1), (2, 16), (1, 17), (1, 0)] {
            assert!(odd(scales, values).check().unwrap_err().contains("scales"), "{scales} {values}");
        }
        assert!(odd(2, 17).check().is_ok());
        let negative = Packed::Int8 { scales: vec![-bf16::ONE].into(), values: vec![1].into() };
        assert!(!negative.has_usable_scales());
    }
}
