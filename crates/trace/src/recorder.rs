//! A node's own list of spans.

use crate::Span;

/// Collects the spans of one node. Only that node writes to it, so it needs no lock; it is bounded, and counts what
/// it had to leave out.
#[derive(Debug)]
pub struct Recorder {
    spans: Vec<Span>,
    capacity: usize,
    dropped: u64,
}

impl Recorder {
    /// A recorder that keeps at most `capacity` spans; 0 records nothing at no cost.
    pub fn new(capacity: usize) -> Self {
        Self { spans: Vec::new(), capacity, dropped: 0 }
    }

    /// Whether spans are wanted at all.
    pub fn is_on(&self) -> bool {
        self.capacity > 0
    }

    /// Keeps `span`, or counts it as dropped when the recorder is full.
    pub fn record(&mut self, span: Span) {
        if self.spans.len() < self.capacity {
            self.spans.push(span);
        } else if self.is_on() {
            self.dropped += 1;
        }
    }

    /// How many spans did not fit.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes the spans recorded so far.
    pub fn drain(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.spans)
    }
}
