//! A tensor of any kind: what a frame carries, and what a program uses that learns its kinds at run time.

use super::pool::Pools;
use crate::{Dtype, Element, Error, Result, Shape, Tensor};
use half::{bf16, f16};

/// A tensor whose kind of number is a value, not a type.
///
/// ```
/// use syncline_wire::{AnyTensor, Dtype, Tensor};
/// let any = AnyTensor::from(Tensor::from(vec![1_u16, 2]));
/// assert_eq!(any.dtype(), Dtype::U16);
/// assert_eq!(any.get::<u16>().map(|tensor| tensor[1]), Some(2));
/// assert!(any.get::<f32>().is_none());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is a tensor of the type of its name")]
pub enum AnyTensor {
    F32(Tensor<f32>),
    F64(Tensor<f64>),
    F16(Tensor<f16>),
    Bf16(Tensor<bf16>),
    I8(Tensor<i8>),
    I16(Tensor<i16>),
    I32(Tensor<i32>),
    I64(Tensor<i64>),
    U8(Tensor<u8>),
    U16(Tensor<u16>),
    U32(Tensor<u32>),
    U64(Tensor<u64>),
    Bool(Tensor<bool>),
}

/// The same expression for the tensor inside, whatever its kind.
macro_rules! each {
    ($any:expr, $tensor:ident => $value:expr) => {
        match $any {
            AnyTensor::F32($tensor) => $value,
            AnyTensor::F64($tensor) => $value,
            AnyTensor::F16($tensor) => $value,
            AnyTensor::Bf16($tensor) => $value,
            AnyTensor::I8($tensor) => $value,
            AnyTensor::I16($tensor) => $value,
            AnyTensor::I32($tensor) => $value,
            AnyTensor::I64($tensor) => $value,
            AnyTensor::U8($tensor) => $value,
            AnyTensor::U16($tensor) => $value,
            AnyTensor::U32($tensor) => $value,
            AnyTensor::U64($tensor) => $value,
            AnyTensor::Bool($tensor) => $value,
        }
    };
}

pub(crate) use each;

impl AnyTensor {
    /// The kind of its elements.
    pub fn dtype(&self) -> Dtype {
        each!(self, tensor => dtype_of(tensor))
    }

    /// The length along each axis.
    pub fn shape(&self) -> &Shape {
        each!(self, tensor => tensor.shape())
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        each!(self, tensor => tensor.len())
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tensor, if its elements are of this type.
    pub fn get<T: Element>(&self) -> Option<Tensor<T>> {
        T::restore(self.clone())
    }

    /// Its memory, little-endian.
    pub fn bytes(&self) -> &[u8] {
        each!(self, tensor => bytes_of(tensor))
    }

    /// The same numbers in another shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when the shape has another number of elements.
    pub fn reshaped(self, shape: impl Into<Shape>) -> Result<AnyTensor> {
        let shape = shape.into();
        each!(self, tensor => Ok(Element::erase(tensor.reshaped(shape)?)))
    }

    /// A tensor whose values are still to be read, in a buffer from `pools`.
    pub(crate) fn blank(dtype: Dtype, shape: Shape, pools: &Pools) -> Result<Blank> {
        let length = shape.elements().ok_or_else(|| Error::decode("a tensor's shape overflows"))?;
        let tensor = match dtype {
            Dtype::F32 => pools.f32.take(length).into(),
            Dtype::F64 => pools.f64.take(length).into(),
            Dtype::F16 => pools.f16.take(length).into(),
            Dtype::Bf16 => pools.bf16.take(length).into(),
            Dtype::I8 => pools.i8.take(length).into(),
            Dtype::I16 => pools.i16.take(length).into(),
            Dtype::I32 => pools.i32.take(length).into(),
            Dtype::I64 => pools.i64.take(length).into(),
            // Not every byte is a boolean, so they are read as numbers first.
            Dtype::U8 | Dtype::Bool => pools.u8.take(length).into(),
            Dtype::U16 => pools.u16.take(length).into(),
            Dtype::U32 => pools.u32.take(length).into(),
            Dtype::U64 => pools.u64.take(length).into(),
        };
        Ok(Blank { tensor, shape, is_bool: dtype == Dtype::Bool })
    }
}

impl<T: Element> From<Tensor<T>> for AnyTensor {
    fn from(tensor: Tensor<T>) -> Self {
        T::erase(tensor)
    }
}

fn dtype_of<T: Element>(_: &Tensor<T>) -> Dtype {
    T::DTYPE
}

fn bytes_of<T: Element>(tensor: &Tensor<T>) -> &[u8] {
    T::bytes(tensor)
}

/// A tensor that is being received.
pub(crate) struct Blank {
    tensor: AnyTensor,
    shape: Shape,
    is_bool: bool,
}

impl Blank {
    /// The memory to be read into.
    pub(crate) fn bytes(&mut self) -> Result<&mut [u8]> {
        let bytes = match &mut self.tensor {
            AnyTensor::F32(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::F64(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::F16(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::Bf16(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::I8(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::I16(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::I32(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::I64(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::U8(tensor) => tensor.get_mut(),
            AnyTensor::U16(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::U32(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::U64(tensor) => tensor.get_mut().map(bytemuck::cast_slice_mut),
            AnyTensor::Bool(_) => None,
        };
        bytes.ok_or_else(|| Error::decode("a pooled buffer is shared"))
    }

    /// The tensor, now that its values have been read.
    pub(crate) fn filled(self) -> Result<AnyTensor> {
        match self.tensor {
            AnyTensor::U8(bytes) if self.is_bool => {
                if bytes.iter().any(|&byte| byte > 1) {
                    return Err(Error::decode("a boolean is neither 0 nor 1"));
                }
                let flags: Vec<bool> = bytes.iter().map(|&byte| byte == 1).collect();
                Tensor::from(flags).reshaped(self.shape).map(AnyTensor::from)
            }
            tensor => tensor.reshaped(self.shape),
        }
    }
}
