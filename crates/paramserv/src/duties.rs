//! What a worker's node does where who does what may change while the run goes on: its own share of the work, those of workers
//! that are lost, and those that it is dealt when others join or leave.
//!
//! It ends when it is told that it is not needed any more, and not with its own work: until the result has been brought home
//! others may need it, and all may have to go back.

use std::{cell::Cell, rc::Rc};

use futures_util::stream::{FuturesUnordered, StreamExt};
use syncline_wire::Client;

use crate::{Error, coordinator::Coordinator, deal::Duty, protocol::ProgressesClient};

/// The node's view of who does whose work.
pub(crate) struct Duties {
    pub rank: u32,
    pub coordinator: Client<Coordinator>,
}

/// A share in a node's hand. Clones are the same grip.
#[derive(Clone, Debug)]
pub(crate) struct Grip {
    is_loose: Rc<Cell<bool>>,
    /// Shares in the same hand.
    held: Rc<Cell<usize>>,
}

impl Grip {
    fn new(held: &Rc<Cell<usize>>) -> Self {
        Self { is_loose: Rc::default(), held: Rc::clone(held) }
    }

    /// Has it be let go of between two rounds.
    fn loosen(&self) {
        self.is_loose.set(true);
    }

    /// Whether it is to be let go of.
    pub(crate) fn is_loose(&self) -> bool {
        self.is_loose.get()
    }

    /// Whether it is the only one in this hand.
    pub(crate) fn is_alone(&self) -> bool {
        self.held.get() <= 1
    }
}

/// How work at a share ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worked {
    /// To its end, in this history of the run.
    Done(u32),
    /// It was let go of.
    LetGo,
}

impl Duties {
    /// Does the `work` of each share that this node is told to, with a grip on it.
    pub(crate) async fn run(
        self,
        work: impl AsyncFn(u32, Grip) -> Result<Worked, Error>,
    ) -> Result<(), Error> {
        let one = async |share: u32, grip: Grip| (share, work(share, grip).await);
        let (mut held, mut works): (Vec<(u32, Grip)>, _) = (Vec::new(), FuturesUnordered::new());
        let count: Rc<Cell<usize>> = Rc::default();
        loop {
            let at = held.iter().map(|(share, _)| *share).collect();
            let leaving = held.iter().filter(|(_, grip)| grip.is_loose()).map(|(share, _)| *share).collect();
            let duty = self.coordinator.duty(self.rank, at, leaving);
            tokio::select! {
                biased;
                Some((share, result)) = works.next(), if !works.is_empty() => {
                    let worked = self.or_hopeless(share, result).await?;
                    held.retain(|(other, _)| *other != share);
                    count.set(held.len());
                    if let Worked::Done(history) = worked {
                        self.coordinator.done(share, history).await?;
                    }
                }
                duty = duty => match duty? {
                    Duty::Take(share) => {
                        let grip = Grip::new(&count);
                        held.push((share, grip.clone()));
                        count.set(held.len());
                        works.push(one(share, grip));
                    }
                    Duty::LetGo(share) => {
                        held.iter().filter(|(other, _)| *other == share).for_each(|(_, grip)| grip.loosen());
                    }
                    Duty::Leave => return Ok(()),
                },
            }
        }
    }

    /// Stays when its own work is done until the result has been brought home: where nobody's share passes to others, the next
    /// that it is told is to leave.
    pub(crate) async fn stay(self, worked: Worked) -> Result<(), Error> {
        if let Worked::Done(history) = worked {
            self.coordinator.done(self.rank, history).await?;
        }
        while self.coordinator.duty(self.rank, vec![self.rank], Vec::new()).await? != Duty::Leave {}
        Ok(())
    }

    /// What would fail again ends the run: a loss is one of a process, not of a computation.
    async fn or_hopeless(&self, share: u32, result: Result<Worked, Error>) -> Result<Worked, Error> {
        if let Err(error) = &result
            && !is_consequence(error)
        {
            self.coordinator.hopeless(share, error.to_string()).await?;
        }
        result
    }
}

/// Whether somebody else's end is the reason.
fn is_consequence(error: &Error) -> bool {
    use syncline_program::Error as Program;
    match error {
        Error::Wire(error) => error.is_peer_lost(),
        Error::Program(error) => matches!(error, Program::Stopped | Program::PeerLost(_) | Program::Gone(_)),
        _ => false,
    }
}
