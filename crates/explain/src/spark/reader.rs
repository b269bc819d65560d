//! From a path to windows, for whoever has questions of its own.

use std::path::Path;

use super::feed::feed;
use super::{Application, Collector, FailureCounts, Sink};
use crate::Error;
use crate::source::{Damage, Format, Opened, open};

/// What is known when the whole log was read.
#[derive(Debug)]
pub struct Reading<S> {
    /// The application, with all its executors.
    pub application: Application,
    /// What of the log could not be used.
    pub damage: Damage,
    /// What of the run did not end well.
    pub failures: FailureCounts,
    /// What was given to [`read`], after all windows.
    pub sink: S,
}

/// Reads the event log at `path`, a file or a rolling folder, packed or not, and hands its windows to `sink` in order of
/// time.
///
/// # Errors
/// [`Error::Unrecognised`] if it is no event log, [`Error::Empty`] if no event of it could be read.
pub fn read<S: Sink>(path: &Path, sink: S) -> Result<Reading<S>, Error> {
    let opened = open(path)?;
    if opened.format != Format::Spark {
        return Err(Error::Unrecognised {
            path: path.to_owned(),
            why: "it is no Spark event log".to_owned(),
        });
    }
    let (collector, damage) = follow(opened, sink)?;
    let failures = collector.failures();
    Ok(Reading { application: collector.application, damage, failures, sink: collector.sink })
}

/// Follows an opened event log to its end.
pub(crate) fn follow<S: Sink>(opened: Opened, sink: S) -> Result<(Collector<S>, Damage), Error> {
    let (notes, path) = (opened.notes(), opened.path);
    let mut collector = Collector::new(sink);
    let mut damage = feed(opened.text, |event| collector.take(event));
    collector.finish();
    notes().into_iter().chain(collector.lost_events()).for_each(|note| damage.note(note));
    if collector.application.first.is_none() {
        let why = format!("no event of it could be read, {} lines are damaged", damage.lines);
        return Err(Error::Empty { path, why });
    }
    Ok((collector, damage))
}
