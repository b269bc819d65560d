//! What is synchronised by hand, under the interleavings of threads that shuttle tries: the source itself, with shuttle's locks
//! and atomics in the place of the standard library's.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod sync {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
    pub(crate) use std::sync::{Arc, PoisonError};
}

#[allow(dead_code, reason = "the scheduler uses more of it than a model does")]
#[path = "../src/sim/queue.rs"]
mod queue;

use std::task::{Wake, Waker};

use queue::{Alarm, Arrival, LocalTask, Next, Queue};
use shuttle::thread::{self, Thread};
use sync::Arc;
use sync::atomic::{AtomicUsize, Ordering};
use syncline_runtime::{LocalFuture, Node, Waits};

/// Interleavings that are tried.
const TURNS: usize = 3000;

/// Threads that wake from outside, and how often each.
const OUTSIDE: usize = 2;
const EACH: usize = 2;

/// Rouses the thread that drives the scheduler.
struct Bell(Thread);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn bell() -> Waker {
    Waker::from(Arc::new(Bell(thread::current())))
}

/// Some tell something and wake the task; it is over when the task has seen all of it. A wake that is lost leaves the driver
/// waiting for ever, which shuttle reports.
fn told_and_woken(turn: fn(&Alarm, &AtomicUsize) -> usize) {
    let (queue, told) = (Arc::new(Queue::new(1)), Arc::new(AtomicUsize::new(0)));
    let alarm = Alarm::new(Arc::clone(&queue), 0);
    let outside: Vec<_> = (0..OUTSIDE)
        .map(|_| {
            let (waker, told) = (Waker::from(Arc::clone(&alarm)), Arc::clone(&told));
            thread::spawn(move || {
                for _ in 0..EACH {
                    told.fetch_add(1, Ordering::SeqCst);
                    waker.wake_by_ref();
                }
            })
        })
        .collect();
    let (bell, mut seen) = (bell(), 0);
    while seen < OUTSIDE * EACH {
        match queue.next() {
            Next::Poll(_) => seen = turn(&alarm, &told),
            Next::Arrivals(_) => {}
            Next::Nothing if queue.poll_work(&bell) => {}
            Next::Nothing => thread::park(),
        }
    }
    outside.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_wake_from_another_thread_is_never_lost() {
    let turn = |alarm: &Alarm, told: &AtomicUsize| {
        alarm.reset();
        told.load(Ordering::SeqCst)
    };
    shuttle::check_random(move || told_and_woken(turn), TURNS);
}

/// That the model can fail: here a wake during the task's turn counts for the turn that is over.
#[test]
#[should_panic(expected = "deadlock")]
fn a_turn_that_begins_with_its_work_would_lose_some() {
    let turn = |alarm: &Alarm, told: &AtomicUsize| {
        let seen = told.load(Ordering::SeqCst);
        alarm.reset();
        seen
    };
    shuttle::check_random(move || told_and_woken(turn), TURNS);
}

#[test]
fn every_task_that_is_started_from_another_thread_arrives_once() {
    let arrive = || {
        let queue = Arc::new(Queue::new(1));
        let outside: Vec<_> = (0..OUTSIDE)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    let node: Node = Waits::default().enter("worker/0");
                    for _ in 0..EACH {
                        let make = || -> LocalFuture<()> { Box::pin(async {}) };
                        queue.arrive(Arrival::Task(node, LocalTask::Make(Box::new(make))));
                    }
                })
            })
            .collect();
        let (bell, mut arrived) = (bell(), 0);
        while arrived < OUTSIDE * EACH {
            match queue.next() {
                Next::Arrivals(arrivals) => arrived += arrivals.len(),
                Next::Poll(_) => panic!("nobody was woken"),
                Next::Nothing if queue.poll_work(&bell) => {}
                Next::Nothing => thread::park(),
            }
        }
        outside.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(matches!(queue.next(), Next::Nothing));
    };
    shuttle::check_random(arrive, TURNS);
}
