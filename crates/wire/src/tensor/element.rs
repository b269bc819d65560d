//! The kinds of number that a tensor can have, and how each is told on the wire.

use crate::{AnyTensor, Tensor};
use half::{bf16, f16};
use std::fmt;

/// The kind of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is the type of its name")]
pub enum Dtype {
    F32 = 1,
    F64 = 2,
    F16 = 3,
    Bf16 = 4,
    I8 = 5,
    I16 = 6,
    I32 = 7,
    I64 = 8,
    U8 = 9,
    U16 = 10,
    U32 = 11,
    U64 = 12,
    Bool = 13,
}

impl Dtype {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
            Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// A type that tensors can be made of: `f32`, `f64`, `f16`, `bf16`, the integers of 8 to 64 bits, and `bool`.
pub trait Element: Copy + Default + PartialEq + fmt::Debug + Send + Sync + sealed::Raw + 'static {
    /// Its kind.
    const DTYPE: Dtype;

    /// A tensor of it, as one of any kind.
    fn erase(tensor: Tensor<Self>) -> AnyTensor;

    /// Back from any kind; `None` if it has another.
    fn restore(tensor: AnyTensor) -> Option<Tensor<Self>>;
}

pub(crate) mod sealed {
    /// How its memory is sent. What arrives is read into memory of a type for which every pattern of bits is valid.
    pub trait Raw: Sized {
        fn bytes(values: &[Self]) -> &[u8];
    }
}

macro_rules! elements {
    ($($variant:ident: $type:ty),* $(,)?) => {
        $(
            impl Element for $type {
                const DTYPE: Dtype = Dtype::$variant;

                fn erase(tensor: Tensor<Self>) -> AnyTensor {
                    AnyTensor::$variant(tensor)
                }

                fn restore(tensor: AnyTensor) -> Option<Tensor<Self>> {
                    match tensor {
                        AnyTensor::$variant(tensor) => Some(tensor),
                        _ => None,
                    }
                }
            }

            impl sealed::Raw for $type {
                fn bytes(values: &[Self]) -> &[u8] {
                    bytemuck::cast_slice(values)
                }
            }
        )*

        impl Dtype {
            /// All of them.
            pub const ALL: [Dtype; 13] = [$(Dtype::$variant),*];

            /// The kind that the wire tells as `code`.
            pub(crate) fn of_code(code: u8) -> Option<Dtype> {
                Self::ALL.into_iter().find(|dtype| *dtype as u8 == code)
            }
        }
    };
}

elements! {
    F32: f32, F64: f64, F16: f16, Bf16: bf16, I8: i8, I16: i16, I32: i32, I64: i64, U8: u8, U16: u16, U32: u32,
    U64: u64, Bool: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_sizes_are_those_of_the_types() {
        for dtype in Dtype::ALL {
            assert_eq!(Dtype::of_code(dtype as u8), Some(dtype));
        }
        assert!(Dtype::of_code(0).is_none() && Dtype::of_code(14).is_none());
        assert_eq!((f32::DTYPE.size(), bf16::DTYPE.size(), bool::DTYPE.size()), (4, 2, 1));
        assert_eq!(Dtype::Bf16.to_string(), "bf16");
    }
}
