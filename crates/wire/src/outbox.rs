//! The writing half of a connection: whole frames out, in one system call where that is possible.
//!
//! A frame enters the queue without waiting, so a caller that gives up cannot leave half a frame behind. Who puts it there
//! decides when it leaves: [`Flush::Now`] writes on the spot what the socket takes (a lone call pays no task switch),
//! [`Flush::Soon`] leaves it to the flusher's task, which gathers all that is waiting into one write. The flusher also
//! continues what the socket did not take. The queue is bounded by the permits that its frames carry.

use crate::frame::Frame;
use crate::transport::WriteHalf;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;
use tokio::sync::Notify;

/// Pieces of memory in one write, at most.
const PIECES: usize = 64;

/// When a frame leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    Now,
    Soon,
}

pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    wake_flusher: Notify,
}

struct Queue {
    write: WriteHalf,
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that have left.
    written: usize,
    /// While set, frames gather: more requests are at hand whose replies can leave in the same write.
    corked: bool,
    /// The write that failed; what comes later is dropped.
    failed: bool,
}

impl Outbox {
    pub(crate) fn new(write: WriteHalf) -> Arc<Outbox> {
        let queue = Queue { write, frames: VecDeque::new(), written: 0, corked: false, failed: false };
        Arc::new(Outbox { queue: Mutex::new(queue), wake_flusher: Notify::new() })
    }

    pub(crate) fn send(&self, frame: Frame, flush: Flush) {
        let mut queue = self.queue();
        if queue.failed {
            return;
        }
        queue.frames.push_back(frame);
        // If others wait before this frame, the flusher is at work already and the socket is full.
        match (queue.corked, flush) {
            (true, _) => {}
            (false, Flush::Now) if queue.frames.len() == 1 => self.flush_or_wake(queue),
            (false, _) => self.wake_flusher.notify_one(),
        }
    }

    /// Lets frames gather until [`Outbox::uncork`].
    pub(crate) fn cork(&self) {
        self.queue().corked = true;
    }

    /// Sends what has gathered.
    pub(crate) fn uncork(&self) {
        let mut queue = self.queue();
        if std::mem::take(&mut queue.corked) && !queue.frames.is_empty() {
            self.flush_or_wake(queue);
        }
    }

    /// Runs until a write fails.
    pub(crate) async fn flush_forever(&self) -> io::Error {
        loop {
            self.wake_flusher.notified().await;
            if let Err(error) = poll_fn(|context| self.queue().poll_flush(context)).await {
                return error;
            }
        }
    }

    fn flush_or_wake(&self, mut queue: MutexGuard<'_, Queue>) {
        // What is left, and an error, the flusher will find.
        let outcome = queue.poll_flush(&mut Context::from_waker(Waker::noop()));
        if !matches!(outcome, Poll::Ready(Ok(()))) {
            self.wake_flusher.notify_one();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A frame counts as left only after the write, so a panic in between cannot unbalance the queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        while !self.frames.is_empty() {
            match std::task::ready!(self.poll_write(context)) {
                Ok(sent) => self.advance(sent),
                Err(error) => {
                    self.failed = true;
                    self.frames.clear();
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(PIECES);
        let mut written = self.written;
        for frame in &self.frames {
            if slices.len() + 3 > PIECES {
                break;
            }
            frame.slices(written, &mut slices);
            written = 0;
        }
        match std::task::ready!(Pin::new(&mut self.write).poll_write_vectored(context, &slices)) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            outcome => Poll::Ready(outcome),
        }
    }

    /// Drops the frames that have left, and with them their permits and buffers.
    fn advance(&mut self, sent: usize) {
        self.written += sent;
        while let Some(first) = self.frames.front() {
            let length = first.length();
            if self.written < length {
                return;
            }
            self.written -= length;
            self.frames.pop_front();
        }
    }
}
