//! A round's buffers, lent by the thread that works for a worker to the interpreter's.
//!
//! A round's parameters lie where they were pulled to, and its gradient goes where it is pushed from. Both are lent, so that
//! they cross with one copy each: into the arrays of the script, and out of them.
//!
//! - LENT-1: whoever lends does nothing with the buffers until they are back: [`lend`] returns only when the [`Lent`] has been
//!   given back or dropped, and with it every way to the buffers.

use std::{
    ptr::NonNull,
    slice,
    sync::mpsc::{self, SyncSender},
};

use syncline::learn::Score;

/// Buffers that belong to somebody who waits for them.
pub(crate) struct Lent {
    parameters: NonNull<f32>,
    gradient: NonNull<f32>,
    length: usize,
    gradient_length: usize,
    back: SyncSender<Score>,
}

// SAFETY: the pointers are to memory that nobody else touches as long as the value lives (LENT-1), so it may be used on any
// one thread.
unsafe impl Send for Lent {}

// SAFETY: a shared reference gives the parameters for reading only.
unsafe impl Sync for Lent {}

/// Lends parameters and room for a gradient by `take`; returns what was computed when both are back, or nothing when they came
/// back unused.
pub(crate) fn lend(parameters: &[f32], gradient: &mut [f32], take: impl FnOnce(Lent)) -> Option<Score> {
    let (back, returned) = mpsc::sync_channel(1);
    take(Lent {
        // A slice has an address, also one without elements.
        parameters: NonNull::from(parameters).cast(),
        gradient: NonNull::from(&mut *gradient).cast(),
        length: parameters.len(),
        gradient_length: gradient.len(),
        back,
    });
    // Also when it is dropped, because its sender goes with it; what it sends is the last that it does.
    returned.recv().ok()
}

impl Lent {
    /// The parameters.
    pub(crate) fn parameters(&self) -> &[f32] {
        // SAFETY: they are borrowed by `lend`, which has not returned while `self` lives; nobody writes to them.
        unsafe { slice::from_raw_parts(self.parameters.as_ptr(), self.length) }
    }

    /// Room for the gradient.
    pub(crate) fn gradient(&mut self) -> &mut [f32] {
        // SAFETY: it is borrowed for writing by `lend`, which has not returned while `self` lives, and `self` is borrowed for
        // writing by whoever has the slice.
        unsafe { slice::from_raw_parts_mut(self.gradient.as_ptr(), self.gradient_length) }
    }

    /// Gives both back with what was computed.
    pub(crate) fn give_back(self, score: Score) {
        // The lender waits. There is room for the one message.
        let _ = self.back.send(score);
    }
}
