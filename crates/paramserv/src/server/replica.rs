//! A server of all parameters that is one worker's own: what it does otherwise than one that several workers share.
//!
//! Its gate has one member, whose gradients are the sums of all workers'. It is held, closed and released together with the other
//! replicas: at a round that the first of them says ([`accord`](crate::allreduce)).

use syncline_wire::Tensor;
use tokio::sync::oneshot;

use super::{Server, Word, state::State};
use crate::{
    allreduce::{Mail, Next, Wishes},
    hold::Hold,
};

/// What a replica knows besides.
#[derive(Debug)]
pub(super) struct Replica {
    /// Whose it is.
    pub rank: usize,
    pub wishes: Wishes,
    /// Whether its worker has stepped with its group, and is still to exchange with others.
    pub is_between: bool,
}

impl Replica {
    /// That of this worker, at the beginning of a history.
    pub(super) fn new(rank: usize) -> Self {
        Self { rank, wishes: Wishes::default(), is_between: false }
    }

    /// Whether what comes after a round is decided here.
    fn decides(&self) -> bool {
        self.rank == 0
    }
}

impl Server {
    /// What others have handed over to its worker; nothing where there are several workers.
    pub(crate) fn mail(&self) -> Option<&Mail> {
        self.mail.as_ref()
    }

    /// The parameters of the one worker whose own they are, as they are now.
    pub(crate) fn own_parameters(&self) -> Tensor<f32> {
        self.current(&self.state())
    }

    /// Its worker is about to step with its group, and then exchanges with others: what is here by itself before that nobody is to
    /// save (GROUP-2).
    pub(crate) fn awaits_exchange(&self, history: u32) {
        let mut state = self.state();
        if self.is_in(history) {
            state.replica.iter_mut().for_each(|replica| replica.is_between = true);
        }
    }

    /// Puts other parameters, as many, in their place, after the exchange; whether this history is still the one that counts.
    pub(crate) fn adopt(&self, history: u32, values: &[f32]) -> bool {
        let mut state = self.state();
        if !self.is_in(history) {
            return false;
        }
        state.parameters.update(|parameters| parameters.copy_from_slice(values));
        state.replica.iter_mut().for_each(|replica| replica.is_between = false);
        state.look_whether_all_are_held();
        true
    }

    /// Whether this is the history that counts. Another one begins under the lock of the state.
    fn is_in(&self, history: u32) -> bool {
        *self.history.borrow() == Some(history)
    }

    /// What the first worker says is to come after a round.
    pub(crate) fn next_after(&self, round: u64) -> Next {
        self.state().replica.as_ref().map_or(Next::GoOn, |replica| replica.wishes.next_after(round))
    }

    /// Takes in what all have agreed on for after a round, and who arrived last in it; whether this history is still the one that
    /// counts.
    pub(crate) fn agree(&self, history: u32, round: u64, next: Next, last: u32) -> bool {
        let mut state = self.state();
        if !self.is_in(history) {
            return false;
        }
        if let Some(count) = state.statistics.last_arrivals.get_mut(last as usize) {
            *count += 1;
        }
        match next {
            Next::GoOn => {}
            Next::Over => state.closed = true,
            Next::Hold => {
                if let Some(replica) = &mut state.replica {
                    replica.wishes.hold_from = None;
                }
                state.hold.get_or_insert(Hold::new(Hold::NEVER)).hold_from(round + 1);
            }
        }
        true
    }
}

impl State {
    /// Starts no round any more; a replica none after the one that all agree on.
    pub(super) fn close(&mut self) {
        let is_held = |rank: usize| self.parked[rank].is_some();
        let at_once = self.replica.as_ref().is_none_or(|replica| is_held(replica.rank));
        if let Some(replica) = &mut self.replica {
            replica.wishes.over = true;
        }
        if at_once {
            self.closed = true;
            self.answer_all(|| Word::Over);
        }
    }

    /// Holds from a round on, and tells `all` when everybody is held; a replica holds from the round on that all agree on.
    pub(super) fn hold_from(&mut self, from: u64, all: oneshot::Sender<()>) {
        match &mut self.replica {
            None => self.hold.get_or_insert(Hold::new(from)).hold_from(from),
            Some(replica) if replica.decides() => replica.wishes.hold_from = Some(from),
            Some(_) => {}
        }
        self.hold.get_or_insert(Hold::new(Hold::NEVER)).wait(all);
    }

    /// Ends the hold, until that from `next` on.
    pub(super) fn end_hold(&mut self, next: Option<u64>) {
        self.hold = next.filter(|_| self.replica.is_none()).map(Hold::new);
        if let Some(replica) = self.replica.as_mut().filter(|replica| replica.decides()) {
            replica.wishes.hold_from = next;
        }
    }

    /// Whether a worker that is to be held is told instead that no round comes: the others of its run, which are held before the same
    /// round, are told so too.
    pub(super) fn is_over(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| replica.wishes.over)
    }
}
