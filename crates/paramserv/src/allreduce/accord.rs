//! What all workers do after a round, which they must agree on: whether the next one is begun.
//!
//! Whoever wants the run to be held or to end says so to the worker, and it comes true for all at once: the first one says with
//! what it hands over in a round what comes after it, and by the end of the round everybody has heard that (SUM-3).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What comes after a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Next {
    /// The next one.
    #[default]
    GoOn,
    /// All are held before the next one.
    Hold,
    /// None.
    Over,
}

/// Who began to sum a round last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// Since the run's start, by that worker's clock.
    pub at: Duration,
    pub worker: u32,
}

/// What a worker has heard in a round, of others or through others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// What comes next, as the first worker says, once that is known.
    pub next: Option<Next>,
    /// The last of those who are known to have arrived.
    pub last: Arrival,
}

impl Heard {
    /// Takes in what another has heard.
    pub(crate) fn hear(&mut self, other: &Self) {
        self.next = self.next.or(other.next);
        self.last = self.last.max(other.last);
    }
}

/// What is wanted of a worker, and has not come true yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// No round is to be begun.
    pub over: bool,
    /// None from this one on, for a cut.
    pub hold_from: Option<u64>,
}

impl Wishes {
    /// What is to come after a round.
    pub(crate) fn next_after(&self, round: u64) -> Next {
        match self {
            Self { over: true, .. } => Next::Over,
            Self { hold_from: Some(from), .. } if round + 1 >= *from => Next::Hold,
            _ => Next::GoOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_comes_true_with_the_first_round_that_can_tell_of_it() {
        let mut wishes = Wishes::default();
        assert_eq!(wishes.next_after(7), Next::GoOn);
        wishes.hold_from = Some(9);
        assert_eq!((wishes.next_after(7), wishes.next_after(8), wishes.next_after(20)), {
            (Next::GoOn, Next::Hold, Next::Hold)
        });
        wishes.over = true;
        assert_eq!(wishes.next_after(7), Next::Over);
    }

    #[test]
    fn who_was_last_and_what_the_first_says_are_heard_through_others() {
        let at = |ms, worker| Arrival { at: Duration::from_millis(ms), worker };
        let mut heard = Heard { next: None, last: at(5, 1) };
        heard.hear(&Heard { next: None, last: at(9, 2) });
        heard.hear(&Heard { next: Some(Next::Hold), last: at(1, 0) });
        heard.hear(&Heard { next: None, last: at(7, 3) });
        assert_eq!(heard, Heard { next: Some(Next::Hold), last: at(9, 2) });
    }
}
