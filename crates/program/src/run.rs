//! A program that is running, in the hands of who launched it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

use crate::control::News;
use crate::launcher::Ending;
use crate::supervisor::Event;
use crate::{Clock, Error};

/// Where a driver leaves its value.
pub(crate) type Slot<T> = Arc<Mutex<Option<T>>>;

/// A running program. Dropping it ends the program at once and leaves nothing behind.
#[must_use = "dropping a run ends its program; call `wait`"]
pub struct Run<T> {
    program: String,
    clock: Clock,
    value: Slot<T>,
    /// `None` once waited for.
    launcher: Option<JoinHandle<Ending>>,
    news: UnboundedSender<News>,
}

impl<T> Run<T> {
    pub(crate) fn new(
        program: String,
        clock: Clock,
        value: Slot<T>,
        launcher: Option<JoinHandle<Ending>>,
        news: UnboundedSender<News>,
    ) -> Self {
        Self { program, clock, value, launcher, news }
    }

    /// The run's common clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Asks the program to stop. A program that only ends when it is stopped then yields `()`.
    pub fn stop(&self) {
        self.tell(Event::StopAsked);
    }

    /// [`stop`](Self::stop), then [`wait`](Self::wait).
    ///
    /// # Errors
    /// As `wait`.
    pub fn stop_and_wait(self) -> Result<T, Error> {
        self.stop();
        self.wait()
    }

    /// Waits for the end of the program and returns its driver's value, or `()` without a driver. Afterwards no thread,
    /// process, socket or file of the run is left.
    ///
    /// # Errors
    /// [`Error::NodeFailed`] names the node that is to blame, [`Error::Interrupted`] after a Ctrl-C or SIGTERM that
    /// the driver did not [heed](crate::Context::interrupted), [`Error::Stopped`] when the program was stopped before its driver had a value.
    pub fn wait(mut self) -> Result<T, Error> {
        let ending = match self.launcher.take() {
            Some(launcher) => launcher.join().map_err(|_| self.lost())?,
            None => Ending::Finished,
        };
        match ending {
            Ending::Finished => self.take_value().ok_or_else(|| self.lost()),
            Ending::Asked => self.take_value().ok_or(Error::Stopped),
            Ending::Interrupted(interrupt) => Err(Error::Interrupted(interrupt)),
            Ending::Failed(failure) => Err(Error::NodeFailed(Box::new(failure))),
        }
    }

    fn take_value(&self) -> Option<T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn lost(&self) -> Error {
        Error::LauncherLost { program: self.program.clone(), after: self.clock.now() }
    }

    fn tell(&self, event: Event) {
        // A launcher that is gone has nothing left to end.
        let _ = self.news.send(News::Event(event));
    }
}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("program", &self.program).finish_non_exhaustive()
    }
}

impl<T> Drop for Run<T> {
    fn drop(&mut self) {
        if let Some(launcher) = self.launcher.take() {
            self.tell(Event::Abandoned);
            let _ = launcher.join();
        }
    }
}
