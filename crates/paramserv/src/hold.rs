//! The cut through a run: all workers are held where they would start their next round, so that what the servers know is
//! the same to the last gradient, under every policy.
//!
//! One server holds, the first. A worker hands a round in to all servers before it asks for the next one, so that nobody at
//! work in one place means nobody at work anywhere (Chandy and Lamport 1985 need no stop; a stop of one round in a minute
//! costs less than copies of all that is under way).
//!
//! - HOLD-1: while all are held, no gradient is under way and every gate is at the same rounds.
//! - HOLD-2: who has no round left to work at is not held.

use tokio::sync::oneshot;

/// From which round on workers are held, and who waits for all of them to be.
#[derive(Debug)]
pub(crate) struct Hold {
    /// The first round that is not started.
    from: u64,
    all: Option<oneshot::Sender<()>>,
}

impl Hold {
    /// A round that no run comes to.
    pub(crate) const NEVER: u64 = u64::MAX;

    /// Holds from this round on.
    pub(crate) fn new(from: u64) -> Self {
        Self { from, all: None }
    }

    /// Holds from this round on instead.
    pub(crate) fn hold_from(&mut self, from: u64) {
        self.from = from;
    }

    /// Has `all` told when everybody is held.
    pub(crate) fn wait(&mut self, all: oneshot::Sender<()>) {
        self.all = Some(all);
    }

    /// Whether a worker that would start this round is held.
    pub(crate) fn holds(&self, round: u64) -> bool {
        round >= self.from
    }

    /// Tells who waits, once each of so many workers is still: held, or done.
    pub(crate) fn tell_if_all(&mut self, workers: usize, is_still: impl Fn(usize) -> bool) {
        if (0..workers).all(is_still)
            && let Some(all) = self.all.take()
        {
            // Whoever asked may have gone away; the hold is ended by another call.
            let _ = all.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_once_when_all_are_still() {
        let (all, mut told) = oneshot::channel();
        let mut hold = Hold::new(7);
        hold.tell_if_all(3, |_| true);
        hold.hold_from(5);
        hold.wait(all);
        assert!(hold.holds(5) && hold.holds(9) && !hold.holds(4));
        hold.tell_if_all(3, |worker| worker != 1);
        assert!(told.try_recv().is_err());
        hold.tell_if_all(3, |_| true);
        hold.tell_if_all(3, |_| true);
        assert!(told.try_recv().is_ok());
    }
}
