//! Ctrl-C and SIGTERM while a program runs. Before the first run and after the last they have their usual effect.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use crate::Interrupt;

/// How many runs listen, and whether there is none.
struct Listeners {
    count: Mutex<usize>,
    none: Arc<AtomicBool>,
}

impl Listeners {
    /// The process's own. A handler, once installed, cannot be taken back; so the first run installs one that acts as
    /// the default does whenever nobody listens. Where the process had a handler already, as an interpreter has for
    /// Ctrl-C, that is called as well, and is all that is to happen.
    fn get() -> io::Result<&'static Self> {
        static LISTENERS: OnceLock<Listeners> = OnceLock::new();
        /// Two first runs at once would each take the other's handler for the process's.
        static INSTALLING: Mutex<()> = Mutex::new(());
        let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listeners) = LISTENERS.get() {
            return Ok(listeners);
        }
        let none = Arc::new(AtomicBool::new(true));
        let caught = caught_signals();
        for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| caught >> (signal - 1) & 1 == 0) {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&none))?;
        }
        Ok(LISTENERS.get_or_init(|| Self { count: Mutex::new(0), none }))
    }

    fn change(&self, change: impl FnOnce(&mut usize)) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut count);
        self.none.store(*count == 0, Ordering::SeqCst);
    }
}

/// The signals for which this process has handlers, a bit for each from signal 1 on; none where the system does not say.
fn caught_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// The signals that reach this process while the value lives.
pub(crate) struct Signals {
    ctrl_c: Arrivals,
    terminate: Arrivals,
    listeners: &'static Listeners,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        let listeners = Listeners::get()?;
        let (ctrl_c, terminate) = (Arrivals::of(SIGINT)?, Arrivals::of(SIGTERM)?);
        listeners.change(|count| *count += 1);
        Ok(Self { ctrl_c, terminate, listeners })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            () = self.ctrl_c.next() => Interrupt::CtrlC,
            () = self.terminate.next() => Interrupt::Terminate,
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.listeners.change(|count| *count -= 1);
    }
}

/// One signal, which has no other effect while the value lives.
pub(crate) struct Arrivals {
    /// Here its handler leaves a byte each time.
    stream: UnixStream,
    handler: SigId,
}

impl Arrivals {
    /// To be called where a runtime runs.
    pub(crate) fn of(signal: i32) -> io::Result<Self> {
        let (arrivals, handler_end) = StdStream::pair()?;
        arrivals.set_nonblocking(true)?;
        let stream = UnixStream::from_std(arrivals)?;
        Ok(Self { stream, handler: pipe::register(signal, handler_end)? })
    }

    /// Waits for it.
    pub(crate) async fn next(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte).await {
            Ok(1) => {}
            // The handler holds the other end for as long as the stream lives; should it fail, no signal will come.
            _ => std::future::pending().await,
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        unregister(self.handler);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::SIGSEGV;

    #[test]
    fn handlers_of_others_are_seen() {
        // Rust's own, by which it tells of a stack that has no room left.
        let is_caught = |signal: i32| caught_signals() >> (signal - 1) & 1 == 1;
        assert!(is_caught(SIGSEGV));
        signal_hook::flag::register(signal_hook::consts::SIGUSR2, Arc::default()).unwrap();
        assert!(is_caught(signal_hook::consts::SIGUSR2) && !is_caught(signal_hook::consts::SIGPROF));
    }
}
