//! Buffers used again. A fresh large allocation is faulted in page by page, which halves the speed of a 64 MiB message;
//! a buffer that was read into before is warm. The pool is bounded in number, and in bytes by what it may keep in any case
//! or, where that is more, by what was in use at once lately: buffers of any size serve again as long as such are asked for,
//! and take no more memory than they needed anyhow. The oldest goes first.

use crate::{Element, Limits, Tensor};
use half::{bf16, f16};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Free buffers kept at most, whatever their size.
const BUFFERS: usize = 64;

/// What was in use at once is forgotten after so many to twice as many requests.
const LATELY: u64 = 64;

/// A buffer is used again for a request of at least this fraction of its length, so that little ones do not occupy the
/// large.
const SMALLEST_FRACTION: usize = 4;

/// A bounded store of free buffers. Clones share it.
pub struct Pool<T: Element> {
    shelf: Arc<Mutex<Shelf<T>>>,
}

/// How often buffers were asked for and how often a used one served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reuse {
    /// Buffers handed out.
    pub taken: u64,
    /// Those of them that had been used before.
    pub reused: u64,
}

struct Shelf<T> {
    free: VecDeque<Vec<T>>,
    free_bytes: usize,
    capacity_bytes: usize,
    /// Bytes that are with their users.
    out_bytes: usize,
    /// The most of them at once, of these [`LATELY`] requests and of those before.
    most_out_bytes: [usize; 2],
    reuse: Reuse,
}

impl<T: Element> Pool<T> {
    /// An empty pool that keeps `capacity_bytes` of free buffers at most, or with those in use as much as was lately in use at
    /// once.
    pub fn new(capacity_bytes: usize) -> Pool<T> {
        let shelf = Shelf {
            free: VecDeque::new(),
            free_bytes: 0,
            capacity_bytes,
            out_bytes: 0,
            most_out_bytes: [0; 2],
            reuse: Reuse::default(),
        };
        Pool { shelf: Arc::new(Mutex::new(shelf)) }
    }

    /// A buffer of `length` elements of unspecified value (zeros or what an earlier user left). Nobody else has it, so
    /// [`Tensor::get_mut`] gives access; it comes back to the pool when its last owner drops it.
    pub fn take(&self, length: usize) -> Tensor<T> {
        // The lock is released before a fresh allocation.
        let used = self.shelf().take(length);
        Tensor::pooled(used.unwrap_or_else(|| vec![T::default(); length]), length, self.clone())
    }

    /// Counts so far.
    pub fn reuse(&self) -> Reuse {
        self.shelf().reuse
    }

    pub(crate) fn put_back(&self, buffer: Vec<T>) {
        self.shelf().put_back(buffer);
    }

    /// A buffer that was handed out does not come back.
    pub(crate) fn forget(&self, buffer: &[T]) {
        self.shelf().out_bytes -= size_of_val(buffer);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<T>> {
        // No code that holds the lock can panic half-way through a change.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Element> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Pool { shelf: Arc::clone(&self.shelf) }
    }
}

impl<T: Element> Shelf<T> {
    /// Accounts for a request, and serves it by the most recently used buffer that fits, the likeliest to be in the
    /// processor's cache. Where none does, the asker makes one of just that length.
    fn take(&mut self, length: usize) -> Option<Vec<T>> {
        if self.reuse.taken.is_multiple_of(LATELY) {
            self.most_out_bytes = [self.out_bytes, self.most_out_bytes[0]];
        }
        self.reuse.taken += 1;
        let fits = |buffer: &Vec<T>| buffer.len() >= length && buffer.len() / SMALLEST_FRACTION <= length;
        let position = self.free.iter().rposition(fits);
        let used = position.and_then(|position| self.free.remove(position));
        let bytes = used.as_ref().map_or(length * size_of::<T>(), |buffer| size_of_val(buffer.as_slice()));
        if used.is_some() {
            self.free_bytes -= bytes;
            self.reuse.reused += 1;
        }
        self.out_bytes += bytes;
        self.most_out_bytes[0] = self.most_out_bytes[0].max(self.out_bytes);
        used
    }

