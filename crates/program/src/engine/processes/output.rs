//! What a node's process writes: passed on line by line, and the last lines kept for the report of a failure.

use std::collections::VecDeque;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::launch::executor::Sink;

/// How many lines are kept.
const KEPT: usize = 20;

/// The longest piece that is passed on as one line: a node that writes no line ends must not fill the memory.
const LONGEST: u64 = 16 << 10;

/// How many lines may wait to be passed on, before the nodes that write them have to.
const WAITING: usize = 256;

/// How long the end of a run waits for a sink that takes nothing.
const LINGER: Duration = Duration::from_millis(500);

/// A node's name and a line of its output; `None` after the last.
type Line = Option<(Arc<str>, String)>;

/// Passes lines on from a thread of its own: where nobody reads what the sink writes, the nodes have to wait, but
/// never the launcher.
pub(crate) struct Printer {
    lines: mpsc::Sender<Line>,
    done: oneshot::Receiver<()>,
    thread: thread::JoinHandle<()>,
}

impl Printer {
    pub(crate) fn start(sink: Sink) -> io::Result<Self> {
        let (lines, mut waiting) = mpsc::channel::<Line>(WAITING);
        let (printed, done) = oneshot::channel();
        let print = move || {
            while let Some(Some((node, line))) = waiting.blocking_recv() {
                sink(&node, &line);
            }
            // Dropped unsent, should the sink panic: that ends the waiting, too.
            let _ = printed.send(());
        };
        let thread = thread::Builder::new().name("output".to_owned()).spawn(print)?;
        Ok(Self { lines, done, thread })
    }

    /// What passes on lines of the launcher's own.
    pub(crate) fn voice(&self) -> Voice {
        Voice(self.lines.clone())
    }

    /// Returns when all lines so far have been passed on, or when it is clear that nobody takes them.
    pub(crate) async fn finish(self) {
        let Self { lines, done, thread } = self;
        let all_out = async {
            let _ = lines.send(None).await;
            let _ = done.await;
        };
        if tokio::time::timeout(LINGER, all_out).await.is_ok() {
            let _ = thread.join();
        }
    }
}

/// The launcher's own words among the nodes' output.
pub(crate) struct Voice(mpsc::Sender<Line>);

impl Voice {
    /// Passes on a line, unless so many wait already that nobody would see it.
    pub(crate) fn say(&self, line: &str) {
        let _ = self.0.try_send(Some(("launcher".into(), line.to_owned())));
    }
}

/// The output of one process.
pub(crate) struct Output {
    tail: Arc<Mutex<VecDeque<String>>>,
    reading: JoinHandle<()>,
}

impl Output {
    /// Reads `pipe` to its end on the current runtime.
    pub(crate) fn capture(node: &str, pipe: PipeReader, printer: &Printer) -> io::Result<Self> {
        let pipe = Receiver::from_owned_fd(OwnedFd::from(pipe))?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let reading = tokio::spawn(read(node.into(), pipe, printer.lines.clone(), Arc::clone(&tail)));
        Ok(Self { tail, reading })
    }

    /// The last lines, once the pipe has ended.
    pub(crate) async fn into_tail(self) -> Vec<String> {
        // The task neither panics nor is it aborted before.
        let _ = self.reading.await;
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

async fn read(node: Arc<str>, pipe: Receiver, lines: mpsc::Sender<Line>, tail: Arc<Mutex<VecDeque<String>>>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while (&mut pipe).take(LONGEST).read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        line.clear();
        keep(&tail, text.clone());
        // A sink that has panicked takes no more lines; the last ones are still kept.
        let _ = lines.send(Some((Arc::clone(&node), text))).await;
    }
}

fn keep(tail: &Mutex<VecDeque<String>>, line: String) {
    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    if tail.len() == KEPT {
        tail.pop_front();
    }
    tail.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    #[test]
    fn lines_are_passed_on_and_the_last_twenty_kept() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink: Sink = {
            let seen = Arc::clone(&seen);
            Arc::new(move |node, line| seen.lock().unwrap().push(format!("{node}: {line}")))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tail = runtime.block_on(async {
            let (reader, mut writer) = std::io::pipe().unwrap();
            let printer = Printer::start(sink).unwrap();
            let output = Output::capture("worker/0", reader, &printer).unwrap();
            for line in 0..25 {
                writeln!(writer, "line {line}").unwrap();
            }
            write!(writer, "cut \u{fffd}").unwrap();
            drop(writer);
            let tail = output.into_tail().await;
            printer.finish().await;
            tail
        });
        assert_eq!((tail.len(), tail[0].as_str(), tail[19].as_str()), (20, "line 6", "cut \u{fffd}"));
        let seen = seen.lock().unwrap();
        assert_eq!((seen.len(), seen[0].as_str()), (26, "worker/0: line 0"));
    }
}
