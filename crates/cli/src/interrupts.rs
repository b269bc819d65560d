//! Ctrl-C and SIGTERM while another process works for a command: that process is told of the first, and what it has done by
//! then is of use; the second ends both at once.
//!
//! The other process has a process group of its own, so that a terminal's Ctrl-C reaches it by this way only, and once.

use std::{
    io::{self, Read},
    os::unix::{net::UnixStream, process::CommandExt},
    process::{self, Child, Command, Output},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    low_level::pipe,
};
use syncline::program::Interrupt;

/// Attends to signals until the process ends.
pub struct Interrupts(Mutex<State>);

#[derive(Default)]
struct State {
    first: Option<Interrupt>,
    /// Who works.
    group: Option<Pid>,
}

impl Interrupts {
    /// Attends from now on.
    ///
    /// # Errors
    /// When the system has no more descriptors or threads.
    pub fn attend() -> io::Result<Arc<Self>> {
        let interrupts = Arc::new(Self(Mutex::default()));
        let (mut arrivals, handler_end) = UnixStream::pair()?;
        let last = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            // First which it was, then the byte that wakes.
            flag::register_usize(signal, Arc::clone(&last), signal.unsigned_abs() as usize)?;
            pipe::register(signal, handler_end.try_clone()?)?;
        }
        let attending = Arc::clone(&interrupts);
        let attend = move || {
            while arrivals.read_exact(&mut [0]).is_ok() {
                let is_ctrl_c = last.load(Ordering::SeqCst) == SIGINT.unsigned_abs() as usize;
                attending.arrived(if is_ctrl_c { Interrupt::CtrlC } else { Interrupt::Terminate });
            }
        };
        thread::Builder::new().name("interrupts".to_owned()).spawn(attend)?;
        Ok(interrupts)
    }

    /// The first, if there was one.
    pub fn first(&self) -> Option<Interrupt> {
        self.state().first
    }

    /// Runs a command to its end, as [`Command::output`] does.
    ///
    /// # Errors
    /// When it cannot be started or waited for.
    pub fn output(&self, command: &mut Command) -> io::Result<Output> {
        command.stdin(process::Stdio::null()).stdout(process::Stdio::piped()).stderr(process::Stdio::piped());
        let child = self.start(command)?;
        let output = child.wait_with_output();
        self.state().group = None;
        output
    }

    /// Starts it, with the lock held: an interrupt comes either before, and is passed on here, or finds whom to tell.
    fn start(&self, command: &mut Command) -> io::Result<Child> {
        let mut state = self.state();
        let child = command.process_group(0).spawn()?;
        state.group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(first) = state.first {
            state.tell(signal(first));
        }
        Ok(child)
    }

    fn arrived(&self, by: Interrupt) {
        let mut state = self.state();
        if state.first.is_some() {
            state.tell(Signal::KILL);
            process::exit(by.exit_code().into());
        }
        state.first = Some(by);
        state.tell(signal(by));
    }

    /// A panic under the lock leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&self, signal: Signal) {
        // Who has just ended need not be told.
        let _ = self.group.map(|group| kill_process_group(group, signal));
    }
}

fn signal(by: Interrupt) -> Signal {
    match by {
        Interrupt::CtrlC => Signal::INT,
        _ => Signal::TERM,
    }
}
