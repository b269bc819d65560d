//! The writing half of a connection: whole frames out, in one system call where that is possible.
//!
//! A frame enters the queue without waiting, so a caller that gives up cannot leave half a frame behind. Who puts it there
//! decides when it leaves: [`Flush::Now`] writes on the spot what the socket takes (a lone call pays no task switch),
//! [`Flush::Soon`] leaves it to the flusher's task, which gathers all that is waiting into one write. The flusher also
//! continues what the socket did not take. The queue is bounded by the permits that its frames carry.
//!
//! A stream that encrypts keeps what it has made of the last piece where the socket takes no more, so that it has to be flushed
//! when the queue is empty.
//!
//! Invariant: while the socket is full (`stalled`), only the flusher polls it. A socket remembers one waker; another's poll
//! would replace the flusher's, and the rest of the queue would wait for ever.

use crate::frame::Frame;
use crate::transport::WriteHalf;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
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
    /// The socket is full and will wake the flusher.
    stalled: bool,
    /// A write failed; what comes later is dropped.
    failed: bool,
}

impl Outbox {
    pub(crate) fn new(write: WriteHalf) -> Arc<Outbox> {
        let queue = Queue {
            write,
            frames: VecDeque::new(),
            written: 0,
            corked: false,
            stalled: false,
            failed: false,
        };
        Arc::new(Outbox { queue: Mutex::new(queue), wake_flusher: Notify::new() })
    }

    pub(crate) fn send(&self, frame: Frame, flush: Flush) {
        let mut queue = self.queue();
        if queue.failed {
            return;
        }
        queue.frames.push_back(frame);
        match flush {
            _ if queue.corked => {}
            Flush::Now => self.flush(queue),
            Flush::Soon => self.wake_flusher.notify_one(),
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
            self.flush(queue);
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

    /// Writes what the socket takes now. What is left, and an error, the flusher will find.
    fn flush(&self, mut queue: MutexGuard<'_, Queue>) {
        if queue.stalled {
            return;
        }
        match queue.poll_flush(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) | Poll::Pending => self.wake_flusher.notify_one(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A frame counts as left only after the write, so a panic in between cannot unbalance the queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Ready when the queue is empty, and all that was in it with the system.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.stalled = false;
        let outcome = self.poll_send(context);
        match &outcome {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => {
                self.failed = true;
                self.frames.clear();
            }
            Poll::Pending => self.stalled = true,
        }
        outcome
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.frames.is_empty() {
            let sent = ready!(self.poll_write(context))?;
            self.advance(sent);
        }
        Pin::new(&mut self.write).poll_flush(context)
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(PIECES);
        let mut written = self.written;
        for frame in &self.frames {
            if !slices.is_empty() && slices.len() + frame.count() > PIECES {
                break;
            }
            frame.slices(written, &mut slices);
            written = 0;
        }
        match ready!(Pin::new(&mut self.write).poll_write_vectored(context, &slices)) {
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