    fn put_back(&mut self, buffer: Vec<T>) {
        let bytes = size_of_val(buffer.as_slice());
        self.out_bytes -= bytes;
        self.free_bytes += bytes;
        self.free.push_back(buffer);
        while self.free.len() > BUFFERS || self.is_overfull() {
            let Some(oldest) = self.free.pop_front() else { return };
            self.free_bytes -= size_of_val(oldest.as_slice());
        }
    }

    fn is_overfull(&self) -> bool {
        let most_out = self.most_out_bytes[0].max(self.most_out_bytes[1]);
        self.free_bytes > self.capacity_bytes && self.free_bytes + self.out_bytes > most_out
    }
}

/// The pools of one client or listener, one a kind of number. Booleans are read into bytes.
#[derive(Clone)]
pub(crate) struct Pools {
    pub f32: Pool<f32>,
    pub f64: Pool<f64>,
    pub f16: Pool<f16>,
    pub bf16: Pool<bf16>,
    pub i8: Pool<i8>,
    pub i16: Pool<i16>,
    pub i32: Pool<i32>,
    pub i64: Pool<i64>,
    pub u8: Pool<u8>,
    pub u16: Pool<u16>,
    pub u32: Pool<u32>,
    pub u64: Pool<u64>,
}

impl Pools {
    /// Half of what may be kept is for `f32`, of which parameters are made; few programs use more than three kinds.
    pub(crate) fn new(limits: &Limits) -> Pools {
        let (most, rest) = (limits.pooled / 2, limits.pooled / 4);
        Pools {
            f32: Pool::new(most),
            f64: Pool::new(rest),
            f16: Pool::new(rest),
            bf16: Pool::new(rest),
            i8: Pool::new(rest),
            i16: Pool::new(rest),
            i32: Pool::new(rest),
            i64: Pool::new(rest),
            u8: Pool::new(rest),
            u16: Pool::new(rest),
            u32: Pool::new(rest),
            u64: Pool::new(rest),
        }
    }

    /// Counts so far, of all kinds together.
    pub(crate) fn reuse(&self) -> Reuse {
        let Pools { f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64 } = self;
        let floats = [f32.reuse(), f64.reuse(), f16.reuse(), bf16.reuse()];
        let signed = [i8.reuse(), i16.reuse(), i32.reuse(), i64.reuse()];
        let unsigned = [u8.reuse(), u16.reuse(), u32.reuse(), u64.reuse()];
        let all = floats.iter().chain(&signed).chain(&unsigned);
        all.fold(Reuse::default(), |sum, kind| Reuse {
            taken: sum.taken + kind.taken,
            reused: sum.reused + kind.reused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_serves_again() {
        let pool = Pool::<f32>::new(1 << 20);
        let first = pool.take(100);
        let place = first.as_ptr();
        drop(first);
        assert_eq!(pool.take(80).as_ptr(), place);
        assert_eq!(pool.reuse(), Reuse { taken: 2, reused: 1 });
    }

    #[test]
    fn small_requests_leave_large_buffers_alone() {
        let pool = Pool::<f32>::new(1 << 20);
        drop(pool.take(1000));
        drop(pool.take(10));
        assert_eq!(pool.reuse().reused, 0);
    }

    #[test]
    fn buffers_of_any_size_serve_again_while_they_are_asked_for() {
        let pool = Pool::<u32>::new(100);
        for _ in 0..10 {
            drop([pool.take(1000), pool.take(1000)]);
        }
        assert_eq!(pool.reuse(), Reuse { taken: 20, reused: 18 });
        assert_eq!(pool.shelf().free_bytes, 8000);
        // A vector that its owner keeps is no longer the pool's.
        assert_eq!(pool.take(1000).into_vec().len(), 1000);
        let (free, out) = {
            let shelf = pool.shelf();
            (shelf.free_bytes, shelf.out_bytes)
        };
        assert_eq!((free, out), (4000, 0));
        for _ in 0..2 * LATELY {
            drop(pool.take(1));
        }
        assert!(pool.shelf().free_bytes <= 100);
    }

    #[test]
    fn bounded_in_number() {
        let pool = Pool::<u32>::new(4000);
        let tiny: Vec<_> = (0..1000).map(|_| pool.take(1)).collect();
        drop(tiny);
        assert_eq!(pool.shelf().free.len(), BUFFERS);
    }
}
