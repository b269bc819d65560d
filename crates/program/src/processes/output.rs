//! What a node's process writes: passed on line by line, and the last lines kept for the report of a failure.

use std::collections::VecDeque;
use std::io::PipeReader;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

use crate::executor::Sink;

/// How many lines are kept.
const KEPT: usize = 20;

/// The longest piece that is passed on as one line: a node that writes no line ends must not fill the memory.
const LONGEST: u64 = 16 << 10;

/// The output of one process.
pub(crate) struct Output {
    tail: Arc<Mutex<VecDeque<String>>>,
    reading: JoinHandle<()>,
}

impl Output {
    /// Reads `pipe` to its end on the current runtime.
    pub(crate) fn capture(node: String, pipe: PipeReader, sink: Sink) -> std::io::Result<Self> {
        let pipe = Receiver::from_owned_fd(OwnedFd::from(pipe))?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let reading = tokio::spawn(read(node, pipe, sink, Arc::clone(&tail)));
        Ok(Self { tail, reading })
    }

    /// The last lines, once the pipe has ended.
    pub(crate) async fn into_tail(self) -> Vec<String> {
        // A panicking sink ends the reading early; the lines until then are still good.
        let _ = self.reading.await;
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

async fn read(node: String, pipe: Receiver, sink: Sink, tail: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while (&mut lines).take(LONGEST).read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        line.clear();
        sink(&node, &text);
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == KEPT {
            tail.pop_front();
        }
        tail.push_back(text);
    }
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
            let output = Output::capture("worker/0".to_owned(), reader, sink).unwrap();
            for line in 0..25 {
                writeln!(writer, "line {line}").unwrap();
            }
            write!(writer, "cut \u{fffd}").unwrap();
            drop(writer);
            output.into_tail().await
        });
        assert_eq!((tail.len(), tail[0].as_str(), tail[19].as_str()), (20, "line 6", "cut \u{fffd}"));
        let seen = seen.lock().unwrap();
        assert_eq!((seen.len(), seen[0].as_str()), (26, "worker/0: line 0"));
    }
}
