//! When checkpoints are due, and what became of them.
//!
//! Where rounds are counted, workers are held before the next one also while the last one is still being written: between two
//! checkpoints on the disk there are never more rounds than were asked for.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use crate::{
    CheckpointEvery, Error,
    checkpoint::{Checkpoint, Folder, newest},
    server::Pace,
};

/// What a run's checkpoints have cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckpointReport {
    /// How many have been written.
    pub written: u64,
    /// For how long all workers were held for them, together.
    pub held_s: f64,
    /// How long it took to write them, while the workers went on.
    pub writing_s: f64,
}

/// The keeper of a run's checkpoints.
pub(crate) struct Keeper {
    folder: Folder,
    pace: Pace,
    /// When the last one was taken, or the run began.
    last: Duration,
    /// The round of the last one.
    round: u64,
    /// The last one that was written.
    written: Option<PathBuf>,
    /// Why the last one could not be written, if it could not.
    error: Option<Error>,
    pub cost: CheckpointReport,
}

/// When the next one is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Due {
    /// Before this round.
    Round(u64),
    /// At this time.
    At(Duration),
    /// Not any more.
    Never,
}

impl Keeper {
    /// Of a run that begins, or goes on, at this round.
    pub(crate) fn new(folder: Folder, pace: Pace, round: u64, resumed: Option<PathBuf>) -> Self {
        Self {
            folder,
            pace,
            last: Duration::ZERO,
            round,
            written: resumed,
            error: None,
            cost: CheckpointReport::default(),
        }
    }

    /// When the next one is due.
    pub(crate) fn due(&self) -> Due {
        match self.folder.settings().every {
            CheckpointEvery::Time(time) => Due::At(self.last + time),
            _ => self.round_after(self.round).map_or(Due::Never, Due::Round),
        }
    }

    /// The round before which one is due after that before this round.
    pub(crate) fn round_after(&self, round: u64) -> Option<u64> {
        self.folder.settings().every.round_after(round, self.pace)
    }

    /// Takes in that one is taken, at this time and before this round.
    pub(crate) fn takes(&mut self, now: Duration, round: u64) {
        (self.last, self.round) = (now, round);
    }

    /// Writes one. What cannot be written is told; the run goes on, and the next one is tried.
    pub(crate) fn write(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        match self.folder.write(checkpoint) {
            Ok(path) => {
                (self.written, self.error) = (Some(path), None);
                self.cost.written += 1;
                Ok(())
            }
            Err(error) => {
                let said = error.to_string();
                self.error = Some(error);
                Err(said)
            }
        }
    }

    /// Takes in that the run went back to this round.
    pub(crate) fn went_back(&mut self, round: u64) {
        self.round = round;
    }

    /// The last one that was written.
    pub(crate) fn read(&self) -> Option<Result<Checkpoint, Error>> {
        self.written.as_ref().map(|path| newest(path).map(|(checkpoint, ..)| checkpoint))
    }

    /// The last one, why a later one could not be written, and what they have cost.
    pub(crate) fn into_last(self) -> (Option<PathBuf>, Option<Error>, Option<CheckpointReport>) {
        (self.written, self.error, Some(self.cost))
    }
}
