//! What is going to happen, the earliest first. Nothing is ever taken out: a finish that has become void is known by
//! its epoch, which its worker has left.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Something that happens at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Arrival,
    /// The worker ends its task, if it is still in this epoch.
    Finish {
        worker: usize,
        epoch: u64,
    },
    Failure {
        worker: usize,
    },
    Repair {
        worker: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    time: f64,
    /// Entries of one instant happen in the order in which they were noted.
    number: u64,
    event: Event,
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.time.total_cmp(&self.time).then_with(|| other.number.cmp(&self.number))
    }
}

/// The event list.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Entry>,
    noted: u64,
}

impl Agenda {
    pub(super) fn note(&mut self, time: f64, event: Event) {
        self.noted += 1;
        self.heap.push(Entry { time, number: self.noted, event });
    }

    pub(super) fn next(&mut self) -> Option<(f64, Event)> {
        self.heap.pop().map(|entry| (entry.time, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_happen_in_order_and_ties_as_noted() {
        let mut agenda = Agenda::default();
        agenda.note(2.0, Event::Arrival);
        agenda.note(1.0, Event::Failure { worker: 0 });
        agenda.note(2.0, Event::Repair { worker: 0 });
        let order: Vec<Event> = std::iter::from_fn(|| agenda.next()).map(|(_, event)| event).collect();
        assert_eq!(order, [Event::Failure { worker: 0 }, Event::Arrival, Event::Repair { worker: 0 }]);
    }
}
