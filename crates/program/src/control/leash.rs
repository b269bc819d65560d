//! What binds a process to its launcher: its standard input, a pipe that only the launcher holds.
//!
//! First comes the run's token (arguments and environment can be read by others), later a line that asks to stop, and
//! the pipe's end means that the launcher is gone. A thread of its own listens, so that neither a busy node nor a
//! stuck one can miss it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, stdin};
use std::os::fd::AsFd;

use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};
use syncline_wire::{Address, Token};

use super::meeting;
use crate::Error;
use crate::life::stop::Stop;

/// The line that asks a process to stop.
pub(crate) const STOP: &[u8] = b"stop\n";

/// The process's end of the pipe.
pub(crate) struct Leash {
    pipe: BufReader<File>,
    /// Where the launcher listens.
    control: Address,
}

impl Leash {
    /// Takes the pipe out of the standard input's place, so that nothing that the node reads or starts can touch it.
    pub(crate) fn take(control: Address) -> Result<Self, Error> {
        let take = || -> io::Result<File> {
            let pipe = File::from(stdin().as_fd().try_clone_to_owned()?);
            rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
            Ok(pipe)
        };
        let pipe = take().map_err(Error::system("cannot take over the standard input from the launcher"))?;
        Ok(Self { pipe: BufReader::new(pipe), control })
    }

    /// Reads the run's token.
    pub(crate) fn token(&mut self) -> Result<Token, Error> {
        let mut line = String::new();
        let read = self.pipe.read_line(&mut line);
        if read.map_err(Error::system("cannot read the run's token from the launcher"))? == 0 {
            perish(&self.control);
        }
        line.trim_end().parse().map_err(|_| {
            Error::Handshake(
                "the launcher sent no token; a program on processes must not read the standard input before `launch`"
                    .to_owned(),
            )
        })
    }

    /// Passes the launcher's requests on to `stop`, for the rest of this process's life.
    pub(crate) fn watch(mut self, stop: Stop) -> Result<(), Error> {
        let watch = move || {
            let mut line = Vec::new();
            while self.pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if line == STOP {
                    stop.request();
                }
                line.clear();
            }
            perish(&self.control)
        };
        let thread = std::thread::Builder::new().name("leash".to_owned()).spawn(watch);
        thread.map(drop).map_err(Error::system("cannot start the thread that watches the launcher"))
    }
}

/// Ends this process and all that it started: its launcher is gone.
pub(super) fn perish(control: &Address) -> ! {
    meeting::clear(control);
    if getpgrp() == getpid() {
        // Includes this process; if it is refused, leave at least by ourselves.
        let _ = kill_current_process_group(Signal::KILL);
    }
    std::process::exit(1)
}
