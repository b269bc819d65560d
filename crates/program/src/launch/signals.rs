//! Ctrl-C and SIGTERM while a program runs. Before the first run and after the last they have their usual effect.

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
    /// the default does whenever nobody listens.
    fn get() -> io::Result<&'static Self> {
        static LISTENERS: OnceLock<Listeners> = OnceLock::new();
        if let Some(listeners) = LISTENERS.get() {
            return Ok(listeners);
        }
        let none = Arc::new(AtomicBool::new(true));
        for signal in [SIGINT, SIGTERM] {
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

/// The signals that reach this process while the value lives.
pub(crate) struct Signals {
    ctrl_c: UnixStream,
    terminate: UnixStream,
    handlers: Vec<SigId>,
    listeners: &'static Listeners,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        let listeners = Listeners::get()?;
        let (ctrl_c, by_ctrl_c) = arrivals()?;
        let (terminate, by_terminate) = arrivals()?;
        listeners.change(|count| *count += 1);
        let mut signals = Self { ctrl_c, terminate, handlers: Vec::new(), listeners };
        signals.handlers.push(pipe::register(SIGINT, by_ctrl_c)?);
        signals.handlers.push(pipe::register(SIGTERM, by_terminate)?);
        Ok(signals)
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            () = arrival(&mut self.ctrl_c) => Interrupt::CtrlC,
            () = arrival(&mut self.terminate) => Interrupt::Terminate,
        }
    }
}

/// A stream in which a signal handler leaves a byte for each signal, and the handler's end of it.
fn arrivals() -> io::Result<(UnixStream, StdStream)> {
    let (arrivals, handler_end) = StdStream::pair()?;
    arrivals.set_nonblocking(true)?;
    Ok((UnixStream::from_std(arrivals)?, handler_end))
}

async fn arrival(stream: &mut UnixStream) {
    let mut byte = [0];
    match stream.read(&mut byte).await {
        Ok(1) => {}
        // The handler holds the other end for as long as the stream lives; should it fail, no signal will come.
        _ => std::future::pending().await,
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            unregister(handler);
        }
        self.listeners.change(|count| *count -= 1);
    }
}
