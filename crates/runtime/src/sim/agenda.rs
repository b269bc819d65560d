//! The virtual clock and the timers that it will come to: a heap ordered by time, then by who came first.
//!
//! A timer that was dropped is skipped: else the clock would run to a time for which nobody waits any more, and a deadlock
//! would hide behind a timeout that no longer matters.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A shared agenda, with times in nanoseconds.
#[derive(Clone, Default)]
pub(crate) struct Agenda(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Read also by other threads (whoever holds the run), so atomic; only the scheduler's writes it.
    now: AtomicU64,
    timers: Mutex<Timers>,
}

#[derive(Default)]
struct Timers {
    /// Time, number, slot.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    numbers: u64,
}

/// Where a timer keeps its waker. The number tells it from an earlier one in the same place.
struct Slot {
    number: u64,
    waker: Option<Waker>,
}

impl Agenda {
    pub(crate) fn now(&self) -> u64 {
        self.0.now.load(Ordering::Relaxed)
    }

    pub(crate) fn sleep_until(&self, time: u64) -> Sleep {
        Sleep { agenda: self.clone(), time, timer: None }
    }

    /// Moves the clock to the next time for which somebody waits and wakes all who wait for it; false if nobody does.
    pub(crate) fn advance(&self) -> bool {
        let due = self.timers().due();
        let Some((time, wakers)) = due else { return false };
        self.0.now.fetch_max(time, Ordering::Relaxed);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    fn timers(&self) -> MutexGuard<'_, Timers> {
        // No code that holds the lock can panic half-way through a change.
        self.0.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timers {
    fn add(&mut self, time: u64, waker: Waker) -> (usize, u64) {
        self.numbers += 1;
        let slot = Slot { number: self.numbers, waker: Some(waker) };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.heap.push(Reverse((time, self.numbers, at)));
        (at, self.numbers)
    }

    /// The waker of a timer that is still to come.
    fn pending(&mut self, (at, number): (usize, u64)) -> Option<&mut Waker> {
        self.slots.get_mut(at).filter(|slot| slot.number == number)?.waker.as_mut()
    }

    fn remove(&mut self, (at, number): (usize, u64)) -> Option<Waker> {
        let waker = self.slots.get_mut(at).filter(|slot| slot.number == number)?.waker.take()?;
        self.free.push(at);
        Some(waker)
    }

    /// The wakers of the next time for which anybody waits.
    fn due(&mut self) -> Option<(u64, Vec<Waker>)> {
        let (mut now, mut wakers) = (0, Vec::new());
        while let Some(&Reverse((time, number, at))) = self.heap.peek() {
            if !wakers.is_empty() && time > now {
                break;
            }
            self.heap.pop();
            if let Some(waker) = self.remove((at, number)) {
                now = time;
                wakers.push(waker);
            }
        }
        (!wakers.is_empty()).then_some((now, wakers))
    }
}

/// Waits for a time. It passes through the agenda also when the time has come already, so that the others run first.
pub(crate) struct Sleep {
    agenda: Agenda,
    time: u64,
    timer: Option<(usize, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // The end of time never comes, and must not be what the clock jumps to.
        if self.time == u64::MAX {
            return Poll::Pending;
        }
        let agenda = self.agenda.clone();
        let mut timers = agenda.timers();
        let Some(timer) = self.timer else {
            let time = self.time.max(agenda.now());
            self.timer = Some(timers.add(time, context.waker().clone()));
            return Poll::Pending;
        };
        match timers.pending(timer) {
            Some(waker) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            drop(self.agenda.timers().remove(timer));
        }
    }
}
