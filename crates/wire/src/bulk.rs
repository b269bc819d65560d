//! Bulk data: long runs of `f32` or `u32` that are shared, not copied, and that no serialiser touches.
//!
//! A [`Bulk`] is a range of a reference-counted buffer. Sending one in process hands over the reference; sending it
//! through a socket writes its memory. A buffer that came from a [`Pool`] returns there with its last owner.

use crate::Pool;
use bytemuck::Pod;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Shared, immutable `f32`s: parameters and gradients.
pub type Tensor = Bulk<f32>;

/// Shared, immutable `u32`s: the coordinates of a sparse gradient.
pub type Indices = Bulk<u32>;

/// A shared, immutable run of numbers. A clone is a reference and costs nothing.
///
/// ```
/// use syncline_wire::Tensor;
/// let whole = Tensor::from(vec![1.0, 2.0, 3.0, 4.0]);
/// let half = whole.slice(2..4);
/// assert_eq!(half[..], [3.0, 4.0]);
/// drop(half);
/// assert_eq!(whole.try_into_vec().unwrap(), [1.0, 2.0, 3.0, 4.0]); // the only owner: no copy
/// ```
pub struct Bulk<T: Pod> {
    buffer: Arc<Buffer<T>>,
    range: Range<usize>,
}

struct Buffer<T: Pod> {
    values: Vec<T>,
    home: Option<Pool<T>>,
}

impl<T: Pod> Bulk<T> {
    pub(crate) fn pooled(values: Vec<T>, length: usize, home: Pool<T>) -> Bulk<T> {
        Bulk { buffer: Arc::new(Buffer { values, home: Some(home) }), range: 0..length }
    }

    /// A part of this one, sharing its memory; `range` counts from this one's start.
    ///
    /// # Panics
    /// When the range reaches beyond the end, as slicing does.
    pub fn slice(&self, range: Range<usize>) -> Bulk<T> {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "range {range:?} of {} values",
            self.len()
        );
        let start = self.range.start;
        Bulk { buffer: Arc::clone(&self.buffer), range: start + range.start..start + range.end }
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
    pub fn try_into_vec(mut self) -> Result<Vec<T>, Bulk<T>> {
        let Range { start: 0, end } = self.range else { return Err(self) };
        let Some(buffer) = Arc::get_mut(&mut self.buffer) else { return Err(self) };
        buffer.home = None;
        let mut values = std::mem::take(&mut buffer.values);
        values.truncate(end);
        Ok(values)
    }

    /// The values as a vector: the buffer itself where possible, else a copy.
    pub fn into_vec(self) -> Vec<T> {
        self.try_into_vec().unwrap_or_else(|shared| shared.to_vec())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

impl<T: Pod> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.put_back(std::mem::take(&mut self.values));
        }
    }
}

impl<T: Pod> Deref for Bulk<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.buffer.values[self.range.clone()]
    }
}

impl<T: Pod> Clone for Bulk<T> {
    fn clone(&self) -> Self {
        Bulk { buffer: Arc::clone(&self.buffer), range: self.range.clone() }
    }
}

impl<T: Pod> From<Vec<T>> for Bulk<T> {
    fn from(values: Vec<T>) -> Self {
        let range = 0..values.len();
        Bulk { buffer: Arc::new(Buffer { values, home: None }), range }
    }
}

impl<T: Pod> Default for Bulk<T> {
    fn default() -> Self {
        Bulk::from(Vec::new())
    }
}

impl<T: Pod + PartialEq> PartialEq for Bulk<T> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Bulk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{} values ", self.len())?;
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
}
