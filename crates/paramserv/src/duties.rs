//! What a worker's node does where the run goes on after a loss: its own work, and that of workers that are lost.
//!
//! It ends when the result has been brought home, and not with its own work: until then others may need it, and all may have
//! to go back.

use futures_util::stream::{FuturesUnordered, StreamExt};
use syncline_wire::Client;

use crate::{Error, coordinator::Coordinator, protocol::ProgressesClient};

/// The node's view of who does whose work.
pub(crate) struct Duties {
    pub rank: u32,
    pub coordinator: Client<Coordinator>,
}

impl Duties {
    /// Does the `work` of each worker that this node is told to; it returns in which history it was done.
    pub(crate) async fn run(self, work: impl AsyncFn(u32) -> Result<u32, Error>) -> Result<(), Error> {
        let one = async |worker: u32| (worker, work(worker).await);
        let (mut at, mut works) = (Vec::new(), FuturesUnordered::new());
        loop {
            let further = self.coordinator.duty(self.rank, at.clone());
            tokio::select! {
                biased;
                Some((worker, result)) = works.next(), if !works.is_empty() => {
                    let history = self.or_hopeless(worker, result).await?;
                    at.retain(|other| *other != worker);
                    self.coordinator.done(worker, history).await?;
                }
                further = further => match further? {
                    Some(worker) => {
                        at.push(worker);
                        works.push(one(worker));
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    /// Stays when its own work is done, in this history, until the result has been brought home.
    pub(crate) async fn stay(self, history: u32) -> Result<(), Error> {
        self.coordinator.done(self.rank, history).await?;
        while self.coordinator.duty(self.rank, vec![self.rank]).await?.is_some() {}
        Ok(())
    }

    /// What would fail again ends the run: a loss is one of a process, not of a computation.
    async fn or_hopeless(&self, worker: u32, result: Result<u32, Error>) -> Result<u32, Error> {
        if let Err(error) = &result
            && !is_consequence(error)
        {
            self.coordinator.hopeless(worker, error.to_string()).await?;
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
