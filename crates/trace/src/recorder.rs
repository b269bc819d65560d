//! A node's own list of spans.

use crate::Span;

/// Collects the spans of one node. Only that node writes to it, so it needs no lock; it is bounded, and counts what
/// it had to leave out. To record more than its capacity, [`drain`](Recorder::drain) it between rounds.
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

    /// Whether it would be wise to drain: half of the capacity is used.
    pub fn is_filling(&self) -> bool {
        self.is_on() && self.spans.len() >= self.capacity.div_ceil(2)
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

    /// Takes the spans recorded so far. What replaces them has the same room, so that a node which drains regularly
    /// allocates once a drain and never while it records.
    pub fn drain(&mut self) -> Vec<Span> {
        let room = self.spans.len();
        std::mem::replace(&mut self.spans, Vec::with_capacity(room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phase;

    fn span(start_ns: u64) -> Span {
        Span::new(0, Phase::Compute, start_ns, start_ns + 1)
    }

    #[test]
    fn keeps_the_first_and_counts_the_rest() {
        let mut recorder = Recorder::new(2);
        (0..5).for_each(|start| recorder.record(span(start)));
        assert_eq!(recorder.dropped(), 3);
        assert_eq!(recorder.drain(), [span(0), span(1)]);
        recorder.record(span(9));
        assert_eq!(recorder.drain(), [span(9)], "a drained recorder has room again");
    }

    #[test]
    fn off_means_off() {
        let mut recorder = Recorder::new(0);
        recorder.record(span(0));
        assert!(!recorder.is_on() && !recorder.is_filling());
        assert_eq!((recorder.dropped(), recorder.drain().len()), (0, 0));
    }
}
