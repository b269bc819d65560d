//! Ctrl-C, SIGTERM and what an engine announces, as a driver may heed them: it brings the program to its end in its own
//! way, and has a value.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Who asked the launching process, or the nodes, to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Interrupt {
    /// The user, by Ctrl-C (SIGINT).
    CtrlC,
    /// The system, by SIGTERM: a batch scheduler whose time is over, `kill`, a shutdown.
    Terminate,
    /// The engine's time limit, which is near: what is left is for coming to an end.
    TimeLimit,
    /// The engine, which has asked the nodes to end: their job is cancelled, or makes room for another.
    Engine,
}

impl Interrupt {
    /// The exit code by which shells know it: 128 and the signal's number. A job that is cancelled counts as SIGTERM; where its
    /// time was over it is 75, by which `sysexits.h` invites to try again: the run goes on if it is started anew.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::CtrlC => 130,
            Self::Terminate | Self::Engine => 143,
            Self::TimeLimit => 75,
        }
    }
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CtrlC => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::TimeLimit => "the time limit",
            Self::Engine => "the cancelling of its job",
        })
    }
}

/// The way of an interrupt from the launcher to a driver that listens for it. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    first: watch::Sender<Option<Interrupt>>,
    heeded: Arc<AtomicBool>,
}

impl Interrupts {
    pub(crate) fn new() -> Self {
        Self { first: watch::Sender::new(None), heeded: Arc::default() }
    }

    /// Whether somebody listens, and will bring the program to its end.
    pub(crate) fn are_heeded(&self) -> bool {
        self.heeded.load(Ordering::SeqCst)
    }

    pub(crate) fn raise(&self, interrupt: Interrupt) {
        self.first.send_replace(Some(interrupt));
    }

    /// Listens from now on, and returns with the first interrupt.
    pub(crate) async fn next(&self) -> Interrupt {
        let mut first = self.first.subscribe();
        self.heeded.store(true, Ordering::SeqCst);
        loop {
            if let Some(interrupt) = *first.borrow_and_update() {
                return interrupt;
            }
            // The sender lives in `self`, so the channel cannot close under this borrow.
            let _ = first.changed().await;
        }
    }
}
