//! Any log as spans of the neutral schema, in bounded memory: for export and import.

use std::path::Path;

use syncline_trace::{Node, Phase, RunInfo, RunReader, Span};

use crate::analysis::shares::{Share, task_parts};
use crate::source::{Damage, Format, open};
use crate::spark::{Application, Collector, Sink, Stage, Task, Window, follow};
use crate::{Error, chrome};

/// What takes spans as they come. The head grows: a span's node always stands in it.
pub(crate) trait SpanSink {
    /// Takes some spans.
    fn take(&mut self, info: &RunInfo, spans: &[Span]) -> Result<(), Error>;
}

/// Reads the log at `path` and gives its spans to `sink`; the head as it is at the end, and the damage.
pub(crate) fn read(path: &Path, sink: &mut impl SpanSink) -> Result<(RunInfo, Damage), Error> {
    let opened = open(path)?;
    match opened.format {
        Format::Spark => {
            let to = ToSpans { sink, info: RunInfo::default(), ended: None, failed: None };
            let (Collector { application, sink: mut to, .. }, damage) = follow(opened, to)?;
            if let Some(error) = to.failed.take() {
                return Err(error);
            }
            to.learn(&application);
            to.info.complete = application.ended.is_some();
            Ok((to.info, damage))
        }
        Format::RunFile => {
            let mut reader = RunReader::open(&opened.path)?;
            let mut damage = Damage::default();
            while let Some(batch) = reader.next() {
                match batch {
                    Ok(batch) => sink.take(reader.info(), &batch)?,
                    Err(error) => damage.note(error.to_string()),
                }
            }
            Ok((reader.info().clone(), damage))
        }
        Format::FlightRecorder => Err(Error::Usage(format!(
            "{} is a flight recorder dump: it says who is missing in a hang (`syncline trace report`) and has no spans",
            path.display()
        ))),
        Format::Chrome => {
            let (trace, damage) = chrome::read(opened.text);
            let (info, spans) = chrome::spans(vec![trace]);
            sink.take(&info, &spans)?;
            Ok((info, damage))
        }
    }
}

/// Makes spans of Spark's windows. A task's parts are measured as sums; they are laid one after the other in the order in
/// which they mostly happen.
struct ToSpans<'a, S> {
    sink: &'a mut S,
    info: RunInfo,
    ended: Option<i64>,
    failed: Option<Error>,
}

impl<S: SpanSink> Sink for ToSpans<'_, S> {
    fn window(&mut self, application: &Application, window: Window) {
        if self.failed.is_some() {
            return;
        }
        self.learn(application);
        let (start, end) = window.bounds(application.last.unwrap_or(0));
        let origin = application.start();
        let mut spans = Vec::new();
        let before = self.ended.unwrap_or(origin);
        if start > before {
            spans.push(Span::new(0, Phase::Driver, ns(before - origin), ns(start - origin)));
        }
        self.ended = Some(end.max(before));
        for stage in &window.stages {
            stage_spans(stage, origin, &mut spans);
        }
        self.failed = self.sink.take(&self.info, &spans).err();
    }
}

impl<S> ToSpans<'_, S> {
    fn learn(&mut self, application: &Application) {
        self.info.run.clone_from(&application.name);
        self.info.system = "spark".to_owned();
        self.info.started_unix_ms = application.start().max(0) as u64;
        self.info.settings.insert("application".to_owned(), application.id.clone());
        self.info.settings.insert("version".to_owned(), application.version.clone());
        let driver = std::iter::once(Node::new("driver/scheduler"));
        let executors = application.executors.iter().map(|executor| Node {
            host: executor.host.clone(),
            ..Node::new(format!("executor/{}", executor.id))
        });
        self.info.nodes = driver.chain(executors).collect();
        self.info.workers = application.executors.len() as u32;
    }
}

fn ns(ms: i64) -> u64 {
    ms.max(0) as u64 * 1_000_000
}

fn stage_spans(stage: &Stage, origin: i64, spans: &mut Vec<Span>) {
    let sync = stage.key.id.max(0) as u64;
    let mut last: std::collections::BTreeMap<(u32, u32), i64> = std::collections::BTreeMap::new();
    for task in &stage.tasks {
        task_spans(stage, task, origin, sync, spans);
        let finished = last.entry((task.executor, task.slot)).or_default();
        *finished = (*finished).max(task.finished);
    }
    let end = stage.last_finish().unwrap_or(0);
    spans.extend(last.into_iter().filter(|(_, finished)| *finished < end).map(
        |((executor, slot), finished)| Span {
            round: sync,
            sync: Some(sync),
            worker: Some(slot),
            ..Span::new(executor + 1, Phase::Wait, ns(finished - origin), ns(end - origin))
        },
    ));
}

fn task_spans(stage: &Stage, task: &Task, origin: i64, sync: u64, spans: &mut Vec<Span>) {
    const ORDER: [(Share, Phase); 8] = [
        (Share::Schedule, Phase::Schedule),
        (Share::Deserialise, Phase::Deserialise),
        (Share::ShuffleRead, Phase::ShuffleRead),
        (Share::Gc, Phase::Gc),
        (Share::Compute, Phase::Compute),
        (Share::ShuffleWrite, Phase::ShuffleWrite),
        (Share::Serialise, Phase::Serialise),
        (Share::Unknown, Phase::Unknown),
    ];
    let parts = task_parts(task, 0);
    let metrics = task.metrics.unwrap_or_default();
    let mut at = ns(task.launched - origin);
    for (share, phase) in ORDER {
        let ms: f64 = parts.iter().filter(|part| part.0 == share).map(|part| part.1).sum();
        if ms <= 0.0 {
            continue;
        }
        let end = at + (ms * 1e6) as u64;
        let (bytes, records) = match phase {
            Phase::Compute => (metrics.input_bytes, task.records()),
            Phase::ShuffleRead => (metrics.remote_read + metrics.local_read, metrics.records_read),
            Phase::ShuffleWrite => (metrics.shuffle_written, metrics.shuffle_records_written),
            _ => (0, 0),
        };
        spans.push(Span {
            round: stage.key.id.max(0) as u64,
            sync: Some(sync),
            worker: Some(task.slot),
            task: Some(task.id.max(0) as u64),
            bytes: bytes.max(0) as u64,
            records: records.max(0) as u64,
            ..Span::new(task.executor + 1, phase, at, end)
        });
        at = end;
    }
}
