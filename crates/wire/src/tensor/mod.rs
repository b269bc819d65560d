//! Tensors: numbers in bulk that are shared, not copied, and that no serialiser touches.
//!
//! A [`Tensor`] is a range of a reference-counted buffer, and a shape. Handing one over in process hands over the
//! reference; sending it through a socket writes its memory. A buffer that came from a [`Pool`] returns there with its
//! last owner.

pub(crate) mod any;
pub(crate) mod element;
pub(crate) mod pool;
pub(crate) mod shape;
pub(crate) mod stack;

use crate::{Element, Error, Pool, Result, Shape};
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Shared, immutable numbers of one kind, row-major. A clone is a reference and costs nothing.
///
/// It is an ordinary field of a request or a reply: deriving serde's traits is all that a type with tensors in it needs.
///
/// ```
/// use syncline_wire::Tensor;
/// let whole = Tensor::from(vec![1.0_f32, 2.0, 3.0, 4.0]);
/// let half = whole.slice(2..4);
/// assert_eq!(half[..], [3.0, 4.0]);
/// drop(half);
/// let table = whole.reshaped([2, 2])?;
/// assert_eq!(table.shape()[..], [2, 2]);
/// assert_eq!(table.try_into_vec().unwrap(), [1.0, 2.0, 3.0, 4.0]); // the only owner: no copy
/// # Ok::<(), syncline_wire::Error>(())
/// ```
pub struct Tensor<T: Element> {
    buffer: Arc<Buffer<T>>,
    range: Range<usize>,
    shape: Shape,
}

struct Buffer<T: Element> {
    values: Vec<T>,
    home: Option<Pool<T>>,
}

impl<T: Element> Tensor<T> {
    /// A tensor of this shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when the shape has another number of elements, or more axes than 32.
    pub fn new(shape: impl Into<Shape>, values: Vec<T>) -> Result<Tensor<T>> {
        Tensor::from(values).reshaped(shape)
    }

    /// A single number: a tensor without axes.
    pub fn scalar(value: T) -> Tensor<T> {
        Tensor { shape: Shape::from([]), ..Tensor::from(vec![value]) }
    }

    pub(crate) fn pooled(values: Vec<T>, length: usize, home: Pool<T>) -> Tensor<T> {
        Tensor::of(Buffer { values, home: Some(home) }, length)
    }

    fn of(buffer: Buffer<T>, length: usize) -> Tensor<T> {
        Tensor { buffer: Arc::new(buffer), range: 0..length, shape: length.into() }
    }

    /// The length along each axis.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The same numbers in another shape; nothing is copied.
    ///
    /// # Errors
    /// [`Error::Shape`] when the shape has another number of elements, or more axes than 32.
    pub fn reshaped(self, shape: impl Into<Shape>) -> Result<Tensor<T>> {
        let shape = shape.into();
        if shape.elements() != Some(self.len()) || shape.len() > shape::MAX_RANK {
            return Err(Error::Shape { shape: shape.to_string(), elements: self.len() });
        }
        Ok(Tensor { shape, ..self })
    }

    /// A part of the numbers as they lie, sharing their memory, in one axis; `range` counts from this tensor's start.
    ///
    /// # Panics
    /// When the range reaches beyond the end, as slicing does.
    pub fn slice(&self, range: Range<usize>) -> Tensor<T> {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "range {range:?} of {} values",
            self.len()
        );
        let (start, shape) = (self.range.start, range.len().into());
        Tensor { buffer: Arc::clone(&self.buffer), range: start + range.start..start + range.end, shape }
    }

    /// Whether this is the buffer's only owner.
    pub fn is_unique(&self) -> bool {
        Arc::strong_count(&self.buffer) == 1
    }

    /// The values to be changed in place, if this is the buffer's only owner.
    pub fn get_mut(&mut self) -> Option<&mut [T]> {
        let range = self.range.clone();
        Arc::get_mut(&mut self.buffer).map(|buffer| &mut buffer.values[range])
    }

    /// The buffer itself, without a copy, if this is its only owner and starts at its beginning; else this one back.
    /// A buffer taken so does not return to its pool.
    pub fn try_into_vec(mut self) -> Result<Vec<T>, Tensor<T>> {
        let Range { start: 0, end } = self.range else { return Err(self) };
        let Some(buffer) = Arc::get_mut(&mut self.buffer) else { return Err(self) };
        let mut values = std::mem::take(&mut buffer.values);
        if let Some(home) = buffer.home.take() {
            home.forget(&values);
        }
        values.truncate(end);
        Ok(values)
    }

    /// The values as a vector: the buffer itself where possible, else a copy.
    pub fn into_vec(self) -> Vec<T> {
        self.try_into_vec().unwrap_or_else(|shared| shared.to_vec())
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.put_back(std::mem::take(&mut self.values));
        }
    }
}

