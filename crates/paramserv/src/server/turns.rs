//! How a worker comes to its next round: at once, or when the gate opens, or when a cut is over.

use std::time::Duration;

use syncline_round::{Event, Member, Time};
use syncline_wire::{ServiceError, Tensor};
use tokio::sync::oneshot;

use super::told::Sent;
use super::{Held, Pull, Released, Server, Told, What, Word};
use crate::protocol::{Started, Ticket, Turn};

/// Whether a worker may go on.
enum Start {
    Now(Word),
    Later {
        opened: oneshot::Receiver<Word>,
        /// When the gate may open by itself.
        wake: Option<Time>,
    },
}

impl Server {
    /// Waits until the gate lets the worker start its next round.
    pub(super) async fn next_round(
        &self,
        ticket: Ticket,
        indices: Option<Tensor<u32>>,
        hears_changes: bool,
    ) -> Result<Turn, ServiceError> {
        let pull = if indices.is_some() { Pull::Coordinates } else { Pull::Whole };
        let asked = self.clock.now();
        let mut held = Duration::ZERO;
        loop {
            let (start, released) = self.start(ticket, pull)?;
            self.let_go(released).await?;
            let word = match start {
                Start::Now(word) => word,
                Start::Later { opened, wake } => {
                    let word = self.ctx.wait_at(|| self.gate_and_missing(), self.held(opened, wake)).await?;
                    held = self.clock.now() - asked;
                    word
                }
            };
            let (round, whole) = match word {
                Word::Go(go) => go,
                Word::Over => return Ok(Turn::Over),
                Word::Anew => return Ok(Turn::Anew),
                Word::Ask => continue,
                Word::Tell => return Ok(Turn::Tell),
            };
            let values = match (whole, &self.hogwild, &indices) {
                (_, Some(hogwild), Some(indices)) => hogwild.read_at(indices)?,
                (_, Some(hogwild), None) => hogwild.read(),
                (Some(whole), None, _) => whole,
                (None, None, indices) => self.state().read(indices.as_deref().unwrap_or_default())?,
            };
            let Sent { changed, values } = match &self.told {
                Some(told) if pull == Pull::Whole && hears_changes => told.send(ticket, values),
                _ => Sent { changed: None, values },
            };
            let values = self.packed(&values)?;
            return Ok(Turn::Go(Started { clock: round.number(), held, changed, values }));
        }
    }

    /// Asks the machine for the worker's next round, unless the worker is to be held for a cut.
    fn start(&self, ticket: Ticket, pull: Pull) -> Result<(Start, Released), ServiceError> {
        let worker = Member::new(ticket.worker);
        let at_once = |word: Word| Ok((Start::Now(word), Vec::new()));
        let mut state = self.state();
        if state.closed {
            return at_once(Word::Over);
        }
        if !state.seats.knows(ticket) {
            return at_once(Word::Anew);
        }
        let next = state.next(worker);
        if state.seats.is_within(next) && state.hold.as_ref().is_some_and(|hold| hold.holds(next)) {
            if state.seats.lacks_memory(worker.index()) {
                return at_once(Word::Tell);
            }
            if state.is_over() {
                state.closed = true;
                return at_once(Word::Over);
            }
            let (open, opened) = oneshot::channel();
            state.parked[worker.index()] = Some(Held { pull, open });
            state.look_whether_all_are_held();
            return Ok((Start::Later { opened, wake: None }, Vec::new()));
        }
        let at = self.clock.now().into();
        state.note(at, || What::Asked(ticket.worker));
        state.seats.asks(worker.index());
        let Told { own, released } = self.tell(&mut state, at, Event::Ask(worker), None)?;
        let start = match own {
            Some(round) => {
                state.seats.starts(worker.index(), round.number());
                Start::Now(Word::Go(state.go(round, pull)))
            }
            None => {
                let (open, opened) = oneshot::channel();
                state.held[worker.index()] = Some(Held { pull, open });
                Start::Later { opened, wake: state.machine.wakes_at() }
            }
        };
        state.look_whether_all_are_held();
        Ok((start, released))
    }

    /// Waits until the gate opens, and lets its deadline come.
    async fn held(
        &self,
        mut opened: oneshot::Receiver<Word>,
        mut wake: Option<Time>,
    ) -> Result<Word, ServiceError> {
        while let Some(due) = wake {
            let left = due.since_start().saturating_sub(self.clock.now());
            if let Ok(word) = self.clock.timeout(left, &mut opened).await {
                return word.map_err(|_| self.stopped());
            }
            wake = self.due().await?;
        }
        opened.await.map_err(|_| self.stopped())
    }

    /// Tells the machine that time has passed; returns when it wants to be told next.
    async fn due(&self) -> Result<Option<Time>, ServiceError> {
        let (released, wake) = {
            let mut state = self.state();
            let at = self.clock.now().into();
            state.note(at, || What::Due);
            let Told { released, .. } = self.tell(&mut state, at, Event::Due, None)?;
            (released, state.machine.wakes_at())
        };
        self.let_go(released).await?;
        Ok(wake)
    }

    /// Why the gate opens for nobody any more.
    fn stopped(&self) -> ServiceError {
        match &self.state().failed {
            Some(error) => ServiceError::new(error.to_string()),
            None => ServiceError::new("the server stopped while the gate held this worker"),
        }
    }

    /// The gate, and the workers for whom it may be waiting: those whom it does not hold.
    fn gate_and_missing(&self) -> (String, Vec<String>) {
        let state = self.state();
        let names = state.machine.missing().map(|worker| format!("worker/{}", worker.index())).collect();
        (format!("gate {}", state.policy), names)
    }
}
