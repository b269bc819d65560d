//! An event log as it was read: the application and the groups of jobs that overlapped.

use std::path::Path;

use syncline_explain::source::Damage;
use syncline_explain::spark::{Application, Sink, Window, read};

use super::SparkProfile;
use crate::Error;

/// More tasks than this are not kept; what they would add is known by then.
const TASKS: usize = 4 << 20;

/// One application's log.
#[derive(Debug, Clone)]
pub struct SparkLog {
    pub(super) application: Application,
    pub(super) windows: Vec<Window>,
    /// Tasks that were left out because the log has more than are kept.
    pub left_out: usize,
    /// What of the log could not be used.
    pub damage: Damage,
}

#[derive(Default)]
struct Kept {
    windows: Vec<Window>,
    tasks: usize,
    left_out: usize,
}

impl Sink for Kept {
    fn window(&mut self, _: &Application, window: Window) {
        let tasks: usize = window.stages.iter().map(|stage| stage.tasks.len()).sum();
        if self.tasks + tasks > TASKS {
            self.left_out += tasks;
            return;
        }
        self.tasks += tasks;
        self.windows.push(window);
    }
}

impl SparkLog {
    /// Reads the event log at `path`: a file or a rolling folder, packed or not.
    ///
    /// # Errors
    /// As for [`syncline_explain::spark::read`].
    pub fn read(path: &Path) -> Result<Self, syncline_explain::Error> {
        let reading = read(path, Kept::default())?;
        let Kept { windows, left_out, .. } = reading.sink;
        Ok(Self { application: reading.application, windows, left_out, damage: reading.damage })
    }

    /// The application's name.
    pub fn name(&self) -> &str {
        &self.application.name
    }

    /// Takes the application apart.
    ///
    /// # Errors
    /// [`Error::CannotTell`] if no job of it ended, or its tasks measured nothing of themselves.
    pub fn profile(&self) -> Result<SparkProfile, Error> {
        SparkProfile::fit(self)
    }
}
