//! One direction of a line in virtual time, and a message that goes through several of them.

use std::time::Duration;

/// When one direction of a line is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// From when until when, in order, apart from each other.
    taken: Vec<(Duration, Duration)>,
}

impl Line {
    /// Takes the first time from `earliest` on in which the line is free for `busy`; returns when that begins. A message that is
    /// held up elsewhere takes a time that is yet to come, and leaves room before it for others. Nobody asks for a time before `now` any more.
    fn take(&mut self, now: Duration, earliest: Duration, busy: Duration) -> Duration {
        if busy == Duration::ZERO {
            return earliest;
        }
        self.taken.retain(|(_, end)| *end > now);
        let (mut begin, mut at) = (earliest, 0);
        for (start, end) in &self.taken {
            if begin.saturating_add(busy) <= *start {
                break;
            }
            begin = begin.max(*end);
            at += 1;
        }
        let end = begin.saturating_add(busy);
        self.taken.insert(at, (begin, end));
        // What touches is one stretch, so that a queue of many messages is one as well.
        if at + 1 < self.taken.len() && self.taken[at + 1].0 == end {
            self.taken[at].1 = self.taken.remove(at + 1).1;
        }
        if at > 0 && self.taken[at - 1].1 == begin {
            self.taken[at - 1].1 = self.taken.remove(at).1;
        }
        begin
    }
}

/// A message on its way: when its first and its last bit are where it has come to.
pub(crate) struct Passing {
    now: Duration,
    head: Duration,
    tail: Duration,
}

impl Passing {
    pub(crate) fn sent(now: Duration) -> Self {
        Self { now, head: now, tail: now }
    }

    /// Takes its turn on a line that it occupies for so long; on a wide line it is no sooner through than it has come.
    pub(crate) fn passes(&mut self, line: &mut Line, busy: Duration) {
        self.head = line.take(self.now, self.head, busy);
        self.tail = self.head.saturating_add(busy).max(self.tail);
    }

    pub(crate) fn travels(&mut self, time: Duration) {
        self.head = self.head.saturating_add(time);
        self.tail = self.tail.saturating_add(time);
    }

    /// When all of it is there.
    pub(crate) fn arrives(self) -> Duration {
        self.tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn messages_queue_and_one_that_is_yet_to_come_leaves_room_before_it() {
        let mut line = Line::default();
        assert_eq!([2 * S, 2 * S, 2 * S].map(|busy| line.take(S, S, busy)), [S, 3 * S, 5 * S]);
        assert_eq!(line.taken, [(S, 7 * S)], "one queue is one stretch");
        // One that comes at 20 s, then others that fit before it, or do not.
        assert_eq!(line.take(S, 20 * S, S), 20 * S);
        assert_eq!(line.take(S, 2 * S, 13 * S), 7 * S);
        assert_eq!(line.take(S, 2 * S, S), 21 * S, "no room is left before 20 s");
        assert_eq!(line.taken, [(S, 22 * S)]);
        // What takes no time waits for nobody; what is past is forgotten.
        assert_eq!(line.take(S, 2 * S, Duration::ZERO), 2 * S);
        assert_eq!((line.take(30 * S, 30 * S, S), line.taken.len()), (30 * S, 1));
    }

    #[test]
    fn a_message_is_through_when_the_narrowest_line_is() {
        let (mut narrow, mut wide) = (Line::default(), Line::default());
        let mut slow = Passing::sent(Duration::ZERO);
        slow.passes(&mut narrow, 10 * S);
        slow.travels(S);
        slow.passes(&mut wide, 2 * S);
        // The wide line has it for 2 s of its capacity, and room for another before it has all arrived.
        let mut other = Passing::sent(Duration::ZERO);
        other.travels(S);
        other.passes(&mut wide, 2 * S);
        assert_eq!((slow.arrives(), other.arrives()), (11 * S, 5 * S));
    }
}
