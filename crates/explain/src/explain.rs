//! From a log to its report.

use std::path::Path;

use crate::analyst::{Analyst, report};
use crate::source::{Format, open};
use crate::spark::{Collector, feed};
use crate::{Error, Report};

/// Reads the log at `path` and explains it. Damage inside the log is part of the report; only a log that tells nothing at
/// all is an error.
pub fn explain(path: &Path) -> Result<Report, Error> {
    let opened = open(path)?;
    match opened.format {
        Format::Spark => {
            let notes = opened.notes();
            let mut collector = Collector::new(Analyst::default());
            let mut damage = feed(opened.text, |event| collector.take(event));
            collector.finish();
            notes().into_iter().for_each(|note| damage.note(note));
            if collector.application.first.is_none() {
                let why = format!("no event of it could be read, {} lines are damaged", damage.lines);
                return Err(Error::Empty { path: path.to_owned(), why });
            }
            Ok(report(collector, path.display().to_string(), damage))
        }
        Format::Chrome | Format::RunFile => {
            Err(Error::Unrecognised { path: path.to_owned(), why: "not yet".to_owned() })
        }
    }
}
