//! A program that is running, in the hands of who launched it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

use super::launcher::Ending;
use crate::control::{Control, News, Reply};
use crate::life::ledger::Ledger;
use crate::life::roster::Roster;
use crate::life::supervisor::Event;
use crate::node::body;
use crate::{Clock, Error};

/// Where a driver leaves its value.
pub(crate) type Slot<T> = Arc<Mutex<Option<T>>>;

/// A running program. Dropping it ends the program at once and leaves nothing behind.
///
/// ```
/// use syncline_program::{Executor, Program, launch};
///
/// let mut program = Program::new("watched");
/// program.node("quick", async |_| Ok(()));
/// program.node("patient", async |ctx| {
///     ctx.stopped().await;
///     Ok(())
/// });
/// let mut run = launch(program, Executor::threads())?;
/// run.wait_for("quick")?;
/// run.stop_and_wait()?;
/// # Ok::<(), syncline_program::Error>(())
/// ```
#[must_use = "dropping a run ends its program; call `wait`"]
pub struct Run<T> {
    program: String,
    clock: Clock,
    value: Slot<T>,
    /// `None` once waited for.
    hold: Option<Hold>,
    /// How it ended, where that is known already.
    ending: Option<Ending>,
    news: UnboundedSender<News>,
}

/// What holds a run whose end nobody has waited for.
pub(crate) struct Hold {
    pub(crate) launcher: JoinHandle<Ending>,
    pub(crate) control: Arc<Control>,
}

impl<T> Run<T> {
    pub(crate) fn new(
        program: String,
        clock: Clock,
        value: Slot<T>,
        hold: Option<Hold>,
        news: UnboundedSender<News>,
    ) -> Self {
        Self { program, clock, value, hold, ending: None, news }
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
        self.await_end()?;
        match self.ending.take().unwrap_or(Ending::Finished) {
            Ending::Finished => self.take_value().ok_or_else(|| self.lost()),
            Ending::Asked => self.take_value().ok_or(Error::Stopped),
            Ending::Interrupted(interrupt) => Err(Error::Interrupted(interrupt)),
            Ending::Failed(failure) => Err(Error::NodeFailed(Box::new(failure))),
        }
    }

    /// [`wait`](Self::wait), and what has passed between the nodes over the whole run, however that ended.
    ///
    /// # Errors
    /// As `wait`, beside the ledger.
    pub fn wait_and_tell(self) -> (Result<T, Error>, Ledger) {
        let control = self.hold.as_ref().map(|hold| Arc::clone(&hold.control));
        let value = self.wait();
        (value, control.map(|control| control.books.ledger()).unwrap_or_default())
    }

    /// Waits until every node of the group `label` has come to its end, though others may still run.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`]; [`Error::NodeFailed`] when a node of any group has failed and the program stops for it,
    /// [`Error::Stopped`] when it stops first for another reason.
    pub fn wait_for(&mut self, label: &str) -> Result<(), Error> {
        let Some(hold) = &self.hold else { return Ok(()) };
        match body::runtime()?.block_on(hold.control.finished(label)) {
            Reply::Done => return Ok(()),
            Reply::Unknown { known } => return Err(Error::UnknownGroup { label: label.to_owned(), known }),
            _ => {}
        }
        self.await_end()?;
        match self.ending.take() {
            Some(Ending::Failed(failure)) => Err(Error::NodeFailed(Box::new(failure))),
            ending => {
                self.ending = ending;
                Err(Error::Stopped)
            }
        }
    }

    /// Wishes for so many nodes of a group that [grows and shrinks](crate::Builder::present) to be there; the driver decides
    /// what becomes of it.
    ///
    /// # Errors
    /// [`Error::Size`] where that cannot be, [`Error::Stopped`] once the program has been stopped.
    pub fn wish(&self, label: &str, size: usize) -> Result<(), Error> {
        let hold = self.hold.as_ref().ok_or(Error::Stopped)?;
        hold.control.wish(label, size).map(drop)
    }

    /// Every node and how it is now; nobody, once the program has been waited for.
    pub fn roster(&self) -> Roster {
        self.hold.as_ref().map(|hold| hold.control.roster()).unwrap_or_default()
    }

    /// What has passed between the nodes so far: nothing, once the program has been waited for. Of other processes it is what
    /// they told last, about a second ago.
    pub fn ledger(&self) -> Ledger {
        self.hold.as_ref().map(|hold| hold.control.books.ledger()).unwrap_or_default()
    }

    fn await_end(&mut self) -> Result<(), Error> {
        if let Some(hold) = self.hold.take() {
            self.ending = Some(hold.launcher.join().map_err(|_| self.lost())?);
        }
        Ok(())
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
        if let Some(hold) = self.hold.take() {
            self.tell(Event::Abandoned);
            let _ = hold.launcher.join();
        }
    }
}