impl<T: Element> Deref for Tensor<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.buffer.values[self.range.clone()]
    }
}

impl<T: Element> Clone for Tensor<T> {
    fn clone(&self) -> Self {
        Tensor { buffer: Arc::clone(&self.buffer), range: self.range.clone(), shape: self.shape.clone() }
    }
}

impl<T: Element> From<Vec<T>> for Tensor<T> {
    fn from(values: Vec<T>) -> Self {
        let length = values.len();
        Tensor::of(Buffer { values, home: None }, length)
    }
}

impl<T: Element> Default for Tensor<T> {
    fn default() -> Self {
        Tensor::from(Vec::new())
    }
}

impl<T: Element> PartialEq for Tensor<T> {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self[..] == other[..]
    }
}

impl<T: Element> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{} {} ", self.shape, T::DTYPE)?;
        let mut list = f.debug_list();
        list.entries(self.iter().take(SHOWN));
        if self.len() > SHOWN { list.finish_non_exhaustive() } else { list.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_share_and_nest() {
        let whole = Tensor::from((0..10).map(|value| value as f32).collect::<Vec<_>>());
        let part = whole.slice(2..8).slice(1..3);
        assert_eq!(part[..], [3.0, 4.0]);
        assert_eq!(part.as_ptr(), &raw const whole[3]);
        assert!(!whole.is_unique());
        assert_eq!(part.into_vec(), [3.0, 4.0]);
        assert!(whole.is_unique());
    }

    #[test]
    #[should_panic(expected = "of 2 values")]
    fn a_slice_cannot_leave_its_range() {
        Tensor::from(vec![0.0; 4]).slice(0..2).slice(0..3);
    }

    #[test]
    fn only_the_last_owner_may_change_or_take() {
        let mut first = Tensor::from(vec![1.0, 2.0]);
        let second = first.clone();
        assert!(first.get_mut().is_none());
        let first_again = first.try_into_vec().unwrap_err();
        drop(second);
        first = first_again;
        first.get_mut().unwrap()[0] = 5.0;
        assert_eq!(first.try_into_vec().unwrap(), [5.0, 2.0]);
    }

    #[test]
    fn a_taken_buffer_does_not_return_to_its_pool() {
        let pool = Pool::<f32>::new(1 << 10);
        assert_eq!(pool.take(3).try_into_vec().unwrap().len(), 3);
        pool.take(3);
        assert_eq!(pool.reuse().reused, 0);
    }

    #[test]
    fn a_shape_must_have_as_many_elements() {
        assert!(Tensor::new([2, 3], vec![1_u8; 6]).is_ok());
        assert!(Tensor::new([0, 7], Vec::<i64>::new()).is_ok());
        assert!(Tensor::new([], vec![true]).is_ok_and(|tensor| tensor == Tensor::scalar(true)));
        for shape in [vec![2, 2], vec![], vec![usize::MAX, usize::MAX], vec![1; 33]] {
            let error = Tensor::new(shape, vec![1_u8; 6]).unwrap_err().to_string();
            assert!(error.contains("6 elements"), "{error}");
        }
        assert_ne!(Tensor::new([2, 1], vec![1, 2]).unwrap(), Tensor::from(vec![1, 2]));
    }
}
