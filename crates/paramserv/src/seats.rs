//! What a server keeps of each worker beside the gate: who may speak in its name, what it has handed in, how far it is.
//!
//! - SEAT-1: of two processes that speak for one worker the server hears the later one only: each that takes up the work gets
//!   a higher ticket.
//! - SEAT-2: no round of a worker is folded twice: one that was handed in stays so, whoever hands it in again.
//! - SEAT-3: what a worker remembers is kept as it was before the round that the worker does next, or not at
//!   all: whatever it hands in makes that void.

use syncline_round::Snapshot;
use syncline_wire::ServiceError;

use crate::protocol::{Memory, Position, Standing, Ticket};

/// One seat a worker.
#[derive(Debug)]
pub(crate) struct Seats {
    seats: Vec<Seat>,
    /// Rounds of the whole run.
    rounds: u64,
    /// Whether workers remember something.
    asks_memory: bool,
}

#[derive(Clone, Debug, Default)]
struct Seat {
    /// The number that counts; 0 before anybody came.
    ticket: u32,
    /// The first round that it has not handed in.
    next: u64,
    /// Whether it has been told that all rounds are over.
    is_done: bool,
    position: Position,
    /// What it remembers.
    memory: Option<Memory>,
    /// Whether it has been let into a round, if into any, by another server than this one.
    is_guest: bool,
}

impl Seats {
    pub(crate) fn new(workers: usize, rounds: u64, asks_memory: bool) -> Self {
        Self { seats: vec![Seat::default(); workers], rounds, asks_memory }
    }

    /// How many workers there are.
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether this worker exists; a peer may say anything.
    pub(crate) fn check(&self, worker: u32) -> Result<(), ServiceError> {
        let workers = self.len();
        match self.seats.get(worker as usize) {
            Some(_) => Ok(()),
            None => Err(ServiceError::new(format!("there is no worker {worker}, only {workers}"))),
        }
    }

    /// Somebody begins to work as this worker: whoever did before is not heard any more.
    pub(crate) fn take_up(&mut self, worker: u32, history: u32) -> Standing {
        let seat = &mut self.seats[worker as usize];
        seat.ticket += 1;
        let ticket = Ticket { worker, number: seat.ticket };
        Standing { ticket, history, next: seat.next, position: seat.position, memory: seat.memory.clone() }
    }

    /// Whether a ticket counts.
    pub(crate) fn knows(&self, ticket: Ticket) -> bool {
        self.seats.get(ticket.worker as usize).is_some_and(|seat| seat.ticket == ticket.number)
    }

    /// The first round that a worker has not handed in.
    pub(crate) fn next(&self, worker: usize) -> u64 {
        self.seats[worker].next
    }

    /// Takes in that a worker has handed in a round.
    pub(crate) fn given(&mut self, worker: usize, round: u64) {
        self.seats[worker].next = round + 1;
        self.seats[worker].memory = None;
    }

    /// Whether a worker has yet to say what it remembers.
    pub(crate) fn lacks_memory(&self, worker: usize) -> bool {
        self.asks_memory && self.seats[worker].memory.is_none()
    }

    /// Takes in what a worker remembers.
    pub(crate) fn remember(&mut self, worker: usize, memory: Memory) {
        self.seats[worker].memory = Some(memory);
    }

    /// What the workers remember; of nobody where they remember nothing.
    pub(crate) fn memories(&self) -> Vec<Option<Memory>> {
        let memories = self.seats.iter().map(|seat| seat.memory.clone());
        if self.asks_memory { memories.collect() } else { Vec::new() }
    }

    /// Takes in how far it says that it is.
    pub(crate) fn stands(&mut self, worker: usize, position: Position) {
        self.seats[worker].position = position;
    }

    /// Takes in that it starts this round, or hears that there is none.
    pub(crate) fn starts(&mut self, worker: usize, round: u64) {
        self.seats[worker].is_done = round >= self.rounds;
    }

    /// The state came from elsewhere, and with it the workers, whom this server has not let into their rounds.
    pub(crate) fn came_from_elsewhere(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.is_guest = true);
    }

    /// Whether a worker is yet to ask here; once.
    pub(crate) fn asks(&mut self, worker: usize) -> bool {
        std::mem::take(&mut self.seats[worker].is_guest)
    }

    /// Whether a round is one to be worked at.
    pub(crate) fn is_within(&self, round: u64) -> bool {
        round < self.rounds
    }

    /// Whether nothing more is to come of a worker.
    pub(crate) fn is_done(&self, worker: usize) -> bool {
        let seat = &self.seats[worker];
        seat.is_done || seat.next >= self.rounds
    }

    pub(crate) fn positions(&self) -> Vec<Position> {
        self.seats.iter().map(|seat| seat.position).collect()
    }

    /// Puts all where they were; every ticket of before is void.
    pub(crate) fn restore(
        &mut self,
        machine: &Snapshot,
        positions: &[Position],
        memories: Vec<Option<Memory>>,
    ) {
        for seat in &mut self.seats {
            *seat = Seat { ticket: seat.ticket + 1, ..Seat::default() };
        }
        for (seat, position) in self.seats.iter_mut().zip(positions) {
            seat.position = *position;
        }
        for (seat, memory) in self.seats.iter_mut().zip(memories) {
            seat.memory = memory;
        }
        for &(member, round) in machine.members() {
            if let Some(seat) = self.seats.get_mut(member.index()) {
                seat.next = round.number();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seat_1_the_later_one_speaks_for_the_worker_and_a_restored_seat_knows_nobody() {
        let mut seats = Seats::new(2, 10, false);
        let first = seats.take_up(1, 0).ticket;
        assert!(seats.knows(first) && !seats.knows(Ticket { worker: 0, number: 1 }));
        let second = seats.take_up(1, 0).ticket;
        assert!(seats.knows(second) && !seats.knows(first), "SEAT-1");
        let machine = syncline_round::Machine::new(syncline_round::Policy::Bsp, 2).unwrap();
        seats.given(1, 4);
        let snapshot = machine.snapshot(syncline_round::Policy::Bsp, syncline_round::Selection::All);
        seats.restore(&snapshot, &[], Vec::new());
        assert!(!seats.knows(second), "SEAT-1");
        assert_eq!(seats.take_up(1, 1).next, 0);
        assert!(seats.check(2).is_err());
    }

    #[test]
    fn seat_3_a_memory_is_kept_until_its_worker_hands_in() {
        let mut seats = Seats::new(2, 10, true);
        assert!(seats.lacks_memory(0));
        seats.remember(0, Memory { steps: 3, ..Memory::default() });
        assert!(!seats.lacks_memory(0) && seats.lacks_memory(1));
        assert_eq!(seats.take_up(0, 0).memory.map(|memory| memory.steps), Some(3));
        seats.given(0, 0);
        assert!(seats.lacks_memory(0) && seats.take_up(0, 0).memory.is_none(), "SEAT-3");
        assert!(!Seats::new(2, 10, false).lacks_memory(0), "nobody is asked for what it has not");
    }
}
